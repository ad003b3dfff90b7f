"""`dingpan demo`: a desk to try things on."""

from typing import TYPE_CHECKING

import typer

from agent_server.cli.context import AsJson, print_json, run, settings_of

if TYPE_CHECKING:
    from agent_server.cli.demo_desk import DemoDesk
    from agent_server.desk import Desk


def demo(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Make a demonstration desk: a simulated market, a person, a token, trades. Repeating it changes nothing.

    Example: dingpan demo && dingpan serve
    """

    async def work(desk: "Desk") -> "DemoDesk":
        from agent_server.cli.demo_desk import make  # noqa: PLC0415 - keeps --help fast

        return await make(desk)

    made = run(ctx, work, may_create=True)
    address = settings_of(ctx).base_url
    if as_json:
        shown = {"username": made.username, "password": made.password, "token": made.token, "market": made.market}
        print_json(shown | {"trades": made.trades, "address": address})
        return
    typer.echo(
        f"The market is {made.market}." if made.market != "imported" else "The market data is what you imported."
    )
    if not made.token:
        typer.echo(f"The desk was made before. Sign in at {address}/login as {made.username}.")
        typer.echo(
            "A forgotten password: dingpan user password demo. A new token: dingpan token create NAME --preset desk"
        )
        return
    typer.echo(f"Sign in at {address}/login as {made.username} with the password {made.password}")
    typer.echo(f"A token for an agent:\n\n  export LG_AGENT_BASE_URL={address}\n  export LG_AGENT_TOKEN={made.token}\n")
    typer.echo("Both secrets are shown once.")
