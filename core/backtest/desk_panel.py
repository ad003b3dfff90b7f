"""The desk's own market as a panel, with all that the rules and corporate actions need."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import numpy as np

from core.backtest.model import Listing, listing_of
from core.backtest.panel_market import PanelMarket, panel_market
from core.backtest.problems import BarsMissing
from core.market.model import InstrumentKind
from core.market.panel import Panel
from core.market.service import MarketService

COLUMNS: Final = ("open", "high", "low", "close", "pre_close", "volume", "is_st", "total_shares")


async def desk_panel(
    market: MarketService,
    *,
    symbols: Sequence[str] | None = None,
    start: date | None = None,
    end: date | None = None,
    market_rules: str | None = "a_share",
) -> PanelMarket:
    """Return the daily bars of the mainland's shares, or of some symbols, for `backtest_panel`.

    Its `market_cap` is the close times all shares, NaN where their number is not known. Days without a trade are no
    bars. Raises `BarsMissing` where the market has none of them.
    """
    panel = await asyncio.to_thread(market.store.panel, COLUMNS, symbols=symbols, start=start, end=end)
    if not len(panel.days) or not panel.symbols:
        raise BarsMissing(between=f" from {start} to {end}" if start or end else "")
    listings = await _listings(market, panel.symbols)
    actions = await market.actions(list(panel.symbols), start=start, end=end)
    return await asyncio.to_thread(
        panel_market,
        _with_caps(panel),
        market_rules=market_rules,
        listings=listings,
        actions=actions,
        skip_untraded=True,
        simulated=market.is_simulated,
    )


def _with_caps(panel: Panel) -> Panel:
    shares = np.where(panel["total_shares"] > 0, panel["total_shares"], np.nan)
    return Panel(panel.days, panel.symbols, dict(panel.columns) | {"market_cap": panel["close"] * shares})


async def _listings(market: MarketService, symbols: Sequence[str]) -> dict[str, Listing]:
    found = {}
    for symbol in symbols:
        listing = listing_of(symbol)
        instrument = await market.instrument(symbol)
        if listing is not None:
            kind = instrument.kind or InstrumentKind.STOCK
            found[symbol] = replace(listing, list_date=instrument.list_date, kind=kind)
    return found
