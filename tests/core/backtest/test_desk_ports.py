"""The examples of the user guide as written there, on a desk: assets, kept results, the ledger's trades.

`lg_utils` is played by `core.backtest.stock_day`. Each example runs on the simulated market and on real bars.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core import bootstrap
from core.access.model import Caller, CallerKind
from core.backtest.api import backtest
from core.backtest.desk_ports import DeskPorts
from core.backtest.ports import use_ports
from core.backtest.problems import PortMissing
from core.backtest.stock_day import (
    get_trading_records,
    run_stock_day_backtest,
    run_stock_day_portfolio_backtest,
)
from core.bootstrap import Services
from core.catalog.problems import AssetNotFound
from core.clock import FrozenClock
from core.errors import ArgumentsInvalid
from core.market.bar_store import MarketStore, TableChange
from core.market.demo import install
from core.market.model import Exchange
from core.portfolio.model import TradeType
from core.portfolio.requests import NewTrade
from core.settings import Settings

pytestmark = pytest.mark.anyio
IMPORTED = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "market"
    install(MarketStore(folder), imported_at=IMPORTED)
    return folder


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real") / "market"
    daily = pq.read_table(shared_data / "daily_bars.parquet", filters=[("symbol", "in", ["000001.SZ", "600519.SH"])])
    MarketStore(folder).commit({"daily": TableChange(daily)}, imported_at=IMPORTED)
    return folder


class Shop:
    """A desk whose ports a program uses; `codes` are two of its stocks, `year` one with bars of both."""

    def __init__(self, services: Services, codes: list[str], year: str) -> None:
        self.services, self.codes, self.year = services, codes, year
        self.caller = Caller(
            kind=CallerKind.LOCAL, user_id=1, username="ada", team_id=1, team_name="t", all_scopes=True
        )

    async def run(self, program: Callable[[], Any], **changes: Any) -> Any:
        services = self.services
        desk = DeskPorts(
            loop=asyncio.get_running_loop(),
            database=services.database,
            market=services.market,
            catalog=services.catalog,
            portfolio=services.portfolio,
            caller=self.caller,
            results=services.backtest,
        )

        def within() -> Any:
            with use_ports(replace(desk, **changes).ports()):
                return program()

        return await asyncio.to_thread(within)


@pytest.fixture(params=["simulated", "real"])
async def shop(request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Shop]:
    (tmp_path / "market").symlink_to(request.getfixturevalue(request.param))
    async with bootstrap.opened(Settings(home=tmp_path), clock=clock) as services:
        async with services.database.unit_of_work() as uow:
            await services.access.register_user(uow, username="ada", password="correct horse battery", email="")
            await uow.commit()
        most = "SELECT symbol FROM daily WHERE year(trade_date) = 2024 GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2"
        codes = [row["symbol"].partition(".")[0] for row in services.market_store.query(most).to_pylist()]
        yield Shop(services, codes, "2024")


def my_strategy(bar, ctx):
    if len(ctx.history) < 20:
        return
    ma20 = sum(b.close for b in ctx.history[-20:]) / 20
    if bar.close > ma20 and ctx.position == 0:
        ctx.buy(size="all")
    elif bar.close < ma20 and ctx.position > 0:
        ctx.sell(size="all")


async def test_minimal_single_stock(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    def program() -> Any:
        result = run_stock_day_backtest(
            strategy=my_strategy,
            stock_num=shop.codes[0],
            start=f"{shop.year}0101",  # 'YYYYMMDD' or 'YYYY-MM-DD'
            end=f"{shop.year}-12-31",
            initial_cash=1_000_000,
            commission_bps=3,
            slippage_bps=1,
        )
        print(result.summary())
        result.export_to_context("run1")  # snapshot to run log
        return result, result.persist(name="run1")  # save to My Backtests

    result, kept = await shop.run(program)
    printed = capsys.readouterr().out
    sentinel = next(line for line in printed.splitlines() if line.startswith("__LG_BACKTEST_RESULT__:run1:"))
    assert json.loads(sentinel.split(":", 2)[2])["metrics"]["num_trades"] == result.metrics["num_trades"]
    assert list(result.equity_curve[0]) == ["dt", "equity", "cash", "position", "close"]
    assert list(result.trades[0]) == ["entry_dt", "exit_dt", "qty", "entry_px", "exit_px", "pnl", "return_bps"]
    assert result.metrics["num_trades"] == len(result.trades)
    assert result.equity_curve[0]["dt"].startswith(shop.year)
    assert len(result.equity_curve[0]["dt"]) == 8
    assert kept == 1
    async with shop.services.database.unit_of_work(read_only=True) as uow:
        stored = await shop.services.backtest.get(uow, 1, result_id=1)
    assert (stored.name, stored.dataset, stored.bars) == ("run1", "stock_day", len(result.equity_curve))
    assert stored.total_return == result.metrics["total_return"]
    assert stored.simulated is shop.services.market.is_simulated


async def test_portfolio_and_persist_by_argument(shop: Shop) -> None:
    def make_ma_strategy(fast, slow):
        def strategy(bar, ctx):
            if len(ctx.history) < slow:
                return
            ma_fast = sum(b.close for b in ctx.history[-fast:]) / fast
            ma_slow = sum(b.close for b in ctx.history[-slow:]) / slow
            if ma_fast > ma_slow and ctx.position == 0:
                ctx.buy(size=0.5)  # use 50% of available cash
            elif ma_fast < ma_slow and ctx.position > 0:
                ctx.sell(size="all")

        return strategy

    first, second = shop.codes

    def program() -> Any:
        return run_stock_day_portfolio_backtest(
            strategies={first: make_ma_strategy(5, 20), second: make_ma_strategy(10, 30)},
            stock_nums=[first, second],  # settlement order for size='all'
            start=f"{shop.year}0101",
            end=f"{shop.year}1231",
            initial_cash=1_000_000,
            commission_bps=3,
            persist=True,
            persist_name="portfolio-v1",
        )

    result = await shop.run(program)
    assert list(result.metrics["per_asset"]) == [first, second]
    contributed = sum(part["contribution"] for part in result.metrics["per_asset"].values())
    assert contributed == pytest.approx(result.metrics["total_return"])
    async with shop.services.database.unit_of_work(read_only=True) as uow:
        page = await shop.services.backtest.list(uow, 1)
    assert [item.name for item in page.items] == ["portfolio-v1"]


async def test_transaction_record_driven(shop: Shop) -> None:
    code, services = shop.codes[0], shop.services
    symbol = (await services.market.instrument(code)).symbol
    days = services.market_store.query(
        "SELECT trade_date, low FROM daily WHERE symbol = ? AND trade_date >= ? AND volume > 0 ORDER BY 1 LIMIT 60",
        [symbol, date(int(shop.year), 3, 1)],
    ).to_pylist()
    async with services.database.unit_of_work() as uow:
        for row in (days[0], days[10]):
            trade = NewTrade(
                code=code,
                market=Exchange(symbol[-2:]),
                trade_type=TradeType.BUY,
                trade_date=row["trade_date"],
                quantity=100,
                price=Decimal(str(row["low"])),
                fees=Decimal(0),
                tax=Decimal(0),
            )
            await services.portfolio.create_trade(uow, 1, trade=trade)
            await uow.commit()

    def program() -> Any:
        records = get_trading_records(stock_num=code, trade_type="BUY", size=1)
        last_buy_date = records[0]["trade_date"] if records else "20240101"

        def replay_strategy(bar, ctx):
            # Re-enter at the same date the real BUY happened
            if bar.dt >= last_buy_date and ctx.position == 0:
                ctx.buy(size="all")
            elif ctx.position > 0:  # noqa: SIM102 - as written in the guide
                # exit after 20 bars
                if len(ctx.history) - ctx.history.index(next(b for b in ctx.history if b.dt >= last_buy_date)) >= 20:
                    ctx.sell(size="all")

        result = run_stock_day_backtest(
            strategy=replay_strategy,
            stock_num=code,
            start=last_buy_date,
            end=f"{shop.year}1231",
            initial_cash=500_000,
        )
        return last_buy_date, result, result.persist(name="replay-from-records")

    last_buy, result, kept = await shop.run(program)
    assert last_buy == days[10]["trade_date"].strftime("%Y%m%d")
    assert result.equity_curve[0]["dt"] == last_buy
    assert result.trades[0]["entry_dt"] == days[11]["trade_date"].strftime("%Y%m%d")
    assert kept == 1


async def test_symbols_bring_their_market_and_wrong_names_are_refused(shop: Shop) -> None:
    symbol = (await shop.services.market.instrument(shop.codes[0])).symbol

    def by_symbol() -> Any:
        return backtest(
            my_strategy, asset=symbol, start=f"{shop.year}0101", end=f"{shop.year}1231", market_rules="a_share"
        )

    result = await shop.run(by_symbol)
    assert result.parameters["symbol"] == symbol
    assert result.equity_curve[0]["dt"].startswith(f"{shop.year}-01-")
    with pytest.raises(AssetNotFound):
        await shop.run(lambda: backtest(my_strategy, asset="stock_dya"))
    with pytest.raises(ArgumentsInvalid):
        await shop.run(lambda: run_stock_day_backtest(my_strategy, shop.codes[0], filter_column="STOCK"))
    with pytest.raises(PortMissing):
        await shop.run(lambda: by_symbol().persist("x"), results=None)
