"""Days in English and Chinese text: 2026-11-20, 20261120, 11月20日, Nov 20, yesterday, 上周五, 最近10天."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HAN_WEEKDAYS: Final = "一二三四五六日"
_MONTH: Final = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY: Final = r"(\d{1,2})(?:st|nd|rd|th)?"

Span = tuple[date, date]
Found = date | Span | None


def read_days(text: str, today: date) -> tuple[str, tuple[date, ...], Span | None]:
    """Return the text (in lower case) without its days, the single days in it, and the span it asks for.

    Two days named make a span. A day without a year is the last one of that name that is not in the future.
    """
    found: list[date] = []
    spans: list[Span] = []
    for pattern, meaning in PATTERNS:
        for match in list(pattern.finditer(text)):
            meant = meaning(match, today)
            if meant is None:
                continue
            text = text.replace(match.group(), " ", 1)
            if isinstance(meant, date):
                found.append(meant)
            else:
                spans.append(meant)
    if not spans and len(set(found)) >= 2:
        spans = [(min(found), max(found))]
    return text, tuple(dict.fromkeys(found)), spans[0] if spans else None


def _day(year: str | int, month: str | int, day: str | int) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _without_year(month: int, day: str, today: date) -> date | None:
    this_year = _day(today.year, month, day)
    return _day(today.year - 1, month, day) if this_year is not None and this_year > today else this_year


def _weekday(place: int, which: str, today: date) -> date:
    """Return a day of this week, the last or the next; without a word the latest that is not in the future."""
    monday = today - timedelta(days=today.weekday())
    if which[:1] in {"上", "下"}:
        return monday + timedelta(days=place + (7 if which[0] == "下" else -7))
    if which:
        return monday + timedelta(days=place)
    return today - timedelta(days=(today.weekday() - place) % 7)


def _english_weekday(match: re.Match[str], today: date) -> date:
    place = WEEKDAYS.index(match[2])
    back = (today.weekday() - place) % 7
    if match[1] == "next":
        return today + timedelta(days=7 - back)
    return today - timedelta(days=back or (7 if match[1] else 0))


def _last(count: int, unit: str, today: date) -> Span:
    days = {"d": 1, "天": 1, "日": 1, "w": 7, "周": 7, "星": 7, "m": 30, "月": 30, "个": 30, "y": 365, "年": 365}[
        unit[0]
    ]
    return today - timedelta(days=count * days), today


def _week(today: date, *, back: int) -> Span:
    monday = today - timedelta(days=today.weekday() + 7 * back)
    sunday = monday + timedelta(days=6)
    return monday, min(today, sunday) if back >= 0 else sunday


def _month(today: date, *, back: bool) -> Span:
    first = today.replace(day=1)
    if not back:
        return first, today
    last = first - timedelta(days=1)
    return last.replace(day=1), last


def _year(today: date, *, back: int) -> Span:
    return date(today.year - back, 1, 1), today if not back else date(today.year - back, 12, 31)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else {"两": 2, "三": 3, "半": 6}.get(text or "", 1)


def _always(days: int) -> Callable[[re.Match[str], date], date]:
    return lambda _, today: today + timedelta(days=days)


PATTERNS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Found]], ...]] = (
    (re.compile(r"(?<!\d)(20\d\d)[-/.年](\d{1,2})[-/.月](\d{1,2})[日号]?(?!\d)"), lambda m, _: _day(m[1], m[2], m[3])),
    (re.compile(r"(?<![\d.])(20\d\d)([01]\d)([0-3]\d)(?![\d.])"), lambda m, _: _day(m[1], m[2], m[3])),
    (re.compile(r"(?<!\d)(\d{1,2})月(\d{1,2})[日号]"), lambda m, today: _without_year(int(m[1]), m[2], today)),
    (
        re.compile(rf"\b{_MONTH} {_DAY},? (20\d\d)\b"),
        lambda m, _: _day(m[3], MONTHS.index(m[1]) + 1, m[2]),
    ),
    (
        re.compile(rf"\b{_DAY} {_MONTH},? (20\d\d)\b"),
        lambda m, _: _day(m[3], MONTHS.index(m[2]) + 1, m[1]),
    ),
    (re.compile(rf"\b{_MONTH} {_DAY}\b"), lambda m, today: _without_year(MONTHS.index(m[1]) + 1, m[2], today)),
    (
        re.compile(r"(?<!\d)(20\d\d)年|\bin (20\d\d)\b"),
        lambda m, today: (date(int(m[1] or m[2]), 1, 1), min(today, date(int(m[1] or m[2]), 12, 31))),
    ),
    (
        re.compile(r"(?:最近|近|过去)(\d+|两|三|半|一)?个?(天|日|周|星期|月|年)"),
        lambda m, today: _last(_number(m[1]), m[2], today),
    ),
    (
        re.compile(r"\b(?:last|past|previous) (\d+) (days?|weeks?|months?|years?)\b"),
        lambda m, today: _last(int(m[1]), m[2], today),
    ),
    (re.compile(r"\bpast (week|month|year)\b"), lambda m, today: _last(1, m[1], today)),
    (
        re.compile(r"([上下]个?|本|这个?)?(?:周|星期|礼拜)([一二三四五六日天])"),
        lambda m, today: _weekday(HAN_WEEKDAYS.index(m[2].replace("天", "日")), m[1] or "", today),
    ),
    (re.compile(rf"\b(?:(last|next) )?({'|'.join(WEEKDAYS)})\b"), _english_weekday),
    (re.compile(r"上个?(?:周|星期)|\blast week\b"), lambda _, today: _week(today, back=1)),
    (re.compile(r"下个?(?:周|星期)|\bnext week\b"), lambda _, today: _week(today, back=-1)),
    (re.compile(r"[本这]个?(?:周|星期)|\bthis week\b"), lambda _, today: _week(today, back=0)),
    (re.compile(r"上个?月|\blast month\b"), lambda _, today: _month(today, back=True)),
    (re.compile(r"[本这]个?月|\bthis month\b"), lambda _, today: _month(today, back=False)),
    (re.compile(r"去年|\blast year\b"), lambda _, today: _year(today, back=1)),
    (re.compile(r"今年以?来?|年初至今|\bthis year\b|\bytd\b"), lambda _, today: _year(today, back=0)),
    (re.compile(r"大?前天|\bthe day before yesterday\b"), _always(-2)),
    (re.compile(r"昨[天日晚]|\byesterday\b"), _always(-1)),
    (re.compile(r"明[天日]|\btomorrow\b"), _always(1)),
    (re.compile(r"今[天日晚]|当日|\btoday\b|\btonight\b"), _always(0)),
)
"""Tried in this order, the longest forms first; what one has read, the next does not see."""
