"""How advice turned out: pure arithmetic over closing prices."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from core.recommendation.model import Outcome

HORIZONS: Final = (1, 5, 20)
"""Trading days after which advice is measured."""

SIX_PLACES: Final = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class Closes:
    """Closing prices adjusted for dividends and splits, oldest first; any common factor cancels."""

    days: Sequence[date]
    prices: Sequence[float]

    def at(self, day: date) -> float | None:
        """Return the last close on or before `day`: a suspended stock keeps its price."""
        place = bisect_right(self.days, day)
        return self.prices[place - 1] if place else None

    def reaches(self, day: date) -> bool:
        """Return True when the series goes on to `day` or beyond."""
        return bool(self.days) and self.days[-1] >= day


def score(
    closes: Closes, *, base: date, targets: Mapping[int, date], benchmark: Closes | None, benchmark_symbol: str | None
) -> Outcome:
    """Measure advice given on the trading day `base` at each horizon's day in `targets`.

    return_n = close(n-th trading day after base) / close(base) - 1; excess_n = return_n - the same of the benchmark.
    A day counts as reached when the stock or, for a suspended stock, the benchmark has bars up to it.
    """
    figures: dict[str, Decimal | None] = {}
    for horizon in HORIZONS:
        target = targets.get(horizon)
        own = _return(closes, base=base, target=target, reach=(closes, benchmark))
        other = _return(benchmark, base=base, target=target, reach=(benchmark,))
        figures[f"return_{horizon}"] = _rounded(own)
        figures[f"excess_{horizon}"] = _rounded(None if own is None or other is None else own - other)
    return Outcome(base_date=base, benchmark=benchmark_symbol if benchmark else None, **figures)


def _return(closes: Closes | None, *, base: date, target: date | None, reach: Sequence[Closes | None]) -> float | None:
    if closes is None or target is None or not any(series is not None and series.reaches(target) for series in reach):
        return None
    first, last = closes.at(base), closes.at(target)
    return last / first - 1 if first and last is not None else None


def _rounded(figure: float | None) -> Decimal | None:
    return None if figure is None else Decimal(repr(figure)).quantize(SIX_PLACES, rounding=ROUND_HALF_EVEN)
