"""The slippage models of a run: how a fill price is moved against the trader."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Self

from core.backtest.model import MarketRules
from core.backtest.problems import ParameterInvalid
from core.matching.model import UNLIMITED, Slippage

LARGEST_STEPS: Final = 1_000
RATE_PLACES: Final = 9
FORMS: Final = '"none", "price_ratio:0.001", "tick_size:2" or "limit_price"'


@dataclass(frozen=True, slots=True)
class SlippageModel:
    """A model and its size: a part of the price for `price_ratio`, price steps for `tick_size`, else 0."""

    kind: Slippage = Slippage.NONE
    size: Decimal = Decimal(0)

    @classmethod
    def of(cls, given: object) -> Self:
        """Read `"tick_size:2"`, `("tick_size", 2)`, or a model. Raises `ParameterInvalid`."""
        if isinstance(given, cls):
            given = (given.kind, given.size)
        if isinstance(given, str):
            given = given.split(":")
        if not isinstance(given, Sequence) or not 1 <= len(given) <= 2:
            raise _invalid(f"{given!r} is not one of the forms {FORMS}")
        kind = _kind(given[0])
        needs_size = kind in {Slippage.PRICE_RATIO, Slippage.TICK_SIZE}
        if needs_size != (len(given) == 2) and not (len(given) == 2 and given[1] == 0):
            raise _invalid(f"{kind.value} {'needs a size' if needs_size else 'takes no size'}; write {FORMS}")
        return cls(kind, _size(kind, given[1]) if needs_size else Decimal(0))

    @property
    def text(self) -> str:
        """The model as it is written."""
        return f"{self.kind.value}:{self.size.normalize():f}" if self.size else self.kind.value

    @property
    def bps(self) -> Decimal:
        """The part of the price in basis points; 0 for the other models."""
        return self.size * 10_000 if self.kind is Slippage.PRICE_RATIO else Decimal(0)

    @property
    def steps(self) -> int:
        """Price steps; 0 for the other models, and more than any price has for the exchange's limit."""
        if self.kind is Slippage.LIMIT_PRICE:
            return UNLIMITED
        return int(self.size) if self.kind is Slippage.TICK_SIZE else 0

    def refuse_without(self, rules: MarketRules | None) -> None:
        """Raise `ParameterInvalid` where the rules that the model rests on do not hold."""
        if self.kind is Slippage.TICK_SIZE and rules is None:
            raise _invalid('tick_size counts the price steps of a market: give market_rules="a_share" or "hk"')
        if self.kind is Slippage.LIMIT_PRICE and rules is not MarketRules.A_SHARE:
            raise _invalid('limit_price needs price limits, which are part of market_rules="a_share" alone')


def _kind(given: object) -> Slippage:
    try:
        return Slippage(str(given).strip())
    except ValueError:
        raise _invalid(f"{given!r} is not one of the forms {FORMS}") from None


def _size(kind: Slippage, given: object) -> Decimal:
    try:
        size = Decimal(str(given).strip())
    except InvalidOperation:
        raise _invalid(f"{given!r} is no number; write {FORMS}") from None
    if not size.is_finite() or size < 0 or isinstance(given, bool):
        raise _invalid(f"{given!r} is not a number of zero or more")
    if kind is Slippage.PRICE_RATIO and size >= 1:
        raise _invalid(f"{given!r} is the whole price or more; 0.001 is a thousandth of it")
    if size and size.adjusted() < -RATE_PLACES:
        raise _invalid(f"{given!r} is less than a billionth of the price")
    if kind is Slippage.TICK_SIZE and (size > LARGEST_STEPS or size != int(size)):
        raise _invalid(f"{given!r} is not a whole number of price steps up to {LARGEST_STEPS:,}")
    return size


def _invalid(reason: str) -> ParameterInvalid:
    return ParameterInvalid(name="slippage", reason=reason)
