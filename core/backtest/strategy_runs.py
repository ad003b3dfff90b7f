"""Backtests of named strategies over the desk's market: what may be asked for, and what a child process does of it.

Strategies are named, never sent: no caller's code runs here. Everything is checked before a run is queued.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from core.backtest.model import BarTable
from core.backtest.named_strategies import check_strategy, make_strategies
from core.backtest.problems import BarsMissing, ParameterInvalid
from core.backtest.request import RunRequest
from core.backtest.results import Cell, ResultDraft, ResultTable, checked
from core.backtest.results_draft import draft_of
from core.backtest.slippage import SlippageModel
from core.backtest.watching import Progress, RunLimits
from core.durable.child import Kind, Tell
from core.errors import ArgumentsInvalid, FieldFault
from core.market.model import Exchange, InstrumentKind
from core.matching.model import FillMode, MatchingType

MAXIMUM_SYMBOLS: Final = 50
LONGEST_PARAMETER: Final = 64
"""Characters of the name or the text of a parameter."""
DATASET: Final = "daily"
TELL_SECONDS: Final = 0.2


class RulesChoice(StrEnum):
    """Which market's rules hold: those of the instruments' exchange, those named, or none."""

    AUTO = "auto"
    A_SHARE = "a_share"
    HK = "hk"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Money and rules of a run, as `backtest` means them; `start` and `end` are both included."""

    start: date | None = None
    end: date | None = None
    initial_cash: float = 1_000_000.0
    commission_bps: float = 0.0
    slippage_bps: float = 0.0
    fill: FillMode = FillMode.NEXT_OPEN
    rules: RulesChoice = RulesChoice.AUTO
    volume_limit: float | None = None
    dividend_tax: str | None = None
    benchmark: str | None = None
    matching: MatchingType | None = None
    slippage: str | None = None

    def options(self, rules: str | None) -> dict[str, Any]:
        """Return the parameters of `backtest`; `rules` is what `rules_for` made of the choice."""
        return {
            "initial_cash": self.initial_cash,
            "commission_bps": self.commission_bps,
            "slippage_bps": self.slippage_bps,
            "fill": self.fill.value,
            "market_rules": rules,
            "volume_limit": self.volume_limit,
            "dividend_tax": self.dividend_tax,
            "matching": None if self.matching is None else self.matching.value,
            "slippage": self.slippage,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRun:
    """A backtest to carry out: a built-in strategy with its parameters, over symbols, under terms.

    `records` are the team's recorded trades by symbol, for the strategy that repeats them.
    """

    strategy: str
    symbols: tuple[str, ...]
    parameters: dict[str, Any] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    name: str = ""
    tags: tuple[str, ...] = ()
    program_group: str | None = None
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """Return the run as plain JSON values."""
        plain = asdict(self)
        terms = plain["terms"]
        terms |= {name: terms[name] and terms[name].isoformat() for name in ("start", "end")}
        return plain | {"symbols": list(self.symbols), "tags": list(self.tags)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_plain` wrote."""
        given = dict(plain["terms"])
        given |= {name: given[name] and date.fromisoformat(given[name]) for name in ("start", "end")}
        given |= {"fill": FillMode(given["fill"]), "rules": RulesChoice(given["rules"])}
        given |= {"matching": MatchingType(given["matching"]) if given.get("matching") else None}
        lists = {"symbols": tuple(plain["symbols"]), "tags": tuple(plain["tags"])}
        return cls(**{**plain, **lists, "terms": Terms(**given)})

    @property
    def title(self) -> str:
        """What the run is, for people."""
        more = f" and {len(self.symbols) - 1} more" if len(self.symbols) > 1 else ""
        return f"{self.strategy} on {self.symbols[0]}{more}"

    def made_name(self) -> str:
        """Return the name its result is kept under."""
        return self.name.strip() or self.title


def checked_run(wish: StrategyRun) -> StrategyRun:
    """Return the run with plain numbers, or raise what is wrong with it before anything is read.

    Raises `ArgumentsInvalid`, `StrategyUnknown`, `ParameterInvalid`.
    """
    faults = list(_faults(wish))
    if faults:
        raise ArgumentsInvalid(faults)
    run = replace(wish, parameters=plain_numbers(wish.parameters))
    check_strategy(run.strategy, run.parameters, count=len(run.symbols))
    rules = None if run.terms.rules is RulesChoice.NONE else run.terms.rules.value
    check_options(run.terms, "a_share" if run.terms.rules is RulesChoice.AUTO else rules)
    _check_costs(run.terms)
    _check_labels(run)
    return run


def check_options(terms: Terms, rules: str | None) -> None:
    """Refuse terms that contradict each other, or these rules. Raises `ParameterInvalid`."""
    RunRequest(**terms.options(rules))


def _check_labels(run: StrategyRun) -> None:
    """Refuse now what would not be kept later."""
    row: dict[str, Cell] = {"dt": "20240102", "equity": 1.0}
    checked(
        ResultDraft(
            name=run.made_name(), metrics={}, equity_curve=[row], tags=run.tags, program_group=run.program_group
        )
    )


def _faults(wish: StrategyRun) -> list[FieldFault]:
    faults = []
    if not 1 <= len(wish.symbols) <= MAXIMUM_SYMBOLS:
        expected = f"1 to {MAXIMUM_SYMBOLS} symbols"
        faults.append(FieldFault("symbols", f"has {len(wish.symbols)} symbols", expected=expected))
    start, end = wish.terms.start, wish.terms.end
    if start is not None and end is not None and start > end:
        faults.append(FieldFault("start", f"is after end {end.isoformat()}", got=start.isoformat()))
    return faults


def _check_costs(terms: Terms) -> None:
    for name in ("commission_bps", "slippage_bps"):
        if not 0 <= getattr(terms, name) <= 1_000:
            raise ParameterInvalid(name=name, reason=f"{getattr(terms, name):g} is not from 0 to 1000")
    if terms.slippage is not None and SlippageModel.of(terms.slippage).bps > 1_000:
        raise ParameterInvalid(name="slippage", reason=f"{terms.slippage} is more than a tenth of the price")
    if terms.volume_limit is not None and not 0 < terms.volume_limit <= 1:
        raise ParameterInvalid(name="volume_limit", reason=f"{terms.volume_limit:g} is not above 0 and up to 1")


def plain_numbers(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as strategies take them: whole decimals without a point as integers, others as floats.

    Raises `ParameterInvalid` for a name or a text that no strategy can mean: both are kept, and repeated in errors.
    """
    for name, value in parameters.items():
        if len(name) > LONGEST_PARAMETER or (isinstance(value, str) and len(value) > LONGEST_PARAMETER):
            reason = f"names and texts of parameters have at most {LONGEST_PARAMETER} characters"
            raise ParameterInvalid(name=name[:LONGEST_PARAMETER], reason=reason)
    return {name: _plain_number(value) for name, value in parameters.items()}


def _plain_number(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    exponent = value.as_tuple().exponent
    return int(value) if isinstance(exponent, int) and exponent >= 0 else float(value)


def rules_for(choice: RulesChoice, tables: Mapping[str, BarTable]) -> str | None:
    """Return the name of the rules; `auto` means those of the instruments' exchange, none for an index.

    Raises `ArgumentsInvalid` when the symbols belong to markets with different rules.
    """
    if choice is not RulesChoice.AUTO:
        return None if choice is RulesChoice.NONE else choice.value
    found = {symbol: _rules_of(table) for symbol, table in tables.items()}
    if len(set(found.values())) > 1:
        told = ", ".join(f"{symbol}: {rules or 'none'}" for symbol, rules in found.items())
        message = f"belong to markets with different rules ({told}); test them apart, or say which rules hold"
        raise ArgumentsInvalid([FieldFault("symbols", message)])
    return next(iter(found.values()))


def _rules_of(table: BarTable) -> str | None:
    listing = table.listing
    if listing is None or listing.kind is InstrumentKind.INDEX:
        return None
    return "hk" if listing.exchange is Exchange.HKEX else "a_share"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What a child returns: the result to keep, its tables packed already, and what the strategy wrote."""

    draft: ResultDraft
    tables: dict[ResultTable, bytes]
    log: tuple[str, ...]


def run_strategy(
    tell: Tell,
    run: StrategyRun,
    tables: Mapping[str, BarTable],
    benchmark: BarTable | None,
    ticks: Mapping[str, BarTable] | None,
    limits: RunLimits,
) -> FinishedRun:
    """Carry a backtest out; called in a child process. Raises the errors of `core.backtest.problems`."""
    from core.backtest.api import backtest, backtest_portfolio  # noqa: PLC0415 - the engine loads in the child
    from core.backtest.results_tables import packed  # noqa: PLC0415 - the engine loads in the child

    bars = sum(bars_in(table) for table in tables.values())
    tell(Kind.STEP, f"running {run.strategy} over {bars:,} bars")
    options = run.terms.options(rules_for(run.terms.rules, tables)) | {
        "limits": limits,
        "progress": telling(tell),
        "start": run.terms.start and run.terms.start.isoformat(),
        "end": run.terms.end and run.terms.end.isoformat(),
        "benchmark_asset": run.terms.benchmark,
        "benchmark_bars": benchmark,
        "ticks": ticks,
    }
    strategies = make_strategies(run.strategy, run.parameters, run.symbols, run.records)
    if len(run.symbols) == 1:
        result = backtest(strategies[run.symbols[0]], bars=tables[run.symbols[0]], **options)
    else:
        result = backtest_portfolio(strategies, run.symbols, bars=tables, **options)
    tell(Kind.STEP, "measuring and packing")
    kept = draft_of(result.to_dict(), name=run.made_name(), tags=run.tags, program_group=run.program_group)
    said = {"strategy": run.strategy, "strategy_parameters": run.parameters, "symbols": list(run.symbols)}
    draft = replace(kept, strategy=run.strategy, dataset=DATASET, parameters={**kept.parameters, **said})
    return FinishedRun(draft=checked(draft), tables=packed(draft), log=tuple(result.log))


def bars_in(table: BarTable) -> int:
    """Return how many bars a table has."""
    if table.rows is not None:
        return len(table.rows)
    return len(next(iter(table.columns.values()), ()))


def refuse_empty(tables: Mapping[str, BarTable], terms: Terms) -> None:
    """Raise `BarsMissing` for a symbol without a bar between the days."""
    days = (f" from {terms.start}" if terms.start else "") + (f" to {terms.end}" if terms.end else "")
    for symbol, table in tables.items():
        if not bars_in(table):
            raise BarsMissing(between=f" of {symbol}{days}")


def telling(tell: Tell) -> Callable[[Progress], None]:
    """Return a listener that passes the engine's progress on, not more often than anybody looks."""
    last = [-TELL_SECONDS]

    def listen(progress: Progress) -> None:
        if progress.elapsed_seconds - last[0] >= TELL_SECONDS:
            last[0] = progress.elapsed_seconds
            tell(Kind.PROGRESS, (progress.done, progress.total))

    return listen
