"""Wires everything: makes each long-lived object once. Nothing below may import it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from core.access.audit_log import AuditLog, load_or_create_key
from core.access.service import AccessService
from core.backtest.service import BacktestService
from core.catalog.service import CatalogService
from core.clock import Clock, SystemClock
from core.feedback.service import FeedbackService
from core.ids import IdSource, RandomIds
from core.market.bar_store import MarketStore
from core.market.service import MarketService
from core.market.sources import QuoteSource
from core.market.trading_calendar import TradingCalendars
from core.portfolio.service import PortfolioService
from core.recommendation.service import RecommendationService
from core.settings import Settings
from core.storage.database import Database

CALENDAR_FILE: Final = "calendar.csv"
"""A desk's own additions to the trading calendars, inside its home."""
AUDIT_HEAD_FILE: Final = "audit.head"
LIVE_TIMEOUT_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Services:
    """Every long-lived object of a desk, one attribute per domain."""

    settings: Settings
    clock: Clock
    ids: IdSource
    database: Database
    access: AccessService
    audit: AuditLog
    market_store: MarketStore
    market: MarketService
    recommendation: RecommendationService
    portfolio: PortfolioService
    catalog: CatalogService
    feedback: FeedbackService
    backtest: BacktestService


async def build(settings: Settings, *, clock: Clock | None = None, ids: IdSource | None = None) -> Services:
    """Open a desk: migrate its database and make its services. Close it with `close`.

    Raises `DatabaseNewer`, `DatabaseUnreachable`, `AuditKeyInvalid` or `CalendarFileInvalid`, each saying what to do.
    """
    clock, ids = clock or SystemClock(), ids or RandomIds()
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    audit = AuditLog(load_or_create_key(settings.keys_folder, ids), settings.home / AUDIT_HEAD_FILE, clock)
    calendars = TradingCalendars.load(settings.home / CALENDAR_FILE)
    store = MarketStore(settings.market_folder)
    live = _live_quotes(settings, clock) if settings.live_market else None
    market = MarketService(store, clock, calendars=calendars, live=live)
    recommendation = RecommendationService(market, clock)
    database = Database(settings.database)
    await database.migrate()
    return Services(
        settings=settings,
        clock=clock,
        ids=ids,
        database=database,
        access=AccessService(ids, clock, settings),
        audit=audit,
        market_store=store,
        market=market,
        recommendation=recommendation,
        portfolio=PortfolioService(market, clock, recommendation),
        catalog=CatalogService(market, clock, folder=settings.home / "assets"),
        feedback=FeedbackService(clock),
        backtest=BacktestService(clock),
    )


@asynccontextmanager
async def opened(
    settings: Settings, *, clock: Clock | None = None, ids: IdSource | None = None
) -> AsyncIterator[Services]:
    """Open a desk for the length of a block."""
    services = await build(settings, clock=clock, ids=ids)
    try:
        yield services
    finally:
        await services.database.close()


def _live_quotes(settings: Settings, clock: Clock) -> QuoteSource:
    """Return today's prices from outside: Eastmoney, then Sina, then Tencent, then the last good answer."""
    import httpx  # noqa: PLC0415 - only a desk with live data pays for it

    from core.market.fallback import Circuit, LiveQuotes  # noqa: PLC0415
    from core.market.providers.eastmoney import Eastmoney  # noqa: PLC0415
    from core.market.providers.last_answers import FileAnswers  # noqa: PLC0415
    from core.market.providers.sina import Sina  # noqa: PLC0415
    from core.market.providers.tencent import Tencent  # noqa: PLC0415
    from core.market.providers.wire import Wire  # noqa: PLC0415

    wire = Wire(httpx.AsyncClient(timeout=LIVE_TIMEOUT_SECONDS, follow_redirects=False))
    answers = FileAnswers(settings.market_folder / "live", clock)
    sources: list[QuoteSource] = [Eastmoney(wire, clock), Sina(wire, clock), Tencent(wire, clock)]
    return LiveQuotes(sources, clock=clock, circuit=Circuit(clock), last_answers=answers)
