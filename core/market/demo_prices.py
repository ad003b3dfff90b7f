"""Draws the daily bars of the simulated shares: a day at a time, all shares at once, in whole cents."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.market.demo_plan import Share
from core.market.model import Board
from core.market.rules import LimitPercents, limit_rounding, limit_ticks

PULL: Final = 0.006
"""How strongly a price returns to its level each day; it keeps prices in a plausible range."""
WIDEST: Final = 60
"""Percent by which a price may move on a day without limit."""
SEALED: Final = 0.004
ONE_PRICE: Final = 0.3
DAYS_BETWEEN_DIVIDENDS: Final = 243
BONUS_TENTHS: Final = (0, 0, 0, 0, 2, 3, 4, 5, 10)

Matrix = NDArray[np.int64]


@dataclass(slots=True)
class Bars:
    """Days by shares; prices in cents, `cash` in cents and `bonus` in tenths of a share per share. `live`: traded."""

    live: NDArray[np.bool_]
    open: Matrix
    high: Matrix
    low: Matrix
    close: Matrix
    reference: Matrix
    cash: Matrix
    bonus: Matrix
    volume: Matrix
    factor: NDArray[np.float64]
    shares_out: Matrix


@dataclass(slots=True)
class _Draws:
    """All randomness of the prices, drawn at once: days by shares."""

    returns: NDArray[np.float64]
    gaps: NDArray[np.float64]
    wicks: NDArray[np.float64]
    sealed: NDArray[np.int64]
    one_price: NDArray[np.bool_]
    dividend: NDArray[np.float64]
    bonus: Matrix
    turnover: NDArray[np.float64]
    level: Matrix
    shares_out: Matrix = field(repr=False)


def draw_bars(random: np.random.Generator, shares: list[Share], limits: Matrix) -> Bars:
    """Draw every bar. A limit of 0 percent stands for none. Halted, unlisted and removed shares have no bar."""
    days, count = limits.shape
    draws = _draw(random, shares, days)
    draws.sealed[limits == 0] = 0
    live = _live(shares, days)
    empty = {name: np.zeros((days, count), dtype=np.int64) for name in Bars.__dataclass_fields__}
    bars = Bars(**(empty | {"live": live, "factor": np.ones((days, count))}))  # type: ignore[arg-type]
    last, factor, issued = draws.level.copy(), np.ones(count), draws.shares_out.copy()
    beijing = np.array([share.board is Board.BSE for share in shares])
    for day in range(days):
        pays = live[day] & (draws.dividend[day] > 0) & (limits[day] > 0)
        cash = np.where(pays, np.maximum(np.rint(last * draws.dividend[day]), 1), 0).astype(np.int64)
        bonus = np.where(pays, draws.bonus[day], 0)
        reference = ((last - cash) * 20 + 10 + bonus) // (2 * (10 + bonus))
        factor *= np.where(pays, last / reference, 1.0)
        issued = np.where(pays, issued * (10 + bonus) // 10, issued)
        drawn = _draw_day(draws, day, reference=reference, bounds=_bounds(reference, limits[day], beijing))
        for name, values in zip(("open", "high", "low", "close"), drawn, strict=True):
            getattr(bars, name)[day] = values
        bars.reference[day], bars.cash[day], bars.bonus[day] = reference, cash, bonus
        bars.factor[day], bars.shares_out[day] = factor, issued
        last = np.where(live[day], drawn[3], last)
    bars.volume = np.maximum(np.rint(bars.shares_out * draws.turnover / 100), 1).astype(np.int64) * 100
    return bars


def _draw_day(
    draws: _Draws, day: int, *, reference: Matrix, bounds: tuple[Matrix, Matrix]
) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Return open, high, low and close of one day."""
    down, up = bounds
    pull = PULL * np.log(draws.level / reference)
    sealed = draws.sealed[day]
    close = np.clip(np.rint(reference * np.exp(draws.returns[day] + pull)), down, up)
    close = np.where(sealed > 0, up, np.where(sealed < 0, down, close))
    opened = np.clip(np.rint(reference * np.exp(draws.gaps[day])), down, up)
    opened = np.where((sealed != 0) & draws.one_price[day], close, opened)
    still = (sealed != 0) & draws.one_price[day]
    wick = np.where(still, 0.0, draws.wicks[day])
    high = np.clip(np.rint(np.maximum(opened, close) * (1 + wick)), down, up)
    low = np.clip(np.rint(np.minimum(opened, close) * (1 - wick)), down, up)
    return opened.astype(np.int64), high.astype(np.int64), low.astype(np.int64), close.astype(np.int64)


def _bounds(reference: Matrix, percents: Matrix, beijing: NDArray[np.bool_]) -> tuple[Matrix, Matrix]:
    """Return the lowest and highest price of a day, by the rules."""
    down, up = np.zeros_like(reference), np.zeros_like(reference)
    for board, chosen in ((Board.BSE, beijing), (Board.MAIN, ~beijing)):
        for percent in np.unique(percents[chosen]).tolist():
            where = chosen & (percents == percent)
            allowed = LimitPercents(percent or WIDEST, percent or WIDEST)
            down[where], up[where] = limit_ticks(reference[where], allowed, rounding=limit_rounding(board))
    return down, up


def _live(shares: list[Share], days: int) -> NDArray[np.bool_]:
    live = np.ones((days, len(shares)), dtype=bool)
    for column, share in enumerate(shares):
        live[: max(share.listed, 0), column] = False
        if share.removed is not None:
            live[share.removed :, column] = False
        for halt in share.halts:
            live[halt.start : halt.stop, column] = False
    return live


def _draw(random: np.random.Generator, shares: list[Share], days: int) -> _Draws:
    shape = (days, len(shares))
    sigma = np.array([{Board.MAIN: 0.016, Board.BSE: 0.03}.get(share.board, 0.024) for share in shares])
    market = random.normal(0.0002, 0.009, size=(days, 1))
    noise = random.standard_t(5, size=shape) * sigma * 0.7
    returns = market * random.uniform(0.6, 1.4, size=len(shares)) + noise
    return _Draws(
        returns=returns,
        gaps=returns * 0.3 + random.normal(0, 0.004, size=shape),
        wicks=np.abs(random.normal(0, 0.008, size=shape)),
        sealed=np.where(random.random(shape) < SEALED, np.where(random.random(shape) < 0.6, 1, -1), 0).astype(np.int64),
        one_price=random.random(shape) < ONE_PRICE,
        dividend=_dividend_days(random, shape),
        bonus=random.choice(BONUS_TENTHS, size=shape).astype(np.int64),
        turnover=np.exp(random.normal(-4.4, 0.6, size=shape) + np.abs(noise) * 8),
        level=np.rint(np.exp(random.normal(2.7, 0.7, size=len(shares))) * 100 + 200).astype(np.int64),
        shares_out=(random.integers(8, 400, size=len(shares)) * 10_000_000).astype(np.int64),
    )


def _dividend_days(random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the cash of each day as a fraction of the price: once a year for most shares."""
    rates = np.zeros(shape)
    for column in range(shape[1]):
        first = int(random.integers(120, 200))
        pays = random.random() < 0.8
        for row in range(first, shape[0], DAYS_BETWEEN_DIVIDENDS) if pays else ():
            rates[row, column] = random.uniform(0.004, 0.04)
    return rates
