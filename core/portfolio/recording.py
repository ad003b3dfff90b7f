"""Putting facts into the ledger: from a caller's words to checked facts, stored with the states they lead to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from core.clock import Clock, china_today
from core.market.model import Exchange, Instrument
from core.money import round_cents
from core.portfolio.book import Book, Plan, Terms
from core.portfolio.checks import find_faults, settles_next_day
from core.portfolio.fees import Charges, estimate_charges
from core.portfolio.model import (
    BASE_CURRENCY,
    Account,
    AccountType,
    Fact,
    FactKind,
    Source,
)
from core.portfolio.ports import Market
from core.portfolio.refusals import AccountTypeFixed, FactExists, MarketMismatch, PositionNotFound
from core.portfolio.requests import NewTrade
from core.portfolio.store import Checkpoint, LedgerStore, TeamLedger
from core.storage.unit_of_work import UnitOfWork


class Recorder:
    """Resolves, checks and stores facts for every use case that writes."""

    def __init__(self, market: Market, clock: Clock) -> None:
        self.market = market
        self.clock = clock

    def today(self) -> date:
        """Return the calendar day in Shanghai."""
        return china_today(self.clock)

    def terms(self, instruments: Iterable[Instrument]) -> dict[str, Terms]:
        """Return how each instrument is kept."""
        return {
            instrument.symbol: Terms(
                t_plus_one=settles_next_day(instrument, self.today()), currency=instrument.currency
            )
            for instrument in instruments
        }

    def ledger(self, uow: UnitOfWork, team_id: int) -> TeamLedger:
        """Return the team's store for this call."""
        return LedgerStore(uow).for_team(team_id)

    async def resolve(self, code: str, market: Exchange | None) -> Instrument:
        """Return the instrument of a code. Raises `MarketMismatch` when it trades elsewhere than the caller said."""
        suffixed = code if market is None or "." in code else f"{code}.{market.value}"
        instrument = await self.market.instrument(suffixed)
        if market is not None and instrument.exchange is not market:
            raise MarketMismatch(symbol=instrument.symbol, exchange=instrument.exchange.value, market=market.value)
        return instrument

    async def account(self, store: TeamLedger, account_id: str, account_type: AccountType) -> Account:
        """Return the account, or one not stored yet. Raises `AccountTypeFixed` when it is of the other type."""
        found = await store.accounts(account_id)
        if not found:
            return Account(account_key=0, account_id=account_id, account_type=account_type, version=0)
        if found[0].account_type is not account_type:
            known = found[0].account_type.value
            raise AccountTypeFixed(account_id=account_id, account_type=known, asked=account_type.value)
        return found[0]

    async def position(self, store: TeamLedger, position_id: int) -> tuple[Checkpoint, Account]:
        """Return a position's checkpoint and account. Raises `PositionNotFound`."""
        checkpoint = await store.checkpoint(position_id)
        if checkpoint is None:
            raise PositionNotFound(position_id=position_id)
        accounts = {account.account_key: account for account in await store.accounts()}
        return checkpoint, accounts[checkpoint.account_key]

    async def rate(self, store: TeamLedger, currency: str, day: date, given: Decimal | None) -> Decimal | None:
        """Return the base currency for one unit: as given, else as recorded up to the day, else None. Never a guess."""
        if currency == BASE_CURRENCY or given is not None:
            return given
        return (await store.fx_rates(day)).get(currency)

    async def trade_fact(
        self, store: TeamLedger, trade: NewTrade, instrument: Instrument
    ) -> tuple[Fact, tuple[str, ...]]:
        """Make the fact of a trade and say what was assumed about its charges and exchange rate."""
        kind = FactKind(trade.trade_type.value.lower())
        rate = await self.rate(store, instrument.currency, trade.trade_date, trade.fx_rate)
        fact = valued(kind, instrument, trade.trade_date, quantity=trade.quantity, price=trade.price)
        self.check([fact], {instrument.symbol: instrument})
        charges, warnings = self._charges(trade, fact, instrument)
        if rate is None and instrument.currency != BASE_CURRENCY:
            missing = f"No exchange rate {BASE_CURRENCY}/{instrument.currency} is known for {trade.trade_date}: "
            warnings = (*warnings, missing + "results in the base currency stay empty. Give fx_rate.")
        source = Source.MANUAL if trade.external_id is None else Source.API
        fact = replace(fact, fees=charges.fees, tax=charges.tax, fx_rate=rate, source=source)
        return replace(fact, external_id=trade.external_id, note=trade.note), warnings

    def _charges(self, trade: NewTrade, fact: Fact, instrument: Instrument) -> tuple[Charges, tuple[str, ...]]:
        if trade.fees is not None or trade.tax is not None:
            return Charges(trade.fees or Decimal(0), trade.tax or Decimal(0)), ()
        if trade.estimate_fees:
            charges = estimate_charges(fact, instrument)
            return charges, (f"Fees {charges.fees} and tax {charges.tax} are estimated from the dated fee rules.",)
        return Charges(Decimal(0), Decimal(0)), (
            "No fees were given: recorded as 0. estimate_fees=true computes them.",
        )

    def check(self, facts: Sequence[Fact], instruments: Mapping[str, Instrument]) -> None:
        """Raise the first reason why one of the facts cannot be."""
        for fact in facts:
            instrument = instruments.get(fact.symbol or "")
            faults = find_faults(fact, instrument, today=self.today(), is_trading_day=self.market.is_trading_day)
            for fault in faults:
                raise fault

    async def append(
        self,
        uow: UnitOfWork,
        store: TeamLedger,
        account: Account,
        facts: Sequence[Fact],
        *,
        instruments: Iterable[Instrument],
        taken_back: Sequence[Fact] = (),
    ) -> list[Fact]:
        """Check the facts against each other and the ledger, then store them: all or none."""
        by_symbol = {instrument.symbol: instrument for instrument in instruments}
        self.check(facts, by_symbol)
        await self._refuse_known(store, account, facts)
        book = Book(store, account, self.terms(by_symbol.values()))
        plans = await book.plan(facts, {fact.fact_id: fact for fact in taken_back})
        return await self.write(uow, book, facts, plans=plans, taken_back=taken_back)

    async def write(
        self,
        uow: UnitOfWork,
        book: Book,
        facts: Sequence[Fact],
        *,
        plans: Mapping[str, Plan],
        taken_back: Sequence[Fact] = (),
    ) -> list[Fact]:
        """Store planned facts in the call's one write transaction."""
        async with uow.write():
            return await book.write(facts, plans, at=self.clock.now(), taken_back=taken_back)

    async def _refuse_known(self, store: TeamLedger, account: Account, facts: Sequence[Fact]) -> None:
        named = [fact.external_id for fact in facts if fact.external_id is not None]
        known = await store.external_ids(account.account_key) if named and account.account_key else {}
        for external_id in named:
            if external_id in known:
                raise FactExists(account_id=account.account_id, external_id=external_id)


def valued(kind: FactKind, instrument: Instrument, day: date, *, quantity: int, price: Decimal) -> Fact:
    """Make a fact whose amount is price times quantity, half up to the cent; 0 for figures that are refused later."""
    amount = round_cents(price * quantity) if price.is_finite() and abs(price) < 10**9 else Decimal(0)
    return Fact(
        kind=kind,
        trade_date=day,
        symbol=instrument.symbol,
        quantity=quantity,
        price=price,
        amount=amount,
        currency=instrument.currency,
    )


def reversal(fact: Fact, day: date, *, note: str, source: Source = Source.MANUAL) -> Fact:
    """Make the fact that takes a stored fact back."""
    return Fact(
        kind=FactKind.REVERSAL,
        trade_date=day,
        symbol=fact.symbol,
        currency=fact.currency,
        source=source,
        reverses=fact.fact_id,
        note=note,
    )
