"""Skill ids where dots are not allowed: the names of tools in MCP and at model providers."""

import re
from typing import Final

from tools.skill import SkillDeclarationError

LONGEST: Final = 48
ALIASES: Final[dict[str, str]] = {
    "investment.stock.portfolio.nav_history.benchmarks.list": "investment_stock_nav_benchmarks_list",
}
"""Wire names of ids that would be too long."""
_ALLOWED: Final = re.compile(r"[A-Za-z0-9_-]+")


def wire_name(skill_id: str) -> str:
    """Return `schedule_job_delete` for `schedule.job.delete`.

    Raises `SkillDeclarationError` for a name over 48 characters: give the id a row in `ALIASES`.
    """
    name = ALIASES.get(skill_id) or skill_id.replace(".", "_")
    if len(name) > LONGEST or not _ALLOWED.fullmatch(name):
        raise SkillDeclarationError(f"{skill_id} makes the name {name}, longer than {LONGEST} characters: add an alias")
    return name
