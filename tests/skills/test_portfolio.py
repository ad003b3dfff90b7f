"""The skills about holdings, as every door runs them."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.clock import FrozenClock
from core.errors import Conflict, NotPossible
from core.portfolio.checks import find_faults
from core.portfolio.model import FactKind
from core.portfolio.recording import valued
from core.portfolio.refusals import (
    AssetClassUnavailable,
    DayInFuture,
    FigureInvalid,
    MarketMismatch,
    NothingToChange,
    PositionNotFound,
)
from core.storage.database import Database
from skills.investment import portfolio
from tests.support.fake_market import quote
from tests.support.ledger_skills import ANNA, BEN, SkillDesk
from tools.context import SkillContext

pytestmark = pytest.mark.anyio
OPENING: dict[str, Any] = {"stock_num": "600519", "market": "SH", "qty": 100, "cost": "1500"}


@pytest.fixture
async def desk(database: Database, clock: FrozenClock, tmp_path: Path) -> SkillDesk:
    made = await SkillDesk.make(database, clock, tmp_path)
    made.market.quotes_by_symbol["600519.SH"] = quote("600519.SH", "1510", reference="1500")
    return made


async def test_create_list_update(desk: SkillDesk) -> None:
    made = await desk.run("investment.stock.portfolio.create", asset_class="stock", **OPENING)
    assert (made.data["symbol"], made.data["market"], made.data["unrealizedPnl"]) == ("600519.SH", "SH", "1000.00")
    listed = await desk.run("investment.stock.portfolio.list", accountType="real", stockNum="600519")
    assert listed.data == [made.data]
    assert listed.beside == {"total": 1, "limit": 100, "offset": 0}
    assert (listed.meta["dataset"], listed.meta["currency"]) == ("daily", "CNY")
    position = made.data["positionId"]
    changed = await desk.run("investment.stock.portfolio.update", position_id=position, qty=200)
    assert (changed.data["quantity"], changed.data["totalCost"]) == (200, "300000.00")
    assert (await desk.run("investment.stock.portfolio.list", BEN)).data == []


async def test_profit_and_loss_and_its_explanation(desk: SkillDesk) -> None:
    made = await desk.run("investment.stock.portfolio.create", openedOn="2026-11-02", **OPENING)
    report = await desk.run("investment.stock.portfolio.pnl.get")
    assert (report.data["asOf"], report.data["total"]["todayPnl"]) == ("2026-11-20", "1000.00")
    assert report.data["currencies"][0]["unrealizedPnl"] == "1000.00"
    assert report.meta["simulated"] is True
    known = await desk.run("investment.stock.portfolio.explain", position_id=made.data["positionId"])
    assert [fact["kind"] for fact in known.data["facts"]] == ["opening"]
    assert known.data["methods"]["averageCost"] == "total cost / quantity"


@pytest.mark.parametrize("asset_class", ["fund", "gold"])
async def test_funds_and_gold_do_not_exist_yet(desk: SkillDesk, asset_class: str) -> None:
    with pytest.raises(AssetClassUnavailable, match="keeps stocks only"):
        await desk.run("investment.stock.portfolio.list", asset_class=asset_class)
    with pytest.raises(AssetClassUnavailable):
        await desk.run("investment.stock.portfolio.create", asset_class=asset_class, **OPENING)


async def test_a_code_of_another_market_is_refused(desk: SkillDesk) -> None:
    with pytest.raises(MarketMismatch):
        await desk.run("investment.stock.portfolio.create", **(OPENING | {"stock_num": "600519.SH", "market": "SZ"}))


async def test_delete_asks_a_person_first(desk: SkillDesk, database: Database, clock: FrozenClock) -> None:
    made = await desk.run("investment.stock.portfolio.create", **OPENING)
    position_id = made.data["positionId"]
    with pytest.raises(Conflict) as caught:
        await desk.run("investment.stock.portfolio.delete", position_id=position_id)
    assert "100 shares become 0" in caught.value.extras()["preview"]["summary"]
    with pytest.raises(PositionNotFound):
        await desk.run("investment.stock.portfolio.delete", BEN, position_id=position_id)
    async with database.unit_of_work() as uow:
        ctx = SkillContext(services=desk.services, uow=uow, caller=ANNA, clock=clock, trace_id="trc_1")
        assert (await portfolio.portfolio_delete(ctx, position_id=position_id)).quantity_after == 0
        await uow.commit()
    assert (await desk.run("investment.stock.portfolio.list")).data == []


RATE = "a finite rate above zero, at most 100000000"
SHARES = "a whole number of shares above zero, at most 1000000000000"
BUY = {"stock_num": "600519", "market": "SH", "trade_type": "BUY", "price": "10", "trade_date": "2026-11-18"}


@pytest.mark.parametrize(
    ("skill", "given", "path", "expected", "got"),
    [
        ("portfolio.pnl.get", {"fx_rates": {"HKD": "-1"}}, "fx_rates.HKD", RATE, "-1"),
        ("portfolio.pnl.get", {"fx_rates": {"USD": "7", "HKD": "0"}}, "fx_rates.HKD", RATE, "0"),
        ("portfolio.create", OPENING | {"qty": 10**18}, "qty", SHARES, str(10**18)),
        ("portfolio.create", OPENING | {"qty": 0}, "qty", SHARES, "0"),
        (
            "portfolio.create",
            OPENING | {"cost": "-1"},
            "cost",
            "a finite price from zero up, at most 100000000",
            "-1",
        ),
        ("trading.create", BUY | {"qty": 10**18}, "qty", SHARES, str(10**18)),
        (
            "trading.create",
            BUY | {"qty": 10**12, "price": "101"},
            "qty",
            "so few that they cost at most 100000000000000",
            str(10**12),
        ),
        ("trading.create", BUY | {"qty": 100, "price": "0"}, "price", "a price above zero", "0"),
    ],
)
async def test_a_wrong_figure_is_named_by_its_argument(desk: SkillDesk, skill, given, path, expected, got) -> None:
    with pytest.raises(FigureInvalid) as caught:
        await desk.run(f"investment.stock.{skill}", **given)
    message = f"{path} must be {expected}, not {got}."
    assert caught.value.extras() == {
        "field": path,
        "expected": expected,
        "got": got,
        "errors": [{"path": path, "message": message, "expected": expected, "got": got}],
    }


async def test_profit_and_loss_of_a_day_to_come_is_refused(desk: SkillDesk) -> None:
    with pytest.raises(DayInFuture) as caught:
        await desk.run("investment.stock.portfolio.pnl.get", as_of="2026-11-21")
    assert caught.value.message == "as_of 2026-11-21 lies in the future; today is 2026-11-20."
    assert caught.value.extras()["errors"][0]["path"] == "as_of"


async def test_a_correction_must_correct_something(desk: SkillDesk) -> None:
    made = await desk.run("investment.stock.portfolio.create", **OPENING)
    with pytest.raises(NothingToChange) as caught:
        await desk.run("investment.stock.portfolio.update", position_id=made.data["positionId"], note="why")
    assert caught.value.extras()["errors"][0]["message"] == "Nothing is to be changed: give qty, cost or both."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            BUY | {"trade_date": "2026-11-15", "qty": 100},
            "SH was closed on 2026-11-15, so 600519.SH cannot have traded.",
        ),
        (
            BUY | {"trade_type": "SELL", "qty": 100},
            "100 600519.SH cannot leave on 2026-11-18: only 0 are held then.",
        ),
    ],
)
async def test_refusals_speak_the_words_of_the_wire(desk: SkillDesk, given, said) -> None:
    with pytest.raises(NotPossible) as caught:
        await desk.run("investment.stock.trading.create", **given)
    assert caught.value.message == said
    assert "record" not in caught.value.extras()


@pytest.mark.parametrize(
    ("dates", "day", "said"),
    [
        ({"list_date": date(2026, 11, 19)}, date(2026, 11, 18), "listed 2026-11-19"),
        (
            {"list_date": date(2001, 8, 27), "delist_date": date(2020, 1, 2)},
            date(2020, 1, 2),
            "listed 2001-08-27, delisted 2020-01-02",
        ),
    ],
)
async def test_a_listing_is_told_by_the_dates_known(desk: SkillDesk, dates, day, said) -> None:
    instrument = replace(await desk.market.instrument("600519"), **dates)
    fact = valued(FactKind.BUY, instrument, day, quantity=100, price=Decimal(10))
    (fault,) = find_faults(fact, instrument, today=date(2026, 11, 20), is_trading_day=lambda *_: True)
    assert fault.message == f"600519.SH was not listed on {day} ({said})."
