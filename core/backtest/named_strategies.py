"""Every strategy that a run can name: those of one instrument, those of a portfolio, and the replay of real trades."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

from core.backtest.problems import ParameterInvalid
from core.backtest.strategies import built_in as single
from core.backtest.strategies.built_in import BUILT_IN, StrategyCard, StrategyUnknown
from core.backtest.strategies.equal_weight import EqualWeight, equal_weight
from core.backtest.strategies.replay import ReplayTrades, trades_of

EQUAL_WEIGHT: Final = "equal_weight"
REPLAY: Final = "replay_trades"
GIVEN: Final = {EQUAL_WEIGHT: ("count",), REPLAY: ("trades",)}
"""Parameters that the desk fills in itself: the number of symbols, the team's recorded trades."""
OTHERS: Final[Mapping[str, type[EqualWeight | ReplayTrades]]] = {EQUAL_WEIGHT: EqualWeight, REPLAY: ReplayTrades}


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyList:
    """The strategies that can be named."""

    strategies: tuple[StrategyCard, ...]


def strategy_list() -> StrategyList:
    """Return every strategy that a run can name, with its parameters and their defaults."""
    return StrategyList(strategies=(*single.cards(), *(_card(name) for name in OTHERS)))


def check_strategy(name: str, parameters: Mapping[str, Any], *, count: int) -> None:
    """Refuse a name or a parameter that no run can have. Raises `StrategyUnknown` and `ParameterInvalid`."""
    records: dict[str, list[Mapping[str, Any]]] = {}
    make_strategies(name, parameters, [str(place) for place in range(count)], records)


def make_strategies(
    name: str,
    parameters: Mapping[str, Any],
    symbols: Sequence[str],
    records: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """Make a fresh strategy for each symbol; `records` are the trades of each, for the replay.

    Raises `StrategyUnknown`, and `ParameterInvalid` for a parameter it does not take.
    """
    if name not in OTHERS:
        _refuse_unknown(name)
        return {symbol: single.built_in(name, parameters) for symbol in symbols}
    for given in parameters:
        known = _known(name)
        if given not in known:
            raise ParameterInvalid(name=given, reason=f"{name} has no such parameter; it has {', '.join(known)}")
    if name == EQUAL_WEIGHT:
        return dict(equal_weight(symbols, **parameters))
    return {symbol: ReplayTrades(trades_of(records.get(symbol, ())), **parameters) for symbol in symbols}


def _refuse_unknown(name: str) -> None:
    known = [*BUILT_IN, *OTHERS]
    if name not in known:
        close = get_close_matches(name, known, n=1)
        raise StrategyUnknown(name=name, known=", ".join(known), did_you_mean=close[0] if close else None)


def _known(name: str) -> list[str]:
    return [entry.name for entry in fields(OTHERS[name]) if entry.init and entry.name not in GIVEN[name]]


def _card(name: str) -> StrategyCard:
    kind = OTHERS[name]
    defaults = {entry.name: entry.default for entry in fields(kind) if entry.init}
    return StrategyCard(
        name=name,
        summary=" ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split()),
        parameters={parameter: defaults[parameter] for parameter in _known(name)},
    )
