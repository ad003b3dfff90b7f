"""What a child process of a run imports once, before the first run: the engine, with its kernels loaded.

Importing this module runs a backtest of a few bars, so that the fork server has the compiled kernels in memory and
each run begins with them: half a second less for every one. Nothing else may import it.
"""

from core.backtest.api import backtest
from core.backtest.results_draft import draft_of
from core.backtest.results_tables import packed
from core.backtest.strategies.moving_average import DualMovingAverage

CLOSES = (10.0, 10.1, 10.3, 10.2, 10.0, 9.9, 9.8, 10.0, 10.2, 10.4, 10.5, 10.3)


def warm() -> None:
    """Run and pack a small backtest under the rules of A shares."""
    rows = [
        {
            "trade_date": f"202401{day:02d}",
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": 10_000,
            "pre_close": close,
        }
        for day, close in enumerate(CLOSES, 2)
    ]
    result = backtest(DualMovingAverage(2, 3), bars=rows, market_rules="a_share", listing="600000.SH")
    packed(draft_of(result.to_dict(), name="warm"))


warm()
