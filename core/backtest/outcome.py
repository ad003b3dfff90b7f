"""What a backtest returns: figures, trades, the account bar by bar, every order with its reason."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.model import Order, ResultSink
from core.backtest.problems import PortMissing
from core.matching.model import ReasonCode
from core.performance.benchmark import BenchmarkWarning
from core.performance.figures import sentence_of
from core.performance.measure import Performance

SENTINEL: Final = "__LG_BACKTEST_RESULT__"
PERCENT: Final = (
    "total_return",
    "cagr",
    "max_drawdown",
    "win_rate",
    "exposure",
    "volatility",
    "benchmark_return",
    "alpha",
    "alpha_annualized",
)
FIGURES: Final = (
    "total_return",
    "cagr",
    "sharpe",
    "sortino",
    "max_drawdown",
    "calmar",
    "volatility",
    "win_rate",
    "profit_factor",
    "num_trades",
    "exposure",
    "turnover",
    "fees",
)
"""Figures that every run of one instrument has, in the order in which they are told; each a number or None."""
SUMMARY: Final = (*FIGURES, "benchmark_return", "alpha", "alpha_annualized", "beta")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCurve:
    """The account at the end of each bar: money in floats of the currency, `position` shares (or holdings)."""

    dts: Callable[[], list[str]]
    equity: NDArray[np.float64]
    cash: NDArray[np.float64]
    position: NDArray[np.int64]
    close: NDArray[np.float64]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per bar."""
        columns = (self.equity, self.cash, self.position, self.close)
        lists = [column.tolist() for column in columns]
        names = ("dt", "equity", "cash", "position", "close")
        return [dict(zip(names, row, strict=True)) for row in zip(self.dts(), *lists, strict=True)]


@dataclass(frozen=True, kw_only=True)
class BacktestResult:
    """A finished run.

    `metrics` are fractions and counts, None where a figure does not exist (`undefined` says why); `trades` one row per
    sale, closed at the average cost; `parameters` what the run was asked for; `log` what the strategy wrote.
    """

    metrics: dict[str, Any]
    undefined: dict[str, str]
    trades: list[dict[str, Any]]
    curve: AccountCurve = field(repr=False)
    order_list: Sequence[Order] = field(repr=False)
    performance: Performance = field(repr=False)
    parameters: dict[str, Any]
    log: list[str] = field(repr=False)
    warnings: list[str] = field(default_factory=list)
    benchmark: list[dict[str, Any]] = field(default_factory=list, repr=False)
    simulated: bool = False
    sink: ResultSink | None = field(default=None, repr=False)

    @cached_property
    def equity_curve(self) -> list[dict[str, Any]]:
        """The account at the end of each bar: dt, equity, cash, position, close."""
        return self.curve.rows()

    @cached_property
    def orders(self) -> list[dict[str, Any]]:
        """Every order and how it ended."""
        return [order.as_dict() for order in self.order_list]

    @property
    def reasons(self) -> dict[str, int]:
        """How many orders ended with each reason, the most frequent first."""
        counted: Callable[[], dict[str, int]] | None = getattr(self.order_list, "reasons", None)
        if counted is not None:
            return counted()
        return dict(Counter(order.reason.value for order in self.order_list).most_common())

    def summary(self) -> str:
        """Return the key figures and the ends of the orders as lines of text."""
        lines = [f"{name:17} {self._shown(name)}" for name in SUMMARY if name in self.metrics]
        lines += [
            f"orders: {count:9} {reason}: {ReasonCode(reason).text}" for reason, count in self.reasons.items()
        ] or ["orders:         0"]
        texts = {warning.value: warning.text for warning in BenchmarkWarning}
        lines += [f"note: {texts.get(warning, warning)}" for warning in self.warnings]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        return {
            "metrics": self.metrics,
            "undefined": self.undefined,
            "trades": self.trades,
            "equity_curve": self.equity_curve,
            "orders": self.orders,
            "benchmark": self.benchmark,
            "parameters": self.parameters,
            "simulated": self.simulated,
            "warnings": self.warnings,
            "log": self.log,
        }

    def export_to_context(self, name: str) -> None:
        """Write the result as one line to the standard output, where the run's log is read from."""
        if ":" in name or "\n" in name:
            name = name.replace(":", "_").replace("\n", "_")
        print(f"{SENTINEL}:{name}:{json.dumps(self.to_dict(), allow_nan=False, default=str)}")  # noqa: T201 - the door

    def persist(self, name: str | None = None) -> object:
        """Append the result to the store of this place; return its id. Raises `PortMissing` where there is none."""
        if self.sink is None:
            instead = "Run it in a desk, with the command line or inside a process."
            raise PortMissing(parameter="persist", port="a store of results", instead=instead)
        return self.sink.save(self.to_dict(), name=name)

    def plot(self) -> str:
        """Return the equity curve as an SVG picture."""
        from core.backtest.pages import equity_svg  # noqa: PLC0415 - drawing loads on first use

        return equity_svg(self)

    def report(self, path: str | Path, *, name: str = "backtest", language: str = "en") -> Path:
        """Write a self-contained HTML page about the run; return its path."""
        from core.backtest.pages import report_page  # noqa: PLC0415 - drawing loads on first use

        target = Path(path)
        target.write_text(report_page(self, name=name, language=language), encoding="utf-8")
        return target

    def _shown(self, name: str) -> str:
        value = self.metrics[name]
        if value is None:
            return f"- ({sentence_of(self.undefined.get(name, 'undefined'))})"
        if name in PERCENT:
            return f"{value:.2%}"
        return str(value) if isinstance(value, int) else f"{value:,.4f}"


def metrics_of(performance: Performance, fingerprint: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the figures by name, and the codes of the reasons why others do not exist (`Undefined`)."""
    metrics: dict[str, Any] = dict(performance.values)
    metrics["yearly"] = [
        {"year": row.year, "return": row.total, "months": list(row.months)} for row in performance.yearly
    ]
    metrics["annualization"] = performance.annualization
    metrics["fingerprint"] = fingerprint
    return metrics, {name: reason.value for name, reason in performance.reasons.items()}


def steps(size: int, bars: NDArray[np.int64], values: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    """Return a column that holds `first`, and from each of the ascending `bars` on its value; the last of equals."""
    out = np.full(size, first, dtype=np.int64)
    if len(bars):
        last = np.append(bars[1:] != bars[:-1], True)
        starts = bars[last]
        out[starts[0] :] = np.repeat(values[last], np.diff(np.append(starts, size)))
    return out
