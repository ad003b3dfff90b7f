"""What callers send: questions about the ledger and facts for it, in their own words."""

import base64
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeVar

from core.market.model import Exchange
from core.portfolio.model import DEFAULT_ACCOUNT, AccountScope, AccountType, AssetClass, TradeType
from core.portfolio.refusals import AssetClassUnavailable, StatementNotRecognised

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingQuery:
    """Which holdings to show. `code` is any spelling of one instrument, `text` a part of symbol or name."""

    account_id: str | None = None
    account_type: AccountScope = AccountScope.REAL
    code: str | None = None
    market: Exchange | None = None
    text: str = ""
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeQuery:
    """Which trades to show, and which page of them."""

    account_id: str | None = None
    account_type: AccountScope = AccountScope.ALL
    code: str | None = None
    market: Exchange | None = None
    trade_type: TradeType | None = None
    page: int = 1
    size: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrade:
    """A trade as a caller sends it. `fees` is commission, transfer and other fees, `tax` stamp duty."""

    code: str
    market: Exchange | None = None
    trade_type: TradeType
    trade_date: date
    quantity: int
    price: Decimal
    fees: Decimal | None = None
    tax: Decimal | None = None
    fx_rate: Decimal | None = None
    note: str = ""
    external_id: str | None = None
    account_id: str = DEFAULT_ACCOUNT
    account_type: AccountType = AccountType.REAL
    estimate_fees: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPosition:
    """A position that existed before the ledger. `cost` is the price per share with fees in it."""

    code: str
    market: Exchange | None = None
    quantity: int
    cost: Decimal
    opened_on: date | None = None
    fx_rate: Decimal | None = None
    note: str = ""
    account_id: str = DEFAULT_ACCOUNT
    account_type: AccountType = AccountType.REAL


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A broker statement as it was sent (its name is for messages only), and the account it belongs to.

    `opening_cash` is the cash before its first row, for layouts without a balance.
    """

    name: str
    content: bytes
    account_id: str = DEFAULT_ACCOUNT
    account_type: AccountType = AccountType.REAL
    opening_cash: Decimal | None = None


def require_stock(asset_class: AssetClass, value: Value) -> Value:
    """Return `value`, unless it was asked of an asset class that does not exist yet."""
    if asset_class is not AssetClass.STOCK:
        raise AssetClassUnavailable(asset_class=asset_class.value)
    return value


def statement_file(
    name: str,
    content: str,
    *,
    encoding: Literal["base64", "text"],
    account_id: str,
    account_type: AccountType,
    opening_cash: Decimal | None,
) -> StatementFile:
    """Decode a statement that travelled as text. Raises `StatementNotRecognised` when it is not valid base 64."""
    try:
        data = base64.b64decode(content, validate=True) if encoding == "base64" else content.encode()
    except ValueError as error:
        reason = "`content` is not valid base64; send encoding='text' for plain text."
        raise StatementNotRecognised(file_name=name, reason=reason) from error
    return StatementFile(
        name=name, content=data, account_id=account_id, account_type=account_type, opening_cash=opening_cash
    )
