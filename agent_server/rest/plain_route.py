"""A route without FastAPI's layer, for addresses whose parameters the skill registry reads and describes."""

from starlette.routing import Match, Route
from starlette.types import Scope


class PlainRoute(Route):
    """Starlette's route; it also tells which template matched, for the log and the figures."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as ever, and leave the route in the scope."""
        match, child = super().matches(scope)
        return match, {**child, "route": self}
