"""The look-ahead check: a strategy that reads the future orders differently when the future is another one.

The run is repeated with the bars after a sampled bar scrambled. Everything up to that bar must be the same: the orders
submitted, and the account.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from core.backtest.api import backtest
from core.backtest.lookahead_finding import LookAhead
from core.backtest.outcome import BacktestResult

SAMPLES: Final = 8
PRICE_FIELDS: Final = ("open", "high", "low", "close")


def lookahead_check(
    make_strategy: Callable[[Sequence[Mapping[str, Any]]], object],
    bars: Sequence[Mapping[str, Any]],
    *,
    samples: int = SAMPLES,
    seed: int = 1,
    **parameters: Any,
) -> list[LookAhead]:
    """Return where orders change with the future; an empty list when none was found.

    `make_strategy` is given the rows of each repetition and makes a fresh strategy: what a strategy computes from the
    data beforehand is checked as well. `known` of a finding is the last bar that both runs shared. `parameters` are
    those of `backtest`; those after the sampled bar are not compared.
    """
    dice = np.random.default_rng(seed)
    rows = list(bars)
    whole = backtest(make_strategy(rows), bars=rows, **parameters)
    findings: list[LookAhead] = []
    for known in _sampled(len(rows), samples, dice):
        other_rows = scrambled(rows, known, dice, names=parameters.get("price_columns") or {})
        other = backtest(make_strategy(other_rows), bars=other_rows, **parameters)
        found = _first_difference(whole, other, known, rows, parameters.get("date_column", "trade_date"))
        if found is not None:
            findings.append(found)
    return findings


def scrambled(
    rows: Sequence[Mapping[str, Any]], known: int, dice: np.random.Generator, *, names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the rows with everything but the dates shuffled and rescaled after bar `known`."""
    later = list(range(known + 1, len(rows)))
    taken = [int(place) for place in dice.permutation(later)]
    columns = {names.get(name, name) for name in (*PRICE_FIELDS, "pre_close", "amount")}
    factor = float(dice.choice([0.5, 2.0]))
    out = [dict(row) for row in rows[: known + 1]]
    for place, source in zip(later, taken, strict=True):
        moved = {name: _scaled(value, factor) if name in columns else value for name, value in rows[source].items()}
        dated = {name: value for name, value in rows[place].items() if _is_date(name, value)}
        out.append(moved | dated)
    return out


def _scaled(value: Any, factor: float) -> Any:
    """Return a price in cents of the other future."""
    return max(round(float(value) * factor, 2), 0.01) if value is not None else None


def _is_date(name: str, value: Any) -> bool:
    is_text = isinstance(value, str) and value[:4].isdigit() and ("date" in name or "day" in name or name == "dt")
    return is_text or hasattr(value, "year")


def _sampled(size: int, samples: int, dice: np.random.Generator) -> list[int]:
    """Return bars after which the future is scrambled: spread over the run, never the last one."""
    if size < 2:
        return []
    edges = np.linspace(0, size - 1, samples + 1).astype(int)
    return sorted({int(dice.integers(low, max(high, low + 1))) for low, high in pairwise(edges)})


def _first_difference(
    one: BacktestResult, other: BacktestResult, known: int, rows: Sequence[Mapping[str, Any]], date_column: str
) -> LookAhead | None:
    """Compare what was ordered up to the last bar both runs know."""
    mine, theirs = _ordered(one, known), _ordered(other, known)
    for bar in sorted(mine.keys() | theirs.keys()):
        if mine.get(bar) != theirs.get(bar):
            return LookAhead(bar, str(rows[bar][date_column]), known, mine.get(bar, []), theirs.get(bar, []))
    return None


def _ordered(result: BacktestResult, known: int) -> dict[int, list[dict[str, Any]]]:
    """Return the orders as they were submitted, by bar: not how they ended, which the next bar decides."""
    out: dict[int, list[dict[str, Any]]] = {}
    for order in result.order_list:
        if order.submitted <= known:
            side = "target" if order.size_kind == "target" else str(order.side)
            shown = {"side": side, "size": order.size, "limit_price": order.limit_price}
            out.setdefault(order.submitted, []).append(shown)
    return out
