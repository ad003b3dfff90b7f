"""Arrays that compiled code uses without counting references: half of the time of a kernel of many small calls.

Whoever passes an array to a kernel holds it until the kernel returns, so its parts need no counting inside. A borrowed
array must not be returned. Besides `compiled` the only import of numba.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from numba.core import types
from numba.extending import intrinsic, overload

Array = TypeVar("Array")


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
