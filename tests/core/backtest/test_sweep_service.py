"""The page of a finished sweep outlives the row of its run. On both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from core.access.store import teams
from core.backtest.results_tables import pack
from core.backtest.store import BacktestSweepStore
from core.backtest.sweep_runs import StoredSweep
from core.backtest.sweep_service import SweepService
from core.clock import FrozenClock
from core.durable.model import RunNotFound
from core.durable.runs import RunService
from core.durable.tidying import Tidying
from core.ids import SeededIds
from core.storage.database import Database

pytestmark = pytest.mark.anyio
SUMMARY: dict[str, Any] = dict.fromkeys(("failed", "refused"), 0) | {"refused_examples": [], "stopped": None}


async def test_a_sweep_is_read_after_its_run_was_forgotten(database: Database, clock: FrozenClock) -> None:
    service = SweepService(market=None, runs=RunService(clock, SeededIds(1)))  # type: ignore[arg-type]
    sweep = StoredSweep(
        sweep_id=0, run_id="run_1", strategy="dual_moving_average", symbol="600519.SH", objective="sharpe", trials=1,
        summary=SUMMARY | {"best": {}, "verdict": {}}, simulated=True, created_by="ada", created_at=clock.now(),
    )  # fmt: skip
    async with database.unit_of_work() as uow:
        async with uow.write():
            for name in ("alpha", "beta"):
                await uow.execute(insert(teams).values(name=name, name_key=name, created_at=clock.now()))
            trials = pack([{"parameters": '{"fast": 5}', "sharpe": 1.5}], path="trials")
            await BacktestSweepStore(uow).for_team(1).add(sweep, trials=trials)
        await uow.commit()
    clock.advance(timedelta(days=400))
    await Tidying(database, clock, 90).if_due(None)
    async with database.unit_of_work(read_only=True) as uow:
        page = await service.get(uow, 1, run_id="run_1")
        assert page.items == [{"parameters": {"fast": 5}, "sharpe": 1.5}]
        with pytest.raises(RunNotFound):
            await service.get(uow, 2, run_id="run_1")
