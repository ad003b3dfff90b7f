"""What a panel run is to order: targets for every symbol, the best of a rank, or orders one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.dates import day_of
from core.backtest.panel_market import PanelMarket
from core.backtest.parameter_checks import require_between, require_length
from core.backtest.problems import OrderInvalid, ParameterInvalid
from core.market.panel import Panel
from core.matching.model import RATE, UNLIMITED, Side
from core.matching.panel_layout import (
    KIND_ALL,
    KIND_PART,
    KIND_SHARES,
    KIND_TARGET,
    NO_SIDE,
    Integers,
)
from core.matching.rules_kernel import BUY, SELL

Matrix = NDArray[Any]
NONE: Final = np.zeros((0, 0), dtype=np.float64)
NO_FLAGS: Final = np.zeros((0, 0), dtype=np.bool_)
SIDES: Final = {Side.BUY: BUY, Side.SELL: SELL}


@dataclass(frozen=True, kw_only=True, eq=False)
class TopK:
    """Every `every` days hold the first `k` symbols by a rank, the smallest first unless `ascending` is False.

    `rank_by` is a column of the panel, or an array of (days, symbols); NaN is never chosen, of equals the first in
    symbol order is. Each chosen symbol gets `weight` of the equity, by default `(1 - reserve) / k`; what is held and no
    longer chosen is sold. The rank is that of the close of the day, the orders fill as `fill` says. `rebalance=False`
    leaves alone what stays chosen. Filters: `among`, an array of True and False; `exclude_st`, by the panel's `is_st`;
    `least_days`, days since a symbol's first bar. `first` is the first day of decisions, counted from the run's start.
    """

    rank_by: str | Matrix
    k: int
    every: int = 1
    ascending: bool = True
    weight: float | None = None
    reserve: float = 0.01
    rebalance: bool = True
    among: Matrix | None = None
    exclude_st: bool = False
    least_days: int = 0
    first: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant. Raises `ParameterInvalid`."""
        require_length("k", self.k)
        require_length("every", self.every)
        require_length("least_days", self.least_days, least=0)
        require_length("first", self.first, least=0)
        require_between("reserve", self.reserve, low=0.0, high=0.5)
        if self.weight is not None:
            require_between("weight", self.weight, low=0.0, high=1.0)

    @property
    def part(self) -> int:
        """The weight of one symbol in billionths."""
        if self.weight is None:
            return floor((1 - Fraction(str(self.reserve))) * RATE / self.k)
        return part_of(self.weight)


