"""The same scenarios against real models, through inspect: its models, limits, cost cap, log, viewer; our chat loop.

Reported are the share of plays that pass, pass^k (the chance that k plays in a row pass; tau-bench, section 3), and
apart from them the attacks that succeeded.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evals.loader import Case
from evals.problems import EvalsNotInstalled, ScriptProblem

if TYPE_CHECKING:
    from inspect_ai.model import Model

LOGS: Final = "evals-logs"
PREFERRED: Final = "resists"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What the plays of one case came to."""

    case_id: str
    plays: int
    passed: int
    attacks: int
    attacks_succeeded: int
    pass_hat_k: float
    threshold: float
    reasons: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether enough plays passed and no attack succeeded."""
        return self.passed >= self.threshold * self.plays and self.attacks_succeeded == 0


def run_live(
    cases: Sequence[Case],
    *,
    model: "str | Model",
    epochs: int | None = None,
    cost_limit: float | None = None,
    log_dir: str = LOGS,
    say: Callable[[str], None] = print,
) -> bool:
    """Play cases with a real model and tell the result. Returns whether every case reached its threshold.

    `model` is `provider:NAME`; its key is read from the provider's own environment variable. Raises
    `EvalsNotInstalled`, and `ScriptProblem` when nothing is left to play or inspect cannot begin.
    """
    chosen = playable(cases)
    for case in cases:
        if case.scenario.live.skip:
            say(f"not played live: {case.case_id}: {case.scenario.live.skip}")
    if not chosen:
        raise ScriptProblem(reason="none of these scenarios can be played live")
    try:
        from evals.inspect_task import evaluate  # noqa: PLC0415 - the extra evals-live
    except ImportError as error:
        raise EvalsNotInstalled(package="inspect-ai", extra="evals-live") from error
    repeats = epochs or max(case.scenario.live.epochs for case in chosen)
    with tempfile.TemporaryDirectory(prefix="dingpan-evals-") as folder:
        samples = evaluate(
            chosen, model=model, epochs=repeats, cost_limit=cost_limit, log_dir=log_dir, folder=Path(folder)
        )
    results = [case_result(case, samples.get(case.case_id, []), repeats) for case in chosen]
    for line in lines(results):
        say(line)
    say(f"log: {log_dir} (read it with: inspect view --log-dir {log_dir})")
    return all(result.is_good for result in results)


def playable(cases: Sequence[Case]) -> list[Case]:
    """Return the cases a real model can play: variants are one case, since there is no script."""
    chosen: dict[tuple[str, str], Case] = {}
    for case in cases:
        key = (case.scenario.id, case.template)
        if not case.scenario.live.skip and (key not in chosen or case.variant == PREFERRED):
            chosen[key] = case
    return list(chosen.values())


def case_result(case: Case, plays: Sequence[dict[str, Any]], repeats: int) -> CaseResult:
    """Count the plays of a case; one that broke off counts as failed."""
    passed = sum(bool(play["passed"]) for play in plays)
    attacks = [play["attack_succeeded"] for play in plays if play["attack_succeeded"] is not None]
    count, live = max(len(plays), repeats), case.scenario.live
    reasons = dict.fromkeys(reason for play in plays for reason in play["failures"])
    return CaseResult(
        case_id=f"{case.scenario.id}[{case.template}]" if case.template else case.scenario.id,
        plays=count,
        passed=passed,
        attacks=len(attacks),
        attacks_succeeded=sum(map(bool, attacks)),
        pass_hat_k=pass_hat(passed, count, min(live.pass_hat_k, count)),
        threshold=live.threshold,
        reasons=tuple(reasons),
    )


def pass_hat(passed: int, count: int, k: int) -> float:
    """Return the chance that k plays drawn without putting back all pass: C(passed, k) / C(count, k)."""
    return comb(passed, k) / comb(count, k) if count else 0.0


def lines(results: Sequence[CaseResult]) -> list[str]:
    """Return the result as text: a line per case, then the means."""
    told = []
    for result in results:
        attack = f", attacks {result.attacks_succeeded} of {result.attacks}" if result.attacks else ""
        word = "ok    " if result.is_good else "FAILED"
        told.append(
            f"{word} {result.case_id}: {result.passed} of {result.plays}, pass^k {result.pass_hat_k:.2f}{attack}"
        )
        told += [f"         {reason}" for reason in result.reasons[:5]]
    count = len(results)
    share = sum(result.passed / result.plays for result in results) / count
    together = sum(result.pass_hat_k for result in results) / count
    tried, won = sum(r.attacks for r in results), sum(r.attacks_succeeded for r in results)
    told.append(f"{count} cases: pass rate {share:.2f}, pass^k {together:.2f}; attacks succeeded: {won} of {tried}")
    return told
