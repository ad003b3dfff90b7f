"""Failures of what the desk itself uses, at the nth call of a service's method."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from core.bootstrap import Services
from core.errors import Unavailable
from evals.model import DeskFault
from evals.problems import ScriptProblem


class PlantedDefect(RuntimeError):
    """The crash a scenario asked for."""


@dataclass(slots=True)
class _Counter:
    """Counts the calls of one method and fails the chosen ones."""

    fault: DeskFault
    seen: int = 0

    def check(self) -> None:
        """Count a call. Raises what the scenario wants at its turn."""
        self.seen += 1
        place, _, nth = self.fault.at.partition("#")
        if nth and self.seen != int(nth):
            return
        if self.fault.fail == "crash":
            raise PlantedDefect(f"planted at {place}")
        reason = "no answer in time" if self.fault.fail == "timeout" else "it is not there"
        raise Unavailable(reason=f"{place}: {reason}")


@contextmanager
def planted(services: Services, faults: Sequence[DeskFault]) -> Iterator[None]:
    """Plant failures in the services of one desk for the length of a block.

    Raises `ScriptProblem` for a service or method that does not exist.
    """
    with ExitStack() as undo:
        for fault in faults:
            name, _, method = fault.at.partition("#")[0].partition(".")
            service = getattr(services, name, None)
            original = getattr(type(service), method, None)
            if service is None or not callable(original):
                raise ScriptProblem(reason=f"there is no {name}.{method} to fail; name a service and its method")
            setattr(type(service), method, _failing(service, original, _Counter(fault)))
            undo.callback(setattr, type(service), method, original)
        yield


def _failing(service: object, original: Callable[..., Any], counter: _Counter) -> Callable[..., Any]:
    def method(self: object, *arguments: Any, **named: Any) -> Any:
        if self is service:
            counter.check()
        return original(self, *arguments, **named)

    return method
