"""Whatever may change a result changes the fingerprint; what runs the same has the same one."""

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from core.backtest import fingerprint
from core.backtest.api import backtest, backtest_portfolio
from tests.support.backtest_rows import walk

ROWS = walk(30)
LEAST = 5.0
Change = Callable[[pytest.MonkeyPatch], None]


def wants(bar: Any) -> bool:
    return bool(bar.close > LEAST)


def never(bar: Any) -> bool:
    return False


def buyer(bar: Any, ctx: Any) -> None:
    if wants(bar) and ctx.position == 0:
        ctx.buy("all")


class Buyer:
    least = 5.0

    def __init__(self, **held: Any) -> None:
        self.held = held
        self.seen: list[str] = []

    def wants(self, bar: Any) -> bool:
        return bool(bar.close > self.least)

    def on_bar(self, bar: Any, ctx: Any) -> None:
        self.seen.append(bar.dt)
        if self.wants(bar) and ctx.position == 0:
            ctx.buy("all")


class Shy(Buyer):
    def wants(self, bar: Any) -> bool:
        return not super().wants(bar)


class Dear(Buyer):
    least = 1_000.0


def mark(strategy: object = buyer, **named: Any) -> str:
    return str(backtest(strategy, **{"bars": ROWS} | named).metrics["fingerprint"])


def edited(**more: Any) -> list[dict[str, Any]]:
    return [row | more for row in ROWS]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda patch: patch.setattr(f"{__name__}.LEAST", 1_000.0), id="a constant of the file"),
        pytest.param(lambda patch: patch.setattr(f"{__name__}.wants", never), id="a function it calls"),
        pytest.param(lambda patch: patch.setattr(wants, "__defaults__", (1,)), id="its defaults"),
    ],
)
def test_what_a_function_looks_up_is_part_of_it(change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    before = mark()
    change(monkeypatch)
    assert mark() != before


@pytest.mark.parametrize("first", [0, 1])
def test_objects_differ_by_class_and_by_what_they_hold(first: int) -> None:
    made: list[Callable[[], object]] = [
        Buyer, Shy, Dear, partial(Buyer, n=1), partial(Buyer, n=2), partial(Buyer, n=[1, 2]),
        partial(Buyer, signal=np.array([1.0, 2.0])), partial(Buyer, signal=np.array([1.0, 3.0])),
        partial(Buyer, dice=random.Random(1)), partial(Buyer, dice=random.Random(2)),
        partial(Buyer, call=wants), partial(Buyer, call=never), partial(Buyer, call=partial(wants, 1)),
    ]  # fmt: skip
    marks = [mark(make()) for make in made]
    assert len(set(marks)) == len(made)
    assert mark(made[first]()) == marks[first]


@pytest.mark.parametrize(
    "named",
    [
        {"bars": edited(mood=1)},
        {"bars": edited(mood="calm")},
        {"bars": [row | {"trade_date": row["trade_date"].replace("-", "")} for row in ROWS]},
        {"bars": [row | {"pre_close": round(row["pre_close"] * 0.8, 2)} for row in ROWS]},
        {"benchmark_bars": ROWS},
        {"benchmark_bars": walk(30, seed=9)},
        {"commission_bps": 1},
        {"fill": "this_close"},
    ],
)
def test_data_and_parameters_are_part_of_it(named: dict[str, Any]) -> None:
    assert mark(**named) == mark(**named) != mark()


def test_published_limits_are_part_of_it() -> None:
    rules = {"market_rules": "a_share", "listing": "600519.SH"}
    marks = {mark(bars=edited(limit_up=up, limit_down=1.0), **rules) for up in (1_000.0, 10.0)}
    assert len(marks) == 2


def test_rows_and_columns_of_the_same_data_run_the_same() -> None:
    """A strategy may read `bar.raw`, which shows them in another way; the run itself is the same."""
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    assert mark(bars=columns) == mark()


def test_a_long_run_is_digested_beside_it_and_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    alone = mark(bars=columns)
    monkeypatch.setattr("core.backtest.fingerprint.MANY", 10)
    threads: list[str] = []
    digest = fingerprint.data_digest

    def seen(*given: Any) -> bytes:
        threads.append(threading.current_thread().name)
        return digest(*given)

    monkeypatch.setattr("core.backtest.single_run.data_digest", seen)
    assert mark(bars=columns) == alone
    assert threads != [threading.main_thread().name]


def test_a_portfolio_is_told_by_all_of_its_strategies() -> None:
    bars = {"a": ROWS, "b": walk(30, seed=9)}

    def told(second: object, **named: Any) -> str:
        return str(backtest_portfolio({"a": buyer, "b": second}, bars=bars, **named).metrics["fingerprint"])

    marks = [told(Buyer()), told(Shy()), told(Buyer(n=1)), told(Buyer(), benchmark_bars=ROWS)]
    assert len(set(marks)) == len(marks)
    assert told(Buyer()) == marks[0]


def test_what_cannot_be_taken_apart_is_told_by_its_kind(tmp_path: Any) -> None:
    with (tmp_path / "notes").open("w") as notes:
        knot: list[Any] = [notes]
        knot.append(knot)
        assert mark(Buyer(file=notes, knot=knot)) == mark(Buyer(file=notes, knot=knot))
