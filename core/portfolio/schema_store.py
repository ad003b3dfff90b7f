"""The ledger's tables."""

from sqlalchemy import JSON, BigInteger, Column, Date, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from core.portfolio.model import AccountType, AssetClass, FactKind, Source
from core.storage.column_types import BigId, EnumText, ScaledDecimal, UtcDateTime
from core.storage.metadata import metadata

accounts = Table(
    "portfolio_accounts",
    metadata,
    Column("account_key", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("account_id", String(64), nullable=False),
    Column("account_type", EnumText(AccountType), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("team_id", "account_id"),
)
"""`version` is the sequence of the account's last fact."""

facts = Table(
    "portfolio_facts",
    metadata,
    Column("fact_id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("account_key", BigInteger, ForeignKey("portfolio_accounts.account_key"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("kind", EnumText(FactKind), nullable=False),
    Column("asset_class", EnumText(AssetClass), nullable=False),
    Column("symbol", String(16)),
    Column("trade_date", Date, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("price", ScaledDecimal(8)),
    Column("amount", ScaledDecimal(2), nullable=False),
    Column("fees", ScaledDecimal(2), nullable=False),
    Column("tax", ScaledDecimal(2), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("fx_rate", ScaledDecimal(8)),
    Column("source", EnumText(Source), nullable=False),
    Column("external_id", String(80)),
    Column("note", Text, nullable=False),
    Column("reverses", BigInteger, ForeignKey("portfolio_facts.fact_id"), unique=True),
    Column("recorded_at", UtcDateTime, nullable=False),
    UniqueConstraint("account_key", "sequence"),
    UniqueConstraint("account_key", "external_id"),
    Index("ix_portfolio_facts_account_symbol", "account_key", "symbol", "sequence"),
    Index("ix_portfolio_facts_team_date", "team_id", "trade_date", "fact_id"),
)
"""Append-only."""

positions = Table(
    "portfolio_positions",
    metadata,
    Column("position_id", BigId, primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("account_key", BigInteger, ForeignKey("portfolio_accounts.account_key"), nullable=False),
    Column("symbol", String(16), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("seen", Integer, nullable=False),
    Column("state", JSON, nullable=False),
    UniqueConstraint("account_key", "symbol"),
    Index("ix_portfolio_positions_team", "team_id", "account_key"),
)
"""Checkpoints: the folded state of an instrument's facts up to the account's sequence `seen`."""

cash = Table(
    "portfolio_cash",
    metadata,
    Column("account_key", BigInteger, ForeignKey("portfolio_accounts.account_key"), primary_key=True),
    Column("currency", String(3), primary_key=True),
    Column("team_id", BigInteger, ForeignKey("teams.id"), nullable=False),
    Column("amount", ScaledDecimal(2), nullable=False),
)
"""Checkpoints of cash: the sum of the cash effects of all facts."""
