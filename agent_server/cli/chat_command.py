"""`dingpan chat`: talk with the desk in a terminal, once or for a while."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent_server.cli.context import AsJson, run
from agent_server.cli.skill_command import ForUser

if TYPE_CHECKING:
    from agent_server.desk import Desk


def chat(
    ctx: typer.Context,
    message: Annotated[list[str] | None, typer.Argument(help="What to say; left out, a conversation begins.")] = None,
    user: ForUser = None,
    conversation: Annotated[str | None, typer.Option(help="Go on with this conversation.")] = None,
    last: Annotated[bool, typer.Option("--last", help="Go on with the newest conversation.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait for a person where one must approve.")] = True,
    as_json: AsJson = False,
) -> None:
    """Ask the desk in your own words, English or Chinese. Without a configured model simple questions still work.

    The answer goes to standard output, calls and notices to standard error; with --json every event is a line.
    It ends with 3 when a person must still approve something. Ctrl-C stops an answer.

    Example: dingpan chat "check my portfolio P/L"
    """

    async def work(desk: "Desk") -> int:
        from agent_server.cli.chat_session import ChatSession, Options  # noqa: PLC0415 - keeps --help fast

        options = Options(user=user, conversation=conversation, last=last, wait=wait, as_json=as_json)
        async with ChatSession.opened(desk, options) as session:
            return await (session.once(" ".join(message)) if message else session.converse())

    code = run(ctx, work)
    if code:
        raise typer.Exit(code)
