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
    typer.echo(text(made, address))


def text(made: "DemoDesk", address: str) -> str:
    """Return what a person can try; the secrets stand in it the first time only."""
    market = "what you imported" if made.market == "imported" else "simulated: no price in it is real"
    lines = [f"The market is {market}.", f"Sign in:  {address}/login  as {made.username}"]
    if made.token:
        lines += [
            f"          with the password {made.password}",
            "Agents:   this address and token; both secrets are shown once",
            "",
            f"  export LG_AGENT_BASE_URL={address}",
            f"  export LG_AGENT_TOKEN={made.token}",
        ]
    else:
        lines += [
            "          A forgotten password: dingpan user password demo",
            "Agents:   a new token: dingpan token create NAME --preset desk",
        ]
    asset = f"  curl -s {address}/api/data-assets/1/schema"
    held = f'  curl -s {address}/api/profile/pnl -H "Authorization: Bearer {made.token}"'
    return "\n".join(
        [*lines, "", "Try:", f"  curl -s '{address}/agent/skills?q=pnl'", held if made.token else asset, ""]
    )
