"""Arrays that compiled code uses without counting references: half of the time of a kernel of many small calls.

Whoever passes an array to a kernel holds it until the kernel returns, so its parts need no counting inside. A borrowed
array must not be returned. To pass an array at all takes longer than an order, so a kernel that is called for each of
many orders is told addresses instead (`column_at`, `table_at`). Besides `compiled` the only import of numba.
"""

import ctypes
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import carray  # type: ignore[attr-defined]
from numba.core import cgutils, types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

Array = TypeVar("Array")
Integers = NDArray[np.int64]


def borrowed(array: Array) -> Array:
    """Return the same array; inside compiled code one whose references are not counted."""
    return array


@intrinsic
def _without_owner(typingctx: Any, array: Any) -> Any:  # noqa: ARG001 - the name that numba looks for
    """Copy an array's header, and leave out whose memory it is."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        header = context.make_array(array)(context, builder, arguments[0])
        header.meminfo = header.meminfo.type(None)
        header.parent = header.parent.type(None)
        return header._getvalue()  # noqa: SLF001 - numba's own way

    return array(array), generate


@overload(borrowed)
def _borrowed(array: Any) -> Callable[[Any], Any] | None:
    if not isinstance(array, types.Array):
        return None

    def borrow(array: Any) -> Any:
        return _without_owner(array)  # type: ignore[call-arg]

    return borrow


def column_at(address: int, size: int) -> Integers:
    """Return the column of int64 that lies at an address; the caller sees to it that it does, and goes on to."""
    return np.ctypeslib.as_array((ctypes.c_int64 * int(size)).from_address(int(address)))


def table_at(address: int, rows: int, columns: int) -> Integers:
    """Return the table of int64, row by row, that lies at an address."""
    return column_at(address, rows * columns).reshape(rows, columns)


@intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:  # noqa: ARG001 - the name that numba looks for
    """Take a number for an address."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@overload(column_at)
def _column_at(address: Any, size: Any) -> Callable[[Any, Any], Any]:  # noqa: ARG001 - numba asks by kind
    def find(address: Any, size: Any) -> Any:
        return carray(_pointer(address), (size,), np.int64)  # type: ignore[call-arg]

    return find


@overload(table_at)
def _table_at(address: Any, rows: Any, columns: Any) -> Callable[[Any, Any, Any], Any]:  # noqa: ARG001 - as above
    def find(address: Any, rows: Any, columns: Any) -> Any:
        return carray(_pointer(address), (rows, columns), np.int64)  # type: ignore[call-arg]

    return find
