"""`dingpan token`: keys for agents and scripts, made on the desk's own machine and written to the audit."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent_server.cli.context import AsJson, print_json, print_table, run, user_named
from agent_server.cli.operator_note import note

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.access.model import MintedToken, Token

app = typer.Typer(help="Tokens: create, list, revoke.", no_args_is_help=True)

ForUser = Annotated[str | None, typer.Option("--user", help="For whom; not needed while there is one person.")]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What will hold it, such as 'my-agent'.")],
    user: ForUser = None,
    preset: Annotated[list[str] | None, typer.Option(help="Preset of scopes; may be repeated.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="Single scope; may be repeated.")] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires; 0 for never.", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it once. Without --preset and --scope it may read data.

    Example: dingpan token create my-agent --preset read-data --preset portfolio --days 30
    """

    async def work(desk: "Desk") -> "MintedToken":
        return await mint(desk, name, user=user, presets=preset or [], scopes=scope or [], days=days)

    minted = run(ctx, work)
    if as_json:
        print_json({"secret": minted.secret, "token": minted.token})
    else:
        typer.echo(minted.secret)
        expires = minted.token.expires_at.isoformat(timespec="minutes") if minted.token.expires_at else "never"
        typer.echo(f"Shown once. Scopes: {', '.join(minted.token.scopes)}. Expires: {expires}.", err=True)


@app.command("list")
def list_tokens(ctx: typer.Context, user: ForUser = None, as_json: AsJson = False) -> None:
    """List a person's tokens.

    Example: dingpan token list --user mei
    """

    async def work(desk: "Desk") -> "list[Token]":
        owner = await user_named(desk, user)
        async with desk.unit_of_work(read_only=True) as uow:
            return await desk.services.access.tokens(uow, owner.team_id, owner.user_id)

    tokens = run(ctx, work)
    if as_json:
        print_json(tokens)
        return
    columns = ["id", "name", "status", "expires", "last used", "scopes"]
    print_table(columns, [_row(token) for token in tokens])


@app.command()
def revoke(
    ctx: typer.Context,
    token_id: Annotated[int, typer.Argument(help="Number of the token, as listed.")],
    user: ForUser = None,
    as_json: AsJson = False,
) -> None:
    """End a token at once.

    Example: dingpan token revoke 3
    """

    async def work(desk: "Desk") -> "Token":
        owner = await user_named(desk, user)
        async with desk.unit_of_work() as uow:
            token = await desk.services.access.revoke_token(uow, owner.team_id, token_id)
            await note(desk, uow, "token.revoked", team_id=owner.team_id, token_id=token_id)
            await uow.commit()
        return token

    token = run(ctx, work)
    if as_json:
        print_json(token)
    else:
        typer.echo(f"Token {token.token_id} ({token.token_name}) is revoked.")


async def mint(
    desk: "Desk", name: str, *, user: str | None, presets: list[str], scopes: list[str], days: int | None
) -> "MintedToken":
    """Make a token as the operator. Zero days is for ever; None takes the desk's default."""
    from agent_server.rest.sessions import chosen_scopes  # noqa: PLC0415 - keeps --help fast

    owner = await user_named(desk, user)
    wanted = sorted(chosen_scopes(desk, scopes, presets=presets))
    life = desk.services.settings.token_days if days is None else days or None
    async with desk.unit_of_work() as uow:
        minted = await desk.services.access.mint_token(
            uow, user_id=owner.user_id, name=name, scopes=wanted, expires_in_days=life, minted_by="operator"
        )
        token_id = minted.token.token_id
        await note(desk, uow, "token.minted", team_id=owner.team_id, token_id=token_id, scopes=wanted)
        await uow.commit()
    return minted


def _row(token: "Token") -> list[str]:
    expires = token.expires_at.date().isoformat() if token.expires_at else "never"
    used = token.last_used_at.isoformat(timespec="minutes") if token.last_used_at else "not yet"
    return [str(token.token_id), token.token_name, token.status, expires, used, ", ".join(token.scopes)]
