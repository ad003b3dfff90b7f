"""Replay: repeat trades that really happened, to see what rules, costs and another exit would have made of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.backtest.context import Context
from core.backtest.model import Bar
from core.backtest.parameter_checks import require_length
from core.backtest.problems import ParameterInvalid
from core.matching.model import Side

SPELLINGS: Final = {
    "day": ("trade_date", "tradeDate", "day"),
    "side": ("trade_type", "tradeType", "side"),
    "quantity": ("qty", "quantity"),
}
SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}


@dataclass(frozen=True)
class RealTrade:
    """One trade of the ledger: `day` as YYYYMMDD, shares bought or sold."""

    day: str
    side: Side
    quantity: int


def trades_of(records: Iterable[Mapping[str, Any]]) -> list[RealTrade]:
    """Read trading records as skills and scripts return them, in any order; return them by day, buys as entered.

    Raises `ParameterInvalid` naming the record that lacks a day, a side or a quantity.
    """
    return sorted((_trade(record, place) for place, record in enumerate(records, 1)), key=lambda trade: trade.day)


@dataclass
class ReplayTrades:
    """Orders each real trade on the bar of its day, or on the next bar where the day has none.

    With `fill="this_close"` it fills on that day; with `"next_open"` a bar later. `exit_after` bars after the last
    purchase everything is sold whatever the ledger did; real sales are then left out.
    """

    trades: Sequence[RealTrade]
    exit_after: int | None = None
    _next: int = field(default=0, init=False, repr=False)
    _held: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.exit_after is not None:
            require_length("exit_after", self.exit_after)

    def on_start(self, ctx: Context) -> None:  # noqa: ARG002 - a strategy's signature
        """Begin with the first trade."""
        self._next = self._held = 0

    def on_bar(self, bar: Bar, ctx: Context) -> None:
        """Order what is due by this bar."""
        today = compact(bar.dt)
        self._held += 1
        while self._next < len(self.trades) and self.trades[self._next].day <= today:
            self._order(self.trades[self._next], ctx)
            self._next += 1
        if self.exit_after is not None and self._held >= self.exit_after and ctx.position:
            ctx.close_all()

    def _order(self, trade: RealTrade, ctx: Context) -> None:
        if trade.side is Side.BUY:
            self._held = 0
            ctx.buy(size=trade.quantity)
        elif self.exit_after is None:
            ctx.sell(size=trade.quantity)


def compact(text: str) -> str:
    """Return the day of a date or moment as YYYYMMDD."""
    return text[:10].replace("-", "").replace("/", "")[:8]


def _trade(record: Mapping[str, Any], place: int) -> RealTrade:
    found = {
        name: next((record[key] for key in keys if record.get(key) is not None), None)
        for name, keys in SPELLINGS.items()
    }
    day, side, quantity = compact(str(found["day"])), SIDES.get(str(found["side"]).upper()), found["quantity"]
    if len(day) != 8 or not day.isdigit():
        raise ParameterInvalid(name="records", reason=f"record {place} has no date: {found['day']!r}")
    if side is None:
        raise ParameterInvalid(name="records", reason=f"record {place} is neither BUY nor SELL: {found['side']!r}")
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity <= 0:
        raise ParameterInvalid(name="records", reason=f"record {place} has no number of shares: {quantity!r}")
    return RealTrade(day, side, quantity)
