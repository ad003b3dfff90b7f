"""What the desk can do: one module per first word of a skill's id. This list decides what exists."""

from importlib import import_module
from types import ModuleType
from typing import Final

MODULE_NAMES: Final = (
    "skills.auth",
    "skills.dataasset",
    "skills.feedback",
    "skills.investment.backtest",
    "skills.investment.backtest_runs",
    "skills.investment.charts",
    "skills.investment.portfolio",
    "skills.investment.recommendation",
    "skills.investment.trading",
    "skills.market",
    "skills.subscription",
)


def modules() -> tuple[ModuleType, ...]:
    """Import and return the modules that declare skills; `tools.registry` collects them."""
    return tuple(import_module(name) for name in MODULE_NAMES)
