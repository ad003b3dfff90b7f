"""Sweeps of the dual moving average in compiled trials: the cents of single runs, thousands of them a second."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.backtest.panel_actions import ratios_of
from core.backtest.panel_decisions import part_of
from core.backtest.panel_market import padded
from core.backtest.problems import ParameterInvalid
from core.backtest.request import RunRequest
from core.backtest.series import Series
from core.backtest.signal_prices import signal_prices
from core.backtest.strategies.moving_average import DualMovingAverage
from core.backtest.sweep_grid import Parameters
from core.backtest.sweep_trials import NamedStrategy
from core.matching import sweep_kernel as kernel
from core.matching import sweep_layout as at
from core.matching.model import AMOUNT_PLACES, FillMode
from core.matching.threads import in_threads

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
UNIT: Final = 10**AMOUNT_PLACES
TRIALS_AT_ONCE: Final = 128
"""Trials between two words of progress of one thread."""
NO_CURVES: Final = np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledTrials:
    """What trials came to: columns of `sweep_layout`, one row a trial."""

    counts: Integers
    sums: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Averages:
    """Trials of the dual moving average: the lengths that occur, each trial's pair of places among them, the size."""

    lengths: Integers
    pairs: Integers
    size: str | float

    def first(self, count: int) -> "Averages":
        """Return the first trials alone."""
        return Averages(self.lengths, self.pairs[:count], self.size)


def can_compile(request: RunRequest, series: Sequence[Series]) -> bool:
    """Return whether compiled trials know everything that is asked for."""
    known = (
        request.matching_type is None
        and not request.carry_orders
        and not request.take_rights
        and request.tax is None
        and request.on_trade is None
    )
    return known and all(request.mode is FillMode.THIS_CLOSE or "open" in one.bars.prices for one in series)


def averages_of(make: Callable[..., object], tried: Sequence[Parameters]) -> Averages | None:
    """Return the trials of the dual moving average; None for another strategy, or for sizes that differ."""
    first = make(**tried[0])
    sizes = {one["size"] for one in tried if "size" in one}
    if type(first) is not DualMovingAverage or not sizes <= {first.size}:
        return None
    fast = np.array([one.get("fast", first.fast) for one in tried], dtype=np.int64)
    slow = np.array([one.get("slow", first.slow) for one in tried], dtype=np.int64)
    lengths, places = np.unique(np.stack((fast, slow), axis=1), return_inverse=True)
    return Averages(lengths, places.reshape(-1, 2).astype(np.int64), first.size)


def quick_refusal(make: Callable[..., object]) -> Callable[[Parameters], str | None]:
    """Return what tells why a strategy refuses parameters, without making one of each where plain numbers tell."""
    averages = make in {DualMovingAverage, NamedStrategy("dual_moving_average")}

    def refusal(parameters: Parameters) -> str | None:
        if averages and parameters.keys() == {"fast", "slow"}:
            fast, slow = parameters["fast"], parameters["slow"]
            if type(fast) is int and type(slow) is int and 0 < fast < slow:
                return None
        try:
            make(**parameters)
        except ParameterInvalid as error:
            return error.message
        return None

    return refusal


def run_compiled(
    averages: Averages, request: RunRequest, series: Series, *, threads: int
) -> Iterator[tuple[slice, CompiledTrials]]:
    """Run trials over one instrument, in stretches by several threads; the averages are shared by all."""
    tape, rules = _series(series, request), _rules(series, request, averages.size, request.cash)
    lengths, pairs = averages.lengths, averages.pairs
    means = _means(series, lengths)

    def run(part: slice) -> tuple[slice, CompiledTrials]:
        return part, _trials(means, pairs[part], tape, rules, NO_CURVES)

    yield from in_threads(run, _stretches(len(pairs)), threads)


