"""One instrument made ready for a run: its bars checked, its rules looked up, its events placed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.backtest.bars import CheckedBars, check_bars, table_of
from core.backtest.corporate_actions import DueAction, due_actions
from core.backtest.fill_quotes import FillQuotes
from core.backtest.matching_types import VWAP_PLACES, fill_quotes, ticks_for
from core.backtest.model import BarTable, DividendTax, Listing, listing_of
from core.backtest.ports import read_asset
from core.backtest.problems import BarsMissing, ColumnMissing, ListingUnknown
from core.backtest.request import RunRequest
from core.backtest.settlement import Account, Holding, HoldingOptions
from core.backtest.terms import USUAL_PART, CostSettings, FillTerms, least_places, terms_for
from core.backtest.tick_source import TickTable
from core.market.model import CorporateAction, Exchange
from core.matching.model import BOOK_TYPES, FillMode, MatchingType, OddLot

SYMBOL_COLUMNS = ("symbol", "STOCK_NUM", "stock_num", "ts_code", "code")


@dataclass(frozen=True, slots=True)
class Series:
    """What a run needs of one instrument."""

    name: str
    bars: CheckedBars
    listing: Listing | None
    actions: tuple[CorporateAction, ...]
    due: list[DueAction]
    terms: FillTerms
    quotes: FillQuotes | None = None

    @property
    def ticks(self) -> dict[str, str]:
        """The sha256 of the ticks that orders met, as a parameter of the run."""
        return {"ticks": self.quotes.digest} if self.quotes is not None and self.quotes.digest else {}

    @property
    def notes(self) -> list[str]:
        """What a result tells of the prices and the lots that orders met."""
        told, unmet = [], 0 if self.quotes is None else self.quotes.unmet
        if unmet:
            told.append(f"{self.name}: orders could meet no price on {unmet} of {len(self.bars)} bars")
        listing, is_lot = self.listing, self.terms.lots[2] == OddLot.WHOLE
        if is_lot and listing is not None and listing.exchange is Exchange.HKEX and listing.lot_size is None:
            told.append(f"{self.name}: its board lot is not known, so orders for any number of shares were taken")
        return told

    def holding(self, account: Account, request: RunRequest, *, gaps: NDArray[np.bool_] | None = None) -> Holding:
        """Open an empty holding of the instrument in an account."""
        options = HoldingOptions(
            price="open" if request.mode is FillMode.NEXT_OPEN else "close",
            carry_orders=request.carry_orders,
            take_rights=request.take_rights,
            is_taxed=request.tax is DividendTax.CN_INDIVIDUAL,
            on_trade=request.on_trade,
            quotes=self.quotes,
        )
        return Holding(self.name, self.bars, self.terms, account, options, gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a caller names one instrument."""

    asset: int | str | None = None
    filter_value: Any = None
    bars: Any = None
    actions: Sequence[CorporateAction] | None = None
    listing: Listing | str | None = None


def prepare(request: RunRequest, wanted: Wanted) -> Series:
    """Read, check and look up. Raises `BarsInvalid`, `ColumnMissing`, `ListingUnknown` and their kin."""
    table = _table(request, wanted)
    listing = _listing(request, wanted, table)
    name = _name(wanted, listing)
    bars, ticks = _bars(request, table, listing, name)
    costs = CostSettings(
        rules=request.rules,
        commission_bps=request.commission_bps,
        volume_limit=request.volume_limit,
        usual_part=1.0 if request.matching_type in BOOK_TYPES else USUAL_PART,
        has_volume=ticks is not None,
        **request.slippage_terms,
    )
    terms = terms_for(bars, costs, listing if request.rules else None)
    actions = tuple(table.actions if wanted.actions is None else wanted.actions)
    return Series(
        name=name,
        bars=bars,
        listing=listing,
        actions=actions,
        due=due_actions(bars, actions),
        terms=terms,
        quotes=fill_quotes(request, bars, terms, listing, ticks),
    )


