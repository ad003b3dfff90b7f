"""The bars a strategy has seen, oldest first, as a list it may read and not change."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

from core.backtest.model import Bar
from core.backtest.problems import HistoryReadOnly

BLOCK: Final = 8_192
"""Bars are made in blocks of this size, and two blocks are kept."""
LIST_BARS: Final = 2 * BLOCK
"""Up to so many bars the history is a real list."""
UNBOUNDED: Final = 2**62


class ListHistory(list[Bar]):
    """A real list: slices, `index` and iteration are the interpreter's own. Only the driver appends."""

    __slots__ = ()

    def _refuse(self, *_given: object, **_named: object) -> NoReturn:
        raise HistoryReadOnly

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse


class LongHistory(Sequence[Bar]):
    """The last two blocks in memory; older bars are made again when they are asked for."""

    __slots__ = ("_build", "_first", "_longest", "_oldest", "_window")

    def __init__(self, build: Callable[[int, int], Iterator[Bar]], *, longest: int | None) -> None:
        self._build, self._longest = build, longest
        self._window: list[Bar] = []
        self._first = 0
        self._oldest = -(UNBOUNDED if longest is None else longest)

    def __len__(self) -> int:
        if self._longest is None:
            return self._first + len(self._window)
        return min(self._first + len(self._window), self._longest)

    def __getitem__(self, key: Any) -> Any:
        if type(key) is slice:
            start = key.start
            if type(start) is int and self._oldest <= start < 0 and key.stop is None and key.step is None:
                return self._window[key]
            return self._slice(key)
        size = len(self)
        place = key + size if key < 0 else key
        if not 0 <= place < size:
            raise IndexError("history index out of range")
        return self._at(place + self._skipped())

    def __iter__(self) -> Iterator[Bar]:
        skipped, size = self._skipped(), len(self)
        for start in range(skipped, skipped + size, BLOCK):
            yield from self._stretch(start, min(start + BLOCK, skipped + size))

    def _slice(self, key: slice) -> list[Bar]:
        start, stop, step = key.indices(len(self))
        skipped = self._skipped()
        if step == 1:
            return self._stretch(start + skipped, max(stop, start) + skipped)
        return [self._at(place + skipped) for place in range(start, stop, step)]

    def _skipped(self) -> int:
        """Return how many of the oldest bars `max_history` hides."""
        return self._first + len(self._window) - len(self)

    def _at(self, index: int) -> Bar:
        if index >= self._first:
            return self._window[index - self._first]
        return next(self._build(index, index + 1))

    def _stretch(self, start: int, stop: int) -> list[Bar]:
        older = list(self._build(start, min(stop, self._first))) if start < self._first else []
        return older + self._window[max(start - self._first, 0) : max(stop - self._first, 0)]


class HistoryWriter:
    """The driver's side of a history: append bars, forget old ones."""

    __slots__ = ("_longest", "_window", "append", "history")

    def __init__(self, build: Callable[[int, int], Iterator[Bar]], *, size: int, longest: int | None) -> None:
        self._longest = longest
        self.history: ListHistory | LongHistory
        if size <= LIST_BARS:
            self.history = ListHistory()
            self._window: list[Bar] = self.history
            self.append: Callable[[Bar], None] = self._append_bounded if longest else self._list_append()
        else:
            self.history = LongHistory(build, longest=longest)
            self._window = self.history._window  # noqa: SLF001 - the two are one module's halves
            self.append = self._window.append

    def forget(self) -> None:
        """Keep the last two blocks at the most; called between blocks."""
        if isinstance(self.history, LongHistory) and len(self._window) >= LIST_BARS:
            del self._window[:BLOCK]
            self.history._first += BLOCK  # noqa: SLF001 - the two are one module's halves
            self.history._oldest = max(self.history._oldest, -BLOCK)  # noqa: SLF001

    def _list_append(self) -> Callable[[Bar], None]:
        append: Callable[[Bar], None] = list.append.__get__(self._window)
        return append

    def _append_bounded(self, bar: Bar) -> None:
        list.append(self._window, bar)
        if self._longest is not None and len(self._window) > self._longest:
            list.__delitem__(self._window, 0)
