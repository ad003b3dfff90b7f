"""Orders that meet averages, auctions, ticks and books: the engine and the slow reference agree to the cent."""

from functools import cache

import pytest

from tests.support.compared_runs import compare
from tests.support.random_ticks import KINDS, random_tick_run

SAMPLE = range(72)
WHOLE = range(600)


@pytest.mark.parametrize("seed", SAMPLE)
def test_sample(seed: int) -> None:
    compare(seed, run=random_tick_run(seed))


@cache
def seeds_of_one_asset() -> list[int]:
    """Drawn when a test asks for them: collecting the tests is done by every process that runs some."""
    return [seed for seed in SAMPLE if len(random_tick_run(seed).assets) == 1]


@pytest.mark.parametrize("place", range(12))
def test_portfolio_of_one_is_the_single_run(place: int) -> None:
    seed = seeds_of_one_asset()[place]
    compare(seed, run=random_tick_run(seed), force_portfolio=True)


@pytest.mark.soak
@pytest.mark.parametrize("seed", WHOLE)
def test_all(seed: int) -> None:
    compare(seed, run=random_tick_run(seed))


def test_cases_reach_every_reason() -> None:
    """The sample would prove little if orders always filled, or if one kind of order never did."""
    seen = set()
    for seed in SAMPLE:
        run = random_tick_run(seed)
        for holding in run.slow().holdings:
            seen |= {(run.matching.kind, order.reason) for order in holding.orders}
            seen |= {(run.matching.slippage, order.side) for order in holding.orders if order.filled}
    assert {kind for kind, reason in seen if reason == "filled"} == set(KINDS)
    assert {kind for kind, reason in seen if reason == "partial_volume"} == set(KINDS)
    for kind in ("price_ratio", "tick_size", "limit_price"):
        assert {(kind, "buy"), (kind, "sell")} <= seen
    assert {reason for _, reason in seen} >= {
        "limit_price", "limit_up", "limit_down", "suspended", "no_volume", "no_depth", "insufficient_cash", "below_lot",
        "above_largest", "no_position", "at_target", "no_next_bar", "t_plus_one",
    }  # fmt: skip
