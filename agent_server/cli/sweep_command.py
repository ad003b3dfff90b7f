"""`dingpan backtest sweep`: try a strategy with many parameters, and say what the best of them is worth."""

import sys
from contextlib import nullcontext
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from agent_server.cli.backtest_command import FillWord, RulesWord, market_rules, tell
from agent_server.cli.context import NOT_FOUND, USAGE, AsJson, fail, print_json, run
from agent_server.cli.own_file import OwnCode
from agent_server.cli.warm_up_command import warn_when_cold

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.backtest.sweep_result import SweepResult
    from core.backtest.walk_forward import WalkForward

LARGEST_RANGE: Final = 100_000


class RunByDefault(TyperGroup):
    """`dingpan backtest FILE.py ...` is `dingpan backtest run FILE.py ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the usual command first where none is named."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


def sweep(  # noqa: PLR0913, PLR0917 - the options are the interface
    ctx: typer.Context,
    strategy: Annotated[
        str, typer.Argument(help="A Python file with `Strategy` or `make_strategy`, or the name of a built-in one.")
    ],
    symbol: Annotated[str, typer.Option(help="The instrument, such as 600519.SH.")],
    parameters: Annotated[
        list[str], typer.Option("--param", "-p", help="NAME=FIRST:LAST[:STEP], or NAME=VALUE,VALUE; may repeat.")
    ],
    start: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y%m%d"], help="First day.")] = None,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y%m%d"], help="Last day.")] = None,
    cash: Annotated[float, typer.Option(help="Initial cash.")] = 1_000_000.0,
    commission_bps: Annotated[float, typer.Option(help="Commission in hundredths of a percent.")] = 0.0,
    slippage_bps: Annotated[float, typer.Option(help="Slippage in hundredths of a percent.")] = 0.0,
    fill: Annotated[FillWord, typer.Option(help="When orders fill.")] = FillWord.NEXT_OPEN,
    rules: Annotated[RulesWord, typer.Option(help="Market rules; auto takes those of the exchange.")] = RulesWord.AUTO,
    objective: Annotated[str, typer.Option(help="The figure that decides which trial is best.")] = "sharpe",
    trials: Annotated[int | None, typer.Option(help="Draw so many combinations at random.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="What the drawing begins with: the same draws the same.")] = 0,
    train: Annotated[int | None, typer.Option(help="Walk forward: choose on so many bars ...", min=2)] = None,
    test: Annotated[int | None, typer.Option(help="... and trade the next so many with the best.", min=1)] = None,
    anchored: Annotated[bool, typer.Option(help="Let the stretch to choose on begin at the first bar.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Stop after so many seconds, with what is done.")] = None,
    processes: Annotated[int, typer.Option(help="Processes for strategies that run bar by bar.", min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Run a strategy with every combination of parameters, and print the best and how much of it is luck.

    A file is run as a program of yours, with your rights; its `Strategy` or `make_strategy` is called with the
    parameters by name. With --train and --test it walks forward.

    Example: dingpan backtest sweep dual_moving_average --symbol 600519.SH -p fast=5:20:5 -p slow=30:120:10
    """
    if (train is None) != (test is None):
        fail("--train and --test belong together.", USAGE)
    if strategy.endswith(".py") and not Path(strategy).is_file():
        fail(f"There is no file {strategy}.", NOT_FOUND)
    warn_when_cold(ctx)
    named: dict[str, Any] = {
        "initial_cash": cash,
        "commission_bps": commission_bps,
        "slippage_bps": slippage_bps,
        "fill": fill.value,
        "objective": objective,
        "progress": None if as_json or not sys.stderr.isatty() else tell,
    }
    grid = dict(values_of(given) for given in parameters)
    days = (start.date() if start else None, end.date() if end else None)
    forward = None if train is None or test is None else {"train": train, "test": test, "anchored": anchored}

    async def work(desk: "Desk") -> tuple[Any, str]:
        from core.backtest.desk_bars import desk_bars  # noqa: PLC0415 - keeps --help fast

        bars = await desk_bars(desk.services.market, symbol, start=days[0], end=days[1])
        more = named | {"market_rules": market_rules(rules, bars), "bars": bars}
        found = _found(strategy, grid, more, forward, (trials, seed), seconds, processes)
        return found, found.summary()

    found, told = run(ctx, work, may_create=True)
    if as_json:
        print_json(_plain(found))
    else:
        typer.echo(told)


def _found(
    strategy: str,
    grid: dict[str, list[Any]],
    named: dict[str, Any],
    forward: dict[str, Any] | None,
    drawn: tuple[int | None, int],
    seconds: float | None,
    processes: int,
) -> "SweepResult | WalkForward":
    """Run the sweep, or the walk."""
    from core.backtest.sweep import sweep as run_sweep  # noqa: PLC0415 - keeps --help fast
    from core.backtest.sweep_grid import RandomSearch  # noqa: PLC0415 - keeps --help fast
    from core.backtest.walk_forward import walk_forward  # noqa: PLC0415 - keeps --help fast
    from core.backtest.watching import RunLimits  # noqa: PLC0415 - keeps --help fast
    from core.durable.fan_out import ProcessPool  # noqa: PLC0415 - keeps --help fast

    trials, seed = drawn
    search = None if trials is None else RandomSearch(trials=trials, seed=seed)
    limits = RunLimits(time_seconds=seconds)
    with OwnCode(strategy), ProcessPool(processes) if processes > 1 else nullcontext() as pool:
        if forward is not None:
            return walk_forward(strategy, grid, search=search, fan_out=pool, **named, **forward)
        return run_sweep(strategy, grid, search=search, fan_out=pool, limits=limits, **named)


def values_of(given: str) -> tuple[str, list[Any]]:
    """Read `fast=5:50:5` (both ends belong to it), `fast=5,8,13` or `size=all`; end the program on anything else."""
    name, is_there, text = given.partition("=")
    if not (name and is_there and text):
        fail(f"--param {given}: write NAME=FIRST:LAST:STEP or NAME=VALUE,VALUE.", USAGE)
    if ":" not in text:
        return name, [_value(part) for part in text.split(",")]
    try:
        first, last, *steps = (Decimal(part) for part in text.split(":"))
        step = steps[0] if steps else Decimal(1)
        count = int((last - first) / step) + 1
    except (InvalidOperation, ValueError, ArithmeticError):
        fail(f"--param {given}: a range is FIRST:LAST:STEP, all numbers.", USAGE)
    if len(steps) > 1 or not 1 <= count <= LARGEST_RANGE:
        fail(f"--param {given}: the range holds no value, or too many.", USAGE)
    return name, [_number(first + step * place) for place in range(count)]


def _value(text: str) -> Any:
    try:
        return _number(Decimal(text))
    except InvalidOperation:
        return {"true": True, "false": False}.get(text.lower(), text)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)


def _plain(found: "SweepResult | WalkForward") -> dict[str, Any]:
    """Return a result as plain values that JSON can hold."""
    from core.backtest.sweep_result import SweepResult  # noqa: PLC0415 - keeps --help fast

    if isinstance(found, SweepResult):
        return found.to_dict()
    windows = [asdict(window) for window in found.windows]
    return {"windows": windows, "metrics": found.metrics, "undefined": found.undefined}


app = typer.Typer(cls=RunByDefault, no_args_is_help=True, rich_markup_mode=None)
app.command("sweep")(sweep)
