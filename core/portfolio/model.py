"""The nouns of the ledger: facts go in, positions and profit and loss come out.

Quantities are whole shares. Cash and fees are in cents of the fact's currency; prices are kept as quoted.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from core.market.model import Exchange, Provenance
from core.recommendation.model import Recommendation

BASE_CURRENCY: Final = "CNY"
DEFAULT_ACCOUNT: Final = "DEFAULT"


class FactKind(StrEnum):
    """What happened. `core.portfolio.ledger` says what each does to a position."""

    OPENING = "opening"
    BUY = "buy"
    SELL = "sell"
    DIVIDEND = "dividend"
    BONUS = "bonus"
    SPLIT = "split"
    RIGHTS = "rights"
    FEE = "fee"
    TAX = "tax"
    TRANSFER_IN = "transfer_in"
    TRANSFER_OUT = "transfer_out"
    CASH_IN = "cash_in"
    CASH_OUT = "cash_out"
    INTEREST = "interest"
    FX = "fx"
    REVERSAL = "reversal"


TRADES: Final = frozenset({FactKind.BUY, FactKind.SELL})


class TradeType(StrEnum):
    """Side of a trade, in the words of callers."""

    BUY = "BUY"
    SELL = "SELL"


class AccountType(StrEnum):
    """Whether money is at stake."""

    REAL = "real"
    PAPER = "paper"


class AccountScope(StrEnum):
    """Which accounts a question is about."""

    REAL = "real"
    PAPER = "paper"
    ALL = "all"

    @property
    def account_type(self) -> AccountType | None:
        """The type asked for; None for all."""
        return None if self is AccountScope.ALL else AccountType(self.value)


class AssetClass(StrEnum):
    """What is held. Only stocks can be entered so far."""

    STOCK = "stock"
    FUND = "fund"
    GOLD = "gold"


class Source(StrEnum):
    """Who entered a fact. `DERIVED` facts were computed from the market's corporate actions by an import."""

    MANUAL = "manual"
    IMPORT = "import"
    DERIVED = "derived"
    PAPER = "paper"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of the ledger. Never changed; a mistake is answered by a `REVERSAL` that names it.

    `quantity` is the number of shares moved, positive; for `SPLIT` the signed change. `amount` is what the shares or
    the event are worth before charges, in cents: price times quantity, the cash of a dividend, the charge of a fee or
    tax. For `FX` it is the amount of `currency` bought and `price` the base currency paid for one unit. `fx_rate` is
    the base currency per unit of `currency` on the day, None where nobody gave one. `fact_id` and `sequence` are 0
    until the fact is stored.
    """

    kind: FactKind
    trade_date: date
    symbol: str | None = None
    quantity: int = 0
    price: Decimal | None = None
    amount: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    tax: Decimal = Decimal(0)
    currency: str = BASE_CURRENCY
    fx_rate: Decimal | None = None
    source: Source = Source.MANUAL
    external_id: str | None = None
    note: str = ""
    reverses: int | None = None
    asset_class: AssetClass = AssetClass.STOCK
    recorded_at: datetime | None = None
    fact_id: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A securities account of a team. `version` counts its facts: a writer that saw an older one is refused."""

    account_key: int
    account_id: str
    account_type: AccountType
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """Shares bought together and still held, as FIFO sees them; cost with fees."""

    fact_id: int
    bought_on: date
    quantity: int
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedLot:
    """Part of a sale matched to the oldest shares. `realized_pnl` = proceeds after charges - cost."""

    sale_fact_id: int
    sold_on: date
    lot_fact_id: int
    bought_on: date
    quantity: int
    cost: Decimal
    proceeds: Decimal
    realized_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position with a price.

    Money is in `currency`; fields that end in `_base` in the portfolio's base currency, None where no exchange rate
    is known. `average_cost` is per share and includes buying fees; `diluted_cost` (摊薄成本) also takes earlier sales
    and dividends in and may be negative. `today_pnl` counts the price move of held, sold and bought shares since the
    reference price, less today's charges; on an ex-date the dividend is inside it. `unrealized_pnl_ratio` and `weight`
    are fractions. `other_charges` are fees and taxes booked apart from trades (such as 股息红利税补缴); `fees` are all
    charges. `total_pnl` = realised + unrealised + income - other charges, the same under both cost methods.
    """

    position_id: int
    account_id: str
    account_type: AccountType
    asset_class: AssetClass
    symbol: str
    market: Exchange
    name: str
    currency: str
    quantity: int
    sellable_quantity: int
    average_cost: Decimal | None
    total_cost: Decimal
    diluted_cost: Decimal | None
    fifo_cost: Decimal
    last_price: Decimal | None
    price_at: datetime | None
    market_value: Decimal | None
    market_value_base: Decimal | None
    weight: Decimal | None
    unrealized_pnl: Decimal | None
    unrealized_pnl_ratio: Decimal | None
    fifo_unrealized_pnl: Decimal | None
    realized_pnl: Decimal
    fifo_realized_pnl: Decimal
    income: Decimal
    fees: Decimal
    other_charges: Decimal
    total_pnl: Decimal | None
    today_pnl: Decimal | None
    local_effect_base: Decimal | None
    currency_effect_base: Decimal | None
    opened_on: date | None
    holding_days: int | None
    is_suspended: bool
    recommendation: Recommendation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingPage:
    """Some of a team's holdings and how many there are."""

    items: tuple[Holding, ...]
    total: int
    limit: int
    offset: int
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyTotals:
    """Sums over the holdings of one currency. A figure is None when a holding has none for it."""

    currency: str
    total_cost: Decimal
    market_value: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal
    income: Decimal
    fees: Decimal
    other_charges: Decimal
    total_pnl: Decimal | None
    today_pnl: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseTotals:
    """Sums over every holding in the base currency; see `Holding` for the words. None: a price or a rate is missing.

    `local_effect` and `currency_effect` split the unrealised result of foreign holdings.
    """

    currency: str
    market_value: Decimal | None
    total_cost: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal | None
    income: Decimal | None
    total_pnl: Decimal | None
    today_pnl: Decimal | None
    local_effect: Decimal | None
    currency_effect: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashBalance:
    """Cash of an account in one currency, as the recorded facts leave it."""

    account_id: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlReport:
    """Profit and loss per holding (closed ones too), per currency and in total. `method` names the cost method."""

    as_of: date
    method: str
    total: BaseTotals
    currencies: tuple[CurrencyTotals, ...]
    holdings: tuple[Holding, ...]
    cash: tuple[CashBalance, ...]
    fx_rates: dict[str, Decimal]
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """A fact as shown to people. `is_reversed`: a later fact took it back, it counts no more."""

    record_id: int
    account_id: str
    account_type: AccountType
    asset_class: AssetClass
    kind: FactKind
    symbol: str | None
    trade_date: date
    price: Decimal | None
    quantity: int
    amount: Decimal
    fees: Decimal
    tax: Decimal
    currency: str
    source: Source
    external_id: str | None
    note: str
    recorded_at: datetime
    is_reversed: bool = False
    trade_type: TradeType | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TradePage:
    """One page of trades, newest first."""

    items: tuple[LedgerLine, ...]
    page: int
    size: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The facts and lots behind a holding's figures, and how each figure comes from them."""

    holding: Holding
    methods: dict[str, str]
    facts: tuple[LedgerLine, ...]
    open_lots: tuple[Lot, ...]
    matched_lots: tuple[MatchedLot, ...]
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What a deletion does: the facts taken back, and the position before and after. Cost is average cost."""

    reversed_records: tuple[int, ...]
    symbol: str
    account_id: str
    position_id: int
    quantity_before: int
    quantity_after: int
    cost_before: Decimal
    cost_after: Decimal

    @property
    def summary(self) -> str:
        """The effect in one sentence, for the person who must approve it."""
        count = len(self.reversed_records)
        records = "1 record" if count == 1 else f"{count} records"
        return (
            f"Takes back {records} of {self.symbol} in account {self.account_id}: "
            f"{self.quantity_before} shares become {self.quantity_after}, cost {self.cost_before} becomes "
            f"{self.cost_after}."
        )

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Each change as plain fields: the position, and every record taken back."""
        position = {"positionId": self.position_id, "symbol": self.symbol, "accountId": self.account_id}
        quantity = {"before": self.quantity_before, "after": self.quantity_after}
        cost = {"before": str(self.cost_before), "after": str(self.cost_after)}
        reversals = [{"recordId": record_id, "reversed": True} for record_id in self.reversed_records]
        return [{**position, "quantity": quantity, "totalCost": cost}, *reversals]
