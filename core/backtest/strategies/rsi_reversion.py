"""RSI reversion: buy what fell too fast, sell what rose too fast."""

from dataclasses import dataclass

from core.backtest.context import Context
from core.backtest.model import Bar
from core.backtest.parameter_checks import require_between, require_length, require_size
from core.backtest.problems import ParameterInvalid


@dataclass(frozen=True)
class RsiReversion:
    """Buys while Wilder's RSI of `length` closes is below `low`, sells all while it is above `high`."""

    length: int = 14
    low: float = 30.0
    high: float = 70.0
    size: str | float = "all"

    def __post_init__(self) -> None:
        require_length("length", self.length)
        require_between("low", self.low, low=0.0, high=100.0)
        require_between("high", self.high, low=0.0, high=100.0)
        require_size("size", self.size)
        if self.low >= self.high:
            raise ParameterInvalid(name="low", reason=f"{self.low:g} is not below high, which is {self.high:g}")

    def on_bar(self, bar: Bar, ctx: Context) -> None:  # noqa: ARG002 - a strategy's signature
        """Trade on the close; an RSI that does not exist yet compares as neither."""
        strength = ctx.rsi(self.length)
        if strength < self.low and not ctx.position:
            ctx.buy(size=self.size)
        elif strength > self.high and ctx.position:
            ctx.sell(size="all")