def _bars(
    request: RunRequest, table: BarTable, listing: Listing | None, name: str
) -> tuple[CheckedBars, TickTable | None]:
    """Check the bars, in the places that the prices orders meet need, and read the ticks that are needed."""

    def checked(places: int) -> CheckedBars:
        return check_bars(
            table,
            date_column=request.date_column,
            price_columns=request.price_columns,
            start=request.start,
            end=request.end,
            max_bars=request.max_bars,
            least_places=places,
        )

    places = least_places(listing) if request.rules else 2
    bars = checked(max(places, VWAP_PLACES) if request.matching_type is MatchingType.VWAP else places)
    ticks = ticks_for(request, name, bars)
    if ticks is not None and ticks.places > bars.places:
        bars = checked(ticks.places)
    if request.matching_type is None and request.mode is FillMode.NEXT_OPEN and "open" not in bars.prices:
        names = ", ".join(table.rows[0] if table.rows else table.columns)
        column = (request.price_columns or {}).get("open", "open")
        raise ColumnMissing(column=column, purpose='the price of fill="next_open"', columns=names)
    return bars, ticks


def benchmark_closes(request: RunRequest) -> tuple[NDArray[np.int64], NDArray[np.float64], list[dict[str, Any]]] | None:
    """Return the days and closes of the benchmark and its rows, or None where none was asked for."""
    if request.benchmark_asset is None and request.benchmark_bars is None:
        return None
    names = dict(request.price_columns or {})
    close = request.benchmark_price_column or names.get("close", "close")
    if request.benchmark_bars is not None:
        table = table_of(request.benchmark_bars)
    else:
        table = read_asset(
            request.benchmark_asset,
            filter_column=request.benchmark_filter_column,
            filter_value=request.benchmark_filter_value,
            start=request.start,
            end=request.end,
        )
    table = _filtered(table, request.benchmark_filter_column, request.benchmark_filter_value)
    bars = check_bars(
        _only(table, request.date_column, close),
        date_column=request.date_column,
        price_columns={"close": close},
        start=request.start,
        end=request.end,
        max_bars=request.max_bars,
    )
    closes = bars.prices["close"] / 10**bars.places
    rows = [{"dt": dt, "close": one} for dt, one in zip(bars.dts(0, len(bars)), closes.tolist(), strict=True)]
    return bars.days, closes, rows


def _table(request: RunRequest, wanted: Wanted) -> BarTable:
    if wanted.bars is not None:
        table = _filtered(table_of(wanted.bars), request.filter_column, wanted.filter_value)
    else:
        table = read_asset(
            wanted.asset,
            filter_column=request.filter_column,
            filter_value=wanted.filter_value,
            start=request.start,
            end=request.end,
        )
    if request.filter_column is not None and table.rows is not None and not len(table.rows):
        raise BarsMissing(between=f" where {request.filter_column} is {wanted.filter_value!r}")
    return table


def _filtered(table: BarTable, column: str | None, value: Any) -> BarTable:
    """Keep the rows of one instrument where the caller gave rows of several."""
    if column is None or value is None:
        return table
    if table.rows is None:
        if column not in table.columns:
            return table
        kept = np.flatnonzero(np.asarray(table.columns[column]) == value)
        return replace(table, columns={name: np.asarray(values)[kept] for name, values in table.columns.items()})
    if not len(table.rows) or column not in table.rows[0]:
        return table
    return replace(table, rows=[row for row in table.rows if row.get(column) == value])


def _only(table: BarTable, date_column: str, close: str) -> BarTable:
    """Keep the date and the close: a benchmark needs nothing else, so nothing else can be wrong with it."""
    if table.rows is not None:
        return BarTable(
            rows=[{name: row.get(name) for name in (date_column, close) if name in row} for row in table.rows]
        )
    return BarTable(columns={name: table.columns[name] for name in (date_column, close) if name in table.columns})


def _name(wanted: Wanted, listing: Listing | None) -> str:
    if listing is not None:
        return listing.symbol
    named = wanted.filter_value if wanted.filter_value is not None else wanted.asset
    return "" if named is None else str(named)


def _listing(request: RunRequest, wanted: Wanted, table: BarTable) -> Listing | None:
    """Find out which instrument the bars are of: said, told by the source, or read from the names given."""
    given = wanted.listing
    if isinstance(given, Listing):
        return given
    first = table.rows[0] if table.rows else {}
    columns = (first.get(name) for name in SYMBOL_COLUMNS if name in first)
    for candidate in (given, wanted.filter_value, wanted.asset, *columns):
        found = listing_of(candidate)
        if found is not None:
            return table.listing or found
    if table.listing is None and request.rules is not None:
        raise ListingUnknown(rules=request.rules.value, given=given or wanted.filter_value or wanted.asset)
    return table.listing
