"""Bars of the desk's own market, with all that the rules and corporate actions need."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from core.backtest.model import BarTable, listing_of
from core.backtest.problems import ListingUnknown
from core.market.model import Adjustment, BarSeries, Frequency, InstrumentKind
from core.market.service import MarketService

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAILY_ONLY: Final = ("pre_close", "is_st")
"""What the rules need of a day, and minutes do not tell."""


async def desk_bars(
    market: MarketService,
    code: str,
    *,
    start: date | None = None,
    end: date | None = None,
    kind: InstrumentKind | None = None,
    frequency: Frequency = Frequency.DAY,
) -> BarTable:
    """Return raw bars of an instrument with its listing and corporate actions, for `backtest(bars=...)`.

    Days without a trade are left out: the engine knows a suspension by the missing bar. Days of a stock carry
    `adj_factor`: a raw price times it can be compared over ex-dates, which signals need and fills must not see. Minutes
    carry what the rules need of their day. Raises `InstrumentNotFound` and `ListingUnknown`.
    """
    import numpy as np  # noqa: PLC0415 - most calls of a desk read no bars

    instrument = await market.instrument(code, kind=kind)
    symbol = instrument.symbol
    series = await market.bars(symbol, start=start, end=end, frequency=frequency, adjustment=Adjustment.RAW)
    listing = listing_of(symbol)
    if listing is None:
        raise ListingUnknown(rules="a_share", given=symbol)
    traded, columns = np.ones(len(series), dtype=np.bool_), dict(series.columns)
    if frequency is not Frequency.DAY:
        columns |= await _of_their_days(market, series)
        if np.isnan(columns["volume"].astype(np.float64)).any():
            del columns["volume"]
    elif instrument.kind is not InstrumentKind.INDEX:
        traded = np.asarray(series.columns["volume"], dtype=np.int64) > 0
    columns = {"trade_date": series.times[traded]} | {name: column[traded] for name, column in columns.items()}
    if frequency is Frequency.DAY and "pre_close" in columns:
        columns["adj_factor"] = _factors(columns["close"], columns["pre_close"])
    return BarTable(
        columns=columns,
        listing=replace(
            listing, list_date=instrument.list_date, kind=instrument.kind, st_spells=await _st_spells(market, symbol)
        ),
        actions=await market.actions([symbol], start=start, end=end),
        simulated=series.provenance.simulated,
    )


def _factors(close: "NDArray[Any]", pre_close: "NDArray[Any]") -> "NDArray[Any]":
    """Return the product of previous close / reference price since the first bar; later bars change nothing in it."""
    import numpy as np  # noqa: PLC0415 - most calls of a desk read no bars

    factors = np.ones(len(close))
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = close[:-1] / pre_close[1:]
    factors[1:] = np.cumprod(np.where(np.isfinite(steps), steps, 1.0))
    return factors


async def _of_their_days(market: MarketService, minutes: BarSeries) -> "dict[str, NDArray[Any]]":
    """Return the reference price and the state of ST of each minute's day; NaN where the day has no bar."""
    import numpy as np  # noqa: PLC0415 - most calls of a desk read no bars

    if not len(minutes):
        return {}
    days = minutes.times.astype("datetime64[D]")
    first, last = days[0].item(), days[-1].item()
    daily = await market.bars(minutes.symbol, start=first, end=last, frequency=Frequency.DAY)
    places = np.searchsorted(daily.times, days)
    known = places < len(daily)
    known[known] = daily.times[places[known]] == days[known]
    found = {}
    for name in DAILY_ONLY:
        if name in daily.columns:
            values = np.full(len(days), np.nan)
            values[known] = daily.columns[name][places[known]]
            found[name] = values
    return found


async def _st_spells(market: MarketService, symbol: str) -> tuple[tuple[date, date | None], ...]:
    table = await asyncio.to_thread(market.store.table, "st", symbols=[symbol])
    return tuple((row["first_date"], row["last_date"]) for row in table.to_pylist())
