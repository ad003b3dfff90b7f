"""What each scenario used the last time somebody looked: a change shows up in review, as a diff of a small file.

Calls and bytes of results are the same on every machine, so they are compared exactly.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from evals.results import Play

FOLDER: Final = Path(__file__).parent / "baselines"
UPDATE: Final = "dingpan evals run --update-baselines"


def measured(plays: Iterable[Play]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return scenario to case to figures, from plays over the scenario's own transport."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for play in plays:
        if play.is_own_transport:
            figures = {
                "calls": [call.skill_id for phase in play.phases for call in phase.calls],
                "modelCalls": play.used.model_calls,
                "resultBytes": play.used.result_bytes,
            }
            found.setdefault(play.scenario_id, {}).setdefault(play.case_id, figures)
    return found


def compare(plays: Iterable[Play], folder: Path = FOLDER) -> list[str]:
    """Return a line for each figure that differs from its baseline, and for each case without one."""
    notes = []
    for scenario_id, cases in sorted(measured(plays).items()):
        known = _read(folder / f"{scenario_id}.json")
        for case_id, figures in cases.items():
            notes += _differences(case_id, known.get(case_id), figures)
    return notes


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


def _differences(case_id: str, known: Mapping[str, Any] | None, figures: Mapping[str, Any]) -> list[str]:
    if known is None:
        return [f"baseline: {case_id} has none; write it with {UPDATE}"]
    return [
        f"baseline: {case_id} {name}: was {known.get(name)}, is {value}"
        for name, value in figures.items()
        if known.get(name) != value
    ]
