"""`dingpan refresh`: fetch what the market folder lacks from live sources."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_server.cli.context import FAILED, OK, USAGE, AsJson, fail, print_json, print_table, run

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.market.refresh import Refreshed, RefreshProgress, RefreshReport

NOTHING = "Nothing to refresh: nobody holds a share that has daily bars here. Name symbols, or add --master."


def refresh(
    ctx: typer.Context,
    symbols: Annotated[list[str] | None, typer.Argument(metavar="[SYMBOL...]", help="Such as 600519.SH.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Fetch bars from this day on, not only after the newest stored one."),
    ] = None,
    master: Annotated[bool, typer.Option("--master", help="Fetch the list of all instruments too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fetch missing daily bars from live sources: of shares held by anybody, and of the symbols named.

    Rows are checked as in an import: what breaks a rule, or differs from what is stored, goes to a quarantine file.
    Needs DINGPAN_LIVE_MARKET=true, and a desk without the simulated market.

    Ends with 0 when everything was had, 1 when something was not.

    Example: dingpan refresh 600519.SH --since 2025-01-01
    """
    named = [_symbol(code) for code in symbols or []]
    day = since.date() if since else None

    async def work(desk: "Desk") -> "RefreshReport":
        return await _refresh(desk, named, since=day, with_master=master, is_quiet=as_json)

    report = run(ctx, work)
    if as_json:
        print_json(_wire(report))
    elif report.items:
        _print(report)
    else:
        typer.echo(NOTHING)
    raise typer.Exit(FAILED if report.failed else OK)


def _symbol(code: str) -> str:
    """Return the symbol a code means; ends the program when it means none."""
    from core.market.importers.codes import parse_code  # noqa: PLC0415 - keeps --help fast

    found = parse_code(code)
    if found is None:
        fail(f"{code!r} is no instrument; write it like 600519.SH", USAGE)
    return found


async def _refresh(
    desk: "Desk", named: Sequence[str], *, since: date | None, with_master: bool, is_quiet: bool
) -> "RefreshReport":
    from core.market.refresh import Refresher  # noqa: PLC0415 - pyarrow

    refresher = Refresher(desk.services.market, desk.services.live)
    refresher.check()
    held = await _held(desk) & await refresher.stored_symbols()
    wanted = [*named, *sorted(held)]
    with _Bar(is_shown=not is_quiet and bool(wanted or with_master)) as bar:
        return await refresher.run(wanted, since=since, with_master=with_master, progress=bar.show)


async def _held(desk: "Desk") -> frozenset[str]:
    """Return the symbols any team holds now."""
    from core.portfolio.store import LedgerStore  # noqa: PLC0415 - keeps --help fast

    held: set[str] = set()
    async with desk.unit_of_work(read_only=True) as uow:
        for team_id in {user.team_id for user in await desk.services.access.users(uow, None)}:
            ledger = LedgerStore(uow).for_team(team_id)
            keys = [account.account_key for account in await ledger.accounts()]
            held |= {each.state.symbol for each in await ledger.checkpoints(keys) if each.state.quantity}
    return frozenset(held)


class _Bar:
    """A progress bar on standard error; silent when it is not wanted or nobody watches."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._progress: Any = None

    def __enter__(self) -> "_Bar":
        if self._is_shown:
            from rich.console import Console  # noqa: PLC0415 - keeps --help fast
            from rich.progress import Progress  # noqa: PLC0415 - keeps --help fast

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("asking", total=None)
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, now: "RefreshProgress") -> None:
        """Show how far the refresh is."""
        if self._progress is not None:
            what = f"fetching {now.what}" if now.what else "storing"
            self._progress.update(self._task, description=what, completed=now.done, total=now.total)


def _wire(report: "RefreshReport") -> dict[str, object]:
    path = str(report.quarantine_path) if report.quarantine_path else None
    return {"items": report.items, "quarantinePath": path, "committed": report.committed}


def _print(report: "RefreshReport") -> None:
    columns = ["what", "source", "newest", "added", "unchanged", "quarantined", "remark"]
    print_table(columns, [_cells(item) for item in report.items])
    if report.quarantine_path is not None:
        typer.echo(f"Refused rows, with reasons: {report.quarantine_path}")


def _cells(item: "Refreshed") -> list[str]:
    figures = [str(number) for number in (item.rows_added, item.rows_unchanged, item.rows_quarantined)]
    remark = f"FAILED: {item.reason}" if item.reason else "; ".join(item.warnings)
    return [item.what, item.source or "", str(item.newest or ""), *figures, remark]
