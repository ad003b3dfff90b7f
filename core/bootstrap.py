"""Wires everything: makes each long-lived object once. Nothing below may import it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.access.audit_log import AuditLog, load_or_create_key
from core.access.service import AccessService
from core.backtest.lookahead_service import LookAheadService
from core.backtest.run_service import ENGINE, BacktestJob, BacktestRunService
from core.backtest.service import BacktestService
from core.backtest.sweep_service import SweepJob, SweepService
from core.catalog.service import CatalogService
from core.clock import Clock, SystemClock
from core.conversation.service import ConversationService
from core.durable.child import Children
from core.durable.runner import RunJob
from core.durable.runs import RunService
from core.feedback.service import FeedbackService
from core.ids import IdSource, RandomIds
from core.market.bar_store import MarketStore
from core.market.service import MarketService
from core.market.trading_calendar import TradingCalendars
from core.notify.service import NotifyService
from core.portfolio.service import PortfolioService
from core.recommendation.service import RecommendationService
from core.secrets import SECRETS_KEY_FILE, SecretBox
from core.settings import Settings
from core.storage.database import Database

if TYPE_CHECKING:
    from core.market.providers.live import LiveMarket

CALENDAR_FILE: Final = "calendar.csv"
"""A desk's own additions to the trading calendars, inside its home."""
AUDIT_HEAD_FILE: Final = "audit.head"


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
    conversation: ConversationService
    notify: NotifyService
    backtest: BacktestService
    runs: RunService
    children: Children
    backtest_runs: BacktestRunService
    lookahead: LookAheadService
    sweeps: SweepService
    jobs: Mapping[str, RunJob]
    live: "LiveMarket | None" = None

    async def close(self) -> None:
        """Give back connections: those to live sources first, which may still be at work, then the database."""
        await self.market.close()
        if self.live is not None:
            await self.live.close()
        await self.database.close()


async def build(
    settings: Settings, *, clock: Clock | None = None, ids: IdSource | None = None, market: MarketService | None = None
) -> Services:
    """Open a desk: migrate its database and make its services. Close it with `close`.

    `market` is one that is open already: desks that share a market folder read it once.

    Raises `DatabaseNewer`, `DatabaseUnreachable`, `KeyFileInvalid` or `CalendarFileInvalid`, each saying what to do.
    """
    clock, ids = clock or SystemClock(), ids or RandomIds()
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    audit = AuditLog(load_or_create_key(settings.keys_folder, ids), settings.home / AUDIT_HEAD_FILE, clock)
    store = market.store if market is not None else MarketStore(settings.market_folder)
    database = Database(settings.database)
    await database.migrate()
    live = _open_live(settings, clock)
    if market is None:
        calendars = TradingCalendars.load(settings.home / CALENDAR_FILE)
        market = MarketService(store, clock, calendars=calendars, live=live.quotes if live else None)
    recommendation = RecommendationService(market, clock)
    portfolio = PortfolioService(market, clock, recommendation)
    backtest, runs, children = BacktestService(clock), RunService(clock, ids), Children(ENGINE)
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
        portfolio=portfolio,
        catalog=CatalogService(market, clock, folder=settings.home / "assets"),
        feedback=FeedbackService(clock),
        conversation=ConversationService(clock, ids),
        notify=NotifyService(clock, SecretBox(settings.keys_folder / SECRETS_KEY_FILE, ids)),
        backtest=backtest,
        runs=runs,
        children=children,
        backtest_runs=BacktestRunService(market, runs, portfolio),
        lookahead=LookAheadService(market, children),
        sweeps=SweepService(market, runs),
        jobs=_jobs(BacktestJob(market, backtest), SweepJob(market, clock, settings.cluster)),
        live=live,
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
        await services.close()


def _jobs(*jobs: RunJob) -> dict[str, RunJob]:
    """Return who carries out the runs of each kind."""
    return {job.kind: job for job in jobs}


def _open_live(settings: Settings, clock: Clock) -> "LiveMarket | None":
    """Return the live market where the operator turned it on."""
    if not settings.live_market:
        return None
    from core.market.providers.live import open_live_market  # noqa: PLC0415 - only a desk with live data pays for it

    return open_live_market(clock=clock, folder=settings.market_folder / "live")
