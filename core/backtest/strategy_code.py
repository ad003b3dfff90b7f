"""What a strategy does, as text that is the same in every process.

Told are its functions and those of its class, whatever these call and look up outside of themselves, and what they were
made with: closures, defaults, attributes. Of libraries, and of the engine beside the strategies it ships, the name is
enough: their releases are no matter of the strategy.
"""

import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from hashlib import blake2b
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

PLAIN: Final = (str, int, float, complex, bool, bytes, Decimal, date, datetime, type(None), type(...))
EXACTLY_PLAIN: Final = frozenset(PLAIN)
MOST: Final = 200_000
"""Values told of one strategy; of what lies behind them only the kind counts."""
LIBRARIES: Final = tuple(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib"))
OURS: Final = frozenset({"core", "tools", "skills", "agent_server", "evals"})
SHIPPED: Final = "core.backtest.strategies"
CLOSED: Final = (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError, pickle.PickleError)
"""What an object raises that cannot be taken apart: a file, a lock, a connection."""


def code_of(strategy: object) -> bytes:
    """Return what a strategy does and holds. Ask before the run: what it holds may change with every bar."""
    teller = _Teller()
    whole = teller.told(strategy)
    return "\n".join([*teller.parts, whole]).encode(errors="surrogatepass")


def described(value: object) -> str:
    """Return a value as text: plain values, and what is made of them."""
    return _Teller().told(value)


class _Teller:
    """Tells values where they stand; functions and classes once each, as numbered `parts`."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._known: dict[int, tuple[object, str]] = {}
        self._within: list[object] = []
        self._left = MOST

    def told(self, value: object) -> str:
        """Return a value as text."""
        if value.__class__ in EXACTLY_PLAIN:
            return repr(value)
        self._left -= 1
        if self._left < 0 or any(value is outer for outer in self._within):
            return f"^{type(value).__qualname__}"
        self._within.append(value)
        text = self._callable(value) or self._data(value)
        self._within.pop()
        return text

    def _callable(self, value: object) -> str | None:
        """Return what can be called, and what names such things; None for data."""
        if isinstance(value, FunctionType | type):
            return self._numbered(value)
        if isinstance(value, MethodType):
            return f"{self.told(value.__func__)} of {self.told(value.__self__)}"
        if isinstance(value, ModuleType | BuiltinFunctionType):
            return f"{getattr(value, '__module__', '')}.{value.__name__}"
        wrapped = getattr(value, "__wrapped__", None)
        return f"{type(value).__qualname__} {self.told(wrapped)}" if isinstance(wrapped, FunctionType) else None

    def _data(self, value: object) -> str:
        if isinstance(value, Enum):
            return f"{type(value).__qualname__}.{value.name}"
        if isinstance(value, PLAIN):
            return repr(value)
        if isinstance(value, np.ndarray) and value.dtype != object:
            return f"{value.dtype.str} {value.shape} {blake2b(np.ascontiguousarray(value).tobytes()).hexdigest()}"
        if isinstance(value, Mapping):
            return f"{{{', '.join(sorted(f'{self.told(key)}: {self.told(item)}' for key, item in value.items()))}}}"
        if isinstance(value, Set):
            return f"<{', '.join(sorted(map(self.told, value)))}>"
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self.told, value))}]"
        if is_dataclass(value):
            held = {item.name: getattr(value, item.name, None) for item in fields(value)}
            return f"{self._numbered(type(value))}{self.told(held)}"
        return self._object(value)

    def _object(self, value: object) -> str:
        """Return an object as its class and what it holds; of a library's object, what would rebuild it."""
        kind = self._numbered(type(value))
        if not _is_library(type(value).__module__, ""):
            slots = [name for base in type(value).__mro__ for name in vars(base).get("__slots__", ())]
            held = {name: getattr(value, name) for name in slots if hasattr(value, name)}
            return f"{kind}{self.told(held | getattr(value, '__dict__', {}))}"
        if isinstance(value, Iterator):
            return kind
        try:
            reduced = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        except CLOSED:
            return kind
        parts = [reduced] if isinstance(reduced, str) else reduced
        return f"{kind}{self.told([list(part) if isinstance(part, Iterator) else part for part in parts])}"

    def _numbered(self, value: Any) -> str:
        """Return the number of a function or class among the parts, where it is told now if it is new."""
        if id(value) in self._known:
            return self._known[id(value)][1]
        module, code = value.__module__ or "", getattr(value, "__code__", None)
        if _is_library(module, code.co_filename if isinstance(code, CodeType) else ""):
            return f"{module}.{value.__qualname__}"
        number = f"#{len(self._known)}"
        self._known[id(value)] = value, number
        lines = self._class(value) if isinstance(value, type) else self._function(value)
        self.parts.append(f"{number} {' | '.join(lines)}")
        return number

    def _class(self, kind: type) -> list[str]:
        lines = [self.told(base) for base in kind.__bases__]
        for name, value in sorted(vars(kind).items()):
            inner = getattr(value, "__func__", getattr(value, "fget", getattr(value, "func", value)))
            is_value = isinstance(inner, (*PLAIN, list, tuple, dict, set, frozenset)) and not name.startswith("__")
            if is_value or isinstance(inner, FunctionType):
                lines.append(f"{name} {self.told(inner)}")
        return lines

    def _function(self, function: FunctionType) -> list[str]:
        """Return what a function does, what it was made with, and what it looks up outside of itself."""
        lines = code_parts(function.__code__, self.told)
        lines += [self.told(function.__defaults__), self.told(function.__kwdefaults__)]
        lines += [self.told(_content(cell)) for cell in function.__closure__ or ()]
        names = sorted(_names(function.__code__))
        for name in names:
            if name in function.__globals__:
                found = function.__globals__[name]
                lines.append(f"{name} {self.told(found)}")
                if isinstance(found, ModuleType) and not _is_library(found.__name__, ""):
                    lines += [f"{part} {self.told(vars(found)[part])}" for part in names if part in vars(found)]
        return lines


def code_parts(code: CodeType, told: Callable[[object], str] = described) -> list[str]:
    """Return byte code, names and constants, those of inner functions too; no line numbers, no addresses."""
    parts = [code.co_code.hex(), repr(code.co_names), repr(code.co_varnames)]
    for constant in code.co_consts:
        parts += code_parts(constant, told) if isinstance(constant, CodeType) else [told(constant)]
    return parts


def _names(code: CodeType) -> set[str]:
    """Return the names code may look up, those of inner functions too."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return "empty"


@lru_cache(maxsize=4096)
def _is_library(module: str, file: str) -> bool:
    """Say whether code is no part of a strategy: built in, installed, or the engine's own."""
    top = module.partition(".")[0]
    path = file or getattr(sys.modules.get(module), "__file__", None) or ""
    if top in sys.stdlib_module_names or path.startswith(LIBRARIES):
        return True
    return top in OURS and not module.startswith(SHIPPED)
