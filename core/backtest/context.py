"""What a strategy holds in its hands: the account, the bars so far, orders, indicators, a log."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from operator import attrgetter
from typing import Any, Final

from core.backtest.history import ListHistory, LongHistory
from core.backtest.model import Order, SizeKind
from core.backtest.problems import ColumnMissing, OrderInvalid
from core.backtest.settlement import UNIT, Holding
from core.matching import indicator_kernel
from core.matching.model import RATE, Side

LARGEST_LOG: Final = 10_000
"""Lines a strategy may log; later ones are counted and dropped."""


class Context:
    """The `ctx` of a strategy. Everything in it is read-only; orders are the only way to change the account."""

    __slots__ = ("_columns", "_equity", "_history", "_holding", "_index", "_initial", "_log", "_next_id")

    def __init__(
        self,
        holding: Holding,
        history: ListHistory | LongHistory,
        *,
        initial: int,
        equity: Callable[[], int] | None = None,
        next_id: Callable[[], int],
    ) -> None:
        self._holding, self._history, self._initial = holding, history, initial
        self._equity, self._next_id = equity, next_id
        self._index = -1
        self._columns: dict[Any, list[float]] = {}
        self._log: list[str] = []

    history = property(attrgetter("_history"), doc="Bars so far, the current one last; capped at `max_history`.")
    position = property(attrgetter("_holding.position"), doc="Shares held now.")

    @property
    def cash(self) -> float:
        """Cash that orders may spend."""
        return self._holding.account.cash / UNIT

    @property
    def equity(self) -> float:
        """Cash and what is held at the current close; in a portfolio, of the whole pool."""
        return self._worth() / UNIT

    @property
    def nav(self) -> float:
        """Equity by initial cash."""
        return self._worth() / self._initial

    @property
    def symbol(self) -> str:
        """The instrument the bars are of."""
        return self._holding.symbol

    @property
    def orders(self) -> list[dict[str, Any]]:
        """Every order so far and how it stands, oldest first."""
        return [order.as_dict() for order in self._holding.orders]

    @property
    def reject_reasons(self) -> Mapping[str, int]:
        """How many orders ended with each reason other than filled."""
        return dict(self._holding.refusals)

    def buy(self, size: str | float = "all", limit_price: float | None = None) -> int:
        """Order a purchase; return the order's number.

        `size`: `"all"` the cash, a float in (0, 1] of it, or a whole number of shares. Above `limit_price` it is
        skipped.
        """
        return self._submit(Side.BUY, size, limit_price)

    def sell(self, size: str | float = "all", limit_price: float | None = None) -> int:
        """Order a sale; return the order's number.

        `size`: `"all"` that is held, a float in (0, 1] of it, or a whole number of shares. Below `limit_price` it is
        skipped.
        """
        return self._submit(Side.SELL, size, limit_price)

    def close_all(self) -> int | None:
        """Order the sale of everything held; None when nothing is."""
        return self._submit(Side.SELL, "all", None) if self._holding.position else None

    def order_target_pct(self, pct: float) -> int:
        """Order what brings the holding to `pct` (0 to 1) of the equity at the price that fills."""
        if isinstance(pct, bool) or not isinstance(pct, int | float) or not 0 <= pct <= 1:
            raise OrderInvalid(reason=f"The target must be a number from 0 to 1, not {pct!r}.")
        return self._add(Order(side=None, size_kind=SizeKind.TARGET, part=_part(pct), **self._now()))

    def sma(self, length: int) -> float:
        """Mean of the last `length` closes; NaN until there are so many."""
        try:
            return self._columns[length][self._index]
        except KeyError:
            return self._indicator(length, "sma", length)

    def ema(self, length: int) -> float:
        """Exponential mean of the closes, weight 2 / (length + 1); NaN for the first `length - 1` bars."""
        return self._indicator(("ema", length), "ema", length)

    def rsi(self, length: int = 14) -> float:
        """Wilder's relative strength index of the closes, 0 to 100; NaN for the first `length` bars."""
        return self._indicator(("rsi", length), "rsi", length)

    def atr(self, length: int = 14) -> float:
        """Wilder's average true range; NaN for the first `length - 1` bars."""
        return self._indicator(("atr", length), "atr", length)

    def highest(self, length: int) -> float:
        """Highest high of the last `length` bars, the current one among them; NaN until there are so many."""
        return self._indicator(("highest", length), "highest", length)

    def lowest(self, length: int) -> float:
        """Lowest low of the last `length` bars, the current one among them; NaN until there are so many."""
        return self._indicator(("lowest", length), "lowest", length)

    def log(self, *words: object) -> None:
        """Write a line into the result's log, with the bar's date before it."""
        if len(self._log) < LARGEST_LOG:
            dt = self._holding.bars.dt(self._index) if self._index >= 0 else "start"
            self._log.append(f"{dt} {' '.join(map(str, words))}")

    def _worth(self) -> int:
        if self._equity is not None:
            return self._equity()
        holding = self._holding
        price = holding.price("close", self._index) if self._index >= 0 else 0
        return holding.account.cash + holding.worth(price)

    def _now(self) -> dict[str, Any]:
        holding = self._holding
        return {
            "id": self._next_id(),
            "symbol": holding.symbol,
            "submitted": self._index,
            "spell": holding.bars.dt,
        }

    def _submit(self, side: Side, size: object, limit_price: object) -> int:
        limit = None if limit_price is None else _checked_limit(limit_price)
        if isinstance(size, str) and size == "all":
            return self._add(Order(side=side, size_kind=SizeKind.ALL, limit_price=limit, **self._now()))
        number = size.item() if hasattr(size, "item") else size
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**53:
            order = Order(side=side, size_kind=SizeKind.SHARES, shares=number, limit_price=limit, **self._now())
            return self._add(order)
        if isinstance(number, float) and 0 < number <= 1:
            order = Order(side=side, size_kind=SizeKind.PART, part=_part(number), limit_price=limit, **self._now())
            return self._add(order)
        reason = f'A size is "all", a float above 0 and up to 1, or a positive whole number of shares, not {size!r}.'
        raise OrderInvalid(reason=reason)

    def _add(self, order: Order) -> int:
        self._holding.orders.append(order)
        self._holding.queue.append(order)
        return order.id

    def _indicator(self, key: object, name: str, length: object) -> float:
        column = self._columns.get(key)
        if column is None:
            number = length.item() if hasattr(length, "item") else length
            if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**31:
                raise OrderInvalid(reason=f"ctx.{name} needs a positive whole number of bars, not {length!r}.")
            column = self._columns[key] = self._computed(name, number)
        return column[self._index]

    def _computed(self, name: str, length: int) -> list[float]:
        """Compute a whole column once; each value rests on its own and earlier bars alone."""
        close, scale = self._prices("close", name), 10**self._holding.bars.places
        if name == "sma":
            column = indicator_kernel.sma(close, length, scale)
        elif name == "ema":
            column = indicator_kernel.ema(close, length, scale)
        elif name == "rsi":
            column = indicator_kernel.rsi(close, length)
        elif name == "atr":
            high, low = self._prices("high", name), self._prices("low", name)
            column = indicator_kernel.atr(high, low, close, length, scale)
        elif name == "highest":
            column = indicator_kernel.extreme(self._prices("high", name), length, scale, 1)
        else:
            column = indicator_kernel.extreme(self._prices("low", name), length, scale, -1)
        values: list[float] = column.tolist()
        return values

    def _prices(self, name: str, wanted_by: str) -> Any:
        prices = self._holding.bars.prices
        if name not in prices:
            raise ColumnMissing(column=name, purpose=f"ctx.{wanted_by}", columns=", ".join(prices))
        return prices[name]


def _part(value: float) -> int:
    """Return a part in billionths, as the decimal it was written as."""
    return int(Decimal(str(value)) * RATE)


def _checked_limit(limit_price: object) -> float:
    number = limit_price.item() if hasattr(limit_price, "item") else limit_price
    if isinstance(number, bool) or not isinstance(number, int | float) or not (isfinite(number) and number > 0):
        raise OrderInvalid(reason=f"A limit price must be a positive number, not {limit_price!r}.")
    return float(number)
