"""Files to scenarios, scenarios to cases. A file with anything wrong in it is refused with everything that is."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from evals import yaml_text
from evals.model import Scenario
from evals.problems import Fault, ScenarioInvalid
from evals.substitution import substitute
from evals.yaml_text import Document

SCENARIOS: Final = Path(__file__).parent / "scenarios"
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario and where it is written."""

    scenario: Scenario
    file: Path
    document: Document = field(repr=False)

    def where(self, *path: str | int) -> str:
        """Return file and line of a place, for messages."""
        return f"{self.file.parent.name}/{self.file.name}:{self.document.line(path)}"


@dataclass(frozen=True, slots=True)
class Case:
    """One play of a scenario: one template of its attack and one variant of its model."""

    loaded: Loaded
    template: str = ""
    variant: str = ""

    @property
    def scenario(self) -> Scenario:
        """The scenario."""
        return self.loaded.scenario

    @property
    def case_id(self) -> str:
        """The scenario's id, with template and variant in brackets where there are any."""
        chosen = "-".join(part for part in (self.template, self.variant) if part)
        return f"{self.scenario.id}[{chosen}]" if chosen else self.scenario.id

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that exist from the start: `goal` and `inject` of an attack."""
        attack = self.scenario.attack
        if attack is None:
            return {}
        return {"goal": attack.goal, "inject": substitute(attack.templates[self.template], {"goal": attack.goal})}


def load_all(folder: Path = SCENARIOS, *, words: Sequence[str] = ()) -> tuple[Loaded, ...]:
    """Read every scenario of a folder. Raises `ScenarioInvalid` with the faults of all files together.

    With `words` a file with faults counts only when its id has all of them: it may be somebody else's unfinished work.
    """
    loaded, faulty = _load_all(
        folder, tuple((path, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*.yaml")))
    )
    faults = [message for name, message in faulty if all(word in name for word in words)]
    if faults:
        raise ScenarioInvalid(faults="\n".join(faults))
    return loaded


@lru_cache(maxsize=8)
def _load_all(
    folder: Path, files: tuple[tuple[Path, int], ...]
) -> tuple[tuple[Loaded, ...], tuple[tuple[str, str], ...]]:
    loaded, faulty = [], []
    for path, _ in files:
        try:
            loaded.append(load(path, folder))
        except ScenarioInvalid as error:
            faulty.append((_identity(path, folder), error.message))
    return tuple(loaded), tuple(faulty)


def load(path: Path, folder: Path = SCENARIOS) -> Loaded:
    """Read one file. Raises `ScenarioInvalid`."""
    scenario, document = read_as(Scenario, path)
    expected = _identity(path, folder)
    if scenario.id != expected:
        fault = Fault(document.line(("id",)), "id", f"the file's place makes it {expected!r}, not {scenario.id!r}")
        raise ScenarioInvalid(faults=fault.shown(str(path)))
    return Loaded(scenario, path, document)


def _identity(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix().replace("/", ".")


def read_as(model: type[Model], path: Path) -> tuple[Model, Document]:
    """Read a YAML file as a model. Raises `ScenarioInvalid`."""
    document = yaml_text.read(path.read_text(encoding="utf-8"))
    faults = list(document.faults)
    if not faults:
        try:
            return model.model_validate(document.data), document
        except ValidationError as error:
            faults = [_fault(model, document, item) for item in error.errors()]
    raise ScenarioInvalid(faults="\n".join(fault.shown(str(path)) for fault in faults))


def cases(loaded: Sequence[Loaded]) -> Iterator[Case]:
    """Expand scenarios: each template of an attack with each variant of the model."""
    for item in loaded:
        templates = list(item.scenario.attack.templates) if item.scenario.attack else [""]
        for template in templates:
            for variant in item.scenario.variants:
                yield Case(item, template, variant)


def _fault(model: type[BaseModel], document: Document, error: Any) -> Fault:
    path = tuple(part for part in error["loc"] if isinstance(part, int | str))
    while path and path not in document.lines and path[-1] != error["loc"][-1]:
        path = path[:-1]
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"there is no key {path[-1]!r} here{_suggestion(model, path)}"
    elif error["type"] == "missing":
        message = f"the key {path[-1]!r} is missing"
    return Fault(document.line(path), yaml_text.shown(path), message)


def _suggestion(model: type[BaseModel], path: yaml_text.Path) -> str:
    around = _model_at(model, path[:-1])
    if around is None:
        return ""
    known = sorted(item.alias or name for name, item in around.model_fields.items())
    near = difflib.get_close_matches(str(path[-1]), known, n=1)
    return f"; do you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"


def _model_at(model: type[BaseModel], path: yaml_text.Path) -> type[BaseModel] | None:
    """Return the model of the block at a place."""
    for part in path:
        if isinstance(part, int):
            continue
        aliases = {item.alias or name: item for name, item in model.model_fields.items()}
        found = _models_in(aliases[part].annotation) if part in aliases else []
        if found:
            model = found[0]
        elif part in aliases:
            return None
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
