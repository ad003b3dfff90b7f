"""`dingpan backtest panel`: orders declared over the whole market, such as a rotation of the smallest companies."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent_server.cli.backtest_command import FillWord, LanguageWord, numbers_as_floats
from agent_server.cli.context import NOT_FOUND, USAGE, AsJson, fail, print_json, run
from agent_server.cli.own_file import OwnCode, check_target, load
from agent_server.cli.skill_command import parse_pairs
from agent_server.cli.warm_up_command import warn_when_cold

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.backtest.panel_result import PanelResult

SMALL_CAP: Final = "small_cap_rotation"


def panel(  # noqa: PLR0913, PLR0917 - the options are the interface
    ctx: typer.Context,
    strategy: Annotated[
        str, typer.Argument(help=f"A Python file with `decide(market, **parameters)`, or {SMALL_CAP}.")
    ] = SMALL_CAP,
    parameters: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="key:=json, such as count:=40 or every:=5.")
    ] = None,
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y%m%d"], help="First day.")] = None,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y%m%d"], help="Last day.")] = None,
    cash: Annotated[float, typer.Option(help="Initial cash.")] = 10_000_000.0,
    commission_bps: Annotated[float, typer.Option(help="Commission in hundredths of a percent.")] = 0.0,
    slippage_bps: Annotated[float, typer.Option(help="Slippage in hundredths of a percent.")] = 0.0,
    fill: Annotated[FillWord, typer.Option(help="When orders fill.")] = FillWord.NEXT_OPEN,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")] = None,
    language: Annotated[LanguageWord, typer.Option(help="Language of the report.")] = LanguageWord.EN,
    as_json: AsJson = False,
) -> None:
    """Run one account over all mainland shares of the desk's market, under their exchanges' rules.

    A file is run as a program of yours, with your rights; `decide` is given the market and returns TopK, TargetWeights
    or Orders of core.backtest.panel_decisions.

    Example: dingpan backtest panel small_cap_rotation -p count:=40 -p every:=5 --commission-bps 2.5
    """
    if strategy.endswith(".py") and not Path(strategy).is_file():
        fail(f"There is no file {strategy}.", NOT_FOUND)
    if not strategy.endswith(".py") and strategy != SMALL_CAP:
        fail(f"{strategy} is neither a Python file nor {SMALL_CAP}.", USAGE)
    check_target(report)
    warn_when_cold(ctx)
    given = numbers_as_floats(parse_pairs(parameters or []))
    options = {
        "initial_cash": cash,
        "commission_bps": commission_bps,
        "slippage_bps": slippage_bps,
        "fill": fill.value,
    }
    days = {"start": start.date() if start else None, "end": end.date() if end else None}
    result, told = run(ctx, lambda desk: _run(desk, strategy, given, options, days), may_create=True)
    if report is not None:
        result.report(report, name=Path(strategy).stem, language=language.value)
    if as_json:
        print_json({"metrics": result.metrics, "undefined": result.undefined, "orders": result.reasons})
    else:
        typer.echo(told)


async def _run(
    desk: "Desk", strategy: str, given: dict[str, Any], options: dict[str, Any], days: dict[str, Any]
) -> "tuple[PanelResult, str]":
    """Make the market ready, ask for decisions, run."""
    from core.backtest.desk_panel import desk_panel  # noqa: PLC0415 - keeps --help fast
    from core.backtest.panel import backtest_panel  # noqa: PLC0415 - keeps --help fast

    market = await desk_panel(desk.services.market, **days)
    decide = decider_of(strategy)
    try:
        with OwnCode(strategy):
            decisions = decide(market, **given)
    except TypeError as error:
        fail(f"{Path(strategy).name}: {error}", USAGE)
    result = backtest_panel(market, decisions, **options)
    return result, result.summary()


def decider_of(strategy: str) -> Any:
    """Return what decides: the `decide` of a file, or the built-in rotation; end the program when there is none."""
    if strategy == SMALL_CAP:
        from core.backtest.strategies.small_cap import small_cap_rotation  # noqa: PLC0415 - keeps --help fast

        return small_cap_rotation
    decide = load(strategy).get("decide")
    if not callable(decide):
        fail(f"{Path(strategy).name} defines no decide(market).", USAGE)
    return decide
