"""What every door is given: the services, the registry of skills and the dispatcher that runs them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_server.signals import Signals
from core.access.model import AuditEntry, Caller
from core.storage.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from core.bootstrap import Services
    from tools.dispatcher import Dispatcher
    from tools.registry import Registry


@dataclass(frozen=True, slots=True)
class Desk:
    """A running desk, as its transports see it."""

    services: "Services"
    registry: "Registry"
    dispatcher: "Dispatcher"
    signals: Signals = field(default_factory=Signals)

    def unit_of_work(self, *, read_only: bool = False) -> UnitOfWork:
        """Open one call's view of the database."""
        return self.services.database.unit_of_work(read_only=read_only)

    async def note(
        self, uow: UnitOfWork, event: str, *, caller: Caller, trace_id: str, detail: dict[str, object] | None = None
    ) -> None:
        """Append to the audit inside the write that just happened, so that both become permanent together."""
        entry = AuditEntry(
            event=event, actor=actor(caller), team_id=caller.team_id, trace_id=trace_id, detail=detail or {}
        )
        async with uow.join_write():
            await self.services.audit.append(uow, entry)


def actor(caller: Caller) -> str:
    """Name who acts, for the audit: the person, and the key that was used."""
    key = f" {caller.requester}" if caller.token_id is not None else ""
    return f"{caller.kind.value}:{caller.username or 'nobody'}{key}"
