"""Dual moving average: hold while the short mean is above the long one."""

from dataclasses import dataclass

from core.backtest.context import Context
from core.backtest.model import Bar
from core.backtest.parameter_checks import require_length, require_size
from core.backtest.problems import ParameterInvalid


@dataclass(frozen=True)
class DualMovingAverage:
    """Buys `size` of the cash once the mean of `fast` closes is above that of `slow`, sells all once it is below."""

    fast: int = 5
    slow: int = 20
    size: str | float = "all"

    def __post_init__(self) -> None:
        require_length("fast", self.fast)
        require_length("slow", self.slow)
        require_size("size", self.size)
        if self.fast >= self.slow:
            raise ParameterInvalid(name="fast", reason=f"{self.fast} is not below slow, which is {self.slow}")

    def on_bar(self, bar: Bar, ctx: Context) -> None:  # noqa: ARG002 - a strategy's signature
        """Trade on the close; means that do not exist yet compare as neither above nor below."""
        fast, slow = ctx.sma(self.fast), ctx.sma(self.slow)
        if fast > slow and not ctx.position:
            ctx.buy(size=self.size)
        elif fast < slow and ctx.position:
            ctx.sell(size="all")
