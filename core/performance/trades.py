"""Figures over closed round trips. `pnl` is the result of each after costs, in the account's currency."""

import numpy as np

from core.performance.figures import Figure, FloatArray, Undefined, defined, undefined


def win_rate(pnl: FloatArray) -> Figure:
    """Share of the trades that made money; a trade of exactly zero is not a win."""
    return defined((pnl > 0).mean()) if pnl.size else undefined(Undefined.NO_TRADES)


def profit_factor(pnl: FloatArray) -> Figure:
    """Sum of the profits / |sum of the losses|. Undefined without a loss; 0 when there are only losses."""
    if not pnl.size:
        return undefined(Undefined.NO_TRADES)
    losses = -float(pnl[pnl < 0].sum())
    return defined(float(pnl[pnl > 0].sum()) / losses) if losses > 0 else undefined(Undefined.NO_LOSSES)


def payoff_ratio(pnl: FloatArray) -> Figure:
    """Mean profit of the winning trades / |mean loss of the losing ones|."""
    if not pnl.size:
        return undefined(Undefined.NO_TRADES)
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    if not losses.size:
        return undefined(Undefined.NO_LOSSES)
    return defined(wins.mean() / -losses.mean()) if wins.size else undefined(Undefined.NO_WINS)


def expectancy(pnl: FloatArray) -> Figure:
    """Mean result of a trade, in currency."""
    return defined(pnl.mean()) if pnl.size else undefined(Undefined.NO_TRADES)


def longest_losing_streak(pnl: FloatArray) -> int:
    """Return how many losing trades came one after the other, at most."""
    places = np.flatnonzero(np.concatenate(([True], pnl >= 0, [True])))
    return int(np.diff(places).max()) - 1
