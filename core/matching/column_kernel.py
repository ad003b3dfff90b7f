"""Columns of bars into whole numbers: one pass over each, where array arithmetic would take a dozen."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.matching.compiled import compiled

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
EXACT: Final = 2.0**53
"""Beyond it a float no longer holds every whole number."""
ZERO: Final = 48
HYPHEN: Final = 45
SPACE: Final = 32
LINE_FEED: Final = 10
COLON: Final = 58
DAY_LETTERS: Final = 10
DAY_MILLISECONDS: Final = 86_400_000
SHORTEST_MONTH: Final = 28


@compiled
def whole_numbers(values: Floats, scale: float, out: Integers) -> bool:
    """Write values times a power of ten to `out`; False as soon as one of them is no whole number of that power.

    What divides back to the same float is the number that was written down in decimals.
    """
    for row in range(values.size):
        scaled = np.rint(values[row] * scale)
        if scaled >= EXACT or scaled / scale != values[row]:
            return False
        out[row] = np.int64(scaled)
    return True


@compiled
def published_limits(values: Floats, scale: float, missing: int, out: Integers) -> None:
    """Write published price limits as whole numbers; `missing` where there is none, or nothing positive."""
    for row in range(values.size):
        is_there = np.isfinite(values[row]) and values[row] > 0.0
        out[row] = np.int64(np.rint(values[row] * scale)) if is_there else missing


@compiled
def day_numbers(moments: Integers, per_day: int, out: Integers) -> None:
    """Write the days of moments, counted from 1970-01-01 in days or milliseconds, as the numbers YYYYMMDD.

    `per_day` is 1 or `DAY_MILLISECONDS`: to divide by what the compiler does not know takes longer than all the rest.

    By eras of 400 years that begin in March, so that the leap day comes last: H. Hinnant, chrono-compatible low-level
    date algorithms, civil_from_days.
    """
    midnight, next_midnight, number = 0, 0, 0
    for row in range(moments.size):
        if midnight <= moments[row] < next_midnight:
            out[row] = number
            continue
        day = moments[row] if per_day == 1 else moments[row] // DAY_MILLISECONDS
        midnight, next_midnight = day * per_day, (day + 1) * per_day
        shifted = day + 719_468
        era = shifted // 146_097
        day_of_era = shifted - era * 146_097
        year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
        day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
        march_month = (5 * day_of_year + 2) // 153
        day_of_month = day_of_year - (153 * march_month + 2) // 5 + 1
        month = march_month + 3 if march_month < 10 else march_month - 9
        year = year_of_era + era * 400 + (1 if month <= 2 else 0)
        number = year * 10_000 + month * 100 + day_of_month
        out[row] = number


@compiled
def write_pair(letters: Bytes, start: int, number: int) -> None:
    """Write a number below 100 into two letters."""
    tens = number // 10
    letters[start], letters[start + 1] = ZERO + tens, ZERO + number - tens * 10


@compiled
def spell(moments: Integers, days: Integers, out: Bytes) -> None:
    """Spell days YYYYMMDD as `2024-01-05`, and where `out` has room for it the time of the day: `... 09:31:00`.

    A line feed ends each row. With times, `moments` are milliseconds.
    """
    for row in range(days.size):
        letters = out[row]
        letters[letters.size - 1] = LINE_FEED
        if row > 0 and days[row] == days[row - 1]:
            for place in range(DAY_LETTERS):
                letters[place] = out[row - 1, place]
        else:
            write_pair(letters, 0, days[row] // 1_000_000)
            write_pair(letters, 2, days[row] // 10_000 % 100)
            write_pair(letters, 5, days[row] // 100 % 100)
            write_pair(letters, 8, days[row] % 100)
            letters[4], letters[7] = HYPHEN, HYPHEN
        if letters.size > DAY_LETTERS + 1:
            second = moments[row] // 1_000 % 86_400
            minute = second // 60
            hour = minute // 60
            write_pair(letters, 11, hour)
            write_pair(letters, 14, minute - hour * 60)
            write_pair(letters, 17, second - minute * 60)
            letters[10], letters[13], letters[16] = SPACE, COLON, COLON


@compiled
def number_in(letters: Bytes, start: int, count: int) -> int:
    """Return the number that `count` digits spell; -1 where one of them is none."""
    number = 0
    for place in range(start, start + count):
        digit = int(letters[place]) - ZERO
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@compiled
def day_of(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01 (H. Hinnant, days_from_civil)."""
    from_march = year - 1 if month <= 2 else year
    era = from_march // 400
    year_of_era = from_march - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


@compiled
def read_days(letters: Bytes, width: int, out: Integers) -> bool:
    """Read days written one behind the other as `2024-01-05` or `20240105`; False at the first that is no such day."""
    month_at, day_at = (5, 8) if width == DAY_LETTERS else (4, 6)
    for row in range(out.size):
        start = row * width
        year, month = number_in(letters, start, 4), number_in(letters, start + month_at, 2)
        day = number_in(letters, start + day_at, 2)
        if year < 1 or month < 1 or month > 12 or day < 1:
            return False
        if width == DAY_LETTERS and (letters[start + 4] != HYPHEN or letters[start + 7] != HYPHEN):
            return False
        out[row] = day_of(year, month, day)
        if day > SHORTEST_MONTH and out[row] >= day_of(year + month // 12, month % 12 + 1, 1):
            return False
    return True