def run_compiled_series(
    averages: Averages, request: RunRequest, many: Sequence[Series], *, threads: int
) -> Iterator[CompiledTrials]:
    """Run the same trials over many instruments, in their order."""
    lengths, pairs, cash = averages.lengths, averages.pairs, request.cash

    def run(series: Series) -> CompiledTrials:
        tape, rules = _series(series, request), _rules(series, request, averages.size, cash)
        means = _means(series, lengths)
        return _trials(means, pairs, tape, rules, NO_CURVES)

    return in_threads(run, many, threads)


def curves_of(averages: Averages, request: RunRequest, series: Series, *, threads: int) -> Integers:
    """Return the equity of every trial at the end of each bar, in 0.0001: one row a trial."""
    tape, rules = _series(series, request), _rules(series, request, averages.size, request.cash)
    lengths, pairs = averages.lengths, averages.pairs
    means = _means(series, lengths)
    out = np.zeros((len(pairs), len(series.bars)), dtype=np.int64)

    def run(part: slice) -> None:
        _trials(means, pairs[part], tape, rules, out[part])

    list(in_threads(run, _stretches(len(pairs)), threads))
    return out


def _means(series: Series, lengths: Integers) -> Floats:
    """Return the averages that `ctx.sma` shows: one row a length."""
    signals = signal_prices(series.bars)
    return signals.told(kernel.means_of(signals.columns["close"], lengths, signals.scale))


def _stretches(count: int) -> list[slice]:
    return [slice(first, min(first + TRIALS_AT_ONCE, count)) for first in range(0, count, TRIALS_AT_ONCE)]


def _trials(means: Floats, pairs: Integers, tape: at.Series, rules: at.Rules, curves: Integers) -> CompiledTrials:
    counts = np.zeros((len(pairs), at.COUNTS), dtype=np.int64)
    sums = np.zeros((len(pairs), at.SUMS))
    kernel.run_trials(means, pairs, tape, rules, counts, sums, curves)
    return CompiledTrials(counts, sums)


def _series(series: Series, request: RunRequest) -> at.Series:
    bars, terms = series.bars, series.terms
    events = [(due.index, number, 0) for number, due in enumerate(series.due)]
    events += [(due.pay_index, number, 1) for number, due in enumerate(series.due) if due.pay_index is not None]
    events.sort(key=lambda event: (event[0], event[2]))
    ends = np.flatnonzero(np.append(np.diff(bars.days) > 0, True)).astype(np.int64)
    closes, size = bars.prices["close"], len(bars)
    regime = np.asarray(terms.regime, dtype=np.int64)
    paid, received, caps = (np.empty(size, dtype=np.int64) for _ in range(3))
    kernel.quote_bars(
        bars.prices["close" if request.mode is FillMode.THIS_CLOSE else "open"],
        np.zeros(size, dtype=np.int64) if bars.volume is None else bars.volume,
        terms.down, terms.up, regime, terms.settings, padded([terms.ticks])[0], paid, received, caps,
    )  # fmt: skip
    return at.Series(
        closes=closes,
        levels=closes.astype(np.float64),
        paid=paid,
        received=received,
        caps=caps,
        gap_after=np.asarray(terms.gap_after, dtype=np.bool_),
        regime=regime,
        days=bars.days,
        ends=ends,
        places=np.searchsorted(ends, np.arange(size + 1)).astype(np.int64),
        events=np.array(events, dtype=np.int64).reshape(len(events), 3),
        ratios=np.array([ratios_of(due)[:2] for due in series.due], dtype=np.int64).reshape(len(series.due), 2),
    )


def _rules(series: Series, request: RunRequest, size: object, cash: int) -> at.Rules:
    terms, places = series.terms, series.bars.places
    part = 0 if size == "all" else part_of(size)
    factor, divisor = 10 ** max(0, AMOUNT_PLACES - places), 10 ** max(0, places - AMOUNT_PLACES)
    highest = int(series.bars.prices["close"].max())
    is_at_close = int(request.mode is FillMode.THIS_CLOSE)
    return at.Rules(
        settings=terms.settings,
        lots=terms.lots,
        charges=padded([terms.charges])[0],
        options=np.array([cash, part, request.warmup_bars, is_at_close, factor, divisor, highest], dtype=np.int64),
    )
