"""Prices, bars, instruments and trading days."""

from datetime import date
from typing import Annotated

from pydantic import Field

from core.market.model import Adjustment, Exchange, Frequency, InstrumentKind
from core.market.service_answers import (
    BarPage,
    BarsWanted,
    CalendarDays,
    InstrumentList,
    QuoteList,
    bar_page,
    calendar_days,
    find_instruments,
    quote_list,
)
from tools.context import SkillContext
from tools.risk import RiskTier
from tools.skill import skill

CODE_TEXT = 'Codes are text and keep their leading zeros: "000878", never 878.'


@skill(
    "market.instrument.search",
    tier=RiskTier.GREEN,
    http="GET /api/market/instruments",
    title="Find instruments",
    title_zh="查找证券",
    example={"text": "银行"},
    aliases={"q": "text"},
)
async def instrument_search(
    ctx: SkillContext,
    *,
    text: Annotated[
        str, Field(min_length=1, max_length=100, description="Code or part of it, Chinese name, or a former name.")
    ],
    limit: Annotated[int, Field(description="Most instruments to return, at most 100.")] = 20,
) -> InstrumentList:
    """Find shares, funds and indices by code or name; the closest first.

    Use it when the user gives a name, or a code that could be several things. With a full code in hand go straight to
    `market.quote.get` or `market.bars.get`. Former names and codes lead to the present instrument.
    """
    return await find_instruments(ctx.services.market, text, limit=limit)


@skill(
    "market.quote.get",
    tier=RiskTier.GREEN,
    http="GET /api/market/quotes",
    title="Last prices",
    title_zh="最新行情",
    example={"symbols": ["000001.SH"]},
    gotchas=(CODE_TEXT, "A suspended share answers with its last price and isSuspended true."),
)
async def quote_get(
    ctx: SkillContext,
    *,
    symbols: Annotated[list[str], Field(description="1 to 50 codes, such as 600519.SH, 600519 or sh600519.")],
    as_of: Annotated[date | None, Field(description="Last price at or before this day; today when left out.")] = None,
) -> QuoteList:
    """Last price of up to 50 instruments, with the day's reference price, range and volume.

    Use it for "what is X trading at" and for the close of one day. For a history use `market.bars.get`; for what the
    user's own shares are worth use `investment.stock.portfolio.pnl.get`. Look at `tradeDate`: it may not be today.
    """
    return await quote_list(ctx.services.market, symbols, as_of=as_of)


@skill(
    "market.bars.get",
    tier=RiskTier.GREEN,
    http="GET /api/market/bars",
    title="Bars",
    title_zh="历史行情",
    example={"symbol": "000001.SH", "start": "2026-11-02", "end": "2026-11-19"},
    gotchas=(CODE_TEXT, "Without page only the newest 1,000 bars are returned; isCut and total say what is missing."),
)
async def bars_get(  # noqa: PLR0913 - each is a choice of the caller
    ctx: SkillContext,
    *,
    symbol: Annotated[str, Field(description="One code, such as 600519.SH.")],
    start: Annotated[date | None, Field(description="First day; the oldest stored when left out.")] = None,
    end: Annotated[date | None, Field(description="Last day; the newest stored when left out.")] = None,
    frequency: Annotated[Frequency, Field(description="Length of a bar.")] = Frequency.DAY,
    adjustment: Annotated[
        Adjustment, Field(description="raw as traded; forward: today's prices are raw; backward: the first are.")
    ] = Adjustment.RAW,
    kind: Annotated[InstrumentKind | None, Field(description="index for 000001 the index, not the share.")] = None,
    page: Annotated[int | None, Field(description="Page from 1, counted from the oldest bar.")] = None,
    size: Annotated[int, Field(description="Bars per page, at most 1,000.")] = 1000,
) -> BarPage:
    """Daily or minute bars of one instrument, oldest first.

    Use it for charts, returns and indicators. To compare prices across a dividend or a bonus use adjustment forward;
    for what was really paid use raw. For one price use `market.quote.get`; for rows of many shares at once use
    `dataasset.data.get` on stock_day.
    """
    wanted = BarsWanted(
        code=symbol,
        kind=kind,
        start=start,
        end=end,
        frequency=frequency,
        adjustment=adjustment,
        page=page,
        size=size,
    )
    return await bar_page(ctx.services.market, wanted)


@skill(
    "market.calendar.get",
    tier=RiskTier.GREEN,
    http="GET /api/market/calendar",
    title="Trading calendar",
    title_zh="交易日历",
    example={"exchange": "SH", "start": "2026-12-01", "end": "2026-12-31"},
)
async def calendar_get(
    ctx: SkillContext,
    *,
    exchange: Annotated[
        Exchange, Field(description="SH, SZ and BJ share one calendar; HK has its own.")
    ] = Exchange.SSE,
    start: Annotated[date | None, Field(description="First day; today when left out.")] = None,
    end: Annotated[date | None, Field(description="Last day; 30 days after the first when left out.")] = None,
    open_only: Annotated[bool, Field(description="Leave out the days on which the exchange is closed.")] = False,
) -> CalendarDays:
    """Trading days, holidays and half days of an exchange.

    Use it before saying that a market is open, and to count trading days. It says nothing of single shares: a share
    may be suspended on an open day. Days that the exchange has not announced yet are refused, not guessed.
    """
    return await calendar_days(ctx.services.market, exchange, start=start, end=end, open_only=open_only)