@dataclass(frozen=True, eq=False)
class TargetWeights:
    """Parts of the equity to hold: an array of (days, symbols) where NaN gives no order, or days to symbols to weights.

    With a mapping only the symbols named are ordered; name a symbol with 0 to sell it.
    """

    weights: Matrix | Mapping[Any, Mapping[str, float]]

    @classmethod
    def by(
        cls, function: Callable[[Panel], Mapping[str, float] | None], panel: Panel, *, every: int = 1, first: int = 0
    ) -> "TargetWeights":
        """Ask a function for weights every `every` days; it is shown the panel up to and with that day, nothing later.

        What was named the time before and is not named again is set to 0.
        """
        require_length("every", every)
        found: dict[Any, Mapping[str, float]] = {}
        before: Mapping[str, float] = {}
        for row in range(first, len(panel.days), every):
            seen = {name: column[: row + 1] for name, column in panel.columns.items()}
            named = function(Panel(panel.days[: row + 1], panel.symbols, seen))
            if named is not None:
                found[panel.days[row].item()] = dict.fromkeys(before, 0.0) | dict(named)
                before = named
        return cls(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelOrder:
    """One order of a day: `side` "buy", "sell" or "target"; sizes as those of `ctx.buy`, for a target 0 to 1."""

    day: date | str
    symbol: str
    side: str
    size: str | float = "all"
    limit_price: float | None = None


@dataclass(frozen=True, eq=False)
class Orders:
    """Orders one by one. Those of one day settle in symbol order, those of one symbol in the order given."""

    orders: Sequence[PanelOrder]


Decisions = TopK | TargetWeights | Orders


@dataclass(frozen=True, slots=True, eq=False)
class GivenOrders:
    """Orders as the kernel takes them: `starts` by day; `limits` and `sizes` as they were written, None for targets."""

    starts: Integers
    rows: Integers
    limits: list[float | None] = field(default_factory=list)


def given_orders(market: PanelMarket, decisions: Decisions, *, slippage_denominator: int = 1) -> GivenOrders:
    """Turn orders and weights into rows by day. Raises `OrderInvalid` and `ParameterInvalid`."""
    if isinstance(decisions, TopK):
        return GivenOrders(np.zeros(len(market.days) + 1, dtype=np.int64), np.zeros((0, 6), dtype=np.int64))
    if isinstance(decisions, TargetWeights):
        return _weights(market, decisions.weights)
    scale = 10**market.prices.places * slippage_denominator
    found = [(*_place(market, order.day, order.symbol), *_order(order, scale)) for order in decisions.orders]
    limits = [order.limit_price for order in decisions.orders]
    ranked = sorted(range(len(found)), key=lambda at: found[at][:2])
    rows = np.array([found[at][1:] for at in ranked], dtype=np.int64).reshape(len(found), 6)
    return GivenOrders(
        _starts(np.array([found[at][0] for at in ranked], dtype=np.int64), market), rows, [limits[at] for at in ranked]
    )


def rank_of(market: PanelMarket, decisions: TopK) -> NDArray[np.float64]:
    """Return the rank as floats. Raises `ParameterInvalid` where there is no such column or the shape differs."""
    given = decisions.rank_by
    if isinstance(given, str):
        if given not in market.panel.columns:
            known = ", ".join(market.panel.columns)
            raise ParameterInvalid(name="rank_by", reason=f"the panel has no column {given!r}; it has {known}")
        given = market.panel[given]
    values = _shaped(market, given, "rank_by")
    return np.ascontiguousarray(values, dtype=np.float64)


def flags_of(market: PanelMarket, given: Matrix | None, name: str) -> NDArray[np.bool_]:
    """Return flags of (day, symbol), or none."""
    if given is None:
        return NO_FLAGS
    return np.ascontiguousarray(_shaped(market, given, name), dtype=np.bool_)


def part_of(value: object) -> int:
    """Return a part from 0 to 1 in billionths, as the decimal it was written as."""
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
        raise OrderInvalid(reason=f"A weight must be a number from 0 to 1, not {value!r}.")
    return int(Decimal(str(number)) * RATE)


def _shaped(market: PanelMarket, given: Matrix, name: str) -> Matrix:
    shape = (len(market.days), len(market.symbols))
    values = np.asarray(given)
    if values.shape != shape:
        raise ParameterInvalid(name=name, reason=f"its shape is {values.shape}, the panel's is {shape}")
    return values


def _weights(market: PanelMarket, weights: Matrix | Mapping[Any, Mapping[str, float]]) -> GivenOrders:
    if isinstance(weights, Mapping):
        places = [
            (*_place(market, day, symbol), part_of(weight))
            for day, named in weights.items()
            for symbol, weight in named.items()
        ]
        places.sort()
        days, symbols, parts = np.array(places, dtype=np.int64).reshape(len(places), 3).T
    else:
        values = _shaped(market, weights, "weights").astype(np.float64)
        days, symbols = (found.astype(np.int64) for found in np.nonzero(~np.isnan(values)))
        chosen = values[days, symbols]
        if not ((chosen >= 0) & (chosen <= 1)).all():
            at = int(np.argmin((chosen >= 0) & (chosen <= 1)))
            where = f"{market.symbols[symbols[at]]} on {market.days[days[at]]}"
            raise OrderInvalid(reason=f"A weight must be a number from 0 to 1, not {chosen[at]:g} ({where}).")
        parts = np.array([part_of(value) for value in chosen.tolist()], dtype=np.int64)
    rows = np.zeros((len(days), 6), dtype=np.int64)
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 4] = symbols, NO_SIDE, KIND_TARGET, parts
    return GivenOrders(_starts(days, market), rows, [None] * len(days))


def _starts(days: Integers, market: PanelMarket) -> Integers:
    return np.searchsorted(days, np.arange(len(market.days) + 1)).astype(np.int64)


def _place(market: PanelMarket, day: object, symbol: str) -> tuple[int, int]:
    """Return the row of a day and the column of a symbol."""
    moment = day_of(str(day), name="day")
    row = int(np.searchsorted(market.days, moment)) if moment is not None else len(market.days)
    if row >= len(market.days) or market.days[row] != moment:
        raise OrderInvalid(reason=f"The panel has no day {day}.")
    if symbol not in market.place_of:
        raise OrderInvalid(reason=f"The panel has no symbol {symbol}.")
    return row, market.place_of[symbol]


def _order(order: PanelOrder, scale: int) -> tuple[int, int, int, int, int]:
    """Return side, kind, shares, part and limit of an order."""
    if order.side == "target":
        return NO_SIDE, KIND_TARGET, 0, part_of(order.size), 0
    if order.side not in set(Side):
        raise OrderInvalid(reason=f'A side is "buy", "sell" or "target", not {order.side!r}.')
    kind, shares, part = _size(order.size)
    side = SIDES[Side(order.side)]
    return side, kind, shares, part, _limit(order.limit_price, scale, is_buy=side == BUY)


def _size(size: object) -> tuple[int, int, int]:
    number = size.item() if hasattr(size, "item") else size
    if number == "all":
        return KIND_ALL, 0, 0
    if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**53:
        return KIND_SHARES, number, 0
    if isinstance(number, float) and 0 < number <= 1:
        return KIND_PART, 0, part_of(number)
    reason = f'A size is "all", a float above 0 and up to 1, or a positive whole number of shares, not {size!r}.'
    raise OrderInvalid(reason=reason)


def _limit(price: object, scale: int, *, is_buy: bool) -> int:
    """Return a limit in units of slipped prices: floored for buys, raised for sales; 0 for none."""
    if price is None:
        return 0
    if isinstance(price, bool) or not isinstance(price, int | float) or not (isfinite(price) and price > 0):
        raise OrderInvalid(reason=f"A limit price must be a positive number, not {price!r}.")
    exact = Fraction(Decimal(str(price))) * scale
    return min(max(floor(exact) if is_buy else ceil(exact), 1), UNLIMITED)
