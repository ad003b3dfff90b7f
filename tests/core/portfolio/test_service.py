"""The use cases on both databases: record, look, correct, take back."""

import asyncio
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from core.errors import DeskError, ErrorKind, Invalid, NotPossible, VersionConflict
from core.market.model import Exchange
from core.portfolio import book
from core.portfolio.ledger import State, fold
from core.portfolio.model import AccountScope, AccountType, FactKind, TradeType
from core.portfolio.refusals import (
    AccountTypeFixed,
    BeforeOpening,
    BoughtToday,
    FactExists,
    FactIsNeeded,
    FigureInvalid,
    FutureDate,
    MarketClosed,
    MarketMismatch,
    OpeningExists,
    PositionNotFound,
    SellExceedsHolding,
    TradeNotFound,
)
from core.portfolio.requests import NewTrade, TradeQuery
from core.portfolio.schema_store import facts
from core.portfolio.service import PortfolioService
from core.portfolio.store import LedgerStore
from core.portfolio.views import positions_on
from tests.support.fake_market import CodeZerosLost, UnknownInstrument, quote
from tests.support.ledger_desk import LedgerDesk

pytestmark = pytest.mark.anyio
TODAY = date(2026, 11, 20)


async def fact_count(desk: LedgerDesk) -> int:
    async with desk.database.unit_of_work(read_only=True) as uow:
        row = await uow.fetch_one(select(func.count().label("rows")).select_from(facts))
        return row.rows if row else 0


async def test_a_trade_moves_the_position(desk: LedgerDesk) -> None:
    desk.market.quotes_by_symbol["600519.SH"] = quote("600519.SH", "1510.00", reference="1490.00")
    record = await desk.trade("2026-11-18 buy 600519 100 @ 1500.00 fee 37.5")
    await desk.trade("2026-11-20 sell 600519.SH 40 @ 1520.00 fee 15.2 tax 30.4")
    holding = (await desk.holdings())["600519.SH"]
    assert (record.trade_type, record.amount, record.fees, record.warnings) == (
        TradeType.BUY,
        150000,
        Decimal("37.50"),
        (),
    )
    assert (holding.quantity, holding.sellable_quantity, holding.name) == (60, 60, "贵州茅台")
    assert (holding.total_cost, holding.realized_pnl) == (Decimal("90022.50"), Decimal("739.40"))
    assert holding.today_pnl == 60 * 20 + 40 * 30 - Decimal("45.60")


async def test_todays_purchase_cannot_be_sold_today_but_the_rest_can(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-19 buy 600519 100 @ 1500.00")
    await desk.trade("2026-11-20 buy 600519 100 @ 1500.00")
    with pytest.raises(BoughtToday):
        await desk.trade("2026-11-20 sell 600519 101 @ 1500.00")
    await desk.trade("2026-11-20 sell 600519 100 @ 1500.00")
    assert (await desk.holdings())["600519.SH"].sellable_quantity == 0


@pytest.mark.parametrize("code", ["00700.HK", "518880.SH"])
async def test_hong_kong_shares_and_gold_funds_settle_the_same_day(desk: LedgerDesk, code: str) -> None:
    await desk.trade(f"2026-11-20 buy {code} 100 @ 4.00")
    assert (await desk.holdings())[code].sellable_quantity == 100
    await desk.trade(f"2026-11-20 sell {code} 100 @ 5.00")


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("2026-11-18 sell 600519 101 @ 10.00", SellExceedsHolding),
        ("2026-11-23 buy 600519 100 @ 10.00", FutureDate),
        ("2026-11-15 buy 600519 100 @ 10.00", MarketClosed),
        ("2026-11-18 buy 999999 100 @ 10.00", UnknownInstrument),
        ("2026-11-18 buy 878 100 @ 10.00", CodeZerosLost),
        ("2026-11-18 buy 600519 100 @ -10.00", FigureInvalid),
        ("2026-11-18 buy 600519 100 @ 0", FigureInvalid),
        ("2026-11-18 buy 600519 100 @ NaN", FigureInvalid),
        ("2026-11-18 buy 600519 100 @ Infinity", FigureInvalid),
        ("2026-11-18 buy 600519 100 @ 1e30", FigureInvalid),
        ("2026-11-18 buy 600519 0 @ 10.00", FigureInvalid),
        ("2026-11-18 buy 600519 -5 @ 10.00", FigureInvalid),
        ("2026-11-18 buy 600519 100 @ 10.00 fee -1", FigureInvalid),
        ("2026-11-18 buy 600519 100 @ 10.00 fee 0.001", FigureInvalid),
        ("2026-11-18 buy 600519 100 @ 10.00 fee NaN", FigureInvalid),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    desk: LedgerDesk, line: str, error: type[DeskError]
) -> None:
    await desk.trade("2026-11-17 buy 600519 100 @ 10.00")
    with pytest.raises(error) as caught:
        await desk.trade(line)
    assert caught.value.kind in {ErrorKind.INVALID, ErrorKind.NOT_POSSIBLE}
    assert await fact_count(desk) == 1


