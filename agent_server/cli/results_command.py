"""`dingpan results`: files made of kept backtests."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from agent_server.cli.backtest_command import LanguageWord
from agent_server.cli.context import run, user_named
from agent_server.cli.skill_command import ForUser

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.backtest.report import Report
    from core.backtest.service import BacktestService, ResultFile
    from core.storage.unit_of_work import UnitOfWork

T = TypeVar("T")
Number = Annotated[int, typer.Argument(metavar="ID", help="Number of the kept backtest.", min=1, max=2**53)]
Target = Annotated[Path | None, typer.Option("--out", "-o", help="Where to write; a name is made when left out.")]

app = typer.Typer(help="Kept backtests as files: tables, page, image.", no_args_is_help=True)


class TableWord(StrEnum):
    """The tables of a run."""

    EQUITY = "equity"
    TRADES = "trades"
    ORDERS = "orders"
    BENCHMARK = "benchmark"


class FormatWord(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


@app.command()
def export(
    ctx: typer.Context,
    number: Number,
    table: Annotated[TableWord, typer.Option(help="Which table.")] = TableWord.TRADES,
    form: Annotated[FormatWord, typer.Option("--format", help="csv or parquet.")] = FormatWord.CSV,
    out: Target = None,
    user: ForUser = None,
) -> None:
    """Write one whole table of a kept backtest.

    Example: dingpan results export 1 --table equity --format parquet
    """

    async def work(service: "BacktestService", uow: "UnitOfWork", team_id: int) -> "ResultFile":
        from core.backtest.results import ExportFormat, ResultTable  # noqa: PLC0415 - keeps --help fast

        kind = ExportFormat(form.value)
        return await service.export(uow, team_id, result_id=number, table=ResultTable(table.value), form=kind)

    file = _read(ctx, user, work)
    _write(out or Path(file.name), file.content)


@app.command()
def report(
    ctx: typer.Context,
    number: Number,
    language: Annotated[LanguageWord, typer.Option(help="Language of the page.")] = LanguageWord.EN,
    out: Target = None,
    user: ForUser = None,
) -> None:
    """Write a kept backtest as an HTML page that stands alone.

    Example: dingpan results report 1 --language zh
    """

    async def work(service: "BacktestService", uow: "UnitOfWork", team_id: int) -> "Report":
        from core.backtest.report import Language  # noqa: PLC0415 - keeps --help fast

        return await service.report(uow, team_id, result_id=number, language=Language(language.value))

    page = _read(ctx, user, work)
    _write(out or Path(f"backtest-{number}.html"), page.html.encode())


@app.command()
def image(
    ctx: typer.Context,
    number: Number,
    language: Annotated[LanguageWord, typer.Option(help="Language of the words.")] = LanguageWord.EN,
    out: Target = None,
    user: ForUser = None,
) -> None:
    """Write a kept backtest as a PNG; needs the extra `charts`.

    Example: dingpan results image 1 --out run.png
    """

    async def work(service: "BacktestService", uow: "UnitOfWork", team_id: int) -> "ResultFile":
        from core.backtest.report import Language  # noqa: PLC0415 - keeps --help fast

        return await service.image(uow, team_id, result_id=number, language=Language(language.value))

    file = _read(ctx, user, work)
    _write(out or Path(file.name), file.content)


def _read(
    ctx: typer.Context, user: str | None, work: "Callable[[BacktestService, UnitOfWork, int], Awaitable[T]]"
) -> T:
    """Open the desk for reading in the person's team, and do the work."""

    async def reading(desk: "Desk") -> T:
        person = await user_named(desk, user)
        async with desk.unit_of_work(read_only=True) as uow:
            return await work(desk.services.backtest, uow, person.team_id)

    return run(ctx, reading)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    typer.echo(f"{path}: {len(content):,} bytes")
