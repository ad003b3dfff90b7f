"""A market made ready for panel runs: prices as whole numbers, limits looked up, corporate actions placed.

Made once and used by any number of runs: what a run's costs decide is kept by costs.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars
from core.backtest.dates import numbers_of
from core.backtest.fingerprint import rules_version
from core.backtest.limits import price_limits
from core.backtest.model import BarTable, Listing, MarketRules, listing_of
from core.backtest.panel_prices import PanelPrices, blocks, read_prices
from core.backtest.problems import BarsInvalid, BarsMissing, ListingUnknown, ParameterInvalid
from core.backtest.request import RunRequest
from core.backtest.terms import CostSettings, FillTerms, least_places, terms_for
from core.market.model import Board, CorporateAction, InstrumentKind
from core.market.panel import Panel
from core.matching.model import AMOUNT_PLACES, UNLIMITED
from core.matching.panel_layout import Integers, Tape, Terms

LIMIT_COLUMNS: Final = ("limit_up", "up_limit", "high_limit", "limit_down", "down_limit", "low_limit")
RULE_COLUMNS: Final = ("pre_close", "is_st", *LIMIT_COLUMNS)


@dataclass(frozen=True, eq=False)
class PanelMarket:
    """Days and symbols with all that a run needs of them; see `panel_market`."""

    panel: Panel
    rules: MarketRules | None
    listings: tuple[Listing | None, ...]
    actions: Mapping[str, tuple[CorporateAction, ...]]
    prices: PanelPrices
    tape: Tape
    simulated: bool = False
    _terms: dict[CostSettings, Terms] = field(default_factory=dict, repr=False)
    _digests: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def days(self) -> NDArray[np.datetime64]:
        """The trading days, ascending."""
        return self.panel.days

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, ascending: the order in which their orders settle."""
        return self.panel.symbols

    @cached_property
    def place_of(self) -> dict[str, int]:
        """The column of each symbol."""
        return {symbol: place for place, symbol in enumerate(self.symbols)}

    @cached_property
    def first_bar(self) -> Integers:
        """The first day with a bar of each symbol; beyond the last day where there is none."""
        has_bar = self.tape.closes > 0
        return np.where(has_bar.any(axis=0), has_bar.argmax(axis=0), len(self.days)).astype(np.int64)

    @cached_property
    def digest(self) -> str:
        """The sha256 of everything a run can see, save the columns it ranks by."""
        digest = hashlib.sha256(f"{self.prices.places} {self.rules} {self.symbols} {rules_version()}".encode())
        digest.update(np.ascontiguousarray(self.days).view(np.int64).data)
        for column in self.tape:
            digest.update(column.data)
        digest.update(repr((self.listings, sorted(self.actions.items()))).encode())
        return digest.hexdigest()

    @property
    def scale(self) -> Integers:
        """Factor and divisor that turn shares times an unslipped price into 0.0001."""
        over = AMOUNT_PLACES - self.prices.places
        return np.array([10 ** max(0, over), 10 ** max(0, -over)], dtype=np.int64)

    def digest_of(self, column: str) -> str:
        """Return the sha256 of a further column; computed once."""
        if column not in self._digests:
            self._digests[column] = hashlib.sha256(np.ascontiguousarray(self.panel[column]).data).hexdigest()
        return self._digests[column]

    def terms(self, costs: CostSettings) -> Terms:
        """Return the rules for one setting of costs; looked up once."""
        if costs not in self._terms:
            self._terms[costs] = _terms(self, costs)
        return self._terms[costs]

    def costs_of(self, request: RunRequest) -> CostSettings:
        """Return what a request says about costs."""
        return CostSettings(
            rules=self.rules,
            commission_bps=request.commission_bps,
            volume_limit=request.volume_limit,
            **request.slippage_terms,
        )


