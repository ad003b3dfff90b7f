"""What every command shares: the settings, opening the desk, printing, and exit codes that mean something."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn, TypeVar

import typer

from core.errors import DeskError, ErrorKind

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.access.model import Caller, User
    from core.settings import Settings

T = TypeVar("T")

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
APPROVAL_NEEDED: Final = 3
NOT_FOUND: Final = 4
PIPE_WIDTH: Final = 400

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True, slots=True)
class Invocation:
    """The process's environment, read once in `__main__`."""

    environment: Mapping[str, str]

    def settings(self) -> "Settings":
        """Return the settings, or end the program when one of them cannot be used."""
        from core.settings import Settings  # noqa: PLC0415 - keeps --help fast

        try:
            return Settings.from_env(self.environment)
        except DeskError as error:
            fail(error.message, USAGE)


def settings_of(ctx: typer.Context) -> "Settings":
    """Return the settings of this run."""
    invocation: Invocation = ctx.obj
    return invocation.settings()


def run(ctx: typer.Context, work: Callable[["Desk"], Awaitable[T]], *, may_create: bool = False) -> T:
    """Open the desk, do the work, close it. A refusal ends the program with its code.

    Without `may_create` a desk that was never set up is refused rather than made.
    """
    settings = settings_of(ctx)
    if not may_create and not is_set_up(settings):
        fail(f"There is no desk at {settings.home}. Make one with 'dingpan user add' or 'dingpan demo'.", NOT_FOUND)
    try:
        return asyncio.run(_with_desk(settings, work))
    except DeskError as error:
        refuse(error)


async def _with_desk(settings: "Settings", work: Callable[["Desk"], Awaitable[T]]) -> T:
    from agent_server.log_output import configure  # noqa: PLC0415 - keeps --help fast
    from agent_server.opening import open_desk  # noqa: PLC0415 - keeps --help fast

    configure(settings.log_format, quiet=True)
    async with open_desk(settings) as desk:
        return await work(desk)


def is_set_up(settings: "Settings") -> bool:
    """Tell whether a desk may be there; for a database server that shows only when it is asked."""
    return bool(settings.database_url) or (settings.home / "desk.sqlite3").exists()


def refuse(error: DeskError) -> NoReturn:
    """Print why the desk refused and end with the matching code."""
    if error.code == "approval_required":
        approval = error.data.get("approval") or {}
        address = approval.get("url", "") if isinstance(approval, Mapping) else ""
        fail(
            f"{error.message}\nOpen {address}\nThen repeat with --approval {error.data['approval_id']}", APPROVAL_NEEDED
        )
    codes = {ErrorKind.INVALID: USAGE, ErrorKind.NOT_FOUND: NOT_FOUND}
    fail(f"{error.message} ({error.code})", codes.get(error.kind, FAILED))


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Print a message on standard error and end with the code."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """Print a value in wire form as indented JSON, whatever the terminal's encoding."""
    from tools.wire import to_wire  # noqa: PLC0415 - keeps --help fast

    text = json.dumps(to_wire(value), ensure_ascii=not _is_utf8(), indent=2)
    typer.echo(text)


def print_table(columns: list[str], rows: list[list[str]], *, numbers: int = 0) -> None:
    """Print rows in columns, the last `numbers` of them flush right; every text as it is, without markup."""
    from rich.console import Console  # noqa: PLC0415 - keeps --help fast
    from rich.table import Table  # noqa: PLC0415 - keeps --help fast
    from rich.text import Text  # noqa: PLC0415 - keeps --help fast

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if place >= len(columns) - numbers else "left"
        table.add_column(column, overflow="fold", justify=justify)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = PIPE_WIDTH  # a program reads this: a cell must not be broken over lines
    console.print(table)


async def user_named(desk: "Desk", name: str | None) -> "User":
    """Return the person a command acts for: the one named, or the only one there is."""
    access = desk.services.access
    async with desk.unit_of_work(read_only=True) as uow:
        if name:
            return await access.user_named(uow, name)
        active = [user for user in await access.users(uow, None) if user.is_active]
    if len(active) == 1:
        return active[0]
    known = ", ".join(user.username for user in active[:10]) or "nobody yet; see 'dingpan user add'"
    fail(f"Say for whom with --user: {known}", USAGE if active else NOT_FOUND)


def local_caller(user: "User") -> "Caller":
    """Return the caller of the desk's own machine: every scope, but a person must still approve what is red."""
    from core.access.model import Caller, CallerKind  # noqa: PLC0415 - keeps --help fast

    return Caller(
        kind=CallerKind.LOCAL,
        user_id=user.user_id,
        username=user.username,
        team_id=user.team_id,
        team_name=user.team_name,
        role=user.role,
        all_scopes=True,
        client="dingpan command line",
    )


def new_trace(desk: "Desk") -> str:
    """Return a trace id for one call."""
    from core.ids import new_id  # noqa: PLC0415 - keeps --help fast

    return new_id(desk.services.ids, "trc")


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
