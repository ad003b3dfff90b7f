"""The words of matching: how an order meets a price, and how it ends."""

from enum import IntEnum, StrEnum
from typing import Final

from core.errors import Invalid
from core.market.rules_model import Side

__all__ = [
    "AMOUNT_PLACES",
    "BOOK_TYPES",
    "NO_PRICE",
    "RATE",
    "TICK_TYPES",
    "UNLIMITED",
    "AmountTooLarge",
    "ChargeColumn",
    "FillMode",
    "LotColumn",
    "MatchingType",
    "OddLot",
    "ReasonCode",
    "RoundingCode",
    "Side",
    "Slippage",
]

AMOUNT_PLACES: Final = 4
"""Cash is a whole number of 0.0001 of the currency."""
RATE: Final = 1_000_000_000
"""Rates (fees, slippage, fractions of cash) are whole billionths."""
UNLIMITED: Final = 2**62
"""Stands for "no upper bound" in prices, volumes and fees."""
NO_PRICE: Final = 0
"""Stands for "no price"; prices are positive."""


class AmountTooLarge(Invalid):
    """Prices, quantities or cash too large for exact 64-bit figures in 0.0001 of the currency."""

    code = "amount_too_large"
    template = "{what} is too large to be kept exactly: {value}."


class FillMode(StrEnum):
    """When the orders of a bar meet a price in a plain backtest."""

    NEXT_OPEN = "next_open"
    THIS_CLOSE = "this_close"


class MatchingType(StrEnum):
    """Which price an order meets, for the strategy language and for minute or tick data."""

    NEXT_BAR_OPEN = "next_bar_open"
    CURRENT_BAR_CLOSE = "current_bar_close"
    VWAP = "vwap"
    OPEN_AUCTION = "open_auction"
    NEXT_TICK_LAST = "next_tick_last"
    NEXT_TICK_BEST_OWN = "next_tick_best_own"
    NEXT_TICK_BEST_COUNTERPARTY = "next_tick_best_counterparty"
    COUNTERPARTY_OFFER = "counterparty_offer"


BOOK_TYPES: Final = frozenset(
    {MatchingType.NEXT_TICK_BEST_OWN, MatchingType.NEXT_TICK_BEST_COUNTERPARTY, MatchingType.COUNTERPARTY_OFFER}
)
"""The matching types whose prices are in order books."""
TICK_TYPES: Final = BOOK_TYPES | {MatchingType.NEXT_TICK_LAST}
"""The matching types whose prices are in no bar."""


class Slippage(StrEnum):
    """How a fill price is moved against the trader.

    `price_ratio`: by a part of the price; `tick_size`: by a number of price steps; `limit_price`: to the exchange's
    price limit, the worst that can happen.
    """

    NONE = "none"
    PRICE_RATIO = "price_ratio"
    TICK_SIZE = "tick_size"
    LIMIT_PRICE = "limit_price"


class ReasonCode(StrEnum):
    """How an order ended. Kernels speak of a reason by its place in this list (`ReasonCode.number`)."""

    text: str
    text_zh: str

    def __new__(cls, value: str, text: str = "", text_zh: str = "") -> "ReasonCode":
        """Attach the sentences for people to a code."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.text, member.text_zh = text, text_zh
        return member

    PENDING = "pending", "Waiting for its bar.", "等待成交"
    FILLED = "filled", "Filled whole.", "全部成交"
    PARTIAL_VOLUME = (
        "partial_volume",
        "Cut to the allowed part of the volume, or to what the book held.",
        "超过成交量或盘口数量，部分成交",
    )
    LIMIT_PRICE = "limit_price", "The price was beyond the order's own limit.", "价格超出限价"
    LIMIT_UP = "limit_up", "The price was locked at the upper limit: nothing to buy.", "涨停封板，无法买入"
    LIMIT_DOWN = "limit_down", "The price was locked at the lower limit: nobody buys.", "跌停封板，无法卖出"
    SUSPENDED = "suspended", "No trading on the exchange's next trading day.", "停牌"
    NO_VOLUME = "no_volume", "Nothing was traded on that bar.", "无成交量"
    T_PLUS_ONE = "t_plus_one", "Shares bought today cannot be sold today.", "T+1，当日买入不可卖出"
    INSUFFICIENT_CASH = "insufficient_cash", "The cash does not pay for it.", "资金不足"
    BELOW_LOT = "below_lot", "Smaller than the smallest order allowed.", "不足最小交易单位"
    ABOVE_LARGEST = "above_largest", "Cut to the largest order allowed.", "超过单笔最大申报数量"
    NO_POSITION = "no_position", "Nothing is held to sell.", "无持仓"
    AT_TARGET = "at_target", "The holding is already what was asked for.", "已达目标仓位"
    NO_NEXT_BAR = "no_next_bar", "The data ended before it could fill.", "数据结束，未成交"
    NO_DEPTH = "no_depth", "Nobody stood on the other side.", "对手方无挂单"

    @property
    def number(self) -> int:
        """The code kernels use."""
        return list(ReasonCode).index(self)

    @classmethod
    def of(cls, number: int) -> "ReasonCode":
        """Return the reason of a kernel's code."""
        return list(cls)[number]


class ChargeColumn(IntEnum):
    """Columns of a row of charges: int64, money in 0.0001, rates in billionths."""

    RATE = 0
    ON_BUY = 1
    ON_SELL = 2
    ROUNDING = 3
    MINIMUM = 4
    MAXIMUM = 5
    FIXED = 6
    PAR_VALUE = 7


class RoundingCode(IntEnum):
    """How a charge is rounded."""

    CENT_HALF_UP = 0
    DOLLAR_UP = 1
    UNIT_HALF_UP = 2


class LotColumn(IntEnum):
    """Places of an order-size rule: smallest order, step, what happens to odd remainders, largest order."""

    MINIMUM = 0
    STEP = 1
    ODD = 2
    LARGEST = 3


class OddLot(IntEnum):
    """What a sale may do with a remainder: nothing special, add it whole, or sell a small position whole."""

    ANY = 0
    WHOLE = 1
    POSITION = 2