async def test_estimated_fees_of_impossible_figures_are_refused_before_they_are_computed(desk: LedgerDesk) -> None:
    with pytest.raises(FigureInvalid):
        await desk.trade("2026-11-18 buy 600519 100 @ NaN", fees=None, estimate_fees=True)


async def test_a_market_that_is_not_the_codes_is_refused(desk: LedgerDesk) -> None:
    with pytest.raises(DeskError) as caught:
        await desk.trade("2026-11-18 buy 600519.SH 100 @ 10.00", market=Exchange.SZSE)
    assert isinstance(caught.value, MarketMismatch)


async def test_fees_left_out_are_zero_and_said_so_or_estimated_by_the_dated_rules(desk: LedgerDesk) -> None:
    plain = await desk.trade("2026-11-18 buy 600519 100 @ 1500.00", fees=None)
    assert (plain.fees, plain.tax) == (0, 0)
    assert "recorded as 0" in plain.warnings[0]
    bought = await desk.trade("2026-11-18 buy 600519 100 @ 1500.00", fees=None, estimate_fees=True)
    assert (bought.fees, bought.tax) == (Decimal("39.00"), 0)  # 0.025 % and 0.001 %
    sold = await desk.trade("2023-08-25 buy 600519 100 @ 10.00", fees=None, estimate_fees=True)
    assert sold.fees == Decimal("5.01")
    sold = await desk.trade("2026-11-19 sell 600519 100 @ 1500.00", fees=None, estimate_fees=True)
    assert sold.tax == Decimal("75.00")


