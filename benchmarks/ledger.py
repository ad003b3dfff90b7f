"""Times of the ledger, as JSON: `python -m benchmarks.ledger`.

fold_seconds: 1,000,000 trades of 500 instruments in memory; fold_database_seconds: the same number read from the
database; read_*_milliseconds: a portfolio of 500 holdings and 100,000 trades, valued (best and median of 20).
"""

import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from core.clock import FrozenClock
from core.market.model import Exchange, Instrument, InstrumentKind, Provenance, Quote
from core.portfolio.book import Book, Terms
from core.portfolio.entries import BUY, RATE_ONE, SELL, Entry
from core.portfolio.ledger import State, fold
from core.portfolio.model import Account, AccountType, Fact, FactKind
from core.portfolio.requests import HoldingQuery
from core.portfolio.service import PortfolioService
from core.portfolio.store import LedgerStore
from core.storage.database import Database
from tests.support.databases import create_schema

HOLDINGS = 500
START = date(2016, 1, 4).toordinal()
DAYS = 3650
TODAY = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)


def trades(count: int, *, seed: int = 1) -> dict[str, list[Entry]]:
    """Make possible trades of `HOLDINGS` instruments: a position is held all the time."""
    generator = random.Random(seed)
    made: dict[str, list[Entry]] = {}
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


async def fill(database: Database, made: dict[str, list[Entry]]) -> None:
    """Store the facts through the same book as every write."""
    from sqlalchemy import insert

    from core.access.store import teams

    facts = sorted((fact_of(symbol, entry) for symbol, entries in made.items() for entry in entries), key=_sequence)
    terms = {symbol: Terms(t_plus_one=True, currency="CNY") for symbol in made}
    async with database.unit_of_work() as uow:
        async with uow.write():
            await uow.execute(insert(teams).values(name="bench", name_key="bench", created_at=TODAY))
            store = LedgerStore(uow).for_team(1)
            account = Account(account_key=0, account_id="DEFAULT", account_type=AccountType.REAL, version=0)
            book = Book(store, account, terms)
            await book.write(facts, await book.plan(facts), at=TODAY)
        await uow.commit()


def _sequence(fact: Fact) -> int:
    return fact.sequence


async def fold_from_database(database: Database) -> float:
    began = time.perf_counter()
    async with database.unit_of_work(read_only=True) as uow:
        groups = await LedgerStore(uow).for_team(1).entries([1])
    for (_, symbol), entries in groups.items():
        fold(State(symbol=symbol, t_plus_one=True, is_foreign=False), entries)
    return time.perf_counter() - began


async def read_times(database: Database) -> dict[str, list[float]]:
    service = PortfolioService(BenchmarkMarket(), FrozenClock(TODAY), NoAdvice())
    times: dict[str, list[float]] = {"list": [], "pnl": []}
    for _ in range(20):
        for name, taken in times.items():
            began = time.perf_counter()
            async with database.unit_of_work(read_only=True) as uow:
                if name == "list":
                    await service.list_holdings(uow, 1, query=HoldingQuery(limit=HOLDINGS))
                else:
                    await service.pnl(uow, 1)
            taken.append((time.perf_counter() - began) * 1000)
    return times


def fold_seconds(made: dict[str, list[Entry]]) -> float:
    began = time.perf_counter()
    for symbol, entries in made.items():
        fold(State(symbol=symbol, t_plus_one=True, is_foreign=False), entries)
    return time.perf_counter() - began


async def main(count: int) -> None:
    figures: dict[str, float | int] = {"trades": count, "fold_seconds": round(fold_seconds(trades(count)), 2)}
    with tempfile.TemporaryDirectory() as folder:
        for size in (count // 10, count):
            database = Database(f"sqlite+aiosqlite:///{Path(folder) / f'{size}.sqlite3'}")
            await create_schema(database)
            await fill(database, trades(size))
            if size == count:
                figures["fold_database_seconds"] = round(await fold_from_database(database), 2)
            else:
                for name, times in (await read_times(database)).items():
                    figures[f"read_{name}_best_milliseconds"] = round(min(times), 1)
                    figures[f"read_{name}_median_milliseconds"] = round(statistics.median(times), 1)
            await database.close()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
