"""The ledger's figures: folding a million trades in memory and from the database, reading a large portfolio."""

import asyncio
import itertools
import random
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from time import perf_counter

from sqlalchemy import insert

from benchmarks.harness import Row, summarise, timed
from core.access.store import teams
from core.clock import FrozenClock
from core.market.model import Exchange, Instrument, InstrumentKind, Provenance, Quote
from core.portfolio.book import Book, Terms
from core.portfolio.entries import BUY, RATE_ONE, SELL, Entry
from core.portfolio.ledger import State, fold
from core.portfolio.model import Account, AccountType, Fact, FactKind
from core.portfolio.service import PortfolioService
from core.portfolio.store import LedgerStore
from core.storage.database import Database
from tests.support import slow_ledger
from tests.support.databases import create_schema

HOLDINGS = 500
TRADES = 1_000_000
READ_TRADES = 100_000
CHUNK = 20_000
START = date(2016, 1, 4).toordinal()
DAYS = 3650
TODAY = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
ACCOUNT = Account(account_key=0, account_id="DEFAULT", account_type=AccountType.REAL, version=0)

Trades = dict[str, list[Entry]]


def rows() -> dict[str, Callable[[], Row]]:
    return {"ledger_fold": fold_row, "ledger_fold_database": fold_database_row, "ledger_read": read_row}


def fold_row() -> Row:
    """One million trades in memory; the reference is the tests' slow ledger on one holding, times the holdings."""
    made = trades(TRADES)
    slow = [slow_fact(entry) for entry in next(iter(made.values()))]
    samples = [timed(lambda: fold_all(made)) for _ in range(5)]
    reference = timed(lambda: slow_ledger.follow(slow)) * HOLDINGS
    note = f"{TRADES} trades of {HOLDINGS} holdings; reference: the plain fold in fractions, of one holding, scaled"
    return summarise("ledger_fold", samples, unit="s", target=4, references=[reference], note=note)


def fold_database_row() -> Row:
    """The same million, read from SQLite."""

    async def measure(database: Database) -> list[float]:
        await bulk_fill(database, trades(TRADES))
        return [await seconds(fold_from_database(database)) for _ in range(3)]

    note = f"{TRADES} facts of {HOLDINGS} holdings on SQLite, one process"
    return summarise("ledger_fold_database", on_new_database(measure), unit="s", target=12, note=note)


def read_row() -> Row:
    """Profit and loss of a portfolio through the service; the reference folds every fact instead."""

    async def measure(database: Database) -> list[float]:
        await fill(database, trades(READ_TRADES))
        service = PortfolioService(BenchmarkMarket(), FrozenClock(TODAY), NoAdvice())
        await read(database, service)
        samples = [await seconds(read(database, service)) * 1000 for _ in range(20)]
        return [*samples, await seconds(fold_from_database(database)) * 1000]

    *samples, reference = on_new_database(measure)
    note = f"{HOLDINGS} holdings, {READ_TRADES} trades on SQLite; reference: folding the facts, without checkpoints"
    return summarise("ledger_read", samples, unit="ms", target=50, references=[reference], note=note)


def on_new_database(measure: Callable[[Database], Awaitable[list[float]]]) -> list[float]:
    async def run(folder: str) -> list[float]:
        database = Database(f"sqlite:///{Path(folder) / 'desk.sqlite3'}")
        await create_schema(database)
        try:
            return await measure(database)
        finally:
            await database.close()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(folder))


async def seconds(work: Awaitable[object]) -> float:
    began = perf_counter()
    await work
    return perf_counter() - began


