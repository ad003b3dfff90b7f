"""Values come back exactly as they went in, on both databases."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError

from core.clock import CHINA
from core.storage.column_types import BigId, EnumText, ScaledDecimal, UtcDateTime
from core.storage.database import Database

pytestmark = pytest.mark.anyio


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


things = Table(
    "things",
    MetaData(),
    Column("id", BigId, primary_key=True),
    Column("cash", ScaledDecimal(2)),
    Column("price", ScaledDecimal(8)),
    Column("moment", UtcDateTime),
    Column("colour", EnumText(Colour)),
    Column("number", Integer),
)


@pytest.fixture
async def desk(database: Database) -> Database:
    await database.run(things.create)
    return database


async def there_and_back(desk: Database, **values):
    async with desk.unit_of_work() as uow:
        async with uow.write():
            result = await uow.execute(insert(things).values(**values))
        row = await uow.fetch_one(select(things).where(things.c.id == result.inserted_primary_key[0]))
        await uow.commit()
    return row


@pytest.mark.parametrize("text", ["0", "-0.01", "92233720368547758.07", "-92233720368547758.08", "1000000.10"])
async def test_cash_is_exact(desk: Database, text: str) -> None:
    assert (await there_and_back(desk, cash=Decimal(text))).cash == Decimal(text)


@pytest.mark.parametrize("text", ["0.00000001", "1234.56789012", "-3.10"])
async def test_prices_are_exact(desk: Database, text: str) -> None:
    assert (await there_and_back(desk, price=Decimal(text))).price == Decimal(text)


async def test_digits_are_never_lost_in_silence(desk: Database) -> None:
    with pytest.raises(StatementError):
        await there_and_back(desk, cash=Decimal("0.001"))


async def test_moments_come_back_in_utc_to_the_microsecond(desk: Database) -> None:
    moment = datetime(2026, 11, 20, 15, 30, 0, 123456, tzinfo=CHINA)
    row = await there_and_back(desk, moment=moment)
    assert (row.moment, row.moment.tzinfo) == (moment, UTC)


async def test_a_naive_moment_is_refused(desk: Database) -> None:
    with pytest.raises(StatementError, match="naive moment"):
        await there_and_back(desk, moment=datetime(2026, 11, 20))  # noqa: DTZ001 - the fault under test


async def test_moments_compare_in_the_database(desk: Database) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for minutes in range(3):
        await there_and_back(desk, moment=noon + timedelta(minutes=minutes), number=minutes)
    async with desk.unit_of_work() as uow:
        later = select(things.c.number).where(things.c.moment > noon.astimezone(CHINA)).order_by(things.c.moment)
        assert [row.number for row in await uow.fetch_all(later)] == [1, 2]


async def test_enums_come_back_as_members_and_others_are_refused(desk: Database) -> None:
    assert (await there_and_back(desk, colour=Colour.BLUE)).colour is Colour.BLUE
    assert (await there_and_back(desk, colour="red")).colour is Colour.RED
    with pytest.raises(StatementError):
        await there_and_back(desk, colour="green")


async def test_nothing_stays_nothing(desk: Database) -> None:
    row = await there_and_back(desk, number=1)
    assert (row.cash, row.price, row.moment, row.colour) == (None, None, None, None)


async def test_keys_grow(desk: Database) -> None:
    keys = [(await there_and_back(desk, number=number)).id for number in range(3)]
    assert keys == [1, 2, 3]
