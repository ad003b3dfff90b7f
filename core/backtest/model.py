"""The nouns of a backtest: bars, orders, listings, and the ports to data and results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from core.market.instruments_spelling import board_of, kind_of, read_spelling
from core.market.model import Board, CorporateAction, Exchange, InstrumentKind
from core.matching.model import ReasonCode, Side


class Bar(NamedTuple):
    """One bar as a strategy sees it. Prices are floats, volume whole shares; a column the data lacks is None.

    `dt` is the date as the data spells it, `raw` the data's own row.
    """

    dt: str
    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: int | None
    raw: Any


class MarketRules(StrEnum):
    """Which market's rules hold: None (commission and slippage alone) is not among them."""

    A_SHARE = "a_share"
    HK = "hk"


class DividendTax(StrEnum):
    """How dividends are taxed: individuals on the mainland, by how long each share was held."""

    CN_INDIVIDUAL = "cn_individual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the rules need to know of an instrument beside its bars.

    `lot_size` is the issuer's board lot in Hong Kong. `st_spells` are closed intervals of days under ST (end None:
    still). `resumed_days` are first days of a resumed listing. `delisting_start` is the first day of a delisting
    period decided on `delisting_decided`.
    """

    symbol: str
    exchange: Exchange
    board: Board | None
    kind: InstrumentKind = InstrumentKind.STOCK
    lot_size: int | None = None
    list_date: date | None = None
    st_spells: tuple[tuple[date, date | None], ...] = ()
    resumed_days: frozenset[date] = frozenset()
    delisting_start: date | None = None
    delisting_decided: date | None = None
    par_value: Decimal = Decimal(1)
    is_same_day_fund: bool = False


def listing_of(given: object) -> Listing | None:
    """Return what the code of an instrument alone says about it, or None when it is not such a code."""
    spelling = read_spelling(given) if isinstance(given, str) else None
    symbol = spelling.symbol if spelling else None
    if symbol is None:
        return None
    exchange = Exchange(symbol.partition(".")[2])
    board = Board.HK_MAIN if exchange is Exchange.HKEX else board_of(symbol)
    return Listing(symbol=symbol, exchange=exchange, board=board, kind=kind_of(symbol))


@dataclass(frozen=True, slots=True, kw_only=True)
class BarTable:
    """Bars as a source has them: `rows` of dictionaries, or `columns` of equal length, under the source's names."""

    rows: Sequence[Mapping[str, Any]] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict, repr=False)
    listing: Listing | None = None
    actions: Sequence[CorporateAction] = ()
    simulated: bool = False


class BarSource(Protocol):
    """Where `asset=` is read from."""

    def bars(
        self, asset: int | str, *, filter_column: str | None, filter_value: Any, start: str | None, end: str | None
    ) -> BarTable:
        """Return the bars of an asset, filtered where the source can."""
        ...


class ResultSink(Protocol):
    """Where `persist=True` and `result.persist()` put a finished run."""

    def save(self, result: dict[str, Any], *, name: str | None) -> object:
        """Append a result; return its id."""
        ...


class SizeKind(StrEnum):
    """What the size of an order counts."""

    ALL = "all"
    PART = "part"
    SHARES = "shares"
    TARGET = "target"


@dataclass(slots=True, kw_only=True)
class Order:
    """One order from its submission to its end.

    `part` is in billionths for `PART` and `TARGET`. `quantity` is what the rules made of the size, `filled` what was
    bought or sold, `amount` and `fees` in 0.0001 of the currency. `spell` gives
    the date of a bar.
    """

    id: int
    symbol: str
    side: Side | None
    size_kind: SizeKind
    shares: int = 0
    part: int = 0
    limit_price: float | None = None
    submitted: int
    spell: Callable[[int], str] = field(repr=False)
    target: int = 0
    reason: ReasonCode = ReasonCode.PENDING
    quantity: int = 0
    filled: int = 0
    amount: int = 0
    fees: int = 0
    ended: int | None = None
    day: int = -1
    day_quantity: int = 0
    day_amount: int = 0
    day_fees: int = 0

    @property
    def size(self) -> str | float | int:
        """The size as the strategy wrote it."""
        if self.size_kind is SizeKind.ALL:
            return "all"
        return self.shares if self.size_kind is SizeKind.SHARES else self.part / 1e9

    @property
    def submitted_dt(self) -> str:
        """The date of the bar on which it was given; empty before the first."""
        return self.spell(self.submitted) if self.submitted >= 0 else ""

    @property
    def filled_dt(self) -> str | None:
        """The date of the last bar it met; None when it met none."""
        return None if self.ended is None else self.spell(self.ended)

    def as_dict(self) -> dict[str, Any]:
        """Return the order as results list it; money as floats of the currency."""
        return {
            "id": self.id,
            "symbol": self.symbol,
            "side": None if self.side is None else self.side.value,
            "size": self.size,
            "size_kind": self.size_kind.value,
            "limit_price": self.limit_price,
            "submitted_dt": self.submitted_dt,
            "dt": self.filled_dt,
            "quantity": self.quantity,
            "filled": self.filled,
            "price": self.amount / 1e4 / self.filled if self.filled else None,
            "amount": self.amount / 1e4,
            "fees": self.fees / 1e4,
            "reason": self.reason.value,
        }
