"""`dingpan notify`: channels on which a team is told that approvals wait, managed on the desk's own machine."""

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agent_server.cli.context import AsJson, print_json, print_table, run, user_named
from agent_server.cli.operator_note import note
from core.notify.model import ChannelKind

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.notify.model import Channel

app = typer.Typer(help="Notices of pending approvals: add, list, test, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the channel.")]
User = Annotated[str | None, typer.Option(help="A person of the team; needed where there are several people.")]

TEST_TITLE: Final = "盯盘 dingpan"
TEST_TEXT: Final = (
    "This is a test. Notices of pending approvals will come here.\n这是一条测试消息，待批准的操作会通知到这里。"
)


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    kind: Annotated[ChannelKind, typer.Option(help="Feishu, DingTalk or WeCom robot, or mail.")],
    user: User = None,
    as_json: AsJson = False,
) -> None:
    """Add a channel. Its address is a secret: it is read from standard input and kept encrypted.

    Example: dingpan notify add desk --kind feishu < address.txt
    """
    is_terminal = sys.stdin.isatty()
    address = typer.prompt("Address", hide_input=True) if is_terminal else sys.stdin.readline().rstrip("\n")

    async def work(desk: "Desk") -> "Channel":
        person = await user_named(desk, user)
        async with desk.unit_of_work() as uow:
            channel = await desk.services.notify.add(
                uow, person.team_id, name=name, kind=kind, address=address, created_by="operator"
            )
            await note(desk, uow, "notice_channel.added", team_id=person.team_id, name=channel.name, kind=kind.value)
            await uow.commit()
        return channel

    _show([run(ctx, work)], as_json=as_json)


@app.command("list")
def list_channels(ctx: typer.Context, user: User = None, as_json: AsJson = False) -> None:
    """List a team's channels; their addresses are not shown.

    Example: dingpan notify list
    """

    async def work(desk: "Desk") -> "list[Channel]":
        person = await user_named(desk, user)
        async with desk.unit_of_work(read_only=True) as uow:
            return await desk.services.notify.channels(uow, person.team_id)

    _show(run(ctx, work), as_json=as_json)


@app.command("test")
def try_out(ctx: typer.Context, name: Name, user: User = None) -> None:
    """Send a test notice now.

    Example: dingpan notify test desk
    """

    async def work(desk: "Desk") -> "Channel":
        from core.notify.model import Notice  # noqa: PLC0415 - with the desk

        person = await user_named(desk, user)
        async with desk.unit_of_work(read_only=True) as uow:
            notice = Notice("test", TEST_TITLE, TEST_TEXT)
            return await desk.services.notify.try_out(uow, person.team_id, name=name, notice=notice)

    channel = run(ctx, work)
    typer.echo(f"The {channel.kind.value} channel {channel.name} took the notice.")


@app.command()
def remove(ctx: typer.Context, name: Name, user: User = None) -> None:
    """Remove a channel and forget its address.

    Example: dingpan notify remove desk
    """

    async def work(desk: "Desk") -> "Channel":
        person = await user_named(desk, user)
        async with desk.unit_of_work() as uow:
            channel = await desk.services.notify.remove(uow, person.team_id, name=name)
            await note(desk, uow, "notice_channel.removed", team_id=person.team_id, name=name)
            await uow.commit()
        return channel

    typer.echo(f"Removed {run(ctx, work).name}.")


def _show(found: "list[Channel]", *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    columns = ["Name", "Kind", "Added", "By"]
    rows = [[item.name, item.kind.value, f"{item.created_at:%Y-%m-%d %H:%M}", item.created_by] for item in found]
    print_table(columns, rows)
