"""One trial of a sweep as a task of its own: a function of a module, so that other processes can run it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.api import backtest
from core.backtest.model import BarTable
from core.backtest.outcome import FIGURES
from core.backtest.problems import ParameterInvalid, StrategyFailed, StrategyInvalid
from core.backtest.strategies.built_in import BUILT_IN, built_in
from core.backtest.sweep_grid import Parameters

NAMES: Final = ("Strategy", "make_strategy", "strategy")
"""What a file calls the class or function that makes a strategy out of parameters."""


@dataclass(frozen=True, slots=True)
class FileStrategy:
    """A strategy of a Python file: `Strategy` or `make_strategy`, called with the parameters of a trial."""

    path: str

    def __call__(self, **parameters: Any) -> object:
        """Make the strategy. Raises `StrategyInvalid` where the file has none, or it takes no such parameter."""
        try:
            return _maker(self.path)(**parameters)
        except TypeError as error:
            raise StrategyInvalid(reason=f"{Path(self.path).name}: {error}") from None


@dataclass(frozen=True, slots=True)
class NamedStrategy:
    """A built-in strategy by name."""

    name: str

    def __call__(self, **parameters: Any) -> object:
        """Make the strategy. Raises `ParameterInvalid` for parameters it does not take."""
        return built_in(self.name, parameters)


def maker_of(strategy: object) -> Callable[..., object]:
    """Return what makes a strategy out of parameters: a built-in's name, a file, a class or a function."""
    if isinstance(strategy, str):
        if strategy.endswith(".py"):
            return FileStrategy(strategy)
        if strategy not in BUILT_IN:
            built_in(strategy)
        return NamedStrategy(strategy)
    if callable(strategy):
        return strategy
    raise StrategyInvalid(reason=f"A sweep needs a class or a function that makes strategies, not {strategy!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJob:
    """What all trials of a sweep share: how the strategy is made, the bars, the parameters of `backtest`."""

    make: Callable[..., object]
    bars: BarTable
    named: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, several: Sequence[Parameters]) -> list["TrialOutcome"]:
        """Run some trials."""
        return [self.run(parameters) for parameters in several]

    def run(self, parameters: Parameters) -> "TrialOutcome":
        """Run one trial. What the strategy does wrong is told, not raised."""
        try:
            result = backtest(self.make(**parameters), bars=self.bars, **self.named)
        except (StrategyFailed, ParameterInvalid) as error:
            return TrialOutcome(metrics={}, equity=None, error=error.message)
        metrics = {name: result.metrics.get(name) for name in FIGURES}
        return TrialOutcome(metrics=metrics, equity=np.asarray(result.curve.equity), error=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What a trial came to: its figures, its equity at the end of each bar, or why there is neither."""

    metrics: dict[str, Any]
    equity: NDArray[np.float64] | None
    error: str | None


@lru_cache(maxsize=8)
def _maker(path: str) -> Callable[..., object]:
    import runpy  # noqa: PLC0415 - only files need it

    found = runpy.run_path(path)
    made = next((found[name] for name in NAMES if name in found), None)
    if not callable(made):
        raise StrategyInvalid(reason=f"{Path(path).name} defines none of {', '.join(NAMES)}.")
    maker: Callable[..., object] = made
    return maker
