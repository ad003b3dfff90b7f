"""What is done on the desk's own machine, for the audit."""

from typing import TYPE_CHECKING

from core.access.model import AuditEntry

if TYPE_CHECKING:
    from agent_server.desk import Desk
    from core.storage.unit_of_work import UnitOfWork


async def note(desk: "Desk", uow: "UnitOfWork", event: str, *, team_id: int | None, **detail: object) -> None:
    """Append to the audit, inside the write that just happened, that the operator did something."""
    entry = AuditEntry(event=event, actor="operator", team_id=team_id, detail=dict(detail))
    async with uow.join_write():
        await desk.services.audit.append(uow, entry)
