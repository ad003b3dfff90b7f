"""The engine and the slow reference agree to the cent on every bar, and on the end of every order."""

from datetime import date
from functools import cache

import pytest

from tests.support.compared_runs import compare
from tests.support.random_runs import random_run

SAMPLE = range(60)
WHOLE = range(500)
OLD_COSTS = [
    ("000002.SZ", date(2008, 4, 14), date(2008, 4, 24)),
    ("000002.SZ", date(2008, 9, 8), date(2008, 9, 19)),
    ("00700.HK", date(2014, 10, 20), date(2014, 11, 3)),
    ("00005.HK", date(2021, 12, 20), date(2022, 1, 3)),
]
"""Stocks, a day before a stamp duty or levy changed that the other cases are too young for, and the day it did."""


@pytest.mark.parametrize("seed", SAMPLE)
def test_sample(seed: int) -> None:
    compare(seed)


@cache
def seeds_of_one_asset() -> list[int]:
    """Drawn when a test asks for them: collecting the tests is done by every process that runs some."""
    return [seed for seed in SAMPLE if len(random_run(seed).assets) == 1]


@pytest.mark.parametrize("place", range(10))
def test_portfolio_of_one_is_the_single_run(place: int) -> None:
    seed = seeds_of_one_asset()[place]
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
