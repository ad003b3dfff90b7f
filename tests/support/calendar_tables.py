"""Makes core/market/data/calendars.csv from exchange_calendars; run as `python -m tests.support.calendar_tables`.

Shanghai starts on 1990-12-19: the library knows it from 1991 only, so the weekdays before that are taken as open, as
the index was published on each of them. Both calendars stop at the last year that the exchanges have announced.
"""

import warnings
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import exchange_calendars

TARGET = Path(__file__).parents[2] / "core" / "market" / "data" / "calendars.csv"
LAST = date(2026, 12, 31)
CALENDARS = {"shanghai": ("XSHG", date(1990, 12, 19)), "hongkong": ("XHKG", date(1990, 1, 1))}


WEATHER = {date(2023, 9, 1): "typhoon Saola", date(2023, 9, 8): "black rainstorm"}
"""Whole days on which Hong Kong closed for the weather and which the library does not know."""
KNOWN_FROM = {"shanghai": date(1991, 1, 1), "hongkong": date(1990, 1, 1)}


def sessions(code: str) -> tuple[set[date], set[date]]:
    """Return the trading days and half days that the library knows, to LAST."""
    start = "1991-01-01" if code == "XSHG" else "1990-01-01"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about the pandas it uses
        calendar = exchange_calendars.get_calendar(code, start=start)
        opened = {moment.date() for moment in calendar.sessions if moment.date() <= LAST}
        opened -= set(WEATHER) if code == "XHKG" else set()
        return opened, {moment.date() for moment in calendar.early_closes if moment.date() <= LAST}


def rows() -> Iterator[str]:
    yield "calendar,day,kind,note"
    for name, (code, first) in CALENDARS.items():
        opened, half = sessions(code)
        yield f"{name},{first},start,"
        day = first
        while day <= LAST:
            if day.weekday() < 5 and day not in opened and day >= KNOWN_FROM[name]:
                yield f"{name},{day},closed,{WEATHER.get(day, '') if name == 'hongkong' else ''}"
            elif day.weekday() >= 5 and day in opened:
                yield f"{name},{day},open,"
            elif day in half:
                yield f"{name},{day},half,"
            day += timedelta(days=1)
        yield f"{name},{LAST},end,"


if __name__ == "__main__":
    TARGET.write_text("\n".join(rows()) + "\n", encoding="ascii")
