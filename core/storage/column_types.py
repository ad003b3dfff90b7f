"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, TypeDecorator

from core.money import from_scaled, to_scaled

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A growing integer key. SQLite only counts up on a column declared exactly INTEGER."""


class ScaledDecimal(TypeDecorator[Decimal]):
    """An exact decimal kept as a scaled integer; SQLite's own numeric type is a binary float."""

    impl = BigInteger
    cache_ok = True

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Scale to an integer. Raises `MoneyInvalid` when digits would be lost."""
        return None if value is None else to_scaled(value, self.places)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:
        """Scale back."""
        return None if value is None else from_scaled(int(value), self.places)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, kept in UTC; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC. Raises `ValueError` for a moment without a zone: that is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"naive moment {value.isoformat()}"
            raise ValueError(message)
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Attach UTC again where the database dropped it."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class EnumText(TypeDecorator[StrEnum]):
    """A `StrEnum` kept as its value, so that a new member needs no migration."""

    impl = String
    cache_ok = True

    def __init__(self, kind: type[StrEnum], length: int = 32) -> None:
        super().__init__(length)
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        """Store the member's value; refuses text that is no member."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: Any | None, dialect: Dialect) -> StrEnum | None:
        """Return the member."""
        return None if value is None else self.kind(value)
