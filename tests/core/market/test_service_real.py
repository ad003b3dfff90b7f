"""The market service over real bars: anchors, and adjusted prices against a vendor's own."""

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.clock import FrozenClock
from core.market.bar_store import MarketStore, TableChange
from core.market.model import Adjustment
from core.market.service import MarketService

pytestmark = pytest.mark.anyio
SYMBOLS = ["600519.SH", "600036.SH", "000001.SZ", "430047.BJ", "000792.SZ"]


@pytest.fixture(scope="module")
def folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("market")
    daily = pq.read_table(shared_data / "daily_bars.parquet", filters=[("symbol", "in", SYMBOLS)])
    MarketStore(made).commit({"daily": TableChange(daily)}, imported_at=datetime(2026, 11, 20, tzinfo=UTC))
    return made


@pytest.fixture
def market(folder: Path, clock: FrozenClock) -> MarketService:
    return MarketService(MarketStore(folder), clock)


@pytest.mark.parametrize(
    ("day", "close", "reference"),
    [
        (date(2021, 12, 31), "2050.00", None),
        (date(2022, 12, 30), "1727.00", None),
        (date(2023, 6, 30), None, "1687.80"),
        (date(2023, 12, 31), "1726.00", None),
        (date(2025, 4, 7), "1500.00", None),
    ],
)
async def test_anchors(market: MarketService, day, close, reference) -> None:
    quote = (await market.quotes(["600519.SH"], as_of=day))["600519.SH"]
    assert close is None or quote.last_price == Decimal(close)
    assert reference is None or quote.reference_price == Decimal(reference)


async def test_today_the_stored_bars_are_old_and_said_to_be(market: MarketService) -> None:
    assert "The newest bar in daily is of 2025-04-07" in market.provenance("daily").warnings[0]
    answer = await market.quotes_sourced(SYMBOLS)
    assert set(answer.value) == set(SYMBOLS)
    quote = answer.value["430047.BJ"]
    assert not quote.is_suspended
    said = f"The stored data of {quote.symbol} end on {quote.trade_date}: its price is of that day."
    assert said in answer.provenance.warnings


async def test_a_halted_share_keeps_its_last_close(market: MarketService) -> None:
    quote = (await market.quotes(["000792.SZ"], as_of=date(2021, 1, 4)))["000792.SZ"]
    assert quote.is_suspended
    assert quote.trade_date < date(2020, 12, 1)


@pytest.mark.parametrize(
    ("file", "symbol", "adjustment"),
    [
        ("tushare_daily_qfq_600036.SH.csv", "600036.SH", Adjustment.FORWARD),
        ("tushare_daily_hfq_600036.SH.csv", "600036.SH", Adjustment.BACKWARD),
        ("tushare_probar_qfq_desc_600519.SH.csv", "600519.SH", Adjustment.FORWARD),
    ],
)
async def test_adjusted_prices_have_the_shape_of_the_vendors(
    market: MarketService, shared_data: Path, file, symbol, adjustment
) -> None:
    """The vendor counts from another day, so the quotient of both series is compared: it must stand still."""
    with (shared_data / "vendor_csv" / file).open(encoding="utf-8-sig") as lines:
        rows = {row["trade_date"].replace("-", "")[:8]: float(row["close"]) for row in csv.DictReader(lines)}
    series = await market.bars(symbol, adjustment=adjustment)
    days = [day.strftime("%Y%m%d") for day in series.times.tolist()]
    common = [(close, rows[day]) for day, close in zip(days, series.columns["close"], strict=True) if day in rows]
    ours, theirs = np.array(common).T
    quotient = ours / theirs
    assert len(common) > 500
    assert np.abs(quotient / np.median(quotient) - 1).max() < 0.001
