"""What a model is told before every conversation."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

SYSTEM: Final = Path(__file__).with_name("system.md")
MARKET: Final = {
    True: "The prices of this desk are SIMULATED: invented by a seed. Say so whenever you quote one.",
    False: "The prices of this desk were imported by its operator or come from live sources.",
}


@cache
def _template() -> str:
    return SYSTEM.read_text(encoding="utf-8")


def system_prompt(*, username: str, team: str, today: date, is_simulated: bool) -> str:
    """Return the system text of a turn. `{marker}` is left in it for the loop, which knows the marker."""
    values = {
        "username": username,
        "team": team,
        "today": f"{today.isoformat()} ({today:%A})",
        "market": MARKET[is_simulated],
    }
    text = _template()
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
