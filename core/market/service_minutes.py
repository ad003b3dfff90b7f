"""Bars of 5, 15, 30 and 60 minutes, made of 1-minute bars on the days for which no source brought them.

A day of trade has two sessions: 09:31-11:30 and 13:01-15:00 on the mainland, 09:31-12:00 and 13:01-16:00 in Hong Kong.
A bar is named by its end and never reaches over the noon pause; the last one of a Hong Kong morning is half an hour
long when an hour was asked for. Minutes at the edges belong to the bar beside them: the opening auction (09:30) to the
first, a minute named 13:00 to the last of the morning, the closing auction of Hong Kong to the last of the day.
"""

from collections.abc import Sequence
from datetime import date
from typing import Final

from core.market.model import Frequency

STORED_COLUMNS: Final = "symbol, frequency, bar_end, open, high, low, close, volume, amount, source"
MADE: Final = {Frequency.MINUTE_5: 5, Frequency.MINUTE_15: 15, Frequency.MINUTE_30: 30, Frequency.MINUTE_60: 60}

IS_HONG_KONG: Final = "ends_with(symbol, '.HK')"
MINUTE_OF_DAY: Final = "(60 * hour(bar_end) + minute(bar_end))"
MORNING_START, AFTERNOON_START = 9 * 60 + 30, 13 * 60
LAST_MINUTE: Final = f"CASE WHEN {IS_HONG_KONG} THEN {16 * 60 + 10} ELSE {15 * 60} END"
MORNING_LENGTH: Final = f"CASE WHEN {IS_HONG_KONG} THEN 150 ELSE 120 END"
AFTERNOON_LENGTH: Final = f"CASE WHEN {IS_HONG_KONG} THEN 180 ELSE 120 END"

BAR_END: Final = f"""CAST(bar_end AS DATE) + to_minutes(CASE WHEN {MINUTE_OF_DAY} <= {AFTERNOON_START}
    THEN {MORNING_START} + least({{length}} * greatest(ceil(({MINUTE_OF_DAY} - {MORNING_START}) / {{length}}), 1),
        {MORNING_LENGTH})
    ELSE {AFTERNOON_START} + least({{length}} * ceil(({MINUTE_OF_DAY} - {AFTERNOON_START}) / {{length}}),
        {AFTERNOON_LENGTH}) END::BIGINT)"""
"""The end of the bar of `length` minutes that a minute belongs to."""

LONGER: Final = f"""
SELECT symbol, '{{frequency}}' AS frequency, made_end AS bar_end, arg_min(open, bar_end) AS open, max(high) AS high,
       min(low) AS low, arg_max(close, bar_end) AS close, CAST(sum(volume) AS BIGINT) AS volume,
       round(sum(amount), 4) AS amount, min(source) || ', from 1m' AS source,
       made_end <= max(max(bar_end)) OVER (PARTITION BY symbol, CAST(made_end AS DATE)) AS is_final
FROM (SELECT *, {BAR_END} AS made_end FROM "minute" WHERE frequency = '1m'
      AND {MINUTE_OF_DAY} BETWEEN {MORNING_START} AND {LAST_MINUTE}
      AND (symbol, CAST(bar_end AS DATE)) NOT IN
          (SELECT DISTINCT symbol, CAST(bar_end AS DATE) FROM "minute" WHERE frequency = '{{frequency}}'))
GROUP BY symbol, made_end"""


def _longer(frequency: Frequency) -> str:
    return LONGER.format(frequency=frequency.value, length=MADE[frequency])


def bars_sql(frequency: Frequency) -> str:
    """Write the query of all bars of a length in `MADE`: the stored ones, and those made of minutes."""
    stored = f"SELECT {STORED_COLUMNS}, true AS is_final FROM \"minute\" WHERE frequency = '{frequency.value}'"
    return f"{stored} UNION ALL {_longer(frequency)}"


def chosen_bars(
    frequency: Frequency, symbols: Sequence[str], *, start: date | None, end: date | None
) -> tuple[str, list[object]]:
    """Write the query of some symbols' bars between two days, both included, with its parameters; by time."""
    wanted = sorted(set(symbols))
    places = ", ".join("?" * len(wanted))
    terms = [f"symbol BETWEEN ? AND ? AND symbol IN ({places})"]
    values: list[object] = [wanted[0], wanted[-1], *wanted]
    for bound, comparison in ((start, ">="), (end, "<=")):
        if bound is not None:
            terms.append(f"CAST(bar_end AS DATE) {comparison} ?")
            values.append(bound)
    return f"SELECT * FROM ({bars_sql(frequency)}) WHERE {' AND '.join(terms)} ORDER BY symbol, bar_end", values


MINUTE_BARS: Final = " UNION ALL ".join(
    [f'SELECT {STORED_COLUMNS}, true AS is_final FROM "minute"', *(_longer(frequency) for frequency in MADE)]
)
"""The query of bars of every length."""
