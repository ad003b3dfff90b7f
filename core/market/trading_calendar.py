"""On which days the exchanges trade. Mainland exchanges share one calendar; Hong Kong has its own.

The days ship as a table of exceptions from "every weekday" (`data/calendars.csv`). A desk can add a file of the same
form for what was announced later: `calendar,day,kind,note` with the kinds `closed`, `open`, `half` (no afternoon) and
`end` (the calendar is known to this day). Beyond its end a calendar answers with an error, never with a guess.
"""

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from core.errors import Invalid, NotPossible
from core.market.model import Exchange, TradingDay

SHIPPED: Final = Path(__file__).with_name("data") / "calendars.csv"
WARNING_DAYS: Final = 30
SATURDAY: Final = 5
TITLES: Final = {"shanghai": "Shanghai", "hongkong": "Hong Kong"}
HEADER: Final = ["calendar", "day", "kind", "note"]
KINDS: Final = frozenset({"start", "end", "closed", "open", "half"})
ONE_DAY: Final = timedelta(days=1)


class CalendarEnds(NotPossible):
    """A day after the last one that the exchange has announced."""

    code = "calendar_ends"
    template = "The {calendar} trading calendar is known to {last}; {day} lies beyond it."
    shown = ("last",)


class CalendarBegins(NotPossible):
    """A day before the calendar's first."""

    code = "calendar_begins"
    template = "The {calendar} trading calendar begins on {first}; {day} lies before it."
    shown = ("first",)


class CalendarFileInvalid(Invalid):
    """A calendar file that cannot be used."""

    code = "calendar_file_invalid"
    template = "{file}, line {line}: {reason}"


@dataclass(frozen=True, slots=True)
class TradingCalendar:
    """The trading days of one place, from `first` to `last`, both included. `ordinals` are the open days, sorted."""

    title: str
    first: date
    last: date
    ordinals: tuple[int, ...] = field(repr=False)
    half_days: frozenset[date] = field(repr=False)
    notes: Mapping[date, str] = field(repr=False)

    def is_trading_day(self, day: date) -> bool:
        """Say whether the exchange trades on `day`. Raises `CalendarEnds` or `CalendarBegins`."""
        self._check(day)
        place = bisect_left(self.ordinals, day.toordinal())
        return place < len(self.ordinals) and self.ordinals[place] == day.toordinal()

    def next(self, day: date) -> date:
        """Return the first trading day after `day`."""
        return self.shift(day, 1)

    def previous(self, day: date) -> date:
        """Return the last trading day before `day`."""
        return self.shift(day, -1)

    def shift(self, day: date, count: int) -> date:
        """Move by `count` trading days. From a closed day the first step leads to the nearest trading day that way.

        A shift by 0 is the day itself when open, else the next trading day.
        """
        self._check(day)
        at = day.toordinal()
        place = bisect_right(self.ordinals, at) + count - 1 if count > 0 else bisect_left(self.ordinals, at) + count
        if place >= len(self.ordinals):
            raise CalendarEnds(calendar=self.title, last=self.last, day=f"{day} {count:+d} trading days")
        if place < 0:
            raise CalendarBegins(calendar=self.title, first=self.first, day=f"{day} {count:+d} trading days")
        return date.fromordinal(self.ordinals[place])

    def count(self, start: date, end: date) -> int:
        """Return how many trading days lie in `start` .. `end`, both included; 0 when `end` is before `start`."""
        self._check(start)
        self._check(end)
        found = bisect_right(self.ordinals, end.toordinal()) - bisect_left(self.ordinals, start.toordinal())
        return max(found, 0)

    def between(self, start: date, end: date) -> list[date]:
        """Return the trading days of `start` .. `end`, both included."""
        self._check(start)
        self._check(end)
        low, high = bisect_left(self.ordinals, start.toordinal()), bisect_right(self.ordinals, end.toordinal())
        return [date.fromordinal(ordinal) for ordinal in self.ordinals[low:high]]

    def describe(self, day: date, exchange: Exchange) -> TradingDay:
        """Return what is known of one day, open or closed."""
        is_open, is_half = self.is_trading_day(day), day in self.half_days
        usual = "half day" if is_half else "" if is_open else "weekend" if day.weekday() >= SATURDAY else "holiday"
        return TradingDay(day, exchange, is_open, is_half, self.notes.get(day) or usual)

    def _check(self, day: date) -> None:
        if day > self.last:
            raise CalendarEnds(calendar=self.title, last=self.last, day=day)
        if day < self.first:
            raise CalendarBegins(calendar=self.title, first=self.first, day=day)


