"""Other libraries, given the same bars: what they define too comes out the same.

Their answers are recorded in `tests/golden/peers` by `python -m benchmarks.peers.record`. The soak runs ask the
libraries themselves, which `./dev bench --peers` installs into an environment of their own.
"""

import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks import engine_peers
from benchmarks.engine_callback import daily_rows
from core.backtest.api import backtest

TABLES = Path(__file__).parents[2] / "golden" / "peers"
PRICES = ("open", "high", "low", "close", "pre_close", "limit_up", "limit_down")


def recorded(name: str) -> list[dict[str, str]]:
    lines = (TABLES / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    return list(csv.DictReader(lines[1:], delimiter="\t"))


def test_equity_of_every_bar_is_that_of_backtesting_py() -> None:
    rows = recorded("backtesting")
    bars = [
        {name: row[name] if name == "trade_date" else float(row[name]) for name in row if name != "equity"}
        for row in rows
    ]
    result = engine_peers.ours(bars)
    assert result.metrics["num_trades"] > 10
    theirs = [float(row["equity"]) for row in rows]
    assert [row["equity"] for row in result.equity_curve] == pytest.approx(theirs, rel=1e-6, abs=0)


@pytest.mark.parametrize(("symbol", "items"), [("000001.SZ", 3), ("510300.SH", 1)])
def test_deals_of_the_mainland_day_are_those_of_qlib(symbol: str, items: int) -> None:
    """Lots, limits, suspensions, the volume's cap, what cash pays for, and costs with a minimum.

    qlib does not round costs: each of our `items` of costs is within half a cent of it.
    """
    rows = [row for row in recorded("qlib") if row["symbol"] == symbol]
    result = run_like_qlib(symbol, rows)
    by_day = {order["dt"]: order for order in result.orders}
    cash = {row["dt"]: row["cash"] for row in result.equity_curve}
    ended: Counter[str] = Counter()
    for row in rows:
        if not row["side"] or not row["open"]:
            continue
        order = by_day[row["date"]]
        ended[order["reason"]] += 1
        told = (order["side"], order["filled"], order["amount"])
        assert told == (row["side"], int(row["dealt"]), pytest.approx(float(row["value"]))), row
        assert order["fees"] == pytest.approx(float(row["cost"]), abs=0.005 * items + 1e-6), row
        assert cash[row["date"]] == pytest.approx(float(row["cash"]), abs=0.005 * items * len(rows)), row
    assert min(ended[name] for name in ("limit_up", "limit_down", "partial_volume", "no_position")) >= 3
    assert ended["filled"] > 60
    asked = [row for row in rows if row["side"] and not row["open"]]
    assert result.reasons["suspended"] == len(asked) >= 3
    assert all(row["dealt"] == "0" for row in asked)


def run_like_qlib(symbol: str, rows: list[dict[str, str]]) -> Any:
    """Give each day's order on the bar before it. The fund's limits are given, the share's are not."""
    left_out = {"limit_up", "limit_down"} if symbol == "000001.SZ" else {"pre_close"}
    names = [name for name in PRICES if name not in left_out]
    bars = [
        {"trade_date": row["date"], "volume": int(row["volume"])} | {name: float(row[name]) for name in names}
        for row in rows
        if row["open"]
    ]
    following = {row["date"]: after for row, after in pairwise(rows)}

    def strategy(bar: Any, ctx: Any) -> None:
        after = following.get(bar.dt)
        if after and after["side"]:
            size = after["size"] if after["size"] == "all" else int(after["size"])
            (ctx.buy if after["side"] == "buy" else ctx.sell)(size)

    return backtest(
        strategy, bars=bars, initial_cash=float(rows[0]["cash"]), commission_bps=2.5, market_rules="a_share",
        listing=symbol,
    )  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("peer", list(engine_peers.PEERS))
def test_equity_of_every_bar(peer: str) -> None:
    if not engine_peers.is_installed(peer):
        pytest.skip(f"{peer} is not installed: ./dev bench --peers does that")
    bars = daily_rows()
    theirs, ours = engine_peers.run_peer(peer, bars), engine_peers.ours(bars)
    assert ours.metrics["num_trades"] > 50
    assert [row["equity"] for row in ours.equity_curve] == pytest.approx(theirs["equity"], rel=1e-6, abs=0)
