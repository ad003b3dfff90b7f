"""Walk-forward: chosen on one stretch, traded on the next, and nothing known too early."""

import pytest

from core.backtest.api import backtest
from core.backtest.problems import ParameterInvalid
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.sweep import sweep
from core.backtest.walk_forward import walk_forward
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
