"""Which parameters a sweep tries: every combination, or some drawn at random."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from typing import Any, Final

import numpy as np

from core.backtest.problems import ParameterInvalid

LARGEST_GRID: Final = 1_000_000
DRAWS_FOR_ONE: Final = 50
"""How often a draw that was there before, or that the strategy refuses, is made again before the search gives up."""
Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Any number from `low` to `high`, for a search at random; whole ones with `whole`."""

    low: float
    high: float
    whole: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty range. Raises `ParameterInvalid`."""
        if not self.low <= self.high:
            raise ParameterInvalid(name="grid", reason=f"nothing lies between {self.low} and {self.high}")

    def draw(self, dice: np.random.Generator) -> float | int:
        """Return a number of the range."""
        if self.whole:
            return int(dice.integers(int(self.low), int(self.high), endpoint=True))
        return float(dice.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSearch:
    """Try `trials` different combinations, drawn with a seed: the same seed draws the same."""

    trials: int
    seed: int = 0


Grid = Mapping[str, Sequence[Any] | Between]


@dataclass(frozen=True, slots=True)
class Combinations:
    """What is tried, and what the strategy itself refuses: the parameters and why."""

    tried: list[Parameters]
    refused: list[tuple[Parameters, str]]


def combinations(
    grid: Grid,
    make: Callable[..., object],
    *,
    search: RandomSearch | None = None,
    where: Callable[[Parameters], bool] | None = None,
    refusal: Callable[[Parameters], str | None] | None = None,
) -> Combinations:
    """Return the combinations of a grid that a strategy takes and `where` lets through.

    `refusal` tells why a strategy does not take parameters; without it one is made of each.

    Raises `ParameterInvalid` for an empty or endless grid, and when nothing is left.
    """
    values = {name: _values(name, given) for name, given in grid.items()}
    if not values:
        raise ParameterInvalid(name="grid", reason="it names no parameter")
    tried: list[Parameters] = []
    refused: list[tuple[Parameters, str]] = []
    drawn = _all(values) if search is None else _some(values, search)
    wanted = None if search is None else search.trials
    for parameters in drawn:
        if where is not None and not where(parameters):
            continue
        why = refusal(parameters) if refusal is not None else _refusal(make, parameters)
        if why is not None:
            refused.append((parameters, why))
            continue
        tried.append(parameters)
        if len(tried) == wanted:
            break
    if not tried:
        said = f"; the strategy says: {refused[0][1]}" if refused else ""
        raise ParameterInvalid(name="grid", reason=f"no combination is left{said}")
    return Combinations(tried, refused)


def _refusal(make: Callable[..., object], parameters: Parameters) -> str | None:
    try:
        make(**parameters)
    except ParameterInvalid as error:
        return error.message
    return None


def _values(name: str, given: Sequence[Any] | Between) -> Sequence[Any] | Between:
    if isinstance(given, Between):
        return given
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise ParameterInvalid(name=name, reason=f"a list of values to try is needed, not {given!r}")
    values = [value.item() if isinstance(value, np.generic) else value for value in given]
    if not values:
        raise ParameterInvalid(name=name, reason="there is no value to try")
    return values


def _all(values: Mapping[str, Sequence[Any] | Between]) -> Iterator[Parameters]:
    lists = []
    for name, given in values.items():
        if isinstance(given, Between):
            raise ParameterInvalid(name=name, reason="a range is for RandomSearch; list the values of a grid")
        lists.append(given)
    count = prod(len(some) for some in lists)
    if count > LARGEST_GRID:
        raise ParameterInvalid(name="grid", reason=f"{count:,} combinations; at most {LARGEST_GRID:,} are tried")
    return (dict(zip(values, chosen, strict=True)) for chosen in product(*lists))


def _some(values: Mapping[str, Sequence[Any] | Between], search: RandomSearch) -> Iterator[Parameters]:
    """Draw combinations, none twice."""
    if not 1 <= search.trials <= LARGEST_GRID:
        raise ParameterInvalid(name="trials", reason=f"{search.trials} is not a number from 1 to {LARGEST_GRID:,}")
    dice = np.random.default_rng(search.seed)
    seen: set[tuple[Any, ...]] = set()

    def draw() -> Iterator[Parameters]:
        for _ in range(search.trials * DRAWS_FOR_ONE):
            chosen = tuple(_drawn(given, dice) for given in values.values())
            if chosen not in seen:
                seen.add(chosen)
                yield dict(zip(values, chosen, strict=True))

    return islice(draw(), None)


def _drawn(given: Sequence[Any] | Between, dice: np.random.Generator) -> Any:
    return given.draw(dice) if isinstance(given, Between) else given[int(dice.integers(len(given)))]
