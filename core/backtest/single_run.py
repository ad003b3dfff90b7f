"""A backtest of one instrument, from request to result."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.backtest.callback import CallbackRun, DriveOptions
from core.backtest.fingerprint import data_digest, fingerprint, is_long
from core.backtest.model import Listing
from core.backtest.notes import notes_of
from core.backtest.order_list import OrderList
from core.backtest.outcome import AccountCurve, BacktestResult, metrics_of
from core.backtest.ports import current_ports
from core.backtest.request import RunRequest
from core.backtest.series import Series, Wanted, benchmark_closes, prepare
from core.backtest.settlement import UNIT, Account, Holding, trades_of
from core.backtest.strategy_code import code_of
from core.market.model import CorporateAction
from core.matching import order_kernel
from core.matching.threads import beside
from core.performance.curve import Curve
from core.performance.measure import Performance, RunFigures, measure


def run_single(
    request: RunRequest,
    strategy: object,
    *,
    asset: int | str | None = None,
    filter_value: Any = None,
    bars: Any = None,
    actions: Sequence[CorporateAction] | None = None,
    listing: Listing | str | None = None,
) -> BacktestResult:
    """Run one strategy over one instrument and measure it."""
    wanted = Wanted(asset=asset, filter_value=filter_value, bars=bars, actions=actions, listing=listing)
    series = prepare(request, wanted)
    benchmark = benchmark_closes(request)
    account = Account(request.cash)
    holding = series.holding(account, request)
    run = CallbackRun(holding, strategy, due=series.due, options=drive_options(request), clock=request.clock)
    code = code_of(strategy)
    parameters = request.parameters(asset=asset, filter_value=filter_value, symbol=series.name, **series.ticks)
    with beside(lambda: data_digest([series], parameters), is_long=is_long(series)) as data:
        run.run()
    curve, trades = _curve(request, holding), trades_of(account.lines(), series.bars)
    performance = _measured(request, series, account, curve, trades, benchmark)
    mark = fingerprint(data(), [code], parameters, benchmark)
    metrics, undefined = metrics_of(performance, mark)
    result = BacktestResult(
        metrics=metrics,
        undefined=undefined,
        trades=trades,
        curve=curve,
        order_list=OrderList(account),
        performance=performance,
        parameters=parameters,
        log=run.context._log,  # noqa: SLF001 - the driver's side of the context
        warnings=[*map(str, performance.warnings), *notes_of(series, holding)],
        benchmark=benchmark[2] if benchmark else [],
        simulated=series.bars.table.simulated,
        sink=current_ports().sink,
    )
    if request.persist:
        result.persist(request.persist_name)
    return result


def drive_options(request: RunRequest) -> DriveOptions:
    """Return how a request wants its bars walked through."""
    return DriveOptions(
        fill=request.mode,
        warmup_bars=request.warmup_bars,
        max_history=request.max_history,
        limits=request.limits,
        progress=request.progress,
    )


def _curve(request: RunRequest, holding: Holding) -> AccountCurve:
    """Build the account bar by bar out of its ledger."""
    size, bars = len(holding.bars), holding.bars
    closes, columns = bars.prices["close"], np.empty((3, size), dtype=np.int64)
    order_kernel.account_columns(
        holding.account.lines(), closes, holding.factor, holding.divisor, request.cash, columns
    )
    position, cash, equity = columns
    return AccountCurve(
        dts=lambda: bars.dts(0, size),
        equity=equity / UNIT,
        cash=cash / UNIT,
        position=position,
        close=closes / 10**bars.places,
    )


def _measured(
    request: RunRequest,
    series: Series,
    account: Account,
    curve: AccountCurve,
    trades: Sequence[Mapping[str, Any]],
    benchmark: tuple[Any, Any, Any] | None,
) -> Performance:
    """Compute the figures of the run."""
    run = RunFigures(
        curve=Curve(request.cash / UNIT, series.bars.days, curve.equity),
        pnl=np.array([trade["pnl"] for trade in trades], dtype=np.float64),
        held=curve.position > 0,
        traded=account.traded() / UNIT,
        fees=account.charges() / UNIT,
        benchmark_days=benchmark[0] if benchmark else None,
        benchmark_closes=benchmark[1] if benchmark else None,
    )
    return measure(run, annualization=request.annualization)
