"""The strategies that can be named: by a skill, on the command line, in a sweep."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

from core.backtest.problems import ParameterInvalid
from core.backtest.strategies.breakout import Breakout
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.strategies.rsi_reversion import RsiReversion
from core.errors import Invalid

BuiltIn = DualMovingAverage | Breakout | RsiReversion
BUILT_IN: Final[Mapping[str, type[BuiltIn]]] = {
    "dual_moving_average": DualMovingAverage,
    "breakout": Breakout,
    "rsi_reversion": RsiReversion,
}


class StrategyUnknown(Invalid):
    """No strategy of that name."""

    code = "unknown_strategy"
    template = "No strategy {name!r}; there are {known}."
    shown = ("name", "did_you_mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyCard:
    """What a strategy does, and its parameters with their defaults."""

    name: str
    summary: str
    parameters: dict[str, Any]


def cards() -> tuple[StrategyCard, ...]:
    """Return every strategy that can be named."""
    return tuple(
        StrategyCard(
            name=name,
            summary=" ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split()),
            parameters={entry.name: entry.default for entry in fields(kind) if entry.init},
        )
        for name, kind in BUILT_IN.items()
    )


def built_in(name: str, parameters: Mapping[str, Any] | None = None) -> BuiltIn:
    """Make a strategy by name. Raises `StrategyUnknown`, and `ParameterInvalid` for a parameter it does not take."""
    kind = BUILT_IN.get(name)
    if kind is None:
        close = get_close_matches(name, BUILT_IN, n=1)
        raise StrategyUnknown(name=name, known=", ".join(BUILT_IN), did_you_mean=close[0] if close else None)
    known = [entry.name for entry in fields(kind) if entry.init and entry.default is not MISSING]
    for given in parameters or {}:
        if given not in known:
            raise ParameterInvalid(name=given, reason=f"{name} has no such parameter; it has {', '.join(known)}")
    return kind(**(parameters or {}))
