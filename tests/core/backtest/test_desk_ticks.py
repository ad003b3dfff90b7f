"""Ticks and books of the desk's own market: which are taken, of which days, and no more than a run may read."""

import asyncio
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.backtest import desk_ticks as module
from core.backtest.api import backtest
from core.backtest.desk_ports import DeskPorts
from core.backtest.desk_ticks import desk_ticks, ticks_of
from core.backtest.model import BarTable
from core.backtest.ports import use_ports
from core.backtest.problems import TicksInvalid, TicksNeeded
from core.clock import FrozenClock
from core.market.bar_store import MarketStore, TableChange
from core.market.service import MarketService
from core.matching.model import MatchingType

pytestmark = pytest.mark.anyio
ONE, OTHER = "600000.SH", "600001.SH"
DAYS = ("2024-01-03", "2024-01-04")


def table(**columns: list[Any]) -> TableChange:
    return TableChange(pa.table(columns))


@pytest.fixture
def market(tmp_path: Path, clock: FrozenClock) -> MarketService:
    """`ONE` has ticks of two days and a book of one, `OTHER` trades of Level-2 and ticks."""
    moments = [np.datetime64(f"{day}T10:00:00", "ms") for day in DAYS]
    store = MarketStore(tmp_path / "market")
    ticks = {"symbol": [ONE, ONE, OTHER], "ts": [*moments, moments[0]], "seq": [0, 0, 0]}
    trades: dict[str, Any] = {"symbol": [OTHER], "ts": moments[:1], "channel": [1], "trade_index": [1], "price": [10.2]}
    book: dict[str, Any] = {"symbol": [ONE], "ts": moments[:1], "seq": [0], "bid_px1": [10.0], "bid_qty1": [500]}
    changes = {
        "ticks": table(**ticks, price=[10.0, 10.1, 10.3], qty=[900, 800, 700]),
        "level2_trades": table(**trades, qty=[600], amount=[6_120.0]),
        "level2_snapshots": table(**book, ask_px1=[10.02], ask_qty1=[400]),
    }
    store.commit(changes, imported_at=datetime(2026, 11, 20, tzinfo=UTC))
    return MarketService(store, clock)


def listed(found: BarTable | None, name: str) -> list[float]:
    assert found is not None
    return list(found.columns[name].tolist())


async def test_the_finest_trades_of_the_days_that_are_asked_for(market: MarketService) -> None:
    assert listed(await desk_ticks(market, ONE, books=False), "price") == [10.0, 10.1]
    assert listed(await desk_ticks(market, OTHER, books=False), "price") == [10.2]
    last = date.fromisoformat(DAYS[1])
    assert listed(await desk_ticks(market, ONE, books=False, start=last), "price") == [10.1]
    assert listed(await desk_ticks(market, ONE, books=True), "ask_qty1") == [400]
    assert await desk_ticks(market, ONE, books=True, start=last) is None
    assert await desk_ticks(market, "600002.SH", books=False) is None
    known = await desk_ticks(market, ONE, books=True, whole=False)
    assert known is not None
    assert list(known.columns) == ["ts"]


async def test_only_what_a_run_needs_is_read(market: MarketService) -> None:
    bars = BarTable(columns={"close": np.array([10.0]), "amount": np.array([5.0])})
    bare = BarTable(columns={"close": np.array([10.0])})
    assert await ticks_of(market, {ONE: bars}, None) is None
    assert await ticks_of(market, {ONE: bars}, MatchingType.OPEN_AUCTION) is None
    assert await ticks_of(market, {ONE: bars}, MatchingType.VWAP) is None
    by_symbol = await ticks_of(market, {ONE: bars, OTHER: bare}, MatchingType.VWAP)
    assert by_symbol is not None
    assert list(by_symbol) == [OTHER]
    with pytest.raises(TicksNeeded, match="order books"):
        await ticks_of(market, {ONE: bars, OTHER: bars}, MatchingType.COUNTERPARTY_OFFER)


async def test_more_than_a_run_may_read_is_refused(market: MarketService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FIGURES", 5)
    with pytest.raises(TicksInvalid, match="2 rows between these days"):
        await desk_ticks(market, ONE, books=False, whole=False)
    assert await desk_ticks(market, ONE, books=False, start=date.fromisoformat(DAYS[1])) is not None


async def test_a_script_on_the_desk_meets_its_ticks(market: MarketService) -> None:
    """As `dingpan backtest SCRIPT.py` runs it: in a thread, with the desk's ports."""
    nothing: Any = None
    ports = DeskPorts(
        loop=asyncio.get_running_loop(),
        database=nothing,
        market=market,
        catalog=nothing,
        portfolio=nothing,
        caller=nothing,
    ).ports()
    rows = [{"trade_date": day, "open": 9.9, "high": 10.2, "low": 9.8, "close": 10.0} for day in ("2024-01-02", *DAYS)]

    def script() -> list[float | None]:
        with use_ports(ports):
            return [
                backtest(lambda bar, ctx: ctx.buy(1), bars=rows, listing=ONE, matching=matching)
                .order_list[0]
                .as_dict()["price"]
                for matching in ("next_tick_last", "next_tick_best_own", "next_tick_best_counterparty")
            ]

    assert await asyncio.to_thread(script) == [10.0, 10.0, 10.02]
