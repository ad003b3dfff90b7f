"""The equity of an account over time, checked once so that no figure has to ask again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.errors import Invalid
from core.performance.figures import FloatArray, IntArray


class CurveInvalid(Invalid):
    """An equity curve that no account can have."""

    code = "equity_curve_invalid"
    template = "{reason}"


@dataclass(frozen=True, eq=False)
class Curve:
    """Equity at the end of each bar, after an account was opened with `initial` in cash before the first bar.

    `days` holds the bar's day as the number YYYYMMDD, never falling; several bars of a day (minutes) are allowed.
    Raises `CurveInvalid`: lengths differ, days fall, equity is negative or not finite, `initial` is not positive.
    """

    initial: float
    days: IntArray
    equity: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", np.ascontiguousarray(self.days, dtype=np.int64))
        object.__setattr__(self, "equity", np.ascontiguousarray(self.equity, dtype=np.float64))
        if not (np.isfinite(self.initial) and self.initial > 0):
            raise CurveInvalid(reason=f"The initial cash must be a positive number, not {self.initial}.")
        if self.days.shape != self.equity.shape or self.days.ndim != 1:
            raise CurveInvalid(reason=f"{self.days.size} days do not fit {self.equity.size} values of equity.")
        if (self.days[1:] < self.days[:-1]).any():
            raise CurveInvalid(reason="The days of an equity curve must not fall.")
        if self.equity.size and not (self.equity.min() >= 0 and self.equity.max() < np.inf):
            bad = int(np.argmin(np.isfinite(self.equity) & (self.equity >= 0)))
            raise CurveInvalid(reason=f"Equity is {self.equity[bad]} at bar {bad}; it must be zero or more.")

    def __len__(self) -> int:
        return int(self.equity.size)

    @cached_property
    def daily(self) -> "Curve":
        """The curve with the last bar of each day only; itself when it has one bar a day."""
        ends = np.flatnonzero(np.append(self.days[1:] != self.days[:-1], True)) if len(self) else np.arange(0)
        return self if ends.size == len(self) else Curve(self.initial, self.days[ends], self.equity[ends])

    @cached_property
    def returns(self) -> FloatArray | None:
        """One return per bar: r_1 = E_1 / initial - 1, r_t = E_t / E_(t-1) - 1, so that they chain to E_n / initial.

        None when equity reached zero before the last bar: what follows is divided by nothing.
        """
        before = np.concatenate(([self.initial], self.equity[:-1])) if len(self) else self.equity
        return None if (before <= 0).any() else self.equity / before - 1.0

    @classmethod
    def of(cls, initial: float, days: Sequence[int], equity: Sequence[float]) -> "Curve":
        """Make a curve from plain lists."""
        return cls(initial, np.array(days, dtype=np.int64), np.array(equity, dtype=np.float64))
