"""`dingpan import`: put files of market data into the desk."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent_server.cli.context import FAILED, OK, USAGE, AsJson, fail, print_json, print_table, refuse, settings_of

if TYPE_CHECKING:
    from core.market.importers.model import FileReport, ImportProgress, ImportReport, Told

COLUMNS: Final = ("read", "added", "unchanged", "quarantined")


class AdjustmentWord(StrEnum):
    """How prices were adjusted, as said on the command line."""

    RAW = "raw"
    FORWARD = "forward"
    BACKWARD = "backward"
    SPLIT_ONLY = "split_only"


def import_market(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders to look through.")],
    symbol: Annotated[
        str | None, typer.Option(help="The instrument, such as 600519.SH, of files that do not name it.")
    ] = None,
    adjustment: Annotated[
        AdjustmentWord | None, typer.Option(help="How prices were adjusted, where the files do not say.")
    ] = None,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day, of files that hold times or quotes without one."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Let new rows take the place of stored ones.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report what would happen; change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import market data from vendors' files.

    Known are tushare, baostock, eastmoney (akshare), joinquant, XBX, NetEase, TDX, Yahoo, Level-2 and Parquet.

    Layout, encoding and units are told from the content. Rows that break rules go to a quarantine file, with reasons.
    Importing twice changes nothing; an interrupted import leaves the state before it.

    Ends with 0 when every file was usable, 1 when some were refused, 2 when none was.

    Example: dingpan import ~/data/tushare --adjustment raw
    """
    from core.clock import SystemClock  # noqa: PLC0415 - keeps --help fast
    from core.errors import DeskError  # noqa: PLC0415 - keeps --help fast
    from core.market.bar_store import MarketStore  # noqa: PLC0415 - keeps --help fast
    from core.market.importers.run import import_paths  # noqa: PLC0415 - keeps --help fast

    store = MarketStore(settings_of(ctx).market_folder)
    told = _told(symbol, adjustment, day)
    try:
        with _Bar(shown=not as_json) as bar:
            report = import_paths(
                store,
                paths,
                clock=SystemClock(),
                progress=bar.show,
                told=told,
                replace_stored=replace,
                dry_run=dry_run,
            )
    except DeskError as error:
        refuse(error)
    if as_json:
        print_json(as_wire(report))
    else:
        _print(report, dry_run=dry_run)
    raise typer.Exit(exit_code(report))


def exit_code(report: "ImportReport") -> int:
    """Return 0 when every file was usable, 1 when some were refused, 2 when none was usable."""
    refused = sum(file.status == "refused" for file in report.files)
    if refused == len(report.files):
        return USAGE
    return FAILED if refused else OK


def as_wire(report: "ImportReport") -> dict[str, object]:
    """Return the report with its paths as text, for JSON."""
    from tools.wire import camel  # noqa: PLC0415 - keeps --help fast

    files = [
        {camel(field.name): getattr(file, field.name) for field in fields(file)} | {"path": str(file.path)}
        for file in report.files
    ]
    quarantine = str(report.quarantine_path) if report.quarantine_path else None
    return {"files": files, "quarantinePath": quarantine, "committed": report.committed}


def _told(symbol: str | None, adjustment: AdjustmentWord | None, day: datetime | None) -> "Told":
    """Turn options into what the importers take; ends the program when the symbol is none."""
    from core.market.importers.codes import parse_code  # noqa: PLC0415 - keeps --help fast
    from core.market.importers.model import Told  # noqa: PLC0415 - keeps --help fast
    from core.market.model import Adjustment  # noqa: PLC0415 - keeps --help fast

    parsed = parse_code(symbol) if symbol else None
    if symbol and parsed is None:
        fail(f"--symbol {symbol!r} is no instrument; write it like 600519.SH", USAGE)
    return Told(
        symbol=parsed,
        adjustment=Adjustment(adjustment.value) if adjustment else None,
        day=day.date() if day else None,
    )


class _Bar:
    """A progress bar on standard error; silent when it is not wanted or nobody watches."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> "_Bar":
        if self._shown:
            from rich.console import Console  # noqa: PLC0415 - keeps --help fast
            from rich.progress import Progress  # noqa: PLC0415 - keeps --help fast

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("reading", total=None)
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, now: "ImportProgress") -> None:
        """Show how far the import is."""
        if self._progress is None:
            return
        words = {"waiting": "waiting for another import", "merging": "joining", "writing": "writing", "done": "done"}
        what = words.get(now.stage, f"reading {now.path.name if now.path else ''}")
        total = now.files_total or None
        self._progress.update(self._task, description=what, completed=now.files_done, total=total)


def _print(report: "ImportReport", *, dry_run: bool) -> None:
    """Print a table of what each file brought, what to know about it, and where refused rows are."""
    columns = ["file", "layout", "dataset", "adjustment", *COLUMNS]
    print_table(columns, [_cells(file) for file in report.files], numbers=len(COLUMNS))
    write: Callable[[str], None] = typer.echo
    for file in report.files:
        if file.message:
            write(f"{file.path.name}: {'refused: ' if file.status == 'refused' else ''}{file.message}")
    if not report.files:
        write("No file of a known kind is there.")
    if report.quarantine_path is not None:
        write(f"Quarantined rows, with reasons: {report.quarantine_path}")
    if dry_run:
        write("Nothing was changed: this was a dry run.")
    elif not report.committed:
        write("Nothing new: the market data is as it was.")


def _cells(file: "FileReport") -> list[str]:
    """Return a file's line of the table."""
    if file.status == "refused":
        return [file.path.name, "refused", "", "", "", "", "", ""]
    adjustment = file.adjustment.value if file.adjustment else ""
    counts = (file.rows_read, file.rows_added, file.rows_unchanged, file.rows_quarantined)
    return [file.path.name, file.layout or "", file.dataset or "", adjustment, *(f"{count:,}" for count in counts)]
