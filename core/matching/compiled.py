"""How kernels are compiled: once, kept on disk, without the interpreter's lock. The only import of numba."""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile a function of integers and arrays on its first call and keep the machine code beside the source."""
    return cast("Function", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
