"""What a panel run returns. Figures are there at once; orders and trades become rows when asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.model import Order, SizeKind
from core.backtest.outcome import AccountCurve, BacktestResult
from core.backtest.panel_market import PanelMarket
from core.backtest.ports import current_ports
from core.matching.model import AMOUNT_PLACES, ReasonCode, Side
from core.matching.panel_kernel import worth_between
from core.matching.panel_layout import (
    AMOUNT,
    CHANGE_COUNT,
    ENDED,
    FILLED_SHARES,
    KIND,
    ORDER_COUNT,
    ORDER_FEES,
    PART,
    PLACE,
    QUANTITY,
    REASON,
    SHARES,
    SIDE,
    SUBMITTED,
    SYMBOL,
    TARGET,
    TRADE_COUNT,
    Book,
    Integers,
)
from core.performance.measure import Performance

UNIT: Final = 10**AMOUNT_PLACES
KINDS: Final = (SizeKind.ALL, SizeKind.PART, SizeKind.SHARES, SizeKind.TARGET)
SIDES: Final = {0: Side.BUY, 1: Side.SELL}
REASONS: Final = tuple(ReasonCode)


@dataclass(frozen=True, eq=False, kw_only=True)
class PanelResult:
    """A finished run over a panel; the members are those of `BacktestResult`.

    `equity`, `cash` and `holdings` are arrays, one value a day of `days`. `per_asset()` tells what each symbol gave.
    """

    metrics: dict[str, Any]
    undefined: dict[str, str]
    parameters: dict[str, Any]
    performance: Performance = field(repr=False)
    market: PanelMarket = field(repr=False)
    rows: slice
    book: Book = field(repr=False)
    limits: Sequence[float | None] = field(repr=False)
    benchmark: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def days(self) -> NDArray[np.datetime64]:
        """The days of the run."""
        return self.market.days[self.rows]

    @cached_property
    def equity(self) -> NDArray[np.float64]:
        """Cash and holdings at the end of each day."""
        return self.book.curve[self.rows, 0] / UNIT

    @cached_property
    def cash(self) -> NDArray[np.float64]:
        """Cash at the end of each day."""
        return self.book.curve[self.rows, 1] / UNIT

    @cached_property
    def holdings(self) -> Integers:
        """How many symbols are held at the end of each day."""
        return np.ascontiguousarray(self.book.curve[self.rows, 2])

    @cached_property
    def reasons(self) -> dict[str, int]:
        """How many orders ended with each reason, the most frequent first."""
        counts = np.bincount(self.order_table[:, REASON], minlength=len(REASONS)).tolist()
        named = {REASONS[number].value: count for number, count in enumerate(counts) if count}
        return dict(sorted(named.items(), key=lambda pair: -pair[1]))

    @property
    def order_table(self) -> Integers:
        """Orders as whole numbers, by the columns of `core.matching.panel_layout`."""
        return self.book.orders[: self.book.account[ORDER_COUNT]]

    @cached_property
    def order_list(self) -> list[Order]:
        """Every order and how it ended."""
        return [self._order(number, row) for number, row in enumerate(self.order_table.tolist(), 1)]

    @cached_property
    def orders(self) -> list[dict[str, Any]]:
        """Every order as results list it."""
        return [order.as_dict() for order in self.order_list]

    @cached_property
    def trades(self) -> list[dict[str, Any]]:
        """One row per sale, closed at the average cost."""
        return [self._trade(row) for row in self.book.trades[: self.book.account[TRADE_COUNT]].tolist()]

    @property
    def equity_curve(self) -> list[dict[str, Any]]:
        """The account at the end of each day: dt, equity, cash, position (count of holdings), close (the equity)."""
        return self.full.equity_curve

    @cached_property
    def full(self) -> BacktestResult:
        """The run as the result of any other driver."""
        spelled = self._spelled
        curve = AccountCurve(
            dts=lambda: spelled[self.rows],
            equity=self.equity,
            cash=self.cash,
            position=self.holdings,
            close=self.equity,
        )
        return BacktestResult(
            metrics=self.metrics | {"per_asset": self.per_asset()},
            undefined=self.undefined,
            trades=self.trades,
            curve=curve,
            order_list=self.order_list,
            performance=self.performance,
            parameters=self.parameters,
            log=[],
            warnings=[str(warning) for warning in self.performance.warnings],
            benchmark=self.benchmark,
            simulated=self.market.simulated,
            sink=current_ports().sink,
        )

    def per_asset(self) -> dict[str, dict[str, Any]]:
        """Return what each symbol that was ever held gave: return, max_drawdown, num_trades, contribution."""
        changes = self.book.changes[: self.book.account[CHANGE_COUNT]]
        if not len(changes):
            return {}
        trades = np.bincount(
            self.book.trades[: self.book.account[TRADE_COUNT], 0], minlength=len(self.market.symbols)
        ).tolist()
        order = np.argsort(changes[:, 1], kind="stable")
        symbols, starts = np.unique(changes[order, 1], return_index=True)
        stretches = np.split(order, starts[1:])
        return {
            self.market.symbols[symbol]: self._gave(int(symbol), changes[stretch], trades[symbol])
            for symbol, stretch in zip(symbols.tolist(), stretches, strict=True)
        }

    def summary(self) -> str:
        """Return the key figures and the ends of the orders as lines of text."""
        return self.full.summary()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        return self.full.to_dict()

    def export_to_context(self, name: str) -> None:
        """Write the result as one line to the standard output, where the run's log is read from."""
        self.full.export_to_context(name)

    def persist(self, name: str | None = None) -> object:
        """Append the result to the store of this place; return its id. Raises `PortMissing` where there is none."""
        return self.full.persist(name)

    def plot(self) -> str:
        """Return the equity curve as an SVG picture."""
        return self.full.plot()

    def report(self, path: str | Path, *, name: str = "backtest", language: str = "en") -> Path:
        """Write a self-contained HTML page about the run; return its path."""
        return self.full.report(path, name=name, language=language)

    @cached_property
    def _spelled(self) -> list[str]:
        texts: list[str] = self.market.days.astype(str).tolist()
        return texts

    @cached_property
    def _spell(self) -> Callable[[int], str]:
        return self._spelled.__getitem__

    def _order(self, number: int, row: Sequence[int]) -> Order:
        return Order(
            id=number,
            symbol=self.market.symbols[row[SYMBOL]],
            side=SIDES.get(row[SIDE]),
            size_kind=KINDS[row[KIND]],
            shares=row[SHARES],
            part=row[PART],
            limit_price=self.limits[row[PLACE]] if row[PLACE] >= 0 else None,
            submitted=row[SUBMITTED],
            spell=self._spell,
            target=row[TARGET],
            reason=REASONS[row[REASON]],
            quantity=row[QUANTITY],
            filled=row[FILLED_SHARES],
            amount=row[AMOUNT],
            fees=row[ORDER_FEES],
            ended=None if row[ENDED] < 0 else row[ENDED],
        )

    def _trade(self, row: Sequence[int]) -> dict[str, Any]:
        symbol, entry, left, shares, spent, received, pnl, cost = row
        return {
            "entry_dt": self._spelled[entry],
            "exit_dt": self._spelled[left],
            "qty": shares,
            "entry_px": spent / UNIT / shares,
            "exit_px": received / UNIT / shares,
            "pnl": pnl / UNIT,
            "return_bps": pnl / cost * 10_000 if cost else 0.0,
            "symbol": self.market.symbols[symbol],
        }

    def _gave(self, symbol: int, changes: Integers, trades: int) -> dict[str, Any]:
        """Return the figures of one symbol; see `core.backtest.portfolio_curve.per_asset`."""
        size = len(self.market.days)
        worth = np.zeros(size, dtype=np.int64)
        worth_between(changes, self.market.tape.closes, symbol, self.market.scale, worth)
        last = np.append(changes[1:, 0] != changes[:-1, 0], True)
        starts, kept = changes[last, 0], changes[last]
        lengths = np.diff(np.append(starts, size))
        flow, cost = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        flow[starts[0] :], cost[starts[0] :] = np.repeat(kept[:, 3], lengths), np.repeat(kept[:, 4], lengths)
        profit, invested = (flow + worth)[self.rows], int(cost.max())
        drawdown = None
        if invested:
            value = invested + profit
            drawdown = float((value / np.maximum(np.maximum.accumulate(value), invested) - 1).min())
        return {
            "return": float(profit[-1]) / invested if invested else None,
            "max_drawdown": drawdown,
            "num_trades": trades,
            "contribution": float(profit[-1]) / (self.parameters["initial_cash"] * UNIT),
        }
