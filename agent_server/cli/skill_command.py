"""`dingpan skill`: what the desk can do, and doing it from the command line."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agent_server.cli.context import (
    USAGE,
    AsJson,
    fail,
    local_caller,
    new_trace,
    print_json,
    print_table,
    run,
    user_named,
)

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from tools.context import SkillResult
    from tools.skill import Skill

app = typer.Typer(help="Skills: list, describe, run, export.", no_args_is_help=True)

PAIR: Final = re.compile(r"([\w-]+)(:?=)(.*)", re.DOTALL)
ForUser = Annotated[str | None, typer.Option("--user", help="For whom; not needed while there is one person.")]


@app.command("list")
def list_skills(
    ctx: typer.Context,
    words: Annotated[str | None, typer.Argument(help="Search words, English or Chinese.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the skills, or those that some words point to.

    Example: dingpan skill list 持仓
    """

    async def work(desk: "Desk") -> "list[Skill]":
        return desk.registry.search(words) if words else list(desk.registry.skills)

    skills = run(ctx, work, may_create=True)
    if as_json:
        print_json([{"skillId": s.skill_id, "risk": s.tier, "title": s.title, "titleZh": s.title_zh} for s in skills])
    else:
        print_table(["", "skill", "title", ""], [[s.tier.emoji, s.skill_id, s.title, s.title_zh] for s in skills])


@app.command()
def describe(
    ctx: typer.Context, skill: Annotated[str, typer.Argument(help="Skill id.")], as_json: AsJson = False
) -> None:
    """Show one skill: parameters, schemas, an example.

    Example: dingpan skill describe market.quote.get
    """

    async def work(desk: "Desk") -> dict[str, Any]:
        from agent_server.rest.skills import one_skill  # noqa: PLC0415 - keeps --help fast
        from core.access.model import Caller, CallerKind  # noqa: PLC0415 - keeps --help fast

        return desk.registry.catalogue_entry(one_skill(desk, skill), Caller(kind=CallerKind.LOCAL, all_scopes=True))

    entry = run(ctx, work, may_create=True)
    if as_json:
        print_json(entry)
        return
    typer.echo(f"{entry['riskEmoji']} {entry['skillId']}  {entry['title']} {entry['titleZh']}")
    typer.echo(f"{entry['method']} {entry['path']}\n\n{entry['description']}\n")
    columns = ["parameter", "type", "required", ""]
    rows = [[p["name"], str(p["type"]), "yes" if p["required"] else "", p["description"]] for p in entry["params"]]
    print_table(columns, rows)
    typer.echo(f"\n{entry['exampleInvocation']}")


@app.command("run")
def run_skill(
    ctx: typer.Context,
    skill: Annotated[str, typer.Argument(help="Skill id.")],
    pairs: Annotated[list[str] | None, typer.Argument(help="key=text or key:=json, as often as needed.")] = None,
    user: ForUser = None,
    approval: Annotated[str | None, typer.Option(help="Approval a person gave for this very call.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key runs the call once.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a skill as a person of the desk. A red one asks for approval first and ends with 3.

    Example: dingpan skill run market.bars.get symbol=600519.SH start=2026-11-01
    """
    params = parse_pairs(pairs or [])

    async def work(desk: "Desk") -> "SkillResult":
        from tools.context import SkillCall, Surface  # noqa: PLC0415 - keeps --help fast
        from tools.envelope import read_params  # noqa: PLC0415 - keeps --help fast

        caller = local_caller(await user_named(desk, user))
        call = SkillCall(
            skill_id=skill,
            params=read_params(params).flat,
            caller=caller,
            surface=Surface.CLI,
            trace_id=new_trace(desk),
            approval_id=approval,
            idempotency_key=idempotency_key,
        )
        return await desk.dispatcher.run(call)

    result = run(ctx, work)
    print_json({"data": result.data, **result.beside, "meta": result.meta} if as_json else result.value)


@app.command()
def export(
    ctx: typer.Context, folder: Annotated[Path, typer.Argument(help="Where to write the folder 'dingpan'.")]
) -> None:
    """Write the publishable skill folder: manual, references and a curl client.

    Example: dingpan skill export ./out
    """

    async def work(desk: "Desk") -> Path:
        from agent_server.release import release  # noqa: PLC0415 - keeps --help fast
        from tools.exports.skill_folder import export as write  # noqa: PLC0415 - keeps --help fast

        write(desk.registry, folder, version=release())
        return folder / "dingpan"

    typer.echo(str(run(ctx, work, may_create=True)))


def parse_pairs(pairs: list[str]) -> dict[str, Any]:
    """Read `key=text` and `key:=json`. Text stays text, so that `code=000001` keeps its zeros."""
    found: dict[str, Any] = {}
    for pair in pairs:
        match = PAIR.fullmatch(pair)
        if match is None:
            fail(f"{pair!r} is neither key=text nor key:=json", USAGE)
        name, sign, value = match.groups()
        if name in found:
            fail(f"{name} is given twice", USAGE)
        found[name] = value if sign == "=" else _json_value(name, value)
    return found


def _json_value(name: str, text: str) -> Any:
    from decimal import Decimal  # noqa: PLC0415 - keeps --help fast

    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        fail(f"{name}:= needs JSON; for text write {name}={text}", USAGE)