async def test_a_back_dated_trade_rebuilds_the_instrument(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    await desk.trade("2026-11-12 sell 600519 100 @ 20.00")
    await desk.trade("2026-11-09 buy 600519 100 @ 30.00")
    holding = (await desk.holdings())["600519.SH"]
    assert (holding.quantity, holding.total_cost, holding.realized_pnl) == (100, 2000, 0)
    with pytest.raises(SellExceedsHolding) as caught:
        await desk.trade("2026-11-11 sell 600519 150 @ 20.00")
    assert caught.value.data["day"] == "2026-11-12"


async def test_an_external_id_counts_once_per_account(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00", external_id="A1")
    with pytest.raises(FactExists):
        await desk.trade("2026-11-10 buy 600519 100 @ 10.00", external_id="A1")
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00", external_id="A1", account_id="second")


async def test_two_writers_one_gets_version_conflict(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    together = [desk.trade("2026-11-11 sell 600519 100 @ 11.00") for _ in range(4)]
    results = await asyncio.gather(*together, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert len(failed) == 3
    assert {type(error) for error in failed} <= {VersionConflict, SellExceedsHolding}
    assert await fact_count(desk) == 2
    assert (await desk.holdings()) == {}


async def test_a_writer_that_read_an_older_ledger_is_refused(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    async with desk.database.unit_of_work() as first:
        store = LedgerStore(first).for_team(1)
        (account,) = await store.accounts()
        await desk.trade("2026-11-11 sell 600519 100 @ 11.00")
        with pytest.raises(VersionConflict, match="Account DEFAULT was changed by somebody else"):
            async with first.write():
                await store.claim(account, 1, at=desk.clock.now())


async def test_two_first_writers_of_an_account(desk: LedgerDesk) -> None:
    together = [desk.trade("2026-11-11 buy 600519 100 @ 11.00") for _ in range(3)]
    results = await asyncio.gather(*together, return_exceptions=True)
    done = [result for result in results if not isinstance(result, BaseException)]
    assert {type(error) for error in results if isinstance(error, BaseException)} <= {VersionConflict}
    assert (await desk.holdings())["600519.SH"].quantity == 100 * len(done) > 0


# Openings and corrections


async def test_an_opening_is_the_first_fact_of_a_position(desk: LedgerDesk) -> None:
    opened = await desk.open("600519", 100, "1500.123", opened_on=date(2026, 11, 14))
    assert (opened.quantity, opened.total_cost, opened.sellable_quantity) == (100, Decimal("150012.30"), 100)
    with pytest.raises(BeforeOpening):
        await desk.trade("2026-11-13 buy 600519 100 @ 10.00")
    with pytest.raises(OpeningExists):
        await desk.open("600519", 50, "1400")
    await desk.trade("2026-11-17 sell 600519 100 @ 1600.00")
    with pytest.raises(OpeningExists):
        await desk.open("600519", 50, "1400")
    earlier = await desk.open("000001", 100, "10", opened_on=date(2026, 11, 2))
    assert earlier.symbol == "000001.SZ"


async def test_an_opening_may_be_entered_before_trades_recorded_earlier(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    await desk.trade("2026-11-11 sell 600519 100 @ 10.00")
    opened = await desk.open("600519", 50, "9", opened_on=date(2026, 11, 9))
    assert (opened.quantity, opened.total_cost) == (50, Decimal("483.33"))


@pytest.mark.parametrize(("quantity", "cost"), [(0, "10"), (-1, "10"), (100, "-1"), (100, "NaN")])
async def test_impossible_openings(desk: LedgerDesk, quantity: int, cost: str) -> None:
    with pytest.raises(FigureInvalid):
        await desk.open("600519", quantity, cost)


async def test_correcting_a_mere_opening_replaces_it(desk: LedgerDesk) -> None:
    opened = await desk.open("600519", 100, "10", opened_on=date(2026, 11, 2))
    fixed = await desk.call(
        desk.service.update_position, position_id=opened.position_id, quantity=200, cost=Decimal(11)
    )
    assert (fixed.quantity, fixed.total_cost, fixed.opened_on) == (200, 2200, date(2026, 11, 2))
    explained = await desk.call(desk.service.explain, position_id=opened.position_id)
    assert [(line.kind, line.is_reversed) for line in explained.facts] == [
        (FactKind.OPENING, True),
        (FactKind.OPENING, False),
        (FactKind.REVERSAL, False),
    ]


async def test_correcting_a_traded_position_keeps_its_result(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 200 @ 10.00")
    await desk.trade("2026-11-11 sell 600519 100 @ 15.00")
    (before,) = (await desk.holdings()).values()
    after = await desk.call(desk.service.update_position, position_id=before.position_id, quantity=150, cost=None)
    assert (after.quantity, after.total_cost, after.realized_pnl, after.fifo_realized_pnl) == (150, 1500, 500, 500)
    again = await desk.call(desk.service.update_position, position_id=before.position_id, cost=Decimal(12))
    assert (again.quantity, again.total_cost, again.realized_pnl) == (150, 1800, 500)
    assert await desk.call(desk.service.update_position, position_id=before.position_id) == again
    with pytest.raises(FigureInvalid):
        await desk.call(desk.service.update_position, position_id=before.position_id, quantity=0)


# Taking back


async def test_deleting_a_trade_restores_what_was_before(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 200 @ 10.00 fee 5")
    before = await desk.holdings(), (await desk.pnl()).cash
    wrong = await desk.trade("2026-11-11 sell 600519 100 @ 15.00 fee 5")
    preview = await desk.call(desk.service.preview_delete_trade, record_id=wrong.record_id)
    assert (preview.quantity_before, preview.quantity_after, preview.cost_after) == (100, 200, Decimal("2005.00"))
    assert "1 record of 600519.SH in account DEFAULT: 100 shares become 200" in preview.summary
    assert preview.changes[1] == {"recordId": wrong.record_id, "reversed": True}
    assert await fact_count(desk) == 2
    assert await desk.call(desk.service.delete_trade, record_id=wrong.record_id) == preview
    assert (await desk.holdings(), (await desk.pnl()).cash) == before
    for record_id in (wrong.record_id, 999):
        with pytest.raises(TradeNotFound):
            await desk.call(desk.service.delete_trade, record_id=record_id)


async def test_a_trade_that_others_depend_on_is_refused_naming_the_first(desk: LedgerDesk) -> None:
    first = await desk.trade("2026-11-10 buy 600519 200 @ 10.00")
    second = await desk.trade("2026-11-11 buy 600519 100 @ 10.00")
    sale = await desk.trade("2026-11-12 sell 600519 250 @ 15.00")
    with pytest.raises(FactIsNeeded, match=f"record {sale.record_id} ") as caught:
        await desk.call(desk.service.delete_trade, record_id=first.record_id)
    assert caught.value.data["dependent_id"] == sale.record_id
    with pytest.raises(FactIsNeeded):
        await desk.call(desk.service.preview_delete_trade, record_id=second.record_id)
    await desk.call(desk.service.delete_trade, record_id=sale.record_id)
    await desk.call(desk.service.delete_trade, record_id=first.record_id)
    assert (await desk.holdings())["600519.SH"].quantity == 100


async def test_deleting_a_position_takes_all_its_facts_back(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 200 @ 10.00")
    await desk.trade("2026-11-11 sell 600519 100 @ 15.00")
    await desk.trade("2026-11-11 buy 000001 100 @ 15.00")
    position_id = (await desk.holdings())["600519.SH"].position_id
    preview = await desk.call(desk.service.preview_delete_position, position_id=position_id)
    removal = await desk.call(desk.service.delete_position, position_id=position_id)
    assert removal == preview
    assert (len(removal.reversed_records), removal.quantity_after, removal.cost_after) == (2, 0, 0)
    report = await desk.pnl()
    assert [item.symbol for item in report.holdings] == ["000001.SZ"]
    assert [balance.amount for balance in report.cash] == [-1500]
    again = await desk.open("600519", 10, "10")
    assert again.position_id == position_id


# Looking


async def test_explain_shows_facts_lots_and_matches(desk: LedgerDesk) -> None:
    first = await desk.trade("2026-11-10 buy 600519 100 @ 10.00 fee 5")
    await desk.trade("2026-11-11 buy 600519 100 @ 12.00 fee 5")
    sale = await desk.trade("2026-11-12 sell 600519 150 @ 15.00 fee 5")
    position_id = (await desk.holdings())["600519.SH"].position_id
    explained = await desk.call(desk.service.explain, position_id=position_id)
    assert [line.kind for line in explained.facts] == [FactKind.BUY, FactKind.BUY, FactKind.SELL]
    assert [(lot.quantity, lot.cost) for lot in explained.open_lots] == [(50, Decimal("602.50"))]
    match = explained.matched_lots[0]
    assert (match.lot_fact_id, match.sale_fact_id, match.quantity) == (first.record_id, sale.record_id, 100)
    assert sum(item.realized_pnl for item in explained.matched_lots) == explained.holding.fifo_realized_pnl
    assert explained.methods["averageCost"] == "total cost / quantity"


async def test_a_past_day_shows_what_was_known_by_then(desk: LedgerDesk) -> None:
    desk.market.quotes_by_symbol["600519.SH"] = quote("600519.SH", "11.00", reference="10.50", day=date(2026, 11, 10))
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    await desk.trade("2026-11-12 sell 600519 100 @ 15.00")
    await desk.trade("2026-11-12 buy 000001 100 @ 15.00")
    past = await desk.pnl(as_of=date(2026, 11, 10))
    assert [(item.symbol, item.quantity, item.today_pnl) for item in past.holdings] == [("600519.SH", 100, 100)]
    assert [balance.amount for balance in past.cash] == [-1000]
    assert (await desk.pnl(as_of=date(2026, 11, 9))).holdings == ()
    now = await desk.pnl()
    assert {item.symbol: item.realized_pnl for item in now.holdings} == {"600519.SH": 500, "000001.SZ": 0}


async def test_missing_and_old_prices_and_rates_are_said(desk: LedgerDesk) -> None:
    desk.market.quotes_by_symbol["600519.SH"] = quote("600519.SH", "11.00", day=date(2026, 11, 19))
    desk.market.quotes_by_symbol["00700.HK"] = quote("00700.HK", "440")
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    await desk.trade("2026-11-10 buy 000001 100 @ 10.00")
    hong_kong = await desk.trade("2026-11-10 buy 00700 100 @ 400.00")
    assert "No exchange rate CNY/HKD" in hong_kong.warnings[0]
    report = await desk.pnl()
    assert [text.partition(":")[0] for text in report.meta.warnings] == [
        "No price for 000001.SZ",
        "1 of 2 prices are older than 2026-11-20 (newest of them 2026-11-19)",
        "No exchange rate CNY/HKD is known",
    ]
    assert report.total.market_value is None
    named = await desk.pnl(fx_rates={"HKD": Decimal("0.92")})
    assert named.fx_rates == {"HKD": Decimal("0.92")}
    assert len(named.meta.warnings) == 2


async def test_holdings_are_filtered_and_paged(desk: LedgerDesk) -> None:
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    await desk.trade("2026-11-10 buy 000001 100 @ 10.00")
    await desk.trade("2026-11-10 buy 000878 100 @ 10.00", account_id="paper", account_type=AccountType.PAPER)
    assert set(await desk.holdings()) == {"600519.SH", "000001.SZ"}
    assert set(await desk.holdings(account_type=AccountScope.PAPER)) == {"000878.SZ"}
    assert set(await desk.holdings(account_type=AccountScope.ALL)) == {"600519.SH", "000001.SZ", "000878.SZ"}
    assert set(await desk.holdings(code="600519")) == {"600519.SH"}
    assert set(await desk.holdings(market=Exchange.SZSE)) == {"000001.SZ"}
    assert set(await desk.holdings(text="茅台")) == {"600519.SH"}
    assert set(await desk.holdings(account_id="other")) == set()
    assert set(await desk.holdings(limit=1, offset=1)) == {"000001.SZ"}
    with pytest.raises(AccountTypeFixed):
        await desk.trade("2026-11-10 buy 600519 100 @ 10.00", account_id="paper")


async def test_trades_are_listed_newest_first(desk: LedgerDesk) -> None:
    for line in ("2026-11-10 buy 600519 100", "2026-11-12 buy 000001 50", "2026-11-11 sell 600519 100"):
        await desk.trade(f"{line} @ 10.00")
    await desk.open("688001", 100, "10")
    page = await desk.call(desk.service.list_trades, query=TradeQuery(size=2))
    assert [(item.trade_date.day, item.trade_type) for item in page.items] == [(12, "BUY"), (11, "SELL")]
    assert (page.total, page.page, page.size) == (3, 1, 2)
    rest = await desk.call(desk.service.list_trades, query=TradeQuery(size=2, page=2))
    assert [item.trade_date.day for item in rest.items] == [10]
    sold = await desk.call(desk.service.list_trades, query=TradeQuery(trade_type=TradeType.SELL, code="600519"))
    assert sold.total == 1
    assert (await desk.call(desk.service.list_trades, query=TradeQuery(market=Exchange.SZSE))).total == 1


async def test_another_teams_ledger_does_not_exist(desk: LedgerDesk) -> None:
    record = await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    position_id = (await desk.holdings())["600519.SH"].position_id
    desk.team_id = 2
    assert await desk.holdings() == {}
    assert (await desk.pnl()).holdings == ()
    assert (await desk.call(desk.service.list_trades, query=TradeQuery())).total == 0
    for method in (desk.service.explain, desk.service.update_position, desk.service.delete_position):
        with pytest.raises(PositionNotFound):
            await desk.call(method, position_id=position_id)
    with pytest.raises(TradeNotFound):
        await desk.call(desk.service.delete_trade, record_id=record.record_id)
    await desk.trade("2026-11-10 buy 600519 100 @ 10.00")
    assert (await desk.holdings())["600519.SH"].position_id != position_id


@pytest.mark.parametrize("seed", [1, 2])
async def test_checkpoint_and_tail_give_the_full_fold(
    desk: LedgerDesk, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """With checkpoints that lag behind, after every write: what is read is the fold of all facts."""
    monkeypatch.setattr(book, "SMALL_STATE", 0)
    monkeypatch.setattr(book, "LONGEST_TAIL", 4)
    generator, records, lagged = random.Random(seed), [], 0
    for number in range(39):
        side, quantity = generator.choice(["buy", "buy", "sell"]), generator.randrange(1, 300)
        day = date(2026, 10, 12) + timedelta(days=number if generator.random() < 0.9 else generator.randrange(39))
        line = f"{day} {side} 600519 {quantity} @ {generator.randrange(100, 9999) / 100} fee 5"
        try:
            records.append(await desk.trade(line))
            if generator.random() < 0.2:
                await desk.call(desk.service.delete_trade, record_id=generator.choice(records).record_id)
        except (NotPossible, TradeNotFound):
            continue
        async with desk.database.unit_of_work() as uow:
            store = LedgerStore(uow).for_team(1)
            accounts = await store.accounts()
            entries = (await store.entries([accounts[0].account_key])).get((accounts[0].account_key, "600519.SH"), [])
            full = fold(State(symbol="600519.SH", t_plus_one=True, is_foreign=False), entries)
            (read,) = await positions_on(store, accounts, TODAY, with_empty=True)
            lagged += bool(await store.later_entries([accounts[0].account_key]))
        assert read.state == full
    assert lagged > 3  # checkpoints did lag


async def test_the_service_never_commits(desk: LedgerDesk) -> None:
    trade = NewTrade(code="600519", trade_type=TradeType.BUY, trade_date=TODAY, quantity=1, price=Decimal(1))
    async with desk.database.unit_of_work() as uow:
        await PortfolioService(desk.market, desk.clock, desk.advice).create_trade(uow, 1, trade=trade)
    assert await fact_count(desk) == 0


def test_refusals_say_what_kind_they_are() -> None:
    assert issubclass(SellExceedsHolding, NotPossible)
    assert issubclass(FigureInvalid, Invalid)
