"""`dingpan backtest`: run a person's own strategy file, or one that comes with the desk, over the desk's market."""

import sys
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent_server.cli.backtest_script import run_script
from agent_server.cli.context import (
    USAGE,
    AsJson,
    fail,
    local_caller,
    new_trace,
    print_json,
    run,
    user_named,
)
from agent_server.cli.own_file import OwnCode, check_target, load
from agent_server.cli.skill_command import ForUser, parse_pairs
from agent_server.cli.warm_up_command import warn_when_cold

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.backtest.model import BarTable
    from core.backtest.outcome import BacktestResult

NAMES: Final = ("strategy", "my_strategy", "Strategy")
"""What a strategy is called in a file: a function of (bar, ctx), an object with on_bar, or a class of such."""
NO_RULES: Final = "none"


class LanguageWord(StrEnum):
    """The language of a report."""

    EN = "en"
    ZH = "zh"


class FillWord(StrEnum):
    """When the orders of a bar fill."""

    NEXT_OPEN = "next_open"
    THIS_CLOSE = "this_close"


class MatchingWord(StrEnum):
    """Which price orders meet."""

    NEXT_BAR_OPEN = "next_bar_open"
    CURRENT_BAR_CLOSE = "current_bar_close"
    VWAP = "vwap"
    OPEN_AUCTION = "open_auction"
    NEXT_TICK_LAST = "next_tick_last"
    NEXT_TICK_BEST_OWN = "next_tick_best_own"
    NEXT_TICK_BEST_COUNTERPARTY = "next_tick_best_counterparty"
    COUNTERPARTY_OFFER = "counterparty_offer"


class FrequencyWord(StrEnum):
    """Length of a bar."""

    DAY = "1d"
    MINUTE_1 = "1m"
    MINUTE_5 = "5m"
    MINUTE_15 = "15m"
    MINUTE_30 = "30m"
    MINUTE_60 = "60m"


