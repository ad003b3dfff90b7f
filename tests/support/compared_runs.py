"""The engine and the slow reference side by side."""

import pytest

from tests.support.random_runs import RandomRun, random_run

UNIT = 10_000


def compare(seed: int, *, run: RandomRun | None = None, **more: object) -> None:
    """Assert that the engine and the slow reference end every order and every bar with the same cents."""
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
