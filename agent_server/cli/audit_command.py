"""`dingpan audit`: read the audit and prove that nobody changed it."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent_server.cli.context import FAILED, AsJson, print_json, print_table, run

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.access.audit_log import AuditVerification
    from core.access.model import AuditRow

app = typer.Typer(help="The audit: verify, list.", no_args_is_help=True)


@app.command()
def verify(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Check every row of the chain; ends with 1 and names the first bad row when one was changed, lost or moved.

    Example: dingpan audit verify
    """

    async def work(desk: "Desk") -> "AuditVerification":
        async with desk.unit_of_work(read_only=True) as uow:
            return await desk.services.audit.verify(uow)

    found = run(ctx, work)
    if as_json:
        print_json(found)
    elif found.finding is None:
        typer.echo(f"{found.rows} rows, all sound.")
    else:
        typer.echo(f"NOT SOUND: {found.finding}", err=True)
    if not found.is_sound:
        raise typer.Exit(FAILED)


@app.command("list")
def list_rows(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(help="How many of the newest rows.", min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the newest rows.

    Example: dingpan audit list --limit 10
    """

    async def work(desk: "Desk") -> "list[AuditRow]":
        async with desk.unit_of_work(read_only=True) as uow:
            return await desk.services.audit.newest(uow, limit=limit)

    rows = run(ctx, work)
    if as_json:
        print_json(rows)
        return
    columns = ["row", "at", "event", "actor", "skill", "trace"]
    print_table(columns, [_cells(row) for row in rows])


def _cells(row: "AuditRow") -> list[str]:
    at = row.at.isoformat(timespec="seconds")
    return [str(row.sequence), at, row.event, row.actor, row.skill_id, row.trace_id]
