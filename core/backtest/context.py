"""What a strategy holds in its hands: the account, the bars so far, orders, indicators, a log."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from math import isfinite, nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.history import BLOCK, ListHistory, LongHistory
from core.backtest.order_list import OrderList
from core.backtest.problems import ColumnMissing, OrderInvalid
from core.backtest.settlement import UNIT, Account, Holding, Waiting
from core.backtest.signal_prices import SignalPrices, signal_prices
from core.matching import indicator_kernel
from core.matching import order_layout as at
from core.matching.model import RATE
from core.matching.rules_kernel import BUY, SELL

Floats = NDArray[np.float64]
NEEDS: Final = {
    "sma": ("close",), "ema": ("close",), "rsi": ("close",), "atr": ("high", "low"), "highest": ("high",),
    "lowest": ("low",),
}  # fmt: skip
"""The columns of each indicator."""
LARGEST_LOG: Final = 10_000
"""Lines a strategy may log; later ones are counted and dropped."""


class Context:
    """The `ctx` of a strategy. Everything in it is read-only; orders are the only way to change the account.

    `position` is the shares held now, `history` the bars so far with the current one last, capped at `max_history`.
    Bars are raw. Indicators look through ex-dates where the data have a column `adj_factor`, and are told in the prices
    of the current bar.
    """

    __slots__ = (
        "_account", "_block", "_columns", "_equity", "_holding", "_initial", "_log", "_now", "_queue", "_signals",
        "history", "position",
    )  # fmt: skip

    history: ListHistory | LongHistory
    position: int
    _account: Account
    _block: dict[object, list[float]]
    _columns: dict[object, Floats]
    _equity: Callable[[], int] | None
    _holding: Holding
    _initial: int
    _log: list[str]
    _now: list[int]
    _queue: list[Waiting]
    _signals: SignalPrices | None

    def __init__(
        self,
        holding: Holding,
        history: ListHistory | LongHistory,
        *,
        initial: int,
        equity: Callable[[], int] | None = None,
    ) -> None:
        values: dict[str, object] = {
            "history": history,
            "position": 0,
            "_holding": holding,
            "_account": holding.account,
            "_queue": holding.queue,
            "_initial": initial,
            "_equity": equity,
            "_now": [-1, 0],
            "_block": {},
            "_columns": {},
            "_log": [],
            "_signals": None,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: orders change the account, and nothing else."""
        raise AttributeError(f"ctx.{name} cannot be set: orders are the only way to change the account")

    @property
    def cash(self) -> float:
        """Cash that orders may spend."""
        return self._account.cash / UNIT

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
        return [order.as_dict() for order in OrderList(self._account, holding=self._holding.number)]

    @property
    def reject_reasons(self) -> Mapping[str, int]:
        """How many orders ended with each reason other than filled."""
        return self._holding.refusals

    def buy(self, size: str | float = "all", limit_price: float | None = None) -> int:
        """Order a purchase; return the order's number.

        `size`: `"all"` the cash, a float in (0, 1] of it, or a whole number of shares. Above `limit_price` it is
        skipped.
        """
        if type(size) is str and size == "all" and limit_price is None:
            return self._give(BUY, at.ALL, 0)
        return self._submit(BUY, size, limit_price)

    def sell(self, size: str | float = "all", limit_price: float | None = None) -> int:
        """Order a sale; return the order's number.

        `size`: `"all"` that is held, a float in (0, 1] of it, or a whole number of shares. Below `limit_price` it is
        skipped.
        """
        if type(size) is str and size == "all" and limit_price is None:
            return self._give(SELL, at.ALL, 0)
        return self._submit(SELL, size, limit_price)

    def close_all(self) -> int | None:
        """Order the sale of everything held; None when nothing is."""
        return self._give(SELL, at.ALL, 0) if self.position else None

    def order_target_pct(self, pct: float) -> int:
        """Order what brings the holding to `pct` (0 to 1) of the equity at the price that fills."""
        if isinstance(pct, bool) or not isinstance(pct, int | float) or not 0 <= pct <= 1:
            raise OrderInvalid(reason=f"The target must be a number from 0 to 1, not {pct!r}.")
        return self._give(at.NO_SIDE, at.TARGET, _part(pct))

    def sma(self, length: int) -> float:
        """Mean of the last `length` closes; NaN until there are so many."""
        try:
            return self._block[length][self._now[0]]
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

    @property
    def _index(self) -> int:
        """The number of the current bar, from 0; -1 before the first."""
        return self._now[0] + self._now[1]

    def _begin(self, start: int) -> None:
        """Prepare for the block of bars that begins at `start`; the driver then moves `_now[0]` through it."""
        self._now[:] = -1, start
        self._block.clear()

    def _hold(self, position: int) -> None:
        """Show how many shares are held."""
        object.__setattr__(self, "position", position)

    def _worth(self) -> int:
        if self._equity is not None:
            return self._equity()
        holding, index = self._holding, self._index
        return self._account.cash + (holding.worth(holding.price("close", index)) if index >= 0 else 0)

    def _submit(self, side: int, size: object, limit_price: object) -> int:
        limit = None if limit_price is None else _checked_limit(limit_price)
        if isinstance(size, str) and size == "all":
            return self._give(side, at.ALL, 0, limit)
        number = size.item() if hasattr(size, "item") else size
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**53:
            return self._give(side, at.SHARES, number, limit)
        if isinstance(number, float) and 0 < number <= 1:
            return self._give(side, at.PART, _part(number), limit)
        reason = f'A size is "all", a float above 0 and up to 1, or a positive whole number of shares, not {size!r}.'
        raise OrderInvalid(reason=reason)

    def _give(self, side: int, kind: int, value: int, limit: float | None = None) -> int:
        """Let an order wait for its bar; return its number."""
        account, now, units = self._account, self._now, 0
        row = account.submitted
        if limit is not None:
            account.limits[row] = limit
            units = self._holding.limit(side, limit)
        self._queue.append((row, side, kind, value, units, now[0] + now[1]))
        account.submitted = number = row + 1
        return number

    def _indicator(self, key: object, name: str, length: object) -> float:
        """Return an indicator at the current bar; its values of the block at hand become a plain list."""
        place, start = self._now
        values = self._block.get(key)
        if values is not None and place >= 0:
            return values[place]
        column = self._columns.get(key)
        if column is None:
            number = length.item() if hasattr(length, "item") else length
            if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**31:
                raise OrderInvalid(reason=f"ctx.{name} needs a positive whole number of bars, not {length!r}.")
            column = self._columns[key] = self._computed(name, number)
        if place < 0:
            return float(column[place + start]) if place + start >= 0 else nan
        values = self._block[key] = column[start : start + BLOCK].tolist()
        return float(values[place])

    def _computed(self, name: str, length: int) -> Floats:
        """Compute a whole column once; each value rests on its own and earlier bars alone."""
        signals = self._signals
        if signals is None:
            signals = signal_prices(self._holding.bars)
            object.__setattr__(self, "_signals", signals)
        columns, scale = signals.columns, signals.scale
        for needed in NEEDS[name]:
            if needed not in columns:
                raise ColumnMissing(column=needed, purpose=f"ctx.{name}", columns=", ".join(columns))
        close = columns["close"]
        if name == "rsi":
            return indicator_kernel.rsi(close, length)  # the same in any prices
        if name == "sma":
            values = indicator_kernel.sma(close, length, scale)
        elif name == "ema":
            values = indicator_kernel.ema(close, length, scale)
        elif name == "atr":
            values = indicator_kernel.atr(columns["high"], columns["low"], close, length, scale)
        else:
            values = indicator_kernel.extreme(columns[NEEDS[name][0]], length, scale, 1 if name == "highest" else -1)
        return signals.told(values)


@lru_cache(maxsize=1024)
def _part(value: float) -> int:
    """Return a part in billionths, as the decimal it was written as."""
    return int(Decimal(str(value)) * RATE)


def _checked_limit(limit_price: object) -> float:
    number = limit_price.item() if hasattr(limit_price, "item") else limit_price
    if isinstance(number, bool) or not isinstance(number, int | float) or not (isfinite(number) and number > 0):
        raise OrderInvalid(reason=f"A limit price must be a positive number, not {limit_price!r}.")
    return float(number)