@dataclass(frozen=True, slots=True)
class TradingCalendars:
    """Both calendars. `XSHG` serves Shanghai, Shenzhen and Beijing."""

    shanghai: TradingCalendar
    hongkong: TradingCalendar

    @staticmethod
    def load(extension: Path | None = None) -> "TradingCalendars":
        """Read the shipped table, then the desk's own file where there is one. Raises `CalendarFileInvalid`."""
        return _shipped() if extension is None or not extension.exists() else _read(SHIPPED, extension)

    def of(self, exchange: Exchange) -> TradingCalendar:
        """Return the calendar of an exchange."""
        return self.hongkong if exchange is Exchange.HKEX else self.shanghai

    def warnings(self, today: date) -> list[str]:
        """Name each calendar that ends within 30 days of `today`, or has ended."""
        ending = [each for each in (self.shanghai, self.hongkong) if (each.last - today).days <= WARNING_DAYS]
        return [
            f"The {each.title} trading calendar ends on {each.last}: add the days announced since to calendars.csv."
            for each in ending
        ]


@cache
def _shipped() -> TradingCalendars:
    return _read(SHIPPED)


def _read(*paths: Path) -> TradingCalendars:
    drafts = {name: _Draft(title) for name, title in TITLES.items()}
    for path in paths:
        _read_into(drafts, path)
    return TradingCalendars(drafts["shanghai"].finish(), drafts["hongkong"].finish())


@dataclass(slots=True)
class _Draft:
    """A calendar while its files are read: exceptions from "every weekday is open"."""

    title: str
    first: date = date.max
    last: date = date.min
    kinds: dict[date, str] = field(default_factory=dict)
    notes: dict[date, str] = field(default_factory=dict)

    def add(self, day: date, kind: str, note: str) -> None:
        if kind == "start":
            self.first = min(day, self.first)
        elif kind == "end":
            self.last = max(day, self.last)
        else:
            self.kinds[day] = kind
            self.notes[day] = note

    def finish(self) -> TradingCalendar:
        half = frozenset(day for day, kind in self.kinds.items() if kind == "half")
        return TradingCalendar(
            self.title,
            self.first,
            self.last,
            tuple(self._open_days()),
            half,
            {d: n for d, n in self.notes.items() if n},
        )

    def _open_days(self) -> Iterator[int]:
        exceptions = {day.toordinal(): kind != "closed" for day, kind in self.kinds.items()}
        for ordinal in range(self.first.toordinal(), self.last.toordinal() + 1):
            if exceptions.get(ordinal, (ordinal + 6) % 7 < SATURDAY):
                yield ordinal


def _read_into(drafts: Mapping[str, _Draft], path: Path) -> None:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for line, row in _numbered(csv.reader(lines), path):
            _add_row(drafts, row, where=(path.name, line))
    for draft in drafts.values():
        beyond = sorted(day for day in draft.kinds if not draft.first <= day <= draft.last)
        if beyond:
            reason = f"{draft.title} {beyond[0]} lies outside {draft.first} .. {draft.last}; an `end` row extends it"
            raise CalendarFileInvalid(file=path.name, line="last", reason=reason)


def _numbered(reader: Iterable[list[str]], path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, row in enumerate(reader, start=1):
        if line == 1 and row != HEADER:
            raise CalendarFileInvalid(file=path.name, line=1, reason=f"the header must be {','.join(HEADER)}")
        if line > 1 and row:
            yield line, row


def _add_row(drafts: Mapping[str, _Draft], row: list[str], *, where: tuple[str, int]) -> None:
    file, line = where
    if len(row) != len(HEADER) or row[0] not in drafts or row[2] not in KINDS:
        reason = f"expected one of {', '.join(drafts)}; a day; one of {', '.join(sorted(KINDS))}; a note"
        raise CalendarFileInvalid(file=file, line=line, reason=reason)
    try:
        day = date.fromisoformat(row[1])
    except ValueError as error:
        raise CalendarFileInvalid(file=file, line=line, reason=f"{row[1]!r} is not a day (YYYY-MM-DD)") from error
    drafts[row[0]].add(day, row[2], row[3])
