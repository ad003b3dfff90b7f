"""Indicators as whole columns, each value from its own and earlier bars alone; NaN until there are enough bars.

Sums run over whole numbers and are divided once, so that every driver gets the same floats. `scale` is the power of
ten of the prices.
"""

import numpy as np
from numpy.typing import NDArray

from core.matching.compiled import compiled

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@compiled
def running_sums(values: Integers) -> Integers:
    """Return the sum of all values before each row, and of all of them."""
    out = np.zeros(values.size + 1, np.int64)
    for row in range(values.size):
        out[row + 1] = out[row] + values[row]
    return out


@compiled
def mean_of_sums(sums: Integers, length: int, scale: int, out: Floats) -> None:
    """Write the mean of the last `length` values, out of their running sums."""
    start, divisor = min(length - 1, out.size), float(length * scale)
    out[:start] = np.nan
    means, ends, begins = out[start:], sums[length:], sums[: sums.size - length]
    for place in range(means.size):
        means[place] = (ends[place] - begins[place]) / divisor


@compiled
def sma(values: Integers, length: int, scale: int) -> Floats:
    """Return the mean of the last `length` values."""
    out = np.empty(values.size, np.float64)
    mean_of_sums(running_sums(values), length, scale, out)
    return out


@compiled
def ema(values: Integers, length: int, scale: int) -> Floats:
    """Return the exponential mean with weight 2 / (length + 1), begun with the mean of the first `length` values."""
    out = np.full(values.size, np.nan)
    weight = 2.0 / (length + 1)
    total, level = 0, 0.0
    for row in range(values.size):
        if row < length:
            total += values[row]
            if row == length - 1:
                level = total / length
                out[row] = level / scale
        else:
            level += weight * (values[row] - level)
            out[row] = level / scale
    return out


@compiled
def rsi(values: Integers, length: int) -> Floats:
    """Return Wilder's relative strength index, 0 to 100; 50 where nothing moved."""
    out = np.full(values.size, np.nan)
    gain, loss = 0.0, 0.0
    for row in range(1, values.size):
        change = values[row] - values[row - 1]
        up, down = max(change, 0), max(-change, 0)
        if row <= length:
            gain, loss = gain + up / length, loss + down / length
        else:
            gain, loss = (gain * (length - 1) + up) / length, (loss * (length - 1) + down) / length
        if row >= length:
            out[row] = 50.0 if gain + loss == 0.0 else 100.0 * gain / (gain + loss)
    return out


@compiled
def atr(high: Integers, low: Integers, close: Integers, length: int, scale: int) -> Floats:
    """Return Wilder's average true range: the first is the mean of `length` ranges, the first bar's is high - low."""
    out = np.full(close.size, np.nan)
    level = 0.0
    for row in range(close.size):
        reach = high[row] - low[row]
        if row > 0:
            reach = max(high[row], close[row - 1]) - min(low[row], close[row - 1])
        level = level + reach / length if row < length else (level * (length - 1) + reach) / length
        if row >= length - 1:
            out[row] = level / scale
    return out


@compiled
def extreme(values: Integers, length: int, scale: int, sign: int) -> Floats:
    """Return the highest (`sign` 1) or lowest (-1) of the last `length` values, by a queue that only falls."""
    out = np.full(values.size, np.nan)
    queue = np.empty(values.size, np.int64)
    head, tail = 0, 0
    for row in range(values.size):
        while tail > head and values[queue[tail - 1]] * sign <= values[row] * sign:
            tail -= 1
        queue[tail] = row
        tail += 1
        if queue[head] <= row - length:
            head += 1
        if row >= length - 1:
            out[row] = values[queue[head]] / scale
    return out
