"""The engine and the slow reference agree to the cent on every bar, and on the end of every order."""

from datetime import date

import pytest

from tests.support.random_runs import RandomRun, random_run

UNIT = 10_000
SAMPLE = range(60)
WHOLE = range(500)
OLD_COSTS = [
    ("000002.SZ", date(2008, 4, 14), date(2008, 4, 24)),
    ("000002.SZ", date(2008, 9, 8), date(2008, 9, 19)),
    ("00700.HK", date(2014, 10, 20), date(2014, 11, 3)),
    ("00005.HK", date(2021, 12, 20), date(2022, 1, 3)),
]
"""Stocks, a day before a stamp duty or levy changed that the other cases are too young for, and the day it did."""


def compare(seed: int, *, run: RandomRun | None = None, **more: object) -> None:
    run = run or random_run(seed)
    slow, fast = run.slow(), run.fast(**more)
    assert [row["dt"] for row in fast.equity_curve] == [day.isoformat() for day, *_ in slow.curve]
    orders = sorted(
        (order for holding in slow.holdings for order in holding.orders), key=lambda order: (order.placed, order.symbol)
    )
    mine = sorted(fast.order_list, key=lambda order: (order.submitted_dt, order.symbol))
    told = [(o.submitted_dt, o.symbol, o.reason.value, o.quantity, o.filled, o.amount, o.fees) for o in mine]
    expected = [
        (str(o.placed), o.symbol, o.reason, o.quantity, o.filled, int(o.amount * UNIT), int(o.fees * UNIT))
        for o in orders
    ]
    for one, other in zip(told, expected, strict=True):
        assert one == other, f"seed {seed}: {run.options}"
    for row, (day, equity, cash, positions) in zip(fast.equity_curve, slow.curve, strict=True):
        held = positions[0] if len(positions) == 1 and not more else sum(position > 0 for position in positions)
        got = (round(row["equity"] * UNIT), round(row["cash"] * UNIT), row["position"])
        assert got == (equity * UNIT, cash * UNIT, held), f"seed {seed}, {day}: {run.options}"
    assert fast.metrics["total_return"] == pytest.approx(float(slow.curve[-1][1] / run.options.cash - 1), abs=1e-12)


@pytest.mark.parametrize("seed", SAMPLE)
def test_sample(seed: int) -> None:
    compare(seed)


@pytest.mark.parametrize("seed", [seed for seed in SAMPLE if len(random_run(seed).assets) == 1][:10])
def test_portfolio_of_one_is_the_single_run(seed: int) -> None:
    compare(seed, force_portfolio=True)


@pytest.mark.parametrize(("symbol", "first", "changed"), OLD_COSTS)
def test_costs_of_earlier_years(symbol: str, first: date, changed: date) -> None:
    sides = set()
    for seed in range(4):
        run = random_run(seed, symbol=symbol, first=first)
        compare(seed, run=run)
        orders = [order for given in run.assets[0].script.values() for order in given]
        sides |= {(order.side, order.placed >= changed) for order in orders if order.filled and order.placed}
    assert sides == {("buy", False), ("buy", True), ("sell", False), ("sell", True)}


@pytest.mark.soak
@pytest.mark.parametrize("seed", WHOLE)
def test_all(seed: int) -> None:
    compare(seed)


def test_cases_reach_every_reason() -> None:
    """The sample would prove little if orders always filled."""
    reasons = {order.reason for seed in SAMPLE for h in random_run(seed).slow().holdings for order in h.orders}
    assert reasons >= {
        "filled", "partial_volume", "limit_price", "limit_up", "limit_down", "suspended", "no_volume",
        "insufficient_cash", "below_lot", "above_largest", "no_position", "at_target", "no_next_bar",
    }  # fmt: skip
