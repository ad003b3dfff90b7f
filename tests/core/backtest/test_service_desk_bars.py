"""Bars of the desk's own market: what the engine gets, and a run over the simulated market."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from core.backtest.api import backtest
from core.backtest.desk_bars import desk_bars
from core.backtest.strategies.built_in import built_in
from core.clock import CHINA, FrozenClock
from core.market.bar_store import MarketStore, TableChange
from core.market.demo import install
from core.market.instruments import InstrumentNotFound
from core.market.model import Frequency, InstrumentKind
from core.market.service import MarketService

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MarketStore:
    made = MarketStore(tmp_path_factory.mktemp("bars") / "market")
    install(made, imported_at=datetime(2026, 11, 20, 16, tzinfo=CHINA))
    return made


@pytest.fixture
def market(store: MarketStore, clock: FrozenClock) -> MarketService:
    return MarketService(store, clock)


async def test_bars_carry_what_the_rules_need(store: MarketStore, market: MarketService) -> None:
    (row,) = store.query(
        "SELECT symbol, min(first_date) AS first FROM st GROUP BY symbol ORDER BY symbol LIMIT 1"
    ).to_pylist()
    table = await desk_bars(market, row["symbol"])
    assert table.simulated is True
    assert table.listing is not None
    assert table.listing.symbol == row["symbol"]
    assert table.listing.st_spells[0][0] == row["first"]
    assert set(table.columns) >= {"trade_date", "open", "high", "low", "close", "pre_close", "volume"}
    assert (np.asarray(table.columns["volume"]) > 0).all()
    assert len({len(column) for column in table.columns.values()}) == 1


async def test_days_can_be_compared_over_ex_dates(store: MarketStore, market: MarketService) -> None:
    (row,) = store.query(
        "SELECT symbol, ex_date FROM actions WHERE bonus_per_share > 0.2 ORDER BY symbol, ex_date LIMIT 1"
    ).to_pylist()
    table = await desk_bars(market, row["symbol"])
    columns = table.columns
    at = int(np.searchsorted(columns["trade_date"], np.datetime64(row["ex_date"])))
    compared = columns["close"] * columns["adj_factor"]
    assert columns["close"][at] / columns["close"][at - 1] < 0.9
    assert compared[1:] / compared[:-1] == pytest.approx(columns["close"][1:] / columns["pre_close"][1:])
    known = await desk_bars(market, row["symbol"], end=row["ex_date"])
    assert (known.columns["adj_factor"] == columns["adj_factor"][: at + 1]).all()
    seen: list[float] = []
    result = backtest(lambda bar, ctx: seen.append(bar.raw["adj_factor"]), bars=table)
    assert seen == columns["adj_factor"].tolist()
    (note,) = result.warnings
    told = f"{row['symbol']}: prices of bars are raw and fall with the bonus shares of {row['ex_date']}"
    assert note.startswith(told)
    means: list[float] = []
    backtest(lambda _, ctx: means.append(ctx.sma(2)), bars=table)
    before = columns["close"][at - 1] * columns["adj_factor"][at - 1] / columns["adj_factor"][at]
    assert means[at] == pytest.approx((before + columns["close"][at]) / 2, abs=1e-5)


async def test_bounds_are_included(market: MarketService, store: MarketStore) -> None:
    symbol = store.query("SELECT symbol FROM daily ORDER BY symbol LIMIT 1").to_pylist()[0]["symbol"]
    whole = await desk_bars(market, symbol)
    first, last = (whole.columns["trade_date"][place].item() for place in (10, 30))
    part = await desk_bars(market, symbol, start=first, end=last)
    assert part.columns["trade_date"].tolist() == whole.columns["trade_date"][10:31].tolist()
    assert isinstance(first, date)


async def test_minutes_carry_the_reference_price_of_their_day(clock: FrozenClock, tmp_path: Path) -> None:
    """Two days of minutes under the rules of A shares: limits come from each day's own reference price."""
    made = MarketStore(tmp_path / "market")
    days, symbol = [date(2024, 1, 2), date(2024, 1, 3)], "600000.SH"
    daily = {
        "symbol": [symbol] * 2,
        "trade_date": days,
        "pre_close": [10.0, 11.0],
        "volume": [9, 9],
        "source": ["t"] * 2,
    }
    ends = [np.datetime64(f"{day}T09:{minute}", "ms") for day in days for minute in (31, 32)]
    minutes: dict[str, Any] = {"symbol": [symbol] * 4, "frequency": ["1m"] * 4, "bar_end": ends, "source": ["t"] * 4}
    closes = {"open": 0.0, "high": 0.0, "low": 0.0, "close": 0.0}
    minutes |= {name: [10.9, 11.0, 11.9, 12.1] for name in closes} | {"volume": [1_000_000] * 4}
    stock = {"symbol": [symbol], "name": ["浦发"], "exchange": ["SH"], "board": ["main"], "kind": ["stock"]}
    tables = {
        "daily": daily | {name: [10.5, 11.5] for name in closes},
        "minute": minutes,
        "instruments": stock | {"currency": ["CNY"]},
    }
    changes = {name: TableChange(pa.table(table)) for name, table in tables.items()}
    made.commit(changes, imported_at=datetime(2026, 11, 20, 16, tzinfo=CHINA))
    bars = await desk_bars(MarketService(made, clock), symbol, frequency=Frequency.MINUTE)
    assert bars.columns["pre_close"].tolist() == [10.0, 10.0, 11.0, 11.0]
    result = backtest(lambda bar, ctx: ctx.buy(100), bars=bars, market_rules="a_share")
    told = [order.reason.value for order in result.order_list]
    assert told == ["limit_up", "filled", "limit_up", "no_next_bar"]


async def test_an_index_is_a_benchmark(market: MarketService) -> None:
    table = await desk_bars(market, "000300", kind=InstrumentKind.INDEX)
    assert table.listing is not None
    assert table.listing.kind is InstrumentKind.INDEX
    assert len(table.columns["close"]) > 500


async def test_unknown_codes_are_refused(market: MarketService) -> None:
    with pytest.raises(InstrumentNotFound):
        await desk_bars(market, "609999.SH")


async def test_strategies_run_on_every_board_under_its_rules(market: MarketService, store: MarketStore) -> None:
    """With dividends of the simulated market; cash and marks make the equity on every bar."""
    sql = "SELECT board, min(symbol) AS symbol FROM instruments WHERE kind = 'stock' GROUP BY board ORDER BY board"
    index = await desk_bars(market, "000300", kind=InstrumentKind.INDEX)
    for row in store.query(sql).to_pylist():
        bars = await desk_bars(market, row["symbol"])
        rules = "hk" if row["board"] == "hk_main" else "a_share"
        found = backtest(built_in("breakout"), bars=bars, benchmark_bars=index, market_rules=rules, commission_bps=2.5)
        assert found.simulated is True
        for point in found.equity_curve:
            assert point["equity"] == pytest.approx(point["cash"] + point["position"] * point["close"], abs=1e-3)
        assert found.metrics["total_return"] == pytest.approx(found.equity_curve[-1]["equity"] / 1_000_000 - 1)
