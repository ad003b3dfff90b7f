"""`dingpan user`: the people of the desk, managed on its own machine and written to the audit as `operator`."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_server.cli.context import USAGE, AsJson, fail, print_json, print_table, run
from agent_server.cli.operator_note import note
from core.access.model import Role, TokenStatus

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.access.model import User

app = typer.Typer(help="People: add, list, role, password, deactivate.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="User name.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command()
def add(
    ctx: typer.Context,
    name: Name,
    email: Annotated[str, typer.Option(help="Mail address.")] = "",
    team: Annotated[str | None, typer.Option(help="Team to join; a new one of their own when left out.")] = None,
    role: Annotated[Role | None, typer.Option(help="Role in the team.")] = None,
    password_stdin: FromStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add a person. The first of a team is its administrator.

    Example: dingpan user add mei --email mei@example.com
    """
    password = _password(from_stdin=password_stdin)

    async def work(desk: "Desk") -> "User":
        async with desk.unit_of_work() as uow:
            user = await desk.services.access.register_user(
                uow, username=name, password=password, email=email, team_name=team, role=role
            )
            await note(desk, uow, "user.added", team_id=user.team_id, username=user.username)
            await uow.commit()
        return user

    _show([run(ctx, work, may_create=True)], as_json=as_json)


@app.command("list")
def list_users(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List everybody.

    Example: dingpan user list --json
    """

    async def work(desk: "Desk") -> "list[User]":
        async with desk.unit_of_work(read_only=True) as uow:
            return await desk.services.access.users(uow, None)

    _show(run(ctx, work), as_json=as_json)


@app.command()
def role(ctx: typer.Context, name: Name, new_role: Annotated[Role, typer.Argument()], as_json: AsJson = False) -> None:
    """Change what a person may do in their team.

    Example: dingpan user role mei approver
    """

    async def work(desk: "Desk") -> "User":
        async with desk.unit_of_work() as uow:
            found = await desk.services.access.user_named(uow, name)
            user = await desk.services.access.set_role(uow, found.team_id, user_id=found.user_id, role=new_role)
            await note(desk, uow, "user.role_changed", team_id=user.team_id, username=name, role=new_role)
            await uow.commit()
        return user

    _show([run(ctx, work)], as_json=as_json)


@app.command()
def password(
    ctx: typer.Context,
    name: Name,
    password_stdin: FromStdin = False,
    revoke_tokens: Annotated[bool, typer.Option("--revoke-tokens", help="End their access tokens too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set a person's password and end their sessions. Access tokens go on working unless they are revoked too.

    Example: dingpan user password mei --revoke-tokens
    """
    fresh = _password(from_stdin=password_stdin)

    async def work(desk: "Desk") -> "tuple[User, int]":
        access = desk.services.access
        async with desk.unit_of_work() as uow:
            user = await access.user_named(uow, name)
            await access.reset_password(uow, user_id=user.user_id, new_password=fresh, revokes_tokens=revoke_tokens)
            names = {"username": user.username, "tokens_revoked": revoke_tokens}
            await note(desk, uow, "user.password_set", team_id=user.team_id, **names)
            tokens = await access.tokens(uow, user.team_id, user.user_id)
            await uow.commit()
        return user, sum(token.status is TokenStatus.ACTIVE for token in tokens)

    user, alive = run(ctx, work)
    _show([user], as_json=as_json)
    if alive:
        typer.echo(f"{alive} access tokens of {user.username} still work; --revoke-tokens ends them.", err=True)


@app.command()
def deactivate(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Lock a person out: end their sessions and revoke their tokens.

    Example: dingpan user deactivate mei
    """

    async def work(desk: "Desk") -> "User":
        async with desk.unit_of_work() as uow:
            found = await desk.services.access.user_named(uow, name)
            user = await desk.services.access.deactivate_user(uow, found.team_id, user_id=found.user_id)
            await note(desk, uow, "user.deactivated", team_id=user.team_id, username=user.username)
            await uow.commit()
        return user

    _show([run(ctx, work)], as_json=as_json)


def _password(*, from_stdin: bool) -> str:
    """Read a password without showing it. It is never an argument: those are seen by every process of the machine."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        fail("There is no terminal to ask at; use --password-stdin.", USAGE)
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _show(users: "list[User]", *, as_json: bool) -> None:
    if as_json:
        print_json([_view(user) for user in users])
    else:
        columns = ["name", "team", "role", "mail", "active"]
        print_table(
            columns, [[u.username, u.team_name, u.role, u.email, "yes" if u.is_active else "no"] for u in users]
        )


def _view(user: "User") -> dict[str, Any]:
    return {
        "userId": user.user_id,
        "username": user.username,
        "teamName": user.team_name,
        "email": user.email,
        "role": user.role,
        "isActive": user.is_active,
        "createdAt": user.created_at,
    }
