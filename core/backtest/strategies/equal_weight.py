"""Equal weights: bring every instrument of a portfolio back to its share at the start of each period."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from core.backtest.context import Context
from core.backtest.model import Bar
from core.backtest.parameter_checks import require_between, require_length
from core.backtest.problems import ParameterInvalid


class Period(StrEnum):
    """How often weights are restored."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


@dataclass
class EqualWeight:
    """One instrument's part of an equal-weight portfolio of `count`.

    On the first bar of each period it orders `(1 - reserve) / count` of the equity. The reserve pays the fees, so that
    the last instrument of a bar is not cut short.
    """

    count: int
    every: str = Period.MONTH
    reserve: float = 0.01
    _period: tuple[int, int] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        require_length("count", self.count)
        require_between("reserve", self.reserve, low=0.0, high=0.5)
        if self.every not in set(Period):
            raise ParameterInvalid(name="every", reason=f"{self.every!r} is none of {', '.join(Period)}")

    def on_start(self, ctx: Context) -> None:  # noqa: ARG002 - a strategy's signature
        """Forget the period of an earlier run."""
        self._period = None

    def on_bar(self, bar: Bar, ctx: Context) -> None:
        """Order the weight on the first bar of a period."""
        period = period_of(bar.dt, Period(self.every))
        if period != self._period:
            self._period = period
            ctx.order_target_pct((1 - self.reserve) / self.count)


def equal_weight(symbols: Sequence[str], *, every: str = Period.MONTH, reserve: float = 0.01) -> dict[str, EqualWeight]:
    """Return a strategy for each symbol, ready for `backtest_portfolio`."""
    return {symbol: EqualWeight(len(symbols), every, reserve) for symbol in symbols}


def period_of(dt: str, every: Period) -> tuple[int, int]:
    """Return year and number of the period that a bar's date lies in."""
    compact = dt[:10].replace("-", "").replace("/", "")[:8]
    day = date(int(compact[:4]), int(compact[4:6]), int(compact[6:]))
    if every is Period.WEEK:
        return day.isocalendar()[:2]
    return day.year, day.month if every is Period.MONTH else (day.month - 1) // 3
