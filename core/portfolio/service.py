"""What callers can do with the ledger: look, record, correct, take back, import."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from core.clock import Clock
from core.performance.images import Picture
from core.portfolio import explaining
from core.portfolio.checks import check_rates
from core.portfolio.corrections import Corrector
from core.portfolio.model import (
    TRADES,
    Account,
    AccountScope,
    Explanation,
    Fact,
    FactKind,
    Holding,
    HoldingPage,
    LedgerLine,
    PnlReport,
    Removal,
    Source,
    TradePage,
)
from core.portfolio.ports import LatestRecommendations, Market
from core.portfolio.recording import Recorder, valued
from core.portfolio.refusals import DayInFuture, OpeningExists
from core.portfolio.requests import HoldingQuery, NewPosition, NewTrade, StatementFile, TradeQuery
from core.portfolio.statements.events import GIVEN
from core.portfolio.statements.importing import StatementImporter
from core.portfolio.statements.model import StatementImport
from core.portfolio.store import FactFilter, TeamLedger
from core.portfolio.valuation import Position, sum_base, sum_currencies
from core.portfolio.views import Appraiser, Valuation, cash_on, positions_on
from core.storage.unit_of_work import UnitOfWork

LARGEST_PAGE = 1000
METHOD = "average cost; FIFO beside it"


class PortfolioService:
    """Holdings, trades, profit and loss; made once by `bootstrap`."""

    def __init__(self, market: Market, clock: Clock, recommendations: LatestRecommendations) -> None:
        self._recorder = Recorder(market, clock)
        self._corrector = Corrector(self._recorder)
        self._importer = StatementImporter(self._recorder)
        self._appraiser = Appraiser(market)
        self._recommendations = recommendations

    async def list_holdings(self, uow: UnitOfWork, team_id: int, *, query: HoldingQuery) -> HoldingPage:
        """Return open positions with prices and the latest advice; weights are of all holdings in scope."""
        symbol = None if query.code is None else (await self._recorder.resolve(query.code, query.market)).symbol
        store = self._recorder.ledger(uow, team_id)
        valuation = await self._valuation(store, query.account_id, query.account_type)
        found = [
            holding
            for holding in valuation.holdings
            if holding.quantity
            and (symbol is None or holding.symbol == symbol)
            and (query.market is None or holding.market is query.market)
            and (query.text.casefold() in holding.symbol.casefold() or query.text in holding.name)
        ]
        shown = found[query.offset : query.offset + query.limit]
        symbols = [holding.symbol for holding in shown]
        advice = await self._recommendations.latest(uow, team_id, symbols) if shown else {}
        items = tuple(
            replace(holding, recommendation=advice[holding.symbol]) if holding.symbol in advice else holding
            for holding in shown
        )
        page = {"total": len(found), "limit": query.limit, "offset": query.offset}
        return HoldingPage(items=items, meta=valuation.meta, **page)

    async def picture(
        self, uow: UnitOfWork, team_id: int, *, account_id: str | None, account_type: AccountScope
    ) -> Picture:
        """Return the largest holdings as an image. Raises `ChartsMissing` without the extra `charts`."""
        from core.portfolio import holdings_image  # noqa: PLC0415 - an extra, on first use

        query = HoldingQuery(account_id=account_id, account_type=account_type, limit=LARGEST_PAGE)
        page = await self.list_holdings(uow, team_id, query=query)
        content = await asyncio.to_thread(holdings_image.draw, page)
        return Picture.of_png(content, name="holdings.png", title=holdings_image.title_of(page))

    async def pnl(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        as_of: date | None = None,
        account_id: str | None = None,
        account_type: AccountScope = AccountScope.REAL,
        fx_rates: Mapping[str, Decimal] | None = None,
    ) -> PnlReport:
        """Return profit and loss per holding, closed ones too, per currency and in the base currency.

        Raises `DayInFuture`, and `FigureInvalid` for exchange rates that are none.
        """
        today = self._recorder.today()
        day = as_of or today
        if day > today:
            raise DayInFuture(argument="as_of", day=day, today=today)
        check_rates(fx_rates or {})
        store = self._recorder.ledger(uow, team_id)
        valuation = await self._valuation(store, account_id, account_type, as_of=day, fx_rates=fx_rates)
        accounts = await store.accounts(account_id, account_type.account_type)
        used = {holding.currency for holding in valuation.holdings}
        return PnlReport(
            as_of=day,
            method=METHOD,
            total=sum_base(valuation.positions, valuation.holdings, valuation.marks),
            currencies=tuple(sum_currencies(valuation.holdings)),
            holdings=tuple(valuation.holdings),
            cash=tuple(await cash_on(store, accounts, day, today=today)),
            fx_rates={currency: rate for currency, rate in valuation.marks.fx_rates.items() if currency in used},
            meta=valuation.meta,
        )

    async def explain(self, uow: UnitOfWork, team_id: int, *, position_id: int) -> Explanation:
        """Return the facts and lots behind a position's figures. Raises `PositionNotFound`."""
        store = self._recorder.ledger(uow, team_id)
        checkpoint, account = await self._recorder.position(store, position_id)
        today = self._recorder.today()
        positions = await positions_on(store, [account], today, with_empty=True)
        valuation = await self._appraise(store, positions, as_of=today, fx_rates=None)
        place = next(place for place, item in enumerate(positions) if item.position_id == checkpoint.position_id)
        return await explaining.explain(
            store, account, positions[place], holding=valuation.holdings[place], meta=valuation.meta
        )

    async def list_trades(self, uow: UnitOfWork, team_id: int, *, query: TradeQuery) -> TradePage:
        """Return purchases and sales, newest first, without those taken back."""
        symbol = None if query.code is None else (await self._recorder.resolve(query.code, query.market)).symbol
        store = self._recorder.ledger(uow, team_id)
        known = await store.accounts(query.account_id, query.account_type.account_type)
        accounts = {account.account_key: account for account in known}
        kinds = TRADES if query.trade_type is None else frozenset({FactKind(query.trade_type.value.lower())})
        suffix = None if query.market is None else query.market.value
        chosen = FactFilter(account_keys=list(accounts), kinds=kinds, symbol=symbol, market=suffix)
        found, total = await store.page_of_facts(chosen, limit=query.size, offset=(query.page - 1) * query.size)
        items = tuple(explaining.line(accounts[key], fact) for key, fact in found)
        return TradePage(items=items, page=query.page, size=query.size, total=total)

    async def create_trade(self, uow: UnitOfWork, team_id: int, *, trade: NewTrade) -> LedgerLine:
        """Record a purchase or sale; the position follows. Raises the refusals of the ledger."""
        instrument = await self._recorder.resolve(trade.code, trade.market)
        store = self._recorder.ledger(uow, team_id)
        fact, warnings = await self._recorder.trade_fact(store, trade, instrument)
        account = await self._recorder.account(store, trade.account_id, trade.account_type)
        warnings = (*warnings, *await self._outdated_events(store, account, fact))
        (stored,) = await self._recorder.append(uow, store, account, [fact], instruments=[instrument])
        return replace(explaining.line(account, stored), warnings=warnings)

    async def create_opening(self, uow: UnitOfWork, team_id: int, *, position: NewPosition) -> Holding:
        """Enter a position that existed before the ledger. Raises `OpeningExists` when it is there already."""
        instrument = await self._recorder.resolve(position.code, position.market)
        store = self._recorder.ledger(uow, team_id)
        account = await self._recorder.account(store, position.account_id, position.account_type)
        await self._refuse_held(store, position.account_id, instrument.symbol)
        day = position.opened_on or self._recorder.today()
        rate = await self._recorder.rate(store, instrument.currency, day, position.fx_rate)
        fact = valued(FactKind.OPENING, instrument, day, quantity=position.quantity, price=position.cost)
        fact = replace(fact, fx_rate=rate, note=position.note)
        await self._recorder.append(uow, store, account, [fact], instruments=[instrument])
        return await self._holding(store, position.account_id, instrument.symbol)

    async def update_position(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        position_id: int,
        quantity: int | None = None,
        cost: Decimal | None = None,
        note: str = "",
    ) -> Holding:
        """Correct a position to a quantity, a cost price per share, or both, by appending facts."""
        account_id, symbol = await self._corrector.correct(
            uow, team_id, position_id=position_id, quantity=quantity, cost=cost, note=note
        )
        return await self._holding(self._recorder.ledger(uow, team_id), account_id, symbol)

    async def delete_position(self, uow: UnitOfWork, team_id: int, *, position_id: int, note: str = "") -> Removal:
        """Take every fact of a position back. Raises `PositionNotFound`."""
        return await self._corrector.delete_position(uow, team_id, position_id=position_id, note=note)

    async def preview_delete_position(self, uow: UnitOfWork, team_id: int, *, position_id: int) -> Removal:
        """Say what `delete_position` would do."""
        return await self._corrector.delete_position(uow, team_id, position_id=position_id, note="", preview=True)

    async def delete_trade(self, uow: UnitOfWork, team_id: int, *, record_id: int, note: str = "") -> Removal:
        """Take one trade back. Raises `TradeNotFound`, or `FactIsNeeded` when later facts depend on it."""
        return await self._corrector.delete_trade(uow, team_id, record_id=record_id, note=note)

    async def preview_delete_trade(self, uow: UnitOfWork, team_id: int, *, record_id: int) -> Removal:
        """Say what `delete_trade` would do, or raise why it cannot."""
        return await self._corrector.delete_trade(uow, team_id, record_id=record_id, note="", preview=True)

    async def import_statement(
        self, uow: UnitOfWork, team_id: int, *, file: StatementFile, dry_run: bool = False
    ) -> StatementImport:
        """Read a broker statement into an account: all of it, or nothing when a row must be refused."""
        return await self._importer.run(uow, self._recorder.ledger(uow, team_id), file=file, dry_run=dry_run)

    async def _valuation(
        self,
        store: TeamLedger,
        account_id: str | None,
        scope: AccountScope,
        *,
        as_of: date | None = None,
        fx_rates: Mapping[str, Decimal] | None = None,
    ) -> Valuation:
        """Value the positions of the accounts in scope at the end of a day, today when left out."""
        day = as_of or self._recorder.today()
        accounts = await store.accounts(account_id, scope.account_type)
        positions = await positions_on(store, accounts, day)
        return await self._appraise(store, positions, as_of=day, fx_rates=fx_rates)

    async def _appraise(
        self, store: TeamLedger, positions: Sequence[Position], *, as_of: date, fx_rates: Mapping[str, Decimal] | None
    ) -> Valuation:
        known = await store.fx_rates(as_of) if any(position.state.is_foreign for position in positions) else {}
        rates = known | dict(fx_rates or {})
        return await self._appraiser.appraise(positions, as_of=as_of, today=self._recorder.today(), fx_rates=rates)

    async def _outdated_events(self, store: TeamLedger, account: Account, fact: Fact) -> tuple[str, ...]:
        """Say which events were derived from holdings that a back-dated trade changes; imports derive them again."""
        chosen = FactFilter(account_keys=[account.account_key], symbol=fact.symbol, since=fact.trade_date, kinds=GIVEN)
        later = [item for _, item in await store.facts(chosen) if item.source is Source.DERIVED]
        days = ", ".join(sorted({item.trade_date.isoformat() for item in later if item.trade_date > fact.trade_date}))
        return (
            (f"Events derived for {days} rest on the holding before; the next import corrects them.",) if days else ()
        )

    async def _refuse_held(self, store: TeamLedger, account_id: str, symbol: str) -> None:
        """An opening is for a position that is not there yet."""
        accounts = await store.accounts(account_id)
        for position in await positions_on(store, accounts, self._recorder.today()):
            if position.state.symbol == symbol and position.state.quantity:
                known = {"account_id": account_id, "position_id": position.position_id}
                raise OpeningExists(symbol=symbol, count=position.state.count, **known)

    async def _holding(self, store: TeamLedger, account_id: str, symbol: str) -> Holding:
        """Return one holding as it now stands, weighed against the others of its account."""
        valuation = await self._valuation(store, account_id, AccountScope.ALL)
        return next(holding for holding in valuation.holdings if holding.symbol == symbol)
