"""The same scenarios against real models."""

from collections.abc import Callable, Sequence

from evals.loader import Case
from evals.problems import EvalsNotInstalled


def run_live(
    cases: Sequence[Case], *, model: str, epochs: int | None, cost_limit: float | None, say: Callable[[str], None]
) -> bool:
    """Play cases with a real model. Raises `EvalsNotInstalled`."""
    raise EvalsNotInstalled(package="inspect-ai", extra="evals-live")
