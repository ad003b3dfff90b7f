"""The parameters of a run, checked before anything is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, Final, Self, TypeVar

from core.backtest.model import DividendTax, MarketRules
from core.backtest.problems import ParameterInvalid
from core.backtest.slippage import SlippageModel
from core.backtest.watching import Progress, RunLimits
from core.clock import Clock, SystemClock
from core.matching.model import AMOUNT_PLACES, FillMode, MatchingType

Choice = TypeVar("Choice", FillMode, MatchingType, MarketRules, DividendTax)
LARGEST_CASH: Final = 10**12
"""Enough for any account, and small enough for exact 64-bit figures."""
NOT_KEPT: Final = frozenset(
    {
        "on_trade",
        "progress",
        "clock",
        "limits",
        "benchmark_bars",
        "persist",
        "persist_name",
        "matching",
        "slippage",
        "ticks",
    }
)
BY_FILL: Final = {MatchingType.NEXT_BAR_OPEN: FillMode.NEXT_OPEN, MatchingType.CURRENT_BAR_CLOSE: FillMode.THIS_CLOSE}
"""The matching types that `fill` names too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a caller asked for; see `backtest` for the meaning of each."""

    start: str | None = None
    end: str | None = None
    initial_cash: float = 1_000_000.0
    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    fill: str = "next_open"
    date_column: str = "trade_date"
    price_columns: Mapping[str, str] | None = None
    filter_column: str | None = None
    warmup_bars: int = 0
    max_bars: int = 1_000_000
    max_history: int | None = None
    on_trade: Callable[[dict[str, Any]], object] | None = None
    benchmark_asset: int | str | None = None
    benchmark_price_column: str | None = None
    benchmark_filter_column: str | None = None
    benchmark_filter_value: Any = None
    benchmark_bars: Any = None
    persist: bool = False
    persist_name: str | None = None
    market_rules: str | None = None
    volume_limit: float | None = None
    carry_orders: bool = False
    take_rights: bool = False
    dividend_tax: str | None = None
    annualization: float = 252
    seed: int | None = None
    matching: str | None = None
    slippage: Any = None
    ticks: Any = field(default=None, repr=False)
    limits: RunLimits = field(default_factory=RunLimits)
    progress: Callable[[Progress], object] | None = None
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant. Raises `ParameterInvalid`."""
        for name, least in (("warmup_bars", 0), ("max_bars", 1), ("max_history", 1)):
            value = getattr(self, name)
            if name == "max_history" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ParameterInvalid(name=name, reason=f"{value!r} is not a whole number of at least {least}")
        if not isinstance(self.annualization, int | float) or not 0 < self.annualization < 1e9:
            raise ParameterInvalid(name="annualization", reason=f"{self.annualization!r} is not a positive number")
        if self.ticks is not None and self.matching_type is None:
            raise ParameterInvalid(name="ticks", reason="no order would meet them: say which matching=")
        _ = self.cash, self.mode, self.rules, self.tax, self.matching_type, self.slippage_model

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Self:
        """Read named parameters; an unknown name is an error that lists the known ones."""
        known = {entry.name for entry in fields(cls)}
        for name in parameters:
            if name not in known:
                raise ParameterInvalid(
                    name=name, reason=f"there is no such parameter; there are {', '.join(sorted(known))}"
                )
        given = dict(parameters)
        if given.get("limits") is None:
            given.pop("limits", None)
        return cls(**given)

    @property
    def cash(self) -> int:
        """The initial cash in 0.0001."""
        value = self.initial_cash
        if isinstance(value, bool) or not _is_money(value) or not 0 < value <= LARGEST_CASH:
            raise ParameterInvalid(name="initial_cash", reason=f"{value!r} is not a positive amount up to 10**12")
        exact = Fraction(str(value)) * 10**AMOUNT_PLACES
        if exact.denominator != 1:
            raise ParameterInvalid(name="initial_cash", reason=f"{value!r} has more than {AMOUNT_PLACES} places")
        return int(exact)

    @property
    def mode(self) -> FillMode:
        """When orders fill: after the bar they were given on, or at its close."""
        mode = _choice(FillMode, self.fill, "fill")
        if self.matching is None:
            return mode
        kind = _choice(MatchingType, self.matching, "matching")
        wanted = BY_FILL.get(kind, FillMode.NEXT_OPEN)
        if mode is FillMode.THIS_CLOSE and wanted is not mode:
            raise ParameterInvalid(
                name="matching", reason=f'{kind.value!r} contradicts fill="this_close": say one of them'
            )
        return wanted

    @property
    def matching_type(self) -> MatchingType | None:
        """The price orders meet, where it is none of the two that `fill` names."""
        kind = None if self.matching is None else _choice(MatchingType, self.matching, "matching")
        return None if kind in BY_FILL else kind

    @property
    def slippage_model(self) -> SlippageModel | None:
        """The slippage model, or None where `slippage_bps` says it all."""
        if self.slippage is None:
            return None
        if self.slippage_bps:
            raise ParameterInvalid(name="slippage", reason="slippage_bps is given too: say one of them")
        model = SlippageModel.of(self.slippage)
        model.refuse_without(self.rules)
        return model

    @property
    def rules(self) -> MarketRules | None:
        """The market's rules, or None."""
        return None if self.market_rules is None else _choice(MarketRules, self.market_rules, "market_rules")

    @property
    def tax(self) -> DividendTax | None:
        """How dividends are taxed, or None."""
        return None if self.dividend_tax is None else _choice(DividendTax, self.dividend_tax, "dividend_tax")

    @property
    def slippage_terms(self) -> dict[str, Any]:
        """Slippage as `CostSettings` name it: basis points, or price steps."""
        model = self.slippage_model
        if model is None:
            return {"slippage_bps": self.slippage_bps}
        return {"slippage_bps": model.bps, "slippage_steps": model.steps}

    def parameters(self, **more: Any) -> dict[str, Any]:
        """Return what a result keeps, and a fingerprint covers."""
        kept = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in NOT_KEPT}
        kept["price_columns"] = dict(self.price_columns) if self.price_columns else None
        if self.matching is not None:
            kept["matching"] = self.matching
        if self.slippage_model is not None:
            kept["slippage"] = self.slippage_model.text
        return kept | more


def _is_money(value: object) -> bool:
    try:
        return Fraction(str(value)) == Fraction(str(value))
    except ValueError:
        return False


def _choice(kind: type[Choice], value: object, name: str) -> Choice:
    try:
        return kind(str(value))
    except ValueError:
        known = ", ".join(repr(member.value) for member in kind)
        raise ParameterInvalid(name=name, reason=f"{value!r} is not one of {known}") from None
