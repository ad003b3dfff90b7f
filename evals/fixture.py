"""A prepared desk, as a file of `evals/fixtures` describes it: people, skills that were run, backtests kept."""

from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from evals.loader import read_as
from evals.model_parts import Action, Part, Patch
from evals.problems import ScriptProblem

FIXTURES: Final = Path(__file__).parent / "fixtures"


class FixtureUser(Part):
    """A person of the desk."""

    name: str
    team: str
    role: Literal["member", "approver", "administrator"] = "member"


class FixtureBacktest(Part):
    """A run of a built-in strategy, kept on the desk."""

    by: str
    name: str
    strategy: str
    symbol: str
    start: date
    end: date
    parameters: dict[str, Any] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()


class Fixture(Part):
    """One file of `evals/fixtures`."""

    schema_name: Literal["agent-eval-fixture/1"] = Field(alias="schema")
    title: str
    clock: datetime
    """The frozen moment, with a zone."""
    market: Literal["simulated", "none"]
    users: Annotated[tuple[FixtureUser, ...], Field(min_length=1)]
    """The first user of a team must be its administrator."""
    actions: tuple[Action, ...] = ()
    backtests: tuple[FixtureBacktest, ...] = ()
    patch: tuple[Patch, ...] = ()


@lru_cache(maxsize=16)
def load_fixture(name: str) -> Fixture:
    """Read a fixture. Raises `ScriptProblem` for a name that does not exist, `ScenarioInvalid` for a bad file."""
    path = FIXTURES / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in FIXTURES.glob("*.yaml")))
        raise ScriptProblem(reason=f"there is no fixture {name!r}; there are {known}")
    return read_as(Fixture, path)[0]