def trades(count: int, *, seed: int = 1) -> Trades:
    """Make possible trades of `HOLDINGS` instruments: a position is held all the time."""
    generator = random.Random(seed)
    made: Trades = {}
    for place in range(HOLDINGS):
        held, day, entries = 0, START, []
        for number in range(count // HOLDINGS):
            day += generator.random() < DAYS * HOLDINGS / count
            sells = held > 2000 and entries and entries[-1].day < day
            quantity = 100 * generator.randrange(1, 10)
            held += -quantity if sells else quantity
            amount = quantity * generator.randrange(500, 20_000)
            sequence = number * HOLDINGS + place + 1
            entries.append(Entry(day, 2, sequence, SELL if sells else BUY, quantity, amount, 500, RATE_ONE, sequence))
        made[f"{600000 + place}.SH"] = entries
    return made


def fact_of(symbol: str, entry: Entry) -> Fact:
    return Fact(
        kind=FactKind.BUY if entry.effect == BUY else FactKind.SELL,
        trade_date=date.fromordinal(entry.day),
        symbol=symbol,
        quantity=entry.quantity,
        price=(Decimal(entry.amount) / entry.quantity).scaleb(-2),
        amount=Decimal(entry.amount).scaleb(-2),
        fees=Decimal("5.00"),
        sequence=entry.sequence,
    )


def slow_fact(entry: Entry) -> slow_ledger.SlowFact:
    return slow_ledger.SlowFact(
        day=date.fromordinal(entry.day),
        kind="buy" if entry.effect == BUY else "sell",
        quantity=entry.quantity,
        amount=Fraction(entry.amount, 100),
        fee=Fraction(entry.charges, 100),
    )


def facts_of(made: Trades) -> list[Fact]:
    """Return all facts in the order in which they were recorded."""
    facts = (fact_of(symbol, entry) for symbol, entries in made.items() for entry in entries)
    return sorted(facts, key=lambda fact: fact.sequence)


def fold_all(made: Trades) -> None:
    for symbol, entries in made.items():
        fold(State(symbol=symbol, t_plus_one=True, is_foreign=False), entries)


async def make_team(database: Database) -> None:
    async with database.unit_of_work() as uow:
        async with uow.write():
            await uow.execute(insert(teams).values(name="bench", name_key="bench", created_at=TODAY))
        await uow.commit()


async def fill(database: Database, made: Trades) -> None:
    """Store the facts through the same book as every write."""
    await make_team(database)
    facts = facts_of(made)
    terms = {symbol: Terms(t_plus_one=True, currency="CNY") for symbol in made}
    async with database.unit_of_work() as uow:
        book = Book(LedgerStore(uow).for_team(1), ACCOUNT, terms)
        async with uow.write():
            await book.write(facts, await book.plan(facts), at=TODAY)
        await uow.commit()


async def bulk_fill(database: Database, made: Trades) -> None:
    """Store the facts alone, without folding them."""
    await make_team(database)
    async with database.unit_of_work() as uow:
        store = LedgerStore(uow).for_team(1)
        async with uow.write():
            account = await store.claim(ACCOUNT, sum(map(len, made.values())), at=TODAY)
            for chunk in chunks(facts_of(made)):
                await store.add_facts(account.account_key, chunk, first=chunk[0].sequence, at=TODAY)
        await uow.commit()


def chunks(facts: Iterable[Fact]) -> Iterable[list[Fact]]:
    remaining = iter(facts)
    while chunk := list(itertools.islice(remaining, CHUNK)):
        yield chunk


async def fold_from_database(database: Database) -> None:
    async with database.unit_of_work(read_only=True) as uow:
        groups = await LedgerStore(uow).for_team(1).entries([1])
    fold_all({symbol: entries for (_, symbol), entries in groups.items()})


async def read(database: Database, service: PortfolioService) -> None:
    async with database.unit_of_work(read_only=True) as uow:
        await service.pnl(uow, 1)


class BenchmarkMarket:
    """Answers at once, as a warm market service does."""

    async def instrument(self, code: str, **_: object) -> Instrument:
        return Instrument(
            symbol=code, name=code, exchange=Exchange.SSE, board=None, kind=InstrumentKind.STOCK, currency="CNY"
        )

    async def quotes(self, symbols: list[str], **_: object) -> dict[str, Quote]:
        return {symbol: _quote(symbol) for symbol in symbols}

    def provenance(self, dataset: str, **_: object) -> Provenance:
        return Provenance(dataset=dataset, as_of="2026-11-20", simulated=True)


def _quote(symbol: str) -> Quote:
    price = Decimal("10.00")
    figures = dict.fromkeys(("open", "high", "low", "volume", "amount"))
    return Quote(
        symbol=symbol,
        name=symbol,
        last_price=price,
        reference_price=price,
        trade_date=date(2026, 11, 20),
        at=TODAY,
        currency="CNY",
        is_suspended=False,
        source="benchmark",
        **figures,
    )


class NoAdvice:
    async def latest(self, *_: object) -> dict[str, object]:
        return {}
