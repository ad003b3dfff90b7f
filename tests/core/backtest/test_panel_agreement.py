"""Given the same orders, the panel driver, the callback driver and the slow reference agree to the cent."""

import pytest

from tests.support.panel_runs import on_panel, random_panel_run

UNIT = 10_000
SAMPLE = range(40)
WHOLE = range(500)


def compare(seed: int) -> None:
    run = random_panel_run(seed)
    slow, panel = run.slow(), on_panel(run)
    if len(run.assets) > 1:
        fast = run.fast(force_portfolio=True)
        assert panel.orders == fast.orders, f"seed {seed}: {run.options}"
        assert panel.equity_curve == fast.equity_curve
        assert panel.trades == fast.trades
        assert panel.per_asset() == {
            symbol: gave for symbol, gave in fast.metrics["per_asset"].items() if symbol in panel.per_asset()
        }
        assert {name: value for name, value in panel.metrics.items() if name != "fingerprint"} == {
            name: value for name, value in fast.metrics.items() if name not in {"fingerprint", "per_asset"}
        }
    told = [
        (o.submitted_dt, o.symbol, o.reason.value, o.quantity, o.filled, o.amount, o.fees) for o in panel.order_list
    ]
    orders = sorted(
        (order for holding in slow.holdings for order in holding.orders), key=lambda order: (order.placed, order.symbol)
    )
    expected = [
        (str(o.placed), o.symbol, o.reason, o.quantity, o.filled, int(o.amount * UNIT), int(o.fees * UNIT))
        for o in orders
    ]
    for one, other in zip(told, expected, strict=True):
        assert one == other, f"seed {seed}: {run.options}"
    for row, (day, equity, cash, positions) in zip(panel.equity_curve, slow.curve, strict=True):
        got = (row["dt"], round(row["equity"] * UNIT), round(row["cash"] * UNIT), row["position"])
        assert got == (day.isoformat(), equity * UNIT, cash * UNIT, sum(position > 0 for position in positions))


@pytest.mark.parametrize("seed", SAMPLE)
def test_sample(seed: int) -> None:
    compare(seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", WHOLE)
def test_all(seed: int) -> None:
    compare(seed)


def test_cases_reach_every_reason() -> None:
    """The sample would prove little if orders always filled."""
    reasons = {reason for seed in SAMPLE for reason in on_panel(random_panel_run(seed)).reasons}
    assert reasons >= {
        "filled", "partial_volume", "limit_price", "limit_up", "limit_down", "suspended", "no_volume",
        "insufficient_cash", "below_lot", "above_largest", "no_position", "at_target", "no_next_bar",
    }  # fmt: skip


@pytest.mark.parametrize("seed", [seed for seed in SAMPLE if random_panel_run(seed).options.rules == "a_share"][:6])
def test_prices_move_by_the_same_steps(seed: int) -> None:
    run = random_panel_run(seed)
    plain = on_panel(run, slippage_bps=0.0)
    for slippage in ("tick_size:3", "limit_price"):
        panel = on_panel(run, slippage=slippage, slippage_bps=0.0)
        assert panel.orders == run.fast(slippage=slippage, slippage_bps=0.0, force_portfolio=True).orders
        assert panel.orders != plain.orders
