"""The portfolio driver: a strategy per instrument, one pool of cash.

Time is the union of the instruments' bars. On each bar: corporate actions, then all sells, then all buys, each in the
order of `assets`; then the strategies are called, in that order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.backtest.callback import Hooks, hooks_of
from core.backtest.context import Context
from core.backtest.fingerprint import data_digest, fingerprint
from core.backtest.history import BLOCK, HistoryWriter
from core.backtest.holding_actions import apply_action, pay_owed
from core.backtest.made_bars import BarMaker
from core.backtest.model import Bar, Listing
from core.backtest.notes import notes_of
from core.backtest.order_list import OrderList
from core.backtest.outcome import AccountCurve, BacktestResult, metrics_of
from core.backtest.portfolio_curve import account_curve, per_asset
from core.backtest.ports import current_ports
from core.backtest.problems import ParameterInvalid
from core.backtest.request import RunRequest
from core.backtest.series import Series, Wanted, benchmark_closes, prepare
from core.backtest.settlement import UNIT, Account, Holding, settle, trades_of
from core.backtest.strategy_code import code_of
from core.backtest.watching import TOLD, Watch
from core.market.model import CorporateAction
from core.matching import order_layout as at
from core.matching.model import FillMode
from core.performance.curve import Curve
from core.performance.measure import Performance, RunFigures, measure

Integers = NDArray[np.int64]


@dataclass(slots=True)
class Seat:
    """One instrument at the table: `ticks` are the places of its bars on the common time line."""

    series: Series
    holding: Holding
    hooks: Hooks
    writer: HistoryWriter
    context: Context
    ticks: list[int]
    bars: Iterator[Bar]
    index: int = -1

    def advance(self) -> None:
        """Go on to the next bar."""
        self.index += 1
        if self.index % BLOCK == 0:
            self.writer.forget()
            self.context._begin(self.index)  # noqa: SLF001 - the driver's side of the context
        self.context._now[0] = self.index % BLOCK  # noqa: SLF001

    def show(self) -> None:
        """Let the strategy see how many shares are held."""
        self.context._hold(self.holding.position)  # noqa: SLF001 - the driver's side of the context

    def next_tick(self) -> int:
        """Return where the next bar lies; beyond the end when there is none."""
        return self.ticks[self.index + 1] if self.index + 1 < len(self.ticks) else -1

    def last_close(self) -> int:
        """Return the close of the last bar seen, or 0."""
        return self.holding.price("close", self.index) if self.index >= 0 else 0


class PortfolioRun:
    """One run of several strategies over a common time line."""

    def __init__(self, request: RunRequest, strategies: Sequence[tuple[Series, object]]) -> None:
        self.request = request
        self.account = Account(request.cash)
        every = [series.bars.times.astype("datetime64[ms]") for series, _ in strategies]
        self.times = np.unique(np.concatenate(every))
        self.seats = [self._seat(series, strategy) for series, strategy in strategies]
        self.cash: list[int] = []
        self.hook, self.current = "on_start", self.seats[0]

    def run(self) -> None:
        """Walk through all bars. Raises `StrategyFailed` and `RunStopped`."""
        watch = self._watch()
        watch.over(lambda: self._walk(watch))
        for seat in self.seats:
            seat.holding.end_waiting()

    def _walk(self, watch: Watch) -> None:
        self._call("on_start", self.seats, lambda seat: seat.hooks.on_start)
        self.hook = "on_bar"
        for tick in range(len(self.times)):
            if tick % TOLD == 0:
                watch.tell(tick)
            self._tick(tick)
            self.cash.append(self.account.cash)
        watch.tell(len(self.times))
        self._call("on_end", self.seats, lambda seat: seat.hooks.on_end)

    def _seat(self, series: Series, strategy: object) -> Seat:
        ticks = np.searchsorted(self.times, series.bars.times.astype("datetime64[ms]"))
        gaps = series.terms.gap_after.copy()
        if not series.bars.is_intraday:
            gaps[:-1] |= np.diff(ticks) > 1
        holding = series.holding(self.account, self.request, gaps=gaps)
        size = len(series.bars)
        build = BarMaker(series.bars).build
        writer = HistoryWriter(build, size=size, longest=self.request.max_history)
        context = Context(holding, writer.history, initial=self.account.cash, equity=self._worth)
        bars = (bar for start in range(0, size, BLOCK) for bar in build(start, min(start + BLOCK, size)))
        return Seat(series, holding, hooks_of(strategy), writer, context, ticks.tolist(), bars)

    def _tick(self, tick: int) -> None:
        """Do one bar: events, fills at the open, strategies, fills at the close."""
        present = [seat for seat in self.seats if seat.next_tick() == tick]
        for seat in present:
            _events(seat, seat.index + 1)
        if self.request.mode is FillMode.NEXT_OPEN:
            self._settle([(seat, seat.index + 1) for seat in present])
        for seat in present:
            seat.advance()
        for seat in present:
            bar = next(seat.bars)
            seat.writer.append(bar)
            if seat.index >= self.request.warmup_bars:
                self.current = seat
                seat.hooks.on_bar(bar, seat.context)
        if self.request.mode is FillMode.THIS_CLOSE:
            self._settle([(seat, seat.index) for seat in present])

    def _settle(self, placed: list[tuple[Seat, int]]) -> None:
        waiting = [(seat, index) for seat, index in placed if seat.holding.queue]
        if not waiting:
            return
        prices = {id(seat): seat.holding.quote(at.PRICE, index) for seat, index in placed}

        def equity() -> int:
            worth = (seat.holding.worth(prices.get(id(seat), seat.last_close())) for seat in self.seats)
            return self.account.cash + sum(worth)

        settle([(seat.holding, index) for seat, index in waiting], equity)
        for seat, _ in waiting:
            seat.show()

    def _worth(self) -> int:
        """Return cash and all holdings at the last close of each."""
        return self.account.cash + sum(seat.holding.worth(seat.last_close()) for seat in self.seats)

    def _call(
        self, hook: str, seats: Sequence[Seat], chosen: Callable[[Seat], Callable[[Context], object] | None]
    ) -> None:
        self.hook = hook
        for seat in seats:
            self.current = seat
            function = chosen(seat)
            if function is not None:
                function(seat.context)

    def _watch(self) -> Watch:
        return Watch(
            self.request.clock,
            self.request.limits,
            total=len(self.times),
            where=self._where,
            log=chain.from_iterable(seat.context._log for seat in self.seats),  # noqa: SLF001 - the driver's side
            progress=self.request.progress,
        )

    def _where(self) -> tuple[str, int, str]:
        seat = self.current
        when = seat.holding.bars.dt(seat.index) if seat.index >= 0 else "before the first bar"
        return f"{self.hook} of {seat.series.name}", seat.index, when


def _events(seat: Seat, index: int) -> None:
    holding = seat.holding
    found = [entry for entry in seat.series.due if entry.index == index]
    for entry in found:
        apply_action(holding, entry)
    if found or holding.owed:
        pay_owed(holding, index)
        holding.note(index)
        seat.show()


def run_portfolio(
    request: RunRequest,
    strategies: Mapping[Any, object],
    assets: Sequence[Any],
    *,
    bars: Mapping[Any, Any],
    asset: int | str | None,
    actions: Mapping[Any, Sequence[CorporateAction]],
    listings: Mapping[Any, Listing | str],
) -> BacktestResult:
    """Run strategies against one pool of cash and measure the whole and its parts."""
    series = [
        prepare(
            request,
            Wanted(
                asset=name if asset is None else asset,
                filter_value=name,
                bars=bars.get(name),
                actions=actions.get(name),
                listing=listings.get(name),
            ),
        )
        for name in _checked(strategies, assets)
    ]
    run = PortfolioRun(request, [(one, strategies[name]) for one, name in zip(series, assets, strict=True)])
    benchmark = benchmark_closes(request)
    code = [code_of(strategies[name]) for name in assets]
    run.run()
    return _result(request, run, assets, code, benchmark)


def _checked(strategies: Mapping[Any, object], assets: Sequence[Any]) -> Sequence[Any]:
    if not assets:
        raise ParameterInvalid(name="strategies", reason="there is none")
    if sorted(map(str, assets)) != sorted(map(str, strategies)) or len(set(assets)) != len(assets):
        raise ParameterInvalid(name="assets", reason=f"must name each of {', '.join(map(str, strategies))} once")
    return assets


def _result(
    request: RunRequest,
    run: PortfolioRun,
    assets: Sequence[Any],
    code: Sequence[bytes],
    benchmark: tuple[Any, Any, list[dict[str, Any]]] | None,
) -> BacktestResult:
    """Measure a finished run."""
    holdings = [(str(name), seat.holding, seat.ticks) for name, seat in zip(assets, run.seats, strict=True)]
    curve, days = account_curve(run.times, holdings, run.cash)
    trades = [
        trade | {"symbol": name} for name, holding, _ in holdings for trade in trades_of(holding.lines(), holding.bars)
    ]
    trades.sort(key=lambda trade: str(trade["exit_dt"]))
    performance = _measured(request, run, curve, days, trades, benchmark)
    ticks = {seat.series.name: digest for seat in run.seats for digest in seat.series.ticks.values()}
    parameters = request.parameters(assets=[str(name) for name in assets], **({"ticks": ticks} if ticks else {}))
    mark = fingerprint(data_digest([seat.series for seat in run.seats], parameters), code, parameters, benchmark)
    notes = [note for seat in run.seats for note in notes_of(seat.series, seat.holding)]
    metrics, undefined = metrics_of(performance, mark)
    metrics["per_asset"] = {
        name: per_asset(holding, ticks, len(run.times), request.cash) for name, holding, ticks in holdings
    }
    result = BacktestResult(
        metrics=metrics,
        undefined=undefined,
        trades=trades,
        curve=curve,
        order_list=OrderList(run.account),
        performance=performance,
        parameters=parameters,
        log=[line for seat in run.seats for line in seat.context._log],  # noqa: SLF001 - the driver's side
        warnings=[*map(str, performance.warnings), *notes],
        benchmark=benchmark[2] if benchmark else [],
        simulated=any(seat.series.bars.table.simulated for seat in run.seats),
        sink=current_ports().sink,
    )
    if request.persist:
        result.persist(request.persist_name)
    return result


def _measured(
    request: RunRequest,
    run: PortfolioRun,
    curve: AccountCurve,
    days: Integers,
    trades: Sequence[Mapping[str, Any]],
    benchmark: tuple[Any, Any, Any] | None,
) -> Performance:
    """Compute the figures of the whole."""
    return measure(
        RunFigures(
            curve=Curve(request.cash / UNIT, days, curve.equity),
            pnl=np.array([trade["pnl"] for trade in trades], dtype=np.float64),
            held=curve.position > 0,
            traded=run.account.traded() / UNIT,
            fees=run.account.charges() / UNIT,
            benchmark_days=benchmark[0] if benchmark else None,
            benchmark_closes=benchmark[1] if benchmark else None,
        ),
        annualization=request.annualization,
    )