class RulesWord(StrEnum):
    """Which market's rules hold."""

    AUTO = "auto"
    A_SHARE = "a_share"
    HK = "hk"
    NONE = NO_RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to run and what to do with the result."""

    strategy: str
    symbol: str
    benchmark: str | None
    frequency: FrequencyWord
    start: date | None
    end: date | None
    rules: RulesWord
    options: dict[str, Any]
    parameters: dict[str, Any]
    save: str | None
    tags: list[str]
    user: str | None


def backtest(  # noqa: PLR0913, PLR0917 - the options are the interface
    ctx: typer.Context,
    strategy: Annotated[str, typer.Argument(help="A Python file with `strategy`, or the name of a built-in one.")],
    symbol: Annotated[
        str | None, typer.Option(help="The instrument, such as 600519.SH; without it the file is run as a script.")
    ] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="key:=json for a built-in strategy, such as fast:=10.")
    ] = None,
    frequency: Annotated[FrequencyWord, typer.Option(help="Length of the bars.")] = FrequencyWord.DAY,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y%m%d"], help="First day.")] = None,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y%m%d"], help="Last day.")] = None,
    cash: Annotated[float, typer.Option(help="Initial cash.")] = 1_000_000.0,
    commission_bps: Annotated[float, typer.Option(help="Commission in hundredths of a percent.")] = 0.0,
    slippage_bps: Annotated[float, typer.Option(help="Slippage in hundredths of a percent.")] = 0.0,
    slippage: Annotated[
        str | None,
        typer.Option(help="In place of --slippage-bps: none, price_ratio:0.001, tick_size:2 or limit_price."),
    ] = None,
    fill: Annotated[FillWord, typer.Option(help="When orders fill.")] = FillWord.NEXT_OPEN,
    matching: Annotated[MatchingWord | None, typer.Option(help="The price orders meet, in place of --fill.")] = None,
    ticks: Annotated[
        Path | None, typer.Option(help="Parquet or CSV file of trades or order books; else those of the desk.")
    ] = None,
    rules: Annotated[RulesWord, typer.Option(help="Market rules; auto takes those of the exchange.")] = RulesWord.AUTO,
    benchmark: Annotated[str | None, typer.Option(help="An index to compare with, such as 000300.SH.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")] = None,
    language: Annotated[LanguageWord, typer.Option(help="Language of the report.")] = LanguageWord.EN,
    save: Annotated[str | None, typer.Option(help="Keep the result on the desk under this name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Tag of the kept result; may repeat.")] = None,
    user: ForUser = None,
    as_json: AsJson = False,
) -> None:
    """Run a strategy over bars of the desk's market, and print its figures.

    The file is run as a program of yours, with your rights. Without --symbol it is a script that calls
    backtest(asset=...) and persist() itself: they reach this desk's assets and results. Dividends and bonus shares of
    the desk's event table are booked on their days. Prices of bars are raw; ctx.sma and its like look through those
    days, bar.close * bar.raw["adj_factor"] can be compared over them.

    --matching vwap fills at the average price of the next bar, open_auction at the next opening auction, those with
    "tick" at the first trade or order book after it begins, counterparty_offer through the levels of that book as far
    as they go. Trades have the columns ts, price, qty; order books ts, bid_px1, bid_qty1, ask_px1, ask_qty1 and so on.

    Example: dingpan backtest dual_moving_average --symbol 600519.SH -p fast:=10 -p slow:=30 --report out.html
    """
    warn_when_cold(ctx)
    if symbol is None:
        run_script(ctx, strategy, names=NAMES, user=user)
        return
    wish = Wish(
        strategy=strategy,
        symbol=symbol,
        benchmark=benchmark,
        frequency=frequency,
        start=start.date() if start else None,
        end=end.date() if end else None,
        rules=rules,
        options={
            "initial_cash": cash,
            "commission_bps": commission_bps,
            "slippage_bps": slippage_bps,
            "slippage": slippage,
            "fill": fill.value,
            "matching": None if matching is None else matching.value,
            "ticks": ticks,
            "progress": None if as_json or not sys.stderr.isatty() else tell_when_long,
        },
        parameters=numbers_as_floats(parse_pairs(parameters or [])),
        save=save,
        tags=tag or [],
        user=user,
    )
    check_target(report)
    result, kept = run(ctx, lambda desk: _run(desk, wish), may_create=save is None)
    if report is not None:
        result.report(report, name=save or f"{Path(strategy).stem} {symbol}", language=language.value)
    if as_json:
        print_json({"id": kept, "metrics": result.metrics, "undefined": result.undefined, "orders": result.reasons})
        return
    typer.echo(result.summary())
    if kept is not None:
        typer.echo(f"kept as backtest {kept}")


async def _run(desk: "Desk", wish: Wish) -> "tuple[BacktestResult, int | None]":
    """Read the bars, run, and keep the result where that was asked for."""
    from core.backtest.api import backtest as run_backtest  # noqa: PLC0415 - keeps --help fast
    from core.backtest.desk_bars import desk_bars  # noqa: PLC0415 - keeps --help fast
    from core.backtest.desk_ticks import ticks_of  # noqa: PLC0415 - keeps --help fast
    from core.market.model import Frequency, InstrumentKind  # noqa: PLC0415 - keeps --help fast
    from core.matching.model import MatchingType  # noqa: PLC0415 - keeps --help fast

    strategy = load_strategy(wish.strategy, wish.parameters)
    market, index = desk.services.market, None
    frequency = Frequency(wish.frequency.value)
    bars = await desk_bars(market, wish.symbol, start=wish.start, end=wish.end, frequency=frequency)
    if wish.benchmark:
        index = await desk_bars(market, wish.benchmark, start=wish.start, end=wish.end, kind=InstrumentKind.INDEX)
    options = dict(wish.options, market_rules=market_rules(wish.rules, bars), benchmark_asset=wish.benchmark)
    options |= {"start": wish.start and wish.start.isoformat(), "end": wish.end and wish.end.isoformat()}
    if options["ticks"] is None and options["matching"] is not None:
        named = {bars.listing.symbol if bars.listing else wish.symbol: bars}
        matching = MatchingType(options["matching"])
        options["ticks"] = await ticks_of(market, named, matching, start=wish.start, end=wish.end)
    result = run_backtest(strategy, bars=bars, benchmark_bars=index, **options)
    return result, None if wish.save is None else await _keep(desk, wish, result)


async def _keep(desk: "Desk", wish: Wish, result: "BacktestResult") -> int:
    """Keep the result in the person's team, with a line in the audit."""
    from core.backtest.results_draft import draft_of  # noqa: PLC0415 - keeps --help fast

    caller = local_caller(await user_named(desk, wish.user))
    draft = draft_of(result.to_dict(), name=wish.save or "", tags=wish.tags, strategy=Path(wish.strategy).stem)
    async with desk.unit_of_work() as uow:
        kept = await desk.services.backtest.save(
            uow, caller.team_id or 0, draft=draft, created_by=caller.username or ""
        )
        await desk.note(
            uow, "backtest.kept", caller=caller, trace_id=new_trace(desk), detail={"id": kept.id, "name": kept.name}
        )
        await uow.commit()
    return kept.id


def tell(progress: Any) -> None:
    """Say on the terminal how far the work is."""
    left = "" if progress.eta_seconds is None else f", about {progress.eta_seconds:.0f} s left"
    end = "\n" if progress.done == progress.total else ""
    typer.echo(f"\r{progress.done}/{progress.total}{left}   {end}", err=True, nl=False)


def tell_when_long(progress: Any) -> None:
    """Say how far a run is that takes more than a second."""
    if progress.elapsed_seconds >= 1:
        tell(progress)


def numbers_as_floats(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters whose fractions are floats, as strategies take them."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in parameters.items()}


def load_strategy(given: str, parameters: dict[str, Any]) -> object:
    """Return the strategy of a file, or a built-in one by name; end the program when there is none."""
    from core.backtest.strategies.built_in import built_in  # noqa: PLC0415 - keeps --help fast

    if not given.endswith(".py"):
        return built_in(given, parameters)
    if parameters:
        fail("--param is for built-in strategies; a file has its own numbers.", USAGE)
    found = load(given)
    strategy = next((found[name] for name in NAMES if name in found), None)
    if strategy is None:
        fail(f"{given} defines none of {', '.join(NAMES)}.", USAGE)
    with OwnCode(given):
        return strategy() if isinstance(strategy, type) else strategy


def market_rules(asked: RulesWord, bars: "BarTable") -> str | None:
    """Return the rules' name for the engine; `auto` means those of the instrument's exchange."""
    from core.market.model import Exchange, InstrumentKind  # noqa: PLC0415 - keeps --help fast

    if asked is RulesWord.AUTO:
        listing = bars.listing
        if listing is None or listing.kind is InstrumentKind.INDEX:
            return None
        return "hk" if listing.exchange is Exchange.HKEX else "a_share"
    return None if asked is RulesWord.NONE else asked.value
