"""The nouns of the market."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Exchange(StrEnum):
    """Where an instrument trades; the value is the suffix of its symbol."""

    SSE = "SH"
    SZSE = "SZ"
    BSE = "BJ"
    HKEX = "HK"

    @property
    def currency(self) -> str:
        """ISO 4217 code of the exchange's ordinary trading currency."""
        return "HKD" if self is Exchange.HKEX else "CNY"


class Board(StrEnum):
    """The board a share is listed on: the rules differ by board and date."""

    MAIN = "main"
    CHINEXT = "chinext"
    STAR = "star"
    BSE = "bse"
    HK_MAIN = "hk_main"


class InstrumentKind(StrEnum):
    """What is traded under the code."""

    STOCK = "stock"
    INDEX = "index"
    FUND = "fund"


class Adjustment(StrEnum):
    """How prices were adjusted for dividends and splits. Series of different adjustment are never mixed."""

    RAW = "raw"
    FORWARD = "forward"
    BACKWARD = "backward"
    SPLIT_ONLY = "split_only"


class Frequency(StrEnum):
    """The length of a bar."""

    DAY = "1d"
    MINUTE = "1m"
    MINUTE_5 = "5m"
    MINUTE_15 = "15m"
    MINUTE_30 = "30m"
    MINUTE_60 = "60m"


class ActionKind(StrEnum):
    """What a corporate action gives."""

    DIVIDEND = "dividend"
    BONUS = "bonus"
    RIGHTS = "rights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One line of the security master. `symbol` is the code valid today; `codes` lists earlier ones with their spells.

    `list_date` is None where no source knows it. `delist_date` is the first day without trading for good.
    """

    symbol: str
    name: str
    exchange: Exchange
    board: Board | None
    kind: InstrumentKind
    currency: str
    list_date: date | None = None
    delist_date: date | None = None
    industry: str | None = None

    @property
    def code(self) -> str:
        """The bare code, as text with its leading zeros."""
        return self.symbol.partition(".")[0]


@dataclass(frozen=True, slots=True)
class CodeChange:
    """From `effective_date` on, `old_symbol` trades as `new_symbol`."""

    old_symbol: str
    new_symbol: str
    effective_date: date


@dataclass(frozen=True, slots=True)
class Spell:
    """A closed interval of days during which something held; `last_date` None means still so."""

    symbol: str
    first_date: date
    last_date: date | None
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where figures come from. It travels in the `meta` of every answer with a figure.

    `as_of` is the newest day or moment the figures rest on, in ISO form. `simulated` is True for the demonstration
    market.
    """

    dataset: str
    as_of: str | None
    simulated: bool
    adjustment: Adjustment | None = None
    currency: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The last known price of an instrument.

    `reference_price` is the exchange's reference for the day (pre-close after ex-rights). `at` is the moment of the
    price, or the close of its day (15:00, or 16:00 in Hong Kong). `is_suspended`: no trade on the day asked for.
    """

    symbol: str
    name: str
    last_price: Decimal
    reference_price: Decimal | None
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    volume: int | None
    amount: Decimal | None
    trade_date: date
    at: datetime
    currency: str
    is_suspended: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporateAction:
    """What one share receives on an ex-date, before tax. Amounts per share, in the instrument's currency.

    `bonus_per_share` includes shares transferred from capital reserve. `pay_date` None means the ex-date.
    """

    symbol: str
    ex_date: date
    cash_per_share: Decimal
    bonus_per_share: Decimal
    rights_per_share: Decimal
    rights_price: Decimal
    pay_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSeries:
    """Bars of one instrument as columns of equal length, oldest first.

    `times` is datetime64[D] for days and datetime64[ms] (China time, end of the bar) for minutes. Prices are float64,
    volumes int64 in shares, amounts float64 in the currency; NaN where the source had none.
    """

    symbol: str
    frequency: Frequency
    adjustment: Adjustment
    times: NDArray[np.datetime64]
    columns: Mapping[str, NDArray[np.generic]] = field(repr=False)
    provenance: Provenance

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One day of an exchange's calendar. `is_half_day`: the afternoon is closed (Hong Kong)."""

    day: date
    exchange: Exchange
    is_open: bool
    is_half_day: bool
    note: str = ""
