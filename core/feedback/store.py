"""Messages of users in the database."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Row,
    Select,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    update,
)

from core.feedback.model import (
    CONTACT_LENGTH,
    SUBJECT_LENGTH,
    Feedback,
    FeedbackCategory,
    FeedbackNotFound,
    FeedbackStatus,
)
from core.storage.column_types import BigId, EnumText, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

feedback = Table(
    "feedback",
    metadata,
    Column("feedback_id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("category", EnumText(FeedbackCategory), nullable=False),
    Column("subject", String(SUBJECT_LENGTH), nullable=False),
    Column("message", Text, nullable=False),
    Column("contact_email", String(CONTACT_LENGTH)),
    Column("submitted_by", String(128), nullable=False),
    Column("status", EnumText(FeedbackStatus), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("reply", Text),
    Column("replied_at", UtcDateTime),
    Index("ix_feedback_team", "team_id", "feedback_id"),
)
SHOWN = [column for column in feedback.c if column.name != "team_id"]


class FeedbackStore:
    """The door to a team's messages."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamFeedback":
        """Return the store of one team."""
        return TeamFeedback(self._uow, team_id)


class TeamFeedback:
    """One team's messages. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow = uow
        self._team_id = team_id

    async def add(self, **values: Any) -> Feedback:
        """Append a message in state open; call it inside `uow.write()`."""
        values |= {"team_id": self._team_id, "status": FeedbackStatus.OPEN}
        result = await self._uow.execute(insert(feedback).values(**values).returning(*SHOWN))
        return _feedback(result.one())

    async def answer(self, feedback_id: int, *, reply: str, replied_at: datetime) -> Feedback:
        """Store the official reply; a later one replaces it. Raises `FeedbackNotFound`."""
        changed = (
            update(feedback)
            .where(self._mine, feedback.c.feedback_id == feedback_id)
            .values(reply=reply, replied_at=replied_at, status=FeedbackStatus.ANSWERED)
            .returning(*SHOWN)
        )
        row = (await self._uow.execute(changed)).one_or_none()
        if row is None:
            raise FeedbackNotFound(feedback_id=feedback_id)
        return _feedback(row)

    async def count(self) -> int:
        """Return how many messages the team has sent."""
        row = await self._uow.fetch_one(select(func.count()).select_from(feedback).where(self._mine))
        return int(row[0]) if row else 0

    async def page(self, *, offset: int, limit: int) -> list[Feedback]:
        """Return messages, newest first."""
        rows = self._select().order_by(feedback.c.feedback_id.desc()).offset(offset).limit(limit)
        return [_feedback(row) for row in await self._uow.fetch_all(rows)]

    @property
    def _mine(self) -> Any:
        return feedback.c.team_id == self._team_id

    def _select(self) -> Select[Any]:
        return select(*SHOWN).where(self._mine)


def _feedback(row: Row[Any]) -> Feedback:
    return Feedback(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
