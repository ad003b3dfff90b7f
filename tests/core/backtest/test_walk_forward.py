"""Walk-forward: chosen on one stretch, traded on the next, and nothing known too early."""

import pytest

from core.backtest.api import backtest
from core.backtest.problems import ParameterInvalid
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.sweep import sweep
from core.backtest.walk_forward import walk_forward
from core.backtest.watching import RunLimits
from core.clock import SystemClock
from tests.support.backtest_rows import walk

GRID = {"fast": [2, 3, 5], "slow": [8, 13]}
COSTS = {"commission_bps": 3.0}


def test_each_window_is_a_sweep_and_a_run() -> None:
    rows = walk(200)
    walked = walk_forward("dual_moving_average", GRID, train=80, test=40, bars=rows, **COSTS)
    assert [(one.train_start, one.test_start, one.test_end) for one in walked.windows] == [
        (rows[first]["trade_date"], rows[first + 80]["trade_date"], rows[first + 119]["trade_date"])
        for first in (0, 40, 80)
    ]
    level = 1.0
    for number, window in enumerate(walked.windows):
        first = number * 40
        chosen = sweep("dual_moving_average", GRID, bars=rows[first : first + 80], **COSTS).best
        assert chosen is not None
        assert window.parameters == chosen.parameters
        assert window.train_metrics == chosen.metrics
        traded = backtest(
            DualMovingAverage(**chosen.parameters), bars=rows[first : first + 120], warmup_bars=80, **COSTS
        )
        assert window.test_metrics["total_return"] == traded.metrics["total_return"]
        level *= 1 + traded.metrics["total_return"]
    assert walked.metrics["total_return"] == pytest.approx(level - 1, abs=1e-12)
    assert len(walked.equity) == len(walked.dts) == 120
    assert "out of sample: total_return" in walked.summary()


def test_an_anchored_stretch_grows_from_the_first_bar() -> None:
    rows = walk(200)
    walked = walk_forward("dual_moving_average", GRID, train=80, test=40, anchored=True, bars=rows, **COSTS)
    assert {one.train_start for one in walked.windows} == {rows[0]["trade_date"]}
    assert [one.train_end for one in walked.windows] == [rows[place]["trade_date"] for place in (79, 119, 159)]


def test_later_bars_change_nothing_that_was_chosen_before() -> None:
    rows = walk(200)
    scrambled = rows[:160] + [row | {"close": row["low"], "open": row["high"]} for row in rows[160:]]
    first, second = (
        walk_forward("dual_moving_average", GRID, train=80, test=40, bars=bars, **COSTS) for bars in (rows, scrambled)
    )
    assert first.windows[:2] == second.windows[:2]
    assert first.equity[:80].tolist() == second.equity[:80].tolist()


def test_stretches_that_do_not_fit() -> None:
    with pytest.raises(ParameterInvalid, match="180 \\+ 40 bars do not fit into 200"):
        walk_forward("dual_moving_average", GRID, train=180, test=40, bars=walk(200))


class Ticking(SystemClock):
    """A clock on which every question takes ten seconds."""

    asked = 0

    def monotonic(self) -> float:
        Ticking.asked += 1
        return 10.0 * Ticking.asked


def test_a_limit_of_time_is_for_all_windows_together() -> None:
    """No window is chosen out of half of a grid: it is left out."""
    rows = walk(200)
    asked = {"train": 80, "test": 40, "bars": rows, **COSTS}
    whole = walk_forward("dual_moving_average", GRID, **asked)
    part = walk_forward("dual_moving_average", GRID, clock=Ticking(), limits=RunLimits(time_seconds=100.0), **asked)
    assert 1 <= len(part.windows) < len(whole.windows) == 3
    assert part.windows == whole.windows[: len(part.windows)]
    assert part.stopped == f"it took longer than 100 s; {len(part.windows)} of 3 windows"
    assert part.stopped in part.summary()
    assert len(part.equity) == 40 * len(part.windows)
    with pytest.raises(ParameterInvalid, match="0 of 3 windows were done"):
        walk_forward("dual_moving_average", GRID, limits=RunLimits(time_seconds=0.0), **asked)
