"""Channel breakout: buy what closes above the highs of the bars before it, sell what closes below their lows."""

from dataclasses import dataclass, field
from math import nan

from core.backtest.context import Context
from core.backtest.model import Bar
from core.backtest.parameter_checks import require_length, require_size


@dataclass
class Breakout:
    """Buys above the highest high of the `entry` bars before, sells all below the lowest low of the `leave` before.

    The rule of Richard Donchian's channel, with the numbers the Turtles used for their short system.
    """

    entry: int = 20
    leave: int = 10
    size: str | float = "all"
    _high: float = field(default=nan, init=False, repr=False)
    _low: float = field(default=nan, init=False, repr=False)

    def __post_init__(self) -> None:
        require_length("entry", self.entry)
        require_length("leave", self.leave)
        require_size("size", self.size)

    def on_start(self, ctx: Context) -> None:  # noqa: ARG002 - a strategy's signature
        """Forget the channel of an earlier run."""
        self._high = self._low = nan

    def on_bar(self, bar: Bar, ctx: Context) -> None:
        """Compare the close with the channel of the bars before it, then widen the channel by this bar."""
        if bar.close > self._high and not ctx.position:
            ctx.buy(size=self.size)
        elif bar.close < self._low and ctx.position:
            ctx.sell(size="all")
        self._high, self._low = ctx.highest(self.entry), ctx.lowest(self.leave)
