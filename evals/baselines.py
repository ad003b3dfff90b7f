"""What each scenario used the last time somebody looked: a change shows up in review, as a diff of a small file.

Calls and bytes of results are the same on every machine; seconds are not, and are left to the budgets.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from evals.results import Play

FOLDER: Final = Path(__file__).parent / "baselines"
HINT: Final = "if that is meant, run `dingpan evals run --update-baselines` and commit evals/baselines"
TOLERANCE: Final = 0.1
"""Bytes of results may differ by this share: a field more in an answer is not worth a review of every scenario."""


def measured(plays: Iterable[Play]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return scenario to case to figures, from plays over the scenario's own transport."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for play in plays:
        if play.is_own_transport:
            found.setdefault(play.scenario_id, {}).setdefault(play.case_id, _figures(play))
    return found


def _figures(play: Play) -> dict[str, Any]:
    return {
        "calls": [call.skill_id for phase in play.phases for call in phase.calls],
        "modelCalls": play.used.model_calls,
        "resultBytes": play.used.result_bytes,
    }


def differences(play: Play, folder: Path = FOLDER) -> list[str]:
    """Return how a play differs from its baseline; nothing for another transport, or without a baseline."""
    known = _read(folder / f"{play.scenario_id}.json").get(play.case_id) if play.is_own_transport else None
    if known is None:
        return []
    figures = _figures(play)
    differing = [name for name in ("calls", "modelCalls") if known[name] != figures[name]]
    if abs(figures["resultBytes"] - known["resultBytes"]) > TOLERANCE * known["resultBytes"]:
        differing.append("resultBytes")
    return [f"baseline: {play.case_id} {name}: was {known[name]}, is {figures[name]}; {HINT}" for name in differing]


def missing(plays: Iterable[Play], folder: Path = FOLDER) -> list[str]:
    """Return a line for the scenarios without a baseline."""
    names = {play.scenario_id for play in plays if play.case_id not in _read(folder / f"{play.scenario_id}.json")}
    return [f"no baseline yet: {', '.join(sorted(names))}; {HINT}"] if names else []


def write(plays: Iterable[Play], *, whole: bool, folder: Path = FOLDER) -> list[str]:
    """Write the figures of the plays; with `whole` remove the files of scenarios that are gone."""
    folder.mkdir(exist_ok=True)
    found = measured(plays)
    for scenario_id, cases in found.items():
        text = json.dumps(cases, ensure_ascii=False, indent=1, sort_keys=True)
        (folder / f"{scenario_id}.json").write_text(text + "\n", encoding="utf-8")
    gone = [path for path in folder.glob("*.json") if whole and path.stem not in found]
    for path in gone:
        path.unlink()
    return [f"baselines: {len(found)} written, {len(gone)} removed"]


def _read(path: Path) -> Mapping[str, Any]:
    known: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return known
