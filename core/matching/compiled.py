"""How kernels are compiled: once, kept on disk, without the interpreter's lock. The only import of numba."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function of integers and arrays on its first call and keep the machine code beside the source."""
    return cast("Function", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def entry_point(function: Function, *kinds: str) -> Function:
    """Return the machine code of a kernel for arguments of the given kinds, as `int64` or `int64[:, ::1]`.

    It is called without a look at what it is given, which takes half of the time of a short call: callers must pass
    exactly those kinds. Where nothing is compiled it is the function itself.
    """
    if not isinstance(function, numba.core.dispatcher.Dispatcher):
        return function
    return cast("Function", function.compile(f"({', '.join(kinds)})"))
