"""The panel driver: many instruments at once, with orders that are declared instead of called for.

market = panel_market(store.panel(["open", "close", "volume", "pre_close", "is_st"]), market_rules="a_share")
result = backtest_panel(market, TopK(rank_by=market_cap, k=40, every=5), commission_bps=2.5)
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from core.backtest.dates import day_of, numbers_of
from core.backtest.fingerprint import ENGINE_VERSION
from core.backtest.model import DividendTax, Listing
from core.backtest.outcome import metrics_of
from core.backtest.panel_actions import place_actions
from core.backtest.panel_decisions import NONE, Decisions, GivenOrders, TopK, flags_of, given_orders, rank_of
from core.backtest.panel_market import PanelMarket, panel_market
from core.backtest.panel_result import UNIT, PanelResult
from core.backtest.problems import BarsMissing, ColumnMissing, ParameterInvalid
from core.backtest.request import RunRequest
from core.backtest.series import benchmark_closes
from core.backtest.slippage import SlippageModel
from core.backtest.watching import Progress, RunLimits, Watch
from core.clock import Clock, SystemClock
from core.market.model import CorporateAction
from core.market.panel import Panel
from core.matching import panel_layout as layout
from core.matching.model import FillMode, ReasonCode
from core.matching.panel_kernel import run_days
from core.performance.curve import Curve
from core.performance.measure import RunFigures, measure

DAYS_AT_ONCE: Final = 256
"""Days between two looks at limits of time, and two words of progress."""
FIRST_ROOM: Final = 4096
LARGEST_ORDERS: Final = 20_000_000


def backtest_panel(  # noqa: PLR0913 - the named parameters of `backtest`
    market: PanelMarket | Panel,
    decisions: Decisions,
    *,
    market_rules: str | None = None,
    listings: Mapping[str, Listing | str] | None = None,
    actions: Mapping[str, Sequence[CorporateAction]] | Sequence[CorporateAction] = (),
    start: str | None = None,
    end: str | None = None,
    initial_cash: float = 1_000_000.0,
    commission_bps: float = 0.0,
    slippage_bps: float = 0.0,
    slippage: str | tuple[str, float] | SlippageModel | None = None,
    fill: str = "next_open",
    warmup_bars: int = 0,
    volume_limit: float | None = None,
    carry_orders: bool = False,
    take_rights: bool = False,
    dividend_tax: str | None = None,
    benchmark_bars: Any = None,
    annualization: float = 252,
    seed: int | None = None,
    persist: bool = False,
    persist_name: str | None = None,
    limits: RunLimits | None = None,
    progress: Callable[[Progress], object] | None = None,
    clock: Clock | None = None,
) -> PanelResult:
    """Run declared orders over all symbols of a panel against one pool of cash.

    `market` is a panel, or one made ready once by `panel_market` for many runs; then `market_rules`, `listings` and
    `actions` are said there. The other parameters are those of `backtest`, and so are the rules: given the same orders
    both end with the same cents. Orders of a day fill sells first, then buys, each in symbol order. Decisions of a day
    know that day's close and nothing later.
    """
    ready = _ready(market, market_rules, listings, actions)
    request = RunRequest(
        start=start,
        end=end,
        initial_cash=initial_cash,
        commission_bps=commission_bps,
        slippage_bps=slippage_bps,
        slippage=slippage,
        fill=fill,
        warmup_bars=warmup_bars,
        volume_limit=volume_limit,
        carry_orders=carry_orders,
        take_rights=take_rights,
        dividend_tax=dividend_tax,
        benchmark_bars=benchmark_bars,
        annualization=annualization,
        seed=seed,
        persist=persist,
        persist_name=persist_name,
        market_rules=None if ready.rules is None else ready.rules.value,
        limits=limits or RunLimits(),
        progress=progress,
        clock=clock or SystemClock(),
    )
    return run_panel(request, ready, decisions)


def run_panel(request: RunRequest, market: PanelMarket, decisions: Decisions) -> PanelResult:
    """Run a checked request and measure it."""
    rows = _rows(request, market)
    if request.mode is FillMode.NEXT_OPEN and not market.prices.has_open:
        names = ", ".join(market.panel.columns)
        raise ColumnMissing(column="open", purpose='the price of fill="next_open"', columns=names)
    benchmark = benchmark_closes(request)
    terms = market.terms(market.costs_of(request))
    given = given_orders(market, decisions, slippage_denominator=int(terms.settings[0, 4] // terms.scale[1]))
    plan = _plan(request, market, decisions, given, rows.start)
    book = _run(request, market, rows, terms, plan)
    curve = Curve(request.cash / UNIT, numbers_of(market.days[rows]), book.curve[rows, 0] / UNIT)
    performance = measure(
        RunFigures(
            curve=curve,
            pnl=book.trades[: book.account[layout.TRADE_COUNT], 6] / UNIT,
            held=book.curve[rows, 2] > 0,
            traded=float(book.account[layout.TRADED] / UNIT),
            fees=float((book.account[layout.FEES] + book.account[layout.TAXES]) / UNIT),
            benchmark_days=benchmark[0] if benchmark else None,
            benchmark_closes=benchmark[1] if benchmark else None,
        ),
        annualization=request.annualization,
    )
    parameters = request.parameters(symbols=len(market.symbols), decisions=_told(decisions))
    metrics, undefined = metrics_of(performance, _fingerprint(market, plan, decisions, parameters, rows))
    result = PanelResult(
        metrics=metrics,
        undefined=undefined,
        parameters=parameters,
        performance=performance,
        market=market,
        rows=rows,
        book=book,
        limits=given.limits,
        benchmark=benchmark[2] if benchmark else [],
    )
    if request.persist:
        result.persist(request.persist_name)
    return result


def _ready(
    market: PanelMarket | Panel,
    market_rules: str | None,
    listings: Mapping[str, Listing | str] | None,
    actions: Mapping[str, Sequence[CorporateAction]] | Sequence[CorporateAction],
) -> PanelMarket:
    if isinstance(market, Panel):
        return panel_market(market, market_rules=market_rules, listings=listings, actions=actions)
    if not isinstance(market, PanelMarket):
        raise ParameterInvalid(name="market", reason=f"a Panel or a PanelMarket is needed, not {type(market).__name__}")
    if market_rules is not None or listings is not None or actions:
        raise ParameterInvalid(
            name="market", reason="market_rules, listings and actions are said to panel_market, once for all runs"
        )
    return market


def _rows(request: RunRequest, market: PanelMarket) -> slice:
    """Return the rows of the closed interval of days."""
    first, last = day_of(request.start, name="start"), day_of(request.end, name="end")
    low = 0 if first is None else int(np.searchsorted(market.days, first))
    high = len(market.days) if last is None else int(np.searchsorted(market.days, last, side="right"))
    if low >= high:
        raise BarsMissing(between=f" from {request.start} to {request.end}")
    return slice(low, high)


def _plan(
    request: RunRequest, market: PanelMarket, decisions: Decisions, given: GivenOrders, first: int
) -> layout.Plan:
    """Return what the kernel is to order."""
    options = np.zeros(layout.OPTION_SIZE, dtype=np.int64)
    options[layout.CARRY], options[layout.TAKE_RIGHTS] = request.carry_orders, request.take_rights
    options[layout.IS_TAXED] = request.tax is DividendTax.CN_INDIVIDUAL
    options[layout.AT_CLOSE] = request.mode is FillMode.THIS_CLOSE
    options[layout.WARMUP] = first + request.warmup_bars
    options[layout.EVERY] = 1
    rank, allowed, is_st = NONE, flags_of(market, None, ""), flags_of(market, None, "")
    if isinstance(decisions, TopK):
        options[layout.EVERY], options[layout.FIRST] = decisions.every, first + decisions.first
        options[layout.TOP] = min(decisions.k, len(market.symbols))
        options[layout.WEIGHT], options[layout.DESCENDING] = decisions.part, not decisions.ascending
        options[layout.REBALANCE], options[layout.NO_ST] = decisions.rebalance, decisions.exclude_st
        options[layout.LEAST_DAYS] = decisions.least_days
        rank, allowed = rank_of(market, decisions), flags_of(market, decisions.among, "among")
        if decisions.exclude_st:
            is_st = _is_st(market)
    return layout.Plan(options, given.starts, given.rows, rank, allowed, is_st, market.first_bar)


def _is_st(market: PanelMarket) -> Any:
    if "is_st" not in market.panel.columns:
        known = ", ".join(market.panel.columns)
        raise ColumnMissing(column="is_st", purpose="exclude_st", columns=known)
    return flags_of(market, market.panel["is_st"], "is_st")


def _run(request: RunRequest, market: PanelMarket, rows: slice, terms: layout.Terms, plan: layout.Plan) -> layout.Book:
    """Let the kernel run, a stretch of days at a time, with more room whenever the book is full."""
    actions = place_actions(market, is_taxed=bool(plan.options[layout.IS_TAXED]))
    book = _book(market, request.cash)
    _skip(actions, book, rows.start)
    day = rows.start

    def where() -> tuple[str, int, str]:
        return "the panel", day - rows.start, str(market.days[min(day, rows.stop - 1)])

    def work() -> None:
        nonlocal day, book
        while day < rows.stop:
            watch.tell(day - rows.start)
            stop = min(day + DAYS_AT_ONCE, rows.stop)
            while day < stop:
                day = run_days(day, stop, market.tape, terms, plan, actions, book)
                if day < stop:
                    book = _roomier(book, plan, actions, day)
        watch.tell(day - rows.start)

    size = rows.stop - rows.start
    watch = Watch(request.clock, request.limits, total=size, where=where, log=[], progress=request.progress)
    watch.over(work)
    waiting = book.queue[: book.account[layout.QUEUE_COUNT]]
    book.orders[waiting, layout.REASON] = ReasonCode.NO_NEXT_BAR.number
    return book


def _book(market: PanelMarket, cash: int) -> layout.Book:
    symbols = len(market.symbols)
    account = np.zeros(layout.ACCOUNT_SIZE, dtype=np.int64)
    account[layout.CASH] = cash
    holdings = np.zeros((symbols, layout.HOLDING_SIZE), dtype=np.int64)
    holdings[:, [layout.BOUGHT_DAY, layout.USED_DAY, layout.ENTRY, layout.OLDEST_LOT, layout.NEWEST_LOT]] = -1
    return layout.Book(
        account=account,
        holdings=holdings,
        held=np.zeros(symbols, dtype=np.int64),
        orders=np.zeros((FIRST_ROOM, layout.ORDER_SIZE), dtype=np.int64),
        queue=np.zeros(FIRST_ROOM, dtype=np.int64),
        trades=np.zeros((FIRST_ROOM, layout.TRADE_SIZE), dtype=np.int64),
        changes=np.zeros((FIRST_ROOM, layout.CHANGE_SIZE), dtype=np.int64),
        lots=np.zeros((FIRST_ROOM, layout.LOT_SIZE), dtype=np.int64),
        curve=np.zeros((len(market.days), layout.CURVE_SIZE), dtype=np.int64),
    )


def _skip(actions: layout.Actions, book: layout.Book, first: int) -> None:
    """Count the actions that lie before the first day of the run."""
    before = actions.events[: actions.starts[first]]
    effects = before[before[:, 2] == 0, 0]
    np.add.at(book.holdings[:, layout.ACTIONS_SEEN], effects, 1)


def _roomier(book: layout.Book, plan: layout.Plan, actions: layout.Actions, day: int) -> layout.Book:
    """Return the book with twice the room, and at least as much as the day needs."""
    account = book.account
    added = int(plan.starts[day + 1] - plan.starts[day]) + int(plan.options[layout.TOP] + account[layout.HELD_COUNT])
    needed = added + int(account[layout.QUEUE_COUNT] + actions.starts[day + 1] - actions.starts[day])
    if account[layout.ORDER_COUNT] + needed > LARGEST_ORDERS:
        raise ParameterInvalid(name="decisions", reason=f"more than {LARGEST_ORDERS:,} orders; decide more rarely")
    counts = {
        "orders": layout.ORDER_COUNT,
        "queue": layout.QUEUE_COUNT,
        "trades": layout.TRADE_COUNT,
        "changes": layout.CHANGE_COUNT,
        "lots": layout.LOT_COUNT,
    }
    larger = {}
    for name, column in counts.items():
        array = getattr(book, name)
        if account[column] + needed > array.shape[0]:
            grown = np.zeros((2 * array.shape[0] + needed, *array.shape[1:]), dtype=np.int64)
            grown[: array.shape[0]] = array
            larger[name] = grown
    return book._replace(**larger)


def _told(decisions: Decisions) -> dict[str, Any]:
    """Return what a result keeps of the decisions."""
    told: dict[str, Any] = {"kind": type(decisions).__name__}
    if isinstance(decisions, TopK):
        names = ("k", "every", "ascending", "weight", "reserve", "rebalance", "exclude_st", "least_days", "first")
        told |= {name: getattr(decisions, name) for name in names}
        told["rank_by"] = decisions.rank_by if isinstance(decisions.rank_by, str) else "array"
    return told


def _fingerprint(
    market: PanelMarket, plan: layout.Plan, decisions: Decisions, parameters: Mapping[str, Any], rows: slice
) -> str:
    """Return the sha256 over data, decisions and parameters; of a rank the rows that were looked at."""
    digest = hashlib.sha256(f"{ENGINE_VERSION} {market.digest}".encode())
    for array in (plan.options, plan.starts, plan.orders):
        digest.update(np.ascontiguousarray(array).data)
    if isinstance(decisions, TopK):
        looked = slice(int(plan.options[layout.FIRST]), rows.stop, decisions.every)
        is_named = isinstance(decisions.rank_by, str)
        digest.update(market.digest_of(str(decisions.rank_by)).encode() if is_named else b"")
        for matrix in (plan.allowed, plan.is_st) if is_named else (plan.rank, plan.allowed, plan.is_st):
            digest.update(np.ascontiguousarray(matrix[looked]).data)
    digest.update(json.dumps(parameters, sort_keys=True, default=str).encode())
    return digest.hexdigest()
