"""`backtest()` and `backtest_portfolio()`: what users call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.backtest.collector import rare_collection
from core.backtest.model import Listing
from core.backtest.outcome import BacktestResult
from core.backtest.request import RunRequest
from core.backtest.slippage import SlippageModel
from core.backtest.watching import Progress, RunLimits
from core.clock import Clock, SystemClock
from core.market.model import CorporateAction


def backtest(  # noqa: PLR0913, PLR0917 - the named parameters of the original, and ours
    strategy: object,
    asset: int | str | None = None,
    start: str | None = None,
    end: str | None = None,
    initial_cash: float = 1_000_000.0,
    commission_bps: float = 0.0,
    slippage_bps: float = 0.0,
    fill: str = "next_open",
    date_column: str = "trade_date",
    price_columns: Mapping[str, str] | None = None,
    filter_column: str | None = None,
    filter_value: Any = None,
    warmup_bars: int = 0,
    max_bars: int = 1_000_000,
    max_history: int | None = None,
    on_trade: Callable[[dict[str, Any]], object] | None = None,
    benchmark_asset: int | str | None = None,
    benchmark_price_column: str | None = None,
    benchmark_filter_column: str | None = None,
    benchmark_filter_value: Any = None,
    persist: bool = False,
    persist_name: str | None = None,
    bars: Any = None,
    *,
    market_rules: str | None = None,
    matching: str | None = None,
    slippage: str | tuple[str, float] | SlippageModel | None = None,
    ticks: Any = None,
    volume_limit: float | None = None,
    carry_orders: bool = False,
    take_rights: bool = False,
    dividend_tax: str | None = None,
    actions: Sequence[CorporateAction] | None = None,
    listing: Listing | str | None = None,
    benchmark_bars: Any = None,
    annualization: float = 252,
    seed: int | None = None,
    limits: RunLimits | None = None,
    progress: Callable[[Progress], object] | None = None,
    clock: Clock | None = None,
) -> BacktestResult:
    """Run a strategy over the bars of one instrument.

    `strategy` is called as `strategy(bar, ctx)` on every bar, or is an object with `on_bar` and perhaps `on_start(ctx)`
    and `on_end(ctx)`. The first 23 parameters are those of the guide. Ours: `market_rules` None, "a_share" or "hk";
    `matching`, `slippage` and `ticks`, which price orders meet (below); `volume_limit`, the part of the volume at that
    price orders may take (0.25 under market rules, all of what stands in an order book, infinity for no limit);
    `carry_orders`, whether what a suspension or the volume left unfilled goes on to the next bar; `take_rights`;
    `dividend_tax` None or "cn_individual"; `actions` and `listing` where the source does not tell them;
    `benchmark_bars`, rows in place of a `benchmark_asset`; `annualization`, periods of a year; `seed`, kept with the
    parameters for strategies that draw random numbers; `limits` of time and memory; `progress`, called between blocks.

    `matching`: "next_bar_open" and "current_bar_close" are the two of `fill`. "vwap" is the amount by the volume of the
    next bar, "open_auction" the price of the next day's opening auction. "next_tick_last" is the first trade after the
    bar's end, "next_tick_best_own" and "next_tick_best_counterparty" the best price of one side of the first order book
    after it, "counterparty_offer" what its levels ask or bid, one after the other as far as they go. What happens after
    the next bar's end is too late; the time of a bar is its end. `ticks`: trades or order books as a Parquet or CSV
    file, a data frame, columns or rows, named as `core.backtest.tick_source` says; of a source where it has some.
    `slippage` in place of `slippage_bps`: "none", "price_ratio:0.001", "tick_size:2" (price steps) or "limit_price" (to
    the exchange's limit); a pair such as ("tick_size", 2) will do.

    Raises errors of `core.backtest.problems`; a strategy that raises is `StrategyFailed` naming bar and line.
    """
    from core.backtest.single_run import run_single  # noqa: PLC0415 - compiled kernels load on the first run

    request = RunRequest(
        start=start,
        end=end,
        initial_cash=initial_cash,
        commission_bps=commission_bps,
        slippage_bps=slippage_bps,
        fill=fill,
        date_column=date_column,
        price_columns=price_columns,
        filter_column=filter_column,
        warmup_bars=warmup_bars,
        max_bars=max_bars,
        max_history=max_history,
        on_trade=on_trade,
        benchmark_asset=benchmark_asset,
        benchmark_price_column=benchmark_price_column,
        benchmark_filter_column=benchmark_filter_column,
        benchmark_filter_value=benchmark_filter_value,
        benchmark_bars=benchmark_bars,
        persist=persist,
        persist_name=persist_name,
        market_rules=market_rules,
        matching=matching,
        slippage=slippage,
        ticks=ticks,
        volume_limit=volume_limit,
        carry_orders=carry_orders,
        take_rights=take_rights,
        dividend_tax=dividend_tax,
        annualization=annualization,
        seed=seed,
        limits=limits or RunLimits(),
        progress=progress,
        clock=clock or SystemClock(),
    )
    named: dict[str, Any] = {"asset": asset, "filter_value": filter_value, "bars": bars, "actions": actions}
    with rare_collection():
        return run_single(request, strategy, listing=listing, **named)


def backtest_portfolio(
    strategies: Mapping[Any, object],
    assets: Sequence[Any] | None = None,
    *,
    bars: Mapping[Any, Any] | None = None,
    asset: int | str | None = None,
    actions: Mapping[Any, Sequence[CorporateAction]] | None = None,
    listings: Mapping[Any, Listing | str] | None = None,
    **parameters: Any,
) -> BacktestResult:
    """Run one strategy per instrument against one pool of cash.

    `strategies` by symbol; `assets` is the order in which orders of one bar settle (by default that of `strategies`):
    on each bar all sells first, then all buys. `bars` gives the rows by symbol; without it each is read through the
    source, as its own asset, or out of `asset` filtered by `filter_column`. `parameters` are those of `backtest`;
    `ticks` hold a column `symbol`, or are given by symbol. `metrics["per_asset"]` holds return, max_drawdown,
    num_trades and contribution of each.
    """
    from core.backtest.portfolio_run import run_portfolio  # noqa: PLC0415 - compiled kernels load on the first run

    request = RunRequest.of(parameters)
    order = list(assets if assets is not None else strategies)
    with rare_collection():
        return run_portfolio(
            request, strategies, order, bars=bars or {}, asset=asset, actions=actions or {}, listings=listings or {}
        )
