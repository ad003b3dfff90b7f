"""The folder that agent hosts install: SKILL.md, one page per group of skills, and a client of sh and curl."""

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from core.errors import NotPossible
from tools.exports.skill_md import asks, client_file, document, groups, one_line
from tools.registry import Registry, example_params
from tools.schema import Argument
from tools.skill import Skill
from tools.wire import camel

NAME: Final = "dingpan"
CLIENT: Final = "scripts/dingpan.sh"
MOST_LINES: Final = 500
"""Agent hosts load SKILL.md whole; the specification asks for fewer lines than this."""


class ExportRefused(NotPossible):
    """The folder cannot be written as it should be."""

    code = "export_refused"
    template = "{reason}"


def export(registry: Registry, folder: Path, *, version: str) -> Path:
    """Write `dingpan/` into `folder` and return its path. An earlier export there is replaced as a whole.

    Raises `ExportRefused` when something else is in the way, or SKILL.md would be too long.
    """
    target = folder / NAME
    _check_replaceable(target)
    files = contents(registry, version=version)
    aside = folder / f".{NAME}.part"
    shutil.rmtree(aside, ignore_errors=True)
    for name, text in files.items():
        path = aside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    (aside / CLIENT).chmod(0o755)
    if target.exists():
        shutil.rmtree(target)
    aside.rename(target)
    return target


def contents(registry: Registry, *, version: str) -> dict[str, str]:
    """Return the files of the folder by their path in it. Raises `ExportRefused` when SKILL.md would be too long."""
    main = document(registry, version=version, links=True)
    if main.count("\n") >= MOST_LINES:
        raise ExportRefused(reason=f"SKILL.md would have {main.count(chr(10))} lines; fewer than {MOST_LINES} are due.")
    pages = {f"references/{name}.md": _page(name, members, registry) for name, members in groups(registry)}
    return {"SKILL.md": main, **pages, CLIENT: client_file("dingpan.sh")}


def _check_replaceable(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise ExportRefused(reason=f"{target} is in the way and no folder.")
    if not target.exists() or not any(target.iterdir()):
        return
    document_path = target / "SKILL.md"
    if not document_path.is_file() or f"name: {NAME}" not in document_path.read_text(
        encoding="utf-8", errors="replace"
    ):
        raise ExportRefused(reason=f"{target} holds something that is no earlier export; choose another folder.")


def _page(name: str, members: Sequence[Skill], registry: Registry) -> str:
    sections = [_section(skill, registry.schema(skill).arguments) for skill in members]
    return "\n".join([f"# {name}", "", *sections])


def _section(skill: Skill, arguments: Sequence[Argument]) -> str:
    person = " A person must approve each call." if skill.needs_person else ""
    anonymous = " Runs without a token." if skill.anonymous else ""
    lines = [
        f"## {skill.tier.emoji} {skill.skill_id}{' (asks)' if asks(skill) else ''}",
        "",
        f"**{skill.title}** ({skill.title_zh}). {one_line(skill.summary)} {one_line(skill.advice)}".rstrip(),
        "",
        f"`{skill.method} {skill.path}`, scope `{skill.scope}`, {skill.tier.value}.{person}{anonymous}",
        "",
        *(f"- Note: {one_line(gotcha)}" for gotcha in skill.gotchas),
        *([""] if skill.gotchas else []),
        *_table(arguments),
        "```sh",
        _command(skill.skill_id, example_params(skill, arguments)),
        "```",
        "",
    ]
    return "\n".join(lines)


def _table(arguments: Sequence[Argument]) -> list[str]:
    if not arguments:
        return ["No arguments.", ""]
    rows = [
        f"| `{each.name}` | {each.type} | {'yes' if each.required else 'no'} | {_cell(_meaning(each))} |"
        for each in arguments
    ]
    return ["| argument | type | required | meaning |", "|---|---|---|---|", *rows, ""]


def _meaning(argument: Argument) -> str:
    """Return the description and the declared aliases; the guide says once that camel case is accepted everywhere."""
    known = {camel(name) for name in (argument.name, *argument.aliases) if camel(name) != name}
    aliases = [alias for alias in argument.aliases if alias not in known]
    also = f"Also written {', '.join(aliases)}." if aliases else ""
    return " ".join(filter(None, (one_line(argument.description), also)))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _command(skill_id: str, params: Mapping[str, Any]) -> str:
    """Write a call of the client; a text goes as `name=text`, anything else as `name:=json`."""
    return " ".join([CLIENT, "exec", skill_id, *(_pair(name, value) for name, value in params.items())])


def _pair(name: str, value: object) -> str:
    if isinstance(value, str):
        return f"{name}={shlex.quote(value)}"
    return f"{name}:={shlex.quote(json.dumps(value, ensure_ascii=False))}"
