"""How kernels are compiled: once, kept on disk, without the interpreter's lock. The only import of numba."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

import numba
from numba.core.dispatcher import Dispatcher

from core.matching.machine_code import MachineCode, MachineCodeNotKept

STAMPS: Final[WeakKeyDictionary[Any, str]] = WeakKeyDictionary()
Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function of integers and arrays on its first call and keep the machine code beside the source."""
    return _compiled(function, inline=False)


def inlined(function: Function) -> Function:
    """Compile a function as `compiled` does, and put its code into every kernel that calls it.

    It is for short functions of arrays: to hand a table from one function to the next costs as much as a rule, and in
    one piece of code with `borrowed` arrays nothing is handed over.
    """
    return _compiled(function, inline=True)


def _compiled(function: Function, *, inline: bool) -> Function:
    made = _kept_or_not(function, inline=inline)
    if isinstance(made, Dispatcher):
        _watch_what_it_calls(made)
    return cast("Function", made)


def _kept_or_not(function: Callable[..., object], *, inline: bool) -> Any:
    """Let numba keep what it compiles, or compile for this process alone where it finds no folder it may write to."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": inline}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        reason = "no folder may be written to. Set NUMBA_CACHE_DIR to one; until then every process compiles anew"
        warnings.warn(f"Compiled kernels are not kept: {reason}.", MachineCodeNotKept, stacklevel=1)
        return numba.njit(**options)(function)


def _watch_what_it_calls(made: Any) -> None:
    """Let machine code on disk count as old when a kernel of another file, or a constant, that it holds has changed.

    The code of what a kernel calls is part of its own, and numba looks at the kernel's own file alone: after an update
    of the rules, the old ones would go on inside their callers.
    """
    stamp = _stamp(made.py_func)
    STAMPS[made] = stamp
    if hasattr(made._cache, "_cache_file"):  # noqa: SLF001 - numba has no other way
        made._cache._cache_file = MachineCode(made._cache, stamp)  # noqa: SLF001


def _stamp(function: FunctionType) -> str:
    """Return a digest of a function's file, the numbers it names, and the stamps of the kernels it calls."""
    status = Path(function.__code__.co_filename).stat()
    names, space = function.__code__.co_names, function.__globals__
    found = [(name, space.get(name)) for name in names]
    found += [
        (f"{name}.{inner}", getattr(module, inner, None))
        for name, module in found
        if isinstance(module, ModuleType)
        for inner in names
    ]
    parts = [f"{name}={STAMPS.get(value, '')}" for name, value in found if isinstance(value, Dispatcher)]
    parts += [f"{name}={value!r}" for name, value in found if isinstance(value, int | float)]
    return hashlib.sha256(repr((status.st_mtime_ns, status.st_size, parts)).encode()).hexdigest()


def entry_point(function: Function, *kinds: str) -> Function:
    """Return the machine code of a kernel for arguments of the given kinds, as `int64` or `int64[:, ::1]`.

    It is called without a look at what it is given, which takes half of the time of a short call: callers must pass
    exactly those kinds. Where nothing is compiled it is the function itself.
    """
    if not isinstance(function, Dispatcher):
        return function
    return cast("Function", function.compile(f"({', '.join(kinds)})"))


def kept_files() -> list[MachineCode]:
    """Return the files of every kernel that is loaded; none where kernels are not kept or not compiled."""
    files = (getattr(kernel._cache, "_cache_file", None) for kernel in STAMPS)  # noqa: SLF001 - numba has no other way
    return [one for one in files if isinstance(one, MachineCode)]
