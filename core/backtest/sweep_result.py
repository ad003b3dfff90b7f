"""What a sweep returns: every trial's parameters and figures, the best, and how much of it is luck."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.problems import ParameterInvalid
from core.backtest.sweep_grid import Parameters
from core.performance.figures import Figure
from core.performance.overfitting import GridVerdict, judge_grid

Floats = NDArray[np.float64]
LOWER_IS_BETTER: Final = frozenset({"volatility", "fees", "turnover"})
LARGEST_PAGE: Final = 1_000
WHOLE: Final = frozenset({"num_trades"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run of a sweep. A figure that does not exist is None; `error` says why there is none at all."""

    number: int
    parameters: Parameters
    metrics: dict[str, float | int | None]
    error: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class SweepResult:
    """A finished sweep, or the part of it that was done when it was `stopped`.

    `figures` has one array a figure, one value a trial, NaN where there is none; `refused` are combinations that the
    strategy itself does not take, with its reason. `returns_of_all` are the returns of (day, trial without an error) on
    `days`.
    """

    parameters: list[Parameters]
    figures: dict[str, Floats] = field(repr=False)
    errors: dict[int, str]
    refused: list[tuple[Parameters, str]] = field(repr=False)
    objective: str
    stopped: str | None = None
    days: NDArray[np.int64] = field(repr=False)
    returns_of_all: Callable[[], Floats] = field(repr=False)

    def __len__(self) -> int:
        return len(self.parameters)

    @cached_property
    def ranking(self) -> list[int]:
        """The numbers of the trials, best first by the objective; those without the figure last."""
        if self.objective not in self.figures:
            known = ", ".join(self.figures)
            raise ParameterInvalid(name="objective", reason=f"{self.objective!r} is not one of {known}")
        values = self.figures[self.objective]
        keys = values if self.objective in LOWER_IS_BETTER else -values
        order: list[int] = np.argsort(np.where(np.isnan(keys), np.inf, keys), kind="stable").tolist()
        return order

    @property
    def best(self) -> Trial | None:
        """The trial with the best objective, the first of equals; None when no trial has the figure."""
        first = self.ranking[0] if self.ranking else None
        return None if first is None or np.isnan(self.figures[self.objective][first]) else self.trial(first)

    def trial(self, number: int) -> Trial:
        """Return one trial by its number."""
        metrics: dict[str, float | int | None] = {}
        for name, values in self.figures.items():
            value = float(values[number])
            metrics[name] = None if np.isnan(value) else int(value) if name in WHOLE and value.is_integer() else value
        return Trial(number=number, parameters=self.parameters[number], metrics=metrics, error=self.errors.get(number))

    def page(self, number: int = 1, size: int = 50) -> list[Trial]:
        """Return a page of trials, best first; pages count from 1."""
        if not 1 <= size <= LARGEST_PAGE or number < 1:
            raise ParameterInvalid(name="page", reason=f"pages count from 1 and hold 1 to {LARGEST_PAGE} trials")
        return [self.trial(one) for one in self.ranking[(number - 1) * size : number * size]]

    @cached_property
    def verdict(self) -> GridVerdict:
        """What the whole grid proves: deflated Sharpe ratio of its best, probability of overfitting.

        Computed when asked for: thousands of trials take seconds.
        """
        return judge_grid(self.returns_of_all())

    def to_columns(self) -> dict[str, list[Any]]:
        """Return parameters and figures as columns, in the order of the trials."""
        names = dict.fromkeys(name for parameters in self.parameters for name in parameters)
        columns: dict[str, list[Any]] = {name: [one.get(name) for one in self.parameters] for name in names}
        for name, values in self.figures.items():
            column = [None if np.isnan(value) else value for value in values.tolist()]
            columns[name if name not in columns else f"metric_{name}"] = column
        return columns

    def to_frame(self) -> Any:
        """Return parameters and figures as a table of Arrow, which has `to_pandas()`."""
        import pyarrow as pa  # noqa: PLC0415 - loaded on first use

        return pa.table(self.to_columns())

    def summary(self) -> str:
        """Return the best trials and the verdict on the grid as lines of text."""
        lines = [f"{len(self)} trials, {len(self.errors)} failed, {len(self.refused)} refused by the strategy"]
        lines += [f"stopped: {self.stopped}"] if self.stopped else []
        for place, trial in enumerate(self.page(1, 10), 1):
            given = " ".join(f"{name}={value}" for name, value in trial.parameters.items())
            shown = " ".join(f"{name} {_shown(trial.metrics.get(name))}" for name in _columns(self.objective))
            lines.append(f"{place:>3}. {given}: {shown}")
        verdict = self.verdict
        lines.append(f"best of {verdict.trials} by luck alone: sharpe per period {_told(verdict.expected_maximum)}")
        lines.append(f"deflated sharpe (probability that the best is more than luck): {_told(verdict.deflated_sharpe)}")
        lines.append(f"probability of backtest overfitting: {_told(verdict.overfitting_probability)}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        verdict = self.verdict
        best = self.best
        return {
            "objective": self.objective,
            "stopped": self.stopped,
            "best": None if best is None else {"number": best.number, **best.parameters, "metrics": best.metrics},
            "trials": self.to_columns(),
            "errors": {str(number): text for number, text in self.errors.items()},
            "refused": [{"parameters": parameters, "reason": reason} for parameters, reason in self.refused],
            "verdict": {
                "trials": verdict.trials,
                "expected_maximum_sharpe": verdict.expected_maximum.value,
                "deflated_sharpe": verdict.deflated_sharpe.value,
                "overfitting_probability": verdict.overfitting_probability.value,
                "loss_probability": verdict.loss_probability.value,
            },
        }


def _columns(objective: str) -> list[str]:
    return list(dict.fromkeys((objective, "total_return", "sharpe", "max_drawdown", "num_trades")))


def _shown(value: float | int | None) -> str:
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.4f}"


def _told(figure: Figure) -> str:
    return f"- ({figure.reason.text})" if figure.reason is not None else f"{figure.value:.4f}"
