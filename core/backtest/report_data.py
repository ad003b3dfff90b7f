"""What a report shows, computed from a run: the curve, the benchmark beside it, months, outcomes of orders."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.backtest.results import Cell, ResultDraft, Rows
from core.performance.curve import Curve
from core.performance.metrics import Drawdown, drawdown_series, max_drawdown
from core.performance.periods import YearRow, yearly_table


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """A run ready to be drawn. `benchmark` is scaled to start where the equity does; empty without one.

    `years` is empty where the dates of the run are no calendar days.
    """

    run: ResultDraft
    dates: list[str]
    equity: list[float]
    benchmark: list[float | None]
    drawdowns: list[float]
    drawdown: Drawdown
    years: tuple[YearRow, ...]
    reasons: dict[str, int]


def prepare(run: ResultDraft) -> ReportData:
    """Compute what a report shows."""
    dates = [str(row["dt"]) for row in run.equity_curve]
    equity = [float(row.get("equity") or 0.0) for row in run.equity_curve]
    days = [calendar_day(text) for text in dates]
    known = [day for day in days if day is not None]
    curve = Curve.of(_initial(run, equity), known if len(known) == len(days) else list(range(len(days))), equity)
    return ReportData(
        run=run,
        dates=dates,
        equity=equity,
        benchmark=_scaled(run.benchmark, dates=dates, initial=equity[0]),
        drawdowns=drawdown_series(curve).tolist(),
        drawdown=max_drawdown(curve),
        years=yearly_table(curve) if len(known) == len(days) else (),
        reasons=reason_counts([row.get("reason") for row in run.orders]),
    )


def reason_counts(reasons: Sequence[Cell]) -> dict[str, int]:
    """Return how many orders ended for each reason, the most frequent first."""
    counted = Counter(str(reason) for reason in reasons if reason is not None)
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def calendar_day(text: str) -> int | None:
    """Return YYYYMMDD of a date or moment that begins with YYYYMMDD or YYYY-MM-DD; None for anything else."""
    digits = text[:10].replace("-", "").replace("/", "")[:8]
    if len(digits) != 8 or not digits.isascii() or not digits.isdigit():
        return None
    day = int(digits)
    return day if 1 <= day // 100 % 100 <= 12 and 1 <= day % 100 <= 31 else None


def _initial(run: ResultDraft, equity: Sequence[float]) -> float:
    """Return the cash the run began with: its parameter, or what the total return says."""
    given = run.parameters.get("initial_cash")
    if isinstance(given, int | float) and given > 0:
        return float(given)
    total = run.metrics.get("total_return")
    if isinstance(total, int | float) and total > -1 and equity[-1] > 0:
        return equity[-1] / (1 + total)
    return equity[0] or 1.0


def _scaled(rows: Rows, *, dates: Sequence[str], initial: float) -> list[float | None]:
    """Return the benchmark at each bar, carried over gaps, scaled to `initial` at its first bar within the run.

    Bars meet by their date as it is spelt, or by calendar day where the two spell it differently.
    """
    closes = {str(row["dt"]): float(close) for row in rows if (close := row.get("close")) is not None}
    keys = list(dates)
    if closes.keys().isdisjoint(keys):
        closes = {str(calendar_day(date)): close for date, close in closes.items()}
        keys = [str(calendar_day(date)) for date in dates]
    carried: list[float | None] = []
    last: float | None = None
    for key in keys:
        last = closes.get(key, last)
        carried.append(last)
    first = next((value for value in carried if value), None)
    return [] if first is None else [None if value is None else value / first * initial for value in carried]
