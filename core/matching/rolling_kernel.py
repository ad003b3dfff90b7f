"""Moving windows over columns of days and symbols: mean, deviation, correlation, rank of the last value.

A window with a missing value (NaN) has no figure. Sums run along the days; they are taken anew every `FRESH` days, and
around a value of the window itself, so that rounding cannot pile up. A stretch of symbols is done at a time.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.matching.borrowed import borrowed
from core.matching.compiled import compiled

Floats = NDArray[np.float64]
FRESH: Final = 64
"""Days after which sums begin anew, or four windows where those are longer."""
FLAT: Final = 1e-13
"""A variance that is a smaller part of the squares around the first value is what rounding leaves of none."""


@compiled
def begin(values: Floats, day: int, window: int, low: int, sums: Floats) -> None:
    """Begin the sums of a stretch anew with the days before `day` that its window still holds.

    Rows of `sums`: a value to count from, how many, sum, sum of squares.
    """
    sums[:] = 0.0
    size = sums.shape[1]
    for row in range(max(day - window + 1, 0), day + 1):
        values_of_day = values[row, low : low + size]
        for place in range(size):
            value = values_of_day[place]
            if sums[0, place] == 0.0 and value == value:  # noqa: PLR0124 - only NaN is not itself
                sums[0, place] = value
    for row in range(max(day - window + 1, 0), day):
        add(values, row, low, sums)


@compiled
def add(values: Floats, row: int, low: int, sums: Floats) -> None:
    """Add a day to the sums of a stretch."""
    today = values[row, low : low + sums.shape[1]]
    centre, count, total, squares = sums[0], sums[1], sums[2], sums[3]
    for place in range(today.size):
        value = today[place]
        is_there = value == value  # noqa: PLR0124 - only NaN is not itself
        apart = value - centre[place] if is_there else 0.0
        count[place] += 1.0 if is_there else 0.0
        total[place] += apart
        squares[place] += apart * apart


@compiled
def slide(values: Floats, leaving: int, entering: int, low: int, sums: Floats) -> None:
    """Take a day out of the sums of a stretch and add another."""
    size = sums.shape[1]
    old, new = values[leaving, low : low + size], values[entering, low : low + size]
    centre, count, total, squares = sums[0], sums[1], sums[2], sums[3]
    for place in range(size):
        gone, come = old[place] - centre[place], new[place] - centre[place]
        was_there, is_there = gone == gone, come == come  # noqa: PLR0124 - only NaN is not itself
        gone, come = gone if was_there else 0.0, come if is_there else 0.0
        count[place] += (1.0 if is_there else 0.0) - (1.0 if was_there else 0.0)
        total[place] += come - gone
        squares[place] += come * come - gone * gone


@compiled
def write_means(sums: Floats, window: int, out: Floats) -> None:
    """Write the means of a day."""
    centre, count, total, share = sums[0], sums[1], sums[2], 1.0 / window
    for place in range(out.size):
        out[place] = centre[place] + total[place] * share if count[place] == window else np.nan


@compiled
def write_deviations(sums: Floats, window: int, out: Floats) -> None:
    """Write the standard deviations of a day."""
    count, total, squares, share, rest = sums[1], sums[2], sums[3], 1.0 / window, 1.0 / (window - 1)
    for place in range(out.size):
        spread = squares[place] - total[place] * total[place] * share
        spread = spread if spread > FLAT * squares[place] else 0.0
        out[place] = np.sqrt(spread * rest) if count[place] == window else np.nan


@compiled
def rolling_moments(values: Floats, window: int, low: int, high: int, is_deviation: int, out: Floats) -> None:
    """Write the mean, or the standard deviation (n - 1), of each window of a stretch of symbols."""
    values, out = borrowed(values), borrowed(out)
    sums = np.zeros((4, high - low))
    fresh = max(FRESH, 4 * window)
    for day in range(values.shape[0]):
        if day % fresh != 0 and day >= window:
            slide(values, day - window, day, low, sums)
        else:
            if day % fresh == 0:
                begin(values, day, window, low, sums)
            add(values, day, low, sums)
        if is_deviation == 0:
            write_means(sums, window, out[day, low:high])
        else:
            write_deviations(sums, window, out[day, low:high])


@compiled
def add_pair(one: Floats, other: Floats, row: int, low: int, sums: Floats) -> None:
    """Add a day of two columns to the sums of a stretch; days that lack one of them count for none.

    Rows of `sums`: two values to count from, how many, two sums, two sums of squares, the sum of products.
    """
    size = sums.shape[1]
    lefts, rights = one[row, low : low + size], other[row, low : low + size]
    left_centre, right_centre, count, left_sum = sums[0], sums[1], sums[2], sums[3]
    right_sum, left_squares, right_squares, products = sums[4], sums[5], sums[6], sums[7]
    for place in range(size):
        both = lefts[place] + rights[place]
        is_there = both == both  # noqa: PLR0124 - only NaN is not itself
        left = lefts[place] - left_centre[place] if is_there else 0.0
        right = rights[place] - right_centre[place] if is_there else 0.0
        count[place] += 1.0 if is_there else 0.0
        left_sum[place] += left
        right_sum[place] += right
        left_squares[place] += left * left
        right_squares[place] += right * right
        products[place] += left * right


@compiled
def slide_pair(one: Floats, other: Floats, leaving: int, entering: int, low: int, sums: Floats) -> None:
    """Take a day of two columns out of the sums of a stretch and add another."""
    size = sums.shape[1]
    old_left, old_right = one[leaving, low : low + size], other[leaving, low : low + size]
    new_left, new_right = one[entering, low : low + size], other[entering, low : low + size]
    left_centre, right_centre, count, left_sum = sums[0], sums[1], sums[2], sums[3]
    right_sum, left_squares, right_squares, products = sums[4], sums[5], sums[6], sums[7]
    for place in range(size):
        gone_left, gone_right = old_left[place] - left_centre[place], old_right[place] - right_centre[place]
        come_left, come_right = new_left[place] - left_centre[place], new_right[place] - right_centre[place]
        gone, come = gone_left + gone_right, come_left + come_right
        was_there, is_there = gone == gone, come == come  # noqa: PLR0124 - only NaN is not itself
        gone_left, gone_right = gone_left if was_there else 0.0, gone_right if was_there else 0.0
        come_left, come_right = come_left if is_there else 0.0, come_right if is_there else 0.0
        count[place] += (1.0 if is_there else 0.0) - (1.0 if was_there else 0.0)
        left_sum[place] += come_left - gone_left
        right_sum[place] += come_right - gone_right
        left_squares[place] += come_left * come_left - gone_left * gone_left
        right_squares[place] += come_right * come_right - gone_right * gone_right
        products[place] += come_left * come_right - gone_left * gone_right


@compiled
def begin_pair(one: Floats, other: Floats, day: int, window: int, low: int, sums: Floats) -> None:
    """Begin the sums of two columns anew with the days before `day` that the window still holds."""
    sums[:] = 0.0
    for row in range(max(day - window + 1, 0), day + 1):
        for place in range(sums.shape[1]):
            left, right = one[row, low + place], other[row, low + place]
            if sums[0, place] == 0.0 and left == left:  # noqa: PLR0124 - only NaN is not itself
                sums[0, place] = left
            if sums[1, place] == 0.0 and right == right:  # noqa: PLR0124 - only NaN is not itself
                sums[1, place] = right
    for row in range(max(day - window + 1, 0), day):
        add_pair(one, other, row, low, sums)


@compiled
def write_correlations(sums: Floats, window: int, out: Floats) -> None:
    """Write the correlations of a day."""
    count, left_sum, right_sum, share = sums[2], sums[3], sums[4], 1.0 / window
    left_squares, right_squares, products = sums[5], sums[6], sums[7]
    for place in range(out.size):
        left = left_squares[place] - left_sum[place] * left_sum[place] * share
        right = right_squares[place] - right_sum[place] * right_sum[place] * share
        both = products[place] - left_sum[place] * right_sum[place] * share
        is_moved = (left > FLAT * left_squares[place]) & (right > FLAT * right_squares[place])
        figure = both / np.sqrt(left * right) if is_moved else np.nan
        figure = 1.0 if figure > 1.0 else max(figure, -1.0)
        out[place] = figure if count[place] == window else np.nan


@compiled
def rolling_correlation(one: Floats, other: Floats, window: int, low: int, high: int, out: Floats) -> None:
    """Write the correlation of two columns in each window of a stretch; none where one of them does not move."""
    one, other, out = borrowed(one), borrowed(other), borrowed(out)
    sums = np.zeros((8, high - low))
    fresh = max(FRESH, 4 * window)
    for day in range(one.shape[0]):
        if day % fresh != 0 and day >= window:
            slide_pair(one, other, day - window, day, low, sums)
        else:
            if day % fresh == 0:
                begin_pair(one, other, day, window, low, sums)
            add_pair(one, other, day, low, sums)
        write_correlations(sums, window, out[day, low:high])


@compiled
def count_below(values: Floats, last: Floats, ranks: Floats, there: Floats) -> None:
    """Count a day's values that are below the last ones, equal ones half; and those that are there."""
    for place in range(values.size):
        value, other = values[place], last[place]
        ranks[place] += (1.0 if value < other else 0.0) + (0.5 if value == other else 0.0)
        there[place] += 1.0 if value == value else 0.0  # noqa: PLR0124 - only NaN is not itself


@compiled
def rolling_rank(values: Floats, window: int, low: int, high: int, out: Floats) -> None:
    """Write the rank of the last value in each window of a stretch: 1 the smallest, equals share the middle rank."""
    values, out = borrowed(values), borrowed(out)
    size = high - low
    ranks, there = np.zeros(size), np.zeros(size)
    for day in range(values.shape[0]):
        if day < window - 1:
            out[day, low:high] = np.nan
            continue
        ranks[:] = 0.0
        there[:] = 0.0
        for row in range(day - window + 1, day + 1):
            count_below(values[row, low:high], values[day, low:high], ranks, there)
        ranks_of_day = out[day, low:high]
        for place in range(size):
            ranks_of_day[place] = ranks[place] + 0.5 if there[place] == window else np.nan
