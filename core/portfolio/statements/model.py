"""What an import of a statement tells."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from core.portfolio.model import FactKind


class RowOutcome(StrEnum):
    """What an import does with a row."""

    ADDED = "added"
    DERIVED = "derived"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportLine:
    """What happens to one row of a statement (`row` counts the header as 1; None for a derived fact), and why."""

    row: int | None
    outcome: RowOutcome
    kind: FactKind | None
    symbol: str | None
    trade_date: date | None
    quantity: int
    amount: Decimal
    charges: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementImport:
    """Result of reading a broker statement. `written` is False for a dry run and when a row was refused.

    `fees` are all charges of the added trades, `dividends` the cash dividends added, `closing_cash` the account's
    balance afterwards.
    """

    layout: str
    account_id: str
    dry_run: bool
    written: bool
    first_date: date | None
    last_date: date | None
    added: int
    derived: int
    skipped: int
    refused: int
    fees: Decimal
    dividends: Decimal
    closing_cash: Decimal
    lines: tuple[ImportLine, ...]
    warnings: tuple[str, ...]
