"""What can be wrong with an eval before anything is played; each says where and what to do."""

from dataclasses import dataclass

from core.errors import Invalid, NotPossible


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a file: the line, the place inside the document, what is wrong."""

    line: int
    path: str
    message: str

    def shown(self, file: str) -> str:
        """Return the fault as one line, as compilers write it."""
        return (
            f"{file}:{self.line}: {self.path}: {self.message}" if self.path else f"{file}:{self.line}: {self.message}"
        )


class ScenarioInvalid(Invalid):
    """A scenario or fixture that cannot be used, with everything wrong in it."""

    code = "scenario_invalid"
    template = "{faults}"


class EvalsNotInstalled(NotPossible):
    """A package that evals need is missing."""

    code = "evals_not_installed"
    template = "{package} is not installed. Install it with: pip install 'dingpan[{extra}]'"


class ScriptProblem(Invalid):
    """A scenario names something that does not exist: a variable, a user, a skill."""

    code = "script_invalid"
    template = "{reason}"
