"""Daily bars of the desk's own market, with all that the rules and corporate actions need."""

import asyncio
from dataclasses import replace
from datetime import date

from core.backtest.model import BarTable, listing_of
from core.backtest.problems import ListingUnknown
from core.market.model import Adjustment, Frequency, InstrumentKind
from core.market.service import MarketService


async def desk_bars(
    market: MarketService,
    code: str,
    *,
    start: date | None = None,
    end: date | None = None,
    kind: InstrumentKind | None = None,
) -> BarTable:
    """Return raw daily bars of an instrument with its listing and corporate actions, for `backtest(bars=...)`.

    Days without a trade are left out: the engine knows a suspension by the missing bar. Raises `InstrumentNotFound`
    and `ListingUnknown`.
    """
    import numpy as np  # noqa: PLC0415 - most calls of a desk read no bars

    instrument = await market.instrument(code, kind=kind)
    symbol = instrument.symbol
    series = await market.bars(symbol, start=start, end=end, frequency=Frequency.DAY, adjustment=Adjustment.RAW)
    listing = listing_of(symbol)
    if listing is None:
        raise ListingUnknown(rules="a_share", given=symbol)
    traded = np.ones(len(series), dtype=np.bool_)
    if instrument.kind is not InstrumentKind.INDEX:
        traded = np.asarray(series.columns["volume"], dtype=np.int64) > 0
    return BarTable(
        columns={"trade_date": series.times[traded]}
        | {name: column[traded] for name, column in series.columns.items()},
        listing=replace(
            listing, list_date=instrument.list_date, kind=instrument.kind, st_spells=await _st_spells(market, symbol)
        ),
        actions=await market.actions([symbol], start=start, end=end),
        simulated=series.provenance.simulated,
    )


async def _st_spells(market: MarketService, symbol: str) -> tuple[tuple[date, date | None], ...]:
    table = await asyncio.to_thread(market.store.table, "st", symbols=[symbol])
    return tuple((row["first_date"], row["last_date"]) for row in table.to_pylist())
