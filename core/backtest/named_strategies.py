"""Every strategy that a run can name: those of one instrument, those of a portfolio, and the replay of real trades.

The strategies bring the engine and its compiler along, which most calls of a desk never need: they are imported on
first use, outside the event loop.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Final

from core.backtest.problems import ParameterInvalid

EQUAL_WEIGHT: Final = "equal_weight"
REPLAY: Final = "replay_trades"
OTHERS: Final = (EQUAL_WEIGHT, REPLAY)
"""The strategies that are more than one instrument's prices."""
GIVEN: Final = {EQUAL_WEIGHT: ("count",), REPLAY: ("trades",)}
"""Parameters that the desk fills in itself: the number of symbols, the team's recorded trades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedStrategy:
    """What a strategy does, and its parameters with their defaults."""

    name: str
    summary: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyList:
    """The strategies that can be named."""

    strategies: tuple[NamedStrategy, ...]


def strategy_list() -> StrategyList:
    """Return every strategy that a run can name, with its parameters and their defaults."""
    from core.backtest.strategies.built_in import cards  # noqa: PLC0415 - brings the compiler along

    single = [NamedStrategy(name=card.name, summary=card.summary, parameters=card.parameters) for card in cards()]
    return StrategyList(strategies=(*single, *(_described(name) for name in OTHERS)))


def check_strategy(name: str, parameters: Mapping[str, Any], *, count: int) -> None:
    """Refuse a name or a parameter that no run can have. Raises `StrategyUnknown` and `ParameterInvalid`."""
    make_strategies(name, parameters, [str(place) for place in range(count)], {})


def make_strategies(
    name: str,
    parameters: Mapping[str, Any],
    symbols: Sequence[str],
    records: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """Make a fresh strategy for each symbol; `records` are the trades of each, for the replay.

    Raises `StrategyUnknown`, and `ParameterInvalid` for a parameter it does not take.
    """
    from core.backtest.strategies.built_in import built_in  # noqa: PLC0415 - brings the compiler along
    from core.backtest.strategies.equal_weight import equal_weight  # noqa: PLC0415 - brings the compiler along
    from core.backtest.strategies.replay import ReplayTrades, trades_of  # noqa: PLC0415 - brings the compiler along

    if name not in OTHERS:
        _refuse_unknown(name)
        return {symbol: built_in(name, parameters) for symbol in symbols}
    for given in parameters:
        known = _known(name)
        if given not in known:
            raise ParameterInvalid(name=given, reason=f"{name} has no such parameter; it has {', '.join(known)}")
    if name == EQUAL_WEIGHT:
        return dict(equal_weight(symbols, **parameters))
    return {symbol: ReplayTrades(trades_of(records.get(symbol, ())), **parameters) for symbol in symbols}


def _refuse_unknown(name: str) -> None:
    from core.backtest.strategies.built_in import BUILT_IN, StrategyUnknown  # noqa: PLC0415 - brings the compiler along

    known = [*BUILT_IN, *OTHERS]
    if name not in known:
        close = get_close_matches(name, known, n=1)
        raise StrategyUnknown(name=name, known=", ".join(known), did_you_mean=close[0] if close else None)


def _kind(name: str) -> Any:
    from core.backtest.strategies.equal_weight import EqualWeight  # noqa: PLC0415 - brings the compiler along
    from core.backtest.strategies.replay import ReplayTrades  # noqa: PLC0415 - brings the compiler along

    return EqualWeight if name == EQUAL_WEIGHT else ReplayTrades


def _known(name: str) -> list[str]:
    return [entry.name for entry in fields(_kind(name)) if entry.init and entry.name not in GIVEN[name]]


def _described(name: str) -> NamedStrategy:
    kind = _kind(name)
    defaults = {entry.name: entry.default for entry in fields(kind) if entry.init}
    return NamedStrategy(
        name=name,
        summary=" ".join((kind.__doc__ or "").strip().partition("\n\n")[0].split()),
        parameters={parameter: defaults[parameter] for parameter in _known(name)},
    )