def panel_market(
    panel: Panel,
    *,
    market_rules: str | None = None,
    listings: Mapping[str, Listing | str] | None = None,
    actions: Mapping[str, Sequence[CorporateAction]] | Sequence[CorporateAction] = (),
    skip_untraded: bool = False,
    simulated: bool = False,
) -> PanelMarket:
    """Make a panel ready: `close`, and where runs need them `open`, `volume`, `pre_close`, `is_st`, published limits.

    A cell without a close is no bar; with `skip_untraded` neither is one without volume, as files write suspensions.
    `listings` where the symbols alone do not tell. Raises `BarsInvalid` naming day and symbol, `ListingUnknown`.
    """
    if not len(panel.days) or not panel.symbols:
        raise BarsMissing(between="")
    rules = RunRequest(market_rules=market_rules).rules
    if list(panel.symbols) != sorted(set(panel.symbols)) or not bool((np.diff(panel.days) > np.timedelta64(0)).all()):
        raise ParameterInvalid(name="panel", reason="days and symbols must ascend, each there once")
    known = _listings(panel.symbols, listings or {}, rules)
    least = max(least_places(one) for one in known) if rules else 2
    prices = read_prices(panel, least_places=least, skip_untraded=skip_untraded)
    down, up = _limits(panel, prices, known, rules)
    tape = Tape(prices.opens, prices.closes, prices.volumes, down, up)
    return PanelMarket(
        panel=panel,
        rules=rules,
        listings=known,
        actions=_by_symbol(actions, panel.symbols),
        prices=prices,
        tape=Tape(*map(_read_only, tape)),
        simulated=simulated,
    )


def carrier(
    days: NDArray[np.datetime64],
    places: int,
    *,
    prices: Mapping[str, Integers],
    columns: Mapping[str, Any],
    numbers: Integers | None = None,
) -> CheckedBars:
    """Return days as the bars that the functions of a single series take; `numbers` where they are known."""
    return CheckedBars(
        times=days,
        days=numbers_of(days) if numbers is None else numbers,
        places=places,
        prices=prices,
        volume=None,
        spelled_dates=days,
        table=BarTable(columns=columns),
    )


