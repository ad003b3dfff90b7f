"""One story from the first purchase to an ex-date, every figure worked out by hand."""

from datetime import date
from decimal import Decimal

import pytest

from core.portfolio.model import Holding
from tests.support.fake_market import quote
from tests.support.ledger_desk import LedgerDesk

pytestmark = pytest.mark.anyio
HEADER = (
    "交易日期,业务类型,币种,证券代码,证券名称,买卖标志,成交价格,发生数量,成交金额,成交数量,发生金额,后资金额,后证券额,"
    "成交时间,业务名称,佣金,印花税,过户费,其他费"
)
ROWS = (
    "20261109,银行转存,人民币,,,买入,0,0,20000,0,20000,20000,0,09:00:00,银行转存,0,0,0,0",
    "20261110,证券买卖,人民币,519,甲,买入,10.00,1000,10000,1000,-10005.10,9994.90,1000,10:00:00,证券买入,5,0,0.10,0",
    "20261112,证券买卖,人民币,519,甲,买入,11.00,500,5500,500,-5505.05,4489.85,1500,10:00:00,证券买入,5,0,0.05,0",
    "20261113,股息入账,人民币,519,甲,卖出,0,0,300,0,300,4789.85,1500,15:00:00,股息入账,0,0,0,0",
    "20261113,红股入账,人民币,519,甲,买入,0,450,0,450,0,4789.85,1950,15:00:00,红股入账,0,0,0,0",
    "20261116,证券买卖,人民币,519,甲,卖出,9.00,-650,5850,650,5842.01,10631.86,1300,10:00:00,证券卖出,5,2.93,0.06,0",
    "20261120,股息入账,人民币,519,甲,卖出,0,0,130,0,130,10761.86,1300,15:00:00,股息入账,0,0,0,0",
)


@pytest.fixture
async def shares(desk: LedgerDesk) -> Holding:
    """The mainland share at the end of its ex-date: closed at 9.10, reference 9.00 after 0.10 in cash, last 9.15."""
    desk.market.symbols = ("000519.SZ", "00700.HK")
    desk.market.quotes_by_symbol["000519.SZ"] = quote("000519.SZ", "9.15", reference="9.00")
    done = await desk.statement("\r\n".join([HEADER, *ROWS, ""]).encode("gbk"))
    assert (done.written, done.closing_cash) == (True, Decimal("10761.86"))
    return (await desk.holdings())["000519.SZ"]


async def test_average_cost_through_dividend_bonus_and_partial_sale(shares: Holding) -> None:
    # Bought for 10005.10 + 5505.05 = 15510.15; 450 bonus shares make 1950 of them.
    # Sold 650 of 1950: 15510.15 / 3 = 5170.05 of cost leave, 5850 - 7.99 = 5842.01 come in.
    assert (shares.quantity, shares.sellable_quantity) == (1300, 1300)
    assert (shares.total_cost, shares.realized_pnl) == (Decimal("10340.10"), Decimal("671.96"))
    assert shares.average_cost == Decimal("7.9539")
    assert (shares.income, shares.other_charges, shares.fees) == (Decimal(430), Decimal(0), Decimal("18.14"))


async def test_fifo_beside_it_ends_in_the_same_total(shares: Holding) -> None:
    # The first lot grew to 1300 shares for 10005.10; half of it was sold for 5842.01.
    assert (shares.fifo_cost, shares.fifo_realized_pnl) == (Decimal("10507.60"), Decimal("839.46"))
    # 1300 x 9.15 = 11895.00
    assert (shares.market_value, shares.unrealized_pnl) == (Decimal("11895.00"), Decimal("1554.90"))
    assert shares.fifo_unrealized_pnl == Decimal("1387.40")
    assert shares.total_pnl == Decimal("671.96") + Decimal("1554.90") + 430
    assert shares.total_pnl == Decimal("839.46") + Decimal("1387.40") + 430


async def test_diluted_cost_takes_sales_and_dividends_in(shares: Holding) -> None:
    # (15510.15 - 5842.01 - 430) / 1300
    assert shares.diluted_cost == Decimal("7.1063")


async def test_on_an_ex_date_the_dividend_is_not_added_to_todays_result_again(shares: Holding) -> None:
    assert shares.today_pnl == Decimal("195.00")  # 1300 x (9.15 - 9.00)


async def test_a_hong_kong_share_splits_its_result_into_price_and_currency(desk: LedgerDesk) -> None:
    desk.market.quotes_by_symbol["00700.HK"] = quote("00700.HK", "410.00", reference="405.00")
    await desk.trade("2026-11-10 buy 00700.HK 100 @ 400.00 fee 50", fx_rate=Decimal("0.92"))
    report = await desk.pnl(fx_rates={"HKD": Decimal("0.90")}, as_of=date(2026, 11, 20))
    (held,) = report.holdings
    assert (held.total_cost, held.market_value, held.unrealized_pnl) == (40050, 41000, 950)
    assert held.today_pnl == 500
    assert held.market_value_base == Decimal("36900.00")
    # Cost 40050 x 0.92 = 36846.00; 54.00 of gain = what the price did and what the rate did.
    assert held.local_effect_base is not None
    assert held.currency_effect_base is not None
    assert held.local_effect_base + held.currency_effect_base == Decimal("54.00")
    assert held.currency_effect_base == Decimal("-801.00")  # 40050 x (0.90 - 0.92)
    assert held.local_effect_base == Decimal("855.00")  # 950 x 0.90
