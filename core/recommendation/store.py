"""Advice in the database: rows are added and read, never changed."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    func,
    insert,
    select,
)

from core.money import round_cents
from core.recommendation.model import ACTION_LENGTH, RUN_LENGTH, Recommendation, RecommendationDraft
from core.storage.column_types import BigId, ScaledDecimal, UtcDateTime
from core.storage.metadata import metadata
from core.storage.unit_of_work import UnitOfWork

recommendations = Table(
    "recommendations",
    metadata,
    Column("recommendation_id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("symbol", String(16), nullable=False),
    Column("market", String(16), nullable=False),
    Column("action", String(ACTION_LENGTH), nullable=False),
    Column("priority", Integer),
    Column("add1", ScaledDecimal(8)),
    Column("add2", ScaledDecimal(8)),
    Column("reduce1", ScaledDecimal(8)),
    Column("reduce2", ScaledDecimal(8)),
    Column("no_more_add", ScaledDecimal(8)),
    Column("note", Text, nullable=False),
    Column("process_id", String(RUN_LENGTH)),
    Column("execution_id", String(RUN_LENGTH)),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_recommendations_team_symbol", "team_id", "symbol", "recommendation_id"),
)
PRICES: Final = ("add1", "add2", "reduce1", "reduce2", "no_more_add")
SHOWN = [column for column in recommendations.c if column.name != "team_id"]


class RecommendationStore:
    """The door to a team's advice."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamRecommendations":
        """Return the store of one team."""
        return TeamRecommendations(self._uow, team_id)


class TeamRecommendations:
    """One team's advice. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow = uow
        self._team_id = team_id

    async def add(self, draft: RecommendationDraft, *, created_at: datetime) -> Recommendation:
        """Append one row; call it inside `uow.write()`. The draft's symbol and market are already resolved."""
        values = asdict(draft) | {"team_id": self._team_id, "created_at": created_at}
        result = await self._uow.execute(insert(recommendations).values(**values).returning(*SHOWN))
        return _recommendation(result.one())

    async def latest(self, symbols: Sequence[str] | None = None) -> list[Recommendation]:
        """Return the newest row of each stock, by symbol; of all stocks when `symbols` is None."""
        newest = select(func.max(recommendations.c.recommendation_id)).where(self._mine)
        if symbols is not None:
            newest = newest.where(recommendations.c.symbol.in_(symbols))
        newest = newest.group_by(recommendations.c.symbol)
        rows = self._select().where(recommendations.c.recommendation_id.in_(newest)).order_by(recommendations.c.symbol)
        return [_recommendation(row) for row in await self._uow.fetch_all(rows)]

    async def count(self, symbol: str) -> int:
        """Return how many rows a stock has."""
        counted = (
            select(func.count()).select_from(recommendations).where(self._mine, recommendations.c.symbol == symbol)
        )
        row = await self._uow.fetch_one(counted)
        return int(row[0]) if row else 0

    async def page(self, symbol: str, *, offset: int, limit: int) -> list[Recommendation]:
        """Return a stock's rows, newest first."""
        rows = self._select().where(recommendations.c.symbol == symbol)
        rows = rows.order_by(recommendations.c.recommendation_id.desc()).offset(offset).limit(limit)
        return [_recommendation(row) for row in await self._uow.fetch_all(rows)]

    @property
    def _mine(self) -> Any:
        return recommendations.c.team_id == self._team_id

    def _select(self) -> Select[Any]:
        return select(*SHOWN).where(self._mine)


def _recommendation(row: Row[Any]) -> Recommendation:
    stored = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    return Recommendation(**stored | {name: _as_quoted(stored[name]) for name in PRICES})


def _as_quoted(price: Decimal | None) -> Decimal | None:
    """Return a price with two places, or as many more as it has: not with all that can be stored."""
    if price is None:
        return None
    cents = round_cents(price)
    return cents if cents == price else price.normalize()