def _read_only(array: Integers) -> Integers:
    """Return a view that kernels know as constant, so that mapped and made columns are compiled once."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _listings(
    symbols: Sequence[str], given: Mapping[str, Listing | str], rules: MarketRules | None
) -> tuple[Listing | None, ...]:
    found = []
    for symbol in symbols:
        said = given.get(symbol, symbol)
        listing = said if isinstance(said, Listing) else listing_of(said)
        if listing is None and rules is not None:
            raise ListingUnknown(rules=rules.value, given=symbol)
        found.append(listing)
    return tuple(found)


def _by_symbol(
    actions: Mapping[str, Sequence[CorporateAction]] | Sequence[CorporateAction], symbols: Sequence[str]
) -> dict[str, tuple[CorporateAction, ...]]:
    wanted, found = set(symbols), dict[str, list[CorporateAction]]()
    if isinstance(actions, Mapping):
        return {symbol: tuple(some) for symbol, some in actions.items() if symbol in wanted and some}
    for action in actions:
        if action.symbol in wanted:
            found.setdefault(action.symbol, []).append(action)
    return {symbol: tuple(some) for symbol, some in found.items()}


def _limits(
    panel: Panel, prices: PanelPrices, listings: Sequence[Listing | None], rules: MarketRules | None
) -> tuple[Integers, Integers]:
    """Return the prices at which each cell is locked; one row of "never" where no symbol has limits."""
    published = any(name in panel.columns for name in LIMIT_COLUMNS)
    with_limits = [
        listing is not None and (published or _has_limits(listing)) and rules is not None for listing in listings
    ]
    rows = prices.closes.shape[0] if any(with_limits) else 1
    down = np.zeros((rows, len(listings)), dtype=np.int64)
    up = np.full((rows, len(listings)), UNLIMITED, dtype=np.int64)
    columns = {name: panel[name] for name in RULE_COLUMNS if name in panel.columns}
    numbers = numbers_of(panel.days)
    for block in blocks(len(listings)):
        chosen = [place for place in range(block.start, block.stop) if with_limits[place]]
        if not chosen:
            continue
        cut = {name: np.ascontiguousarray(column[:, block].T) for name, column in columns.items()}
        is_bar = np.ascontiguousarray(prices.closes[:, block].T > 0)
        low, high = np.zeros(is_bar.shape, dtype=np.int64), np.full(is_bar.shape, UNLIMITED, dtype=np.int64)
        for place in chosen:
            listing, row = listings[place], place - block.start
            inside = is_bar[row]
            if listing is None or not inside.any():
                continue
            own = {name: column[row][inside] for name, column in cut.items()}
            bars = carrier(panel.days[inside], prices.places, prices={}, columns=own, numbers=numbers[inside])
            try:
                low[row, inside], high[row, inside] = price_limits(bars, listing)
            except BarsInvalid as error:
                raise _named(error, panel.symbols[place]) from None
        down[:, block], up[:, block] = low.T, high.T
    return down, up


def _has_limits(listing: Listing) -> bool:
    return listing.board not in {None, Board.HK_MAIN} and listing.kind is InstrumentKind.STOCK


def _named(error: BarsInvalid, symbol: str) -> BarsInvalid:
    data = error.data
    return BarsInvalid(row=data["row"], when=f"{symbol} {data['when']}", reason=data["reason"])


def _terms(market: PanelMarket, costs: CostSettings) -> Terms:
    """Look the rules up once for every class of symbols alike."""
    keys = [_class_key(listing) if market.rules else None for listing in market.listings]
    classes = list(dict.fromkeys(keys))
    number = {key: place for place, key in enumerate(classes)}
    class_of = np.array([number[key] for key in keys], dtype=np.int64)
    size = len(market.days)
    found: list[tuple[int, FillTerms]] = []
    for place in range(len(classes)):
        members = np.flatnonzero(class_of == place)
        start = min(int(market.first_bar[members].min()), size - 1)
        found.append((start, _class_terms(market, costs, market.listings[int(members[0])], start)))
    regime_of = np.zeros((len(found), size), dtype=np.int64)
    gap_after = np.zeros((len(found), size), dtype=np.bool_)
    for place, (start, terms) in enumerate(found):
        regime_of[place, start:], gap_after[place, start:] = terms.regime, terms.gap_after
    return Terms(
        settings=np.stack([terms.settings for _, terms in found]),
        lots=np.stack([terms.lots for _, terms in found]),
        rest_lots=np.stack([terms.rest_lots for _, terms in found]),
        charges=padded([terms.charges for _, terms in found]),
        ticks=padded([terms.ticks for _, terms in found]),
        class_of=class_of,
        regime_of=regime_of,
        gap_after=gap_after,
        scale=market.scale,
    )


def _class_key(listing: Listing | None) -> tuple[object, ...] | None:
    """Return all of a listing that fees, lots, price steps and T+1 depend on."""
    if listing is None:
        return None
    return (
        listing.exchange,
        listing.board,
        listing.kind,
        listing.lot_size,
        listing.par_value,
        listing.is_same_day_fund,
    )


def _class_terms(market: PanelMarket, costs: CostSettings, listing: Listing | None, start: int) -> FillTerms:
    """Return the terms of one class over the panel's days from its first bar on; limits are the panel's own."""
    days = market.days[start:]
    none = np.zeros(len(days))
    highest = np.array([max(int(market.tape.closes.max()), int(market.tape.opens.max()), 1)], dtype=np.int64)
    bars = carrier(
        days, market.prices.places, prices={"close": highest}, columns={"limit_up": none, "limit_down": none}
    )
    if market.prices.has_volume:
        bars = CheckedBars(
            **{name: getattr(bars, name) for name in CheckedBars.__slots__ if name != "volume"}, volume=highest
        )
    return terms_for(bars, costs, listing if market.rules else None)


def padded(tables: Sequence[Sequence[Integers]]) -> Integers:
    """Stack rows of charges or price steps of (class, regime); rows that are not there are zero and cost nothing."""
    regimes = max(len(table) for table in tables)
    rows = max(one.shape[0] for table in tables for one in table)
    out = np.zeros((len(tables), regimes, rows, tables[0][0].shape[1]), dtype=np.int64)
    for kind, table in enumerate(tables):
        for regime, one in enumerate(table):
            out[kind, regime, : one.shape[0]] = one
    return out
