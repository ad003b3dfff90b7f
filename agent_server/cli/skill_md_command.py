"""`dingpan skill-md`: keep the generated part of SKILL.md current."""

from pathlib import Path
from typing import Annotated

import typer

from agent_server.cli.context import FAILED, NOT_FOUND, fail


def skill_md(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; end with 1 when it is out of date.")] = False,
    path: Annotated[Path, typer.Option(help="The file.")] = Path("SKILL.md"),
) -> None:
    """Write the catalogue of skills into SKILL.md, between its markers.

    Example: dingpan skill-md --check
    """
    from skills import modules  # noqa: PLC0415 - keeps --help fast
    from tools.exports.skill_md import update  # noqa: PLC0415 - keeps --help fast
    from tools.registry import Registry  # noqa: PLC0415 - keeps --help fast

    if not path.exists():
        fail(f"There is no {path}.", NOT_FOUND)
    before = path.read_text(encoding="utf-8")
    after = update(before, Registry.collect(modules()))
    if after == before:
        return
    if check:
        fail(f"{path} is out of date: run 'dingpan skill-md'.", FAILED)
    path.write_text(after, encoding="utf-8")
    typer.echo(f"{path} written")
