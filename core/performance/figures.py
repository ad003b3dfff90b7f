"""What a figure is: a number, or the reason why there is none. Never zero or NaN in place of a missing one."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ANNUALIZATION: Final = 252.0
"""Trading days of a year by convention; annualised figures use it unless another number is given."""

CHINA_ANNUALIZATION: Final = 243.0
"""Trading days of an average year in Shanghai and Shenzhen, for `annualization=`."""

NOISE: Final = 1e-13
"""Returns that differ by less are equal: a cent on a thousand million is a hundred times as much."""


class Undefined(StrEnum):
    """Why a figure does not exist."""

    TOO_FEW_PERIODS = "too_few_periods"
    NO_VARIANCE = "no_variance"
    NO_DOWNSIDE = "no_downside"
    NO_DRAWDOWN = "no_drawdown"
    NO_TRADES = "no_trades"
    NO_LOSSES = "no_losses"
    NO_WINS = "no_wins"
    LOST_EVERYTHING = "lost_everything"
    NOT_RECORDED = "not_recorded"
    NO_BENCHMARK = "no_benchmark"
    NO_OVERLAP = "no_overlap"
    FLAT_BENCHMARK = "flat_benchmark"
    TOO_FEW_TRIALS = "too_few_trials"
    TOO_LARGE = "too_large"

    @property
    def text(self) -> str:
        """The reason as a sentence in English."""
        return _TEXTS[self][0]

    @property
    def text_zh(self) -> str:
        """The reason as a sentence in Chinese."""
        return _TEXTS[self][1]


_TEXTS: Final = {
    Undefined.TOO_FEW_PERIODS: ("There are too few periods.", "周期数太少。"),
    Undefined.NO_VARIANCE: ("All returns are equal.", "各期收益完全相同。"),
    Undefined.NO_DOWNSIDE: ("No return is below the target.", "没有低于目标的收益。"),
    Undefined.NO_DRAWDOWN: ("Equity was never below an earlier high.", "净值从未回撤。"),
    Undefined.NO_TRADES: ("No trade was closed.", "没有已平仓的交易。"),
    Undefined.NO_LOSSES: ("No trade lost money.", "没有亏损的交易。"),
    Undefined.NO_WINS: ("No trade made money.", "没有盈利的交易。"),
    Undefined.LOST_EVERYTHING: ("Equity reached zero, after which there are no returns.", "净值归零，此后没有收益率。"),
    Undefined.NOT_RECORDED: ("The run did not record what the figure needs.", "运行没有记录所需数据。"),
    Undefined.NO_BENCHMARK: ("No benchmark was given.", "没有给出基准。"),
    Undefined.NO_OVERLAP: ("The benchmark has no prices in the period.", "基准在该区间没有价格。"),
    Undefined.FLAT_BENCHMARK: ("The benchmark did not move.", "基准没有波动。"),
    Undefined.TOO_FEW_TRIALS: ("At least two trials are needed.", "至少需要两组参数。"),
    Undefined.TOO_LARGE: ("The figure is too large to be a number.", "数值过大。"),
}


def sentence_of(code: str) -> str:
    """Return the reason of a code as a sentence in English; other text as it is."""
    return Undefined(code).text if code in set(Undefined) else code


def codes_of(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return reasons as codes: results of earlier releases keep them as sentences. Other text stays as it is."""
    codes = {reason.text: reason.value for reason in Undefined}
    return {name: codes.get(text, text) for name, text in reasons.items()}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, or None and the reason. Exactly one of the two is given."""

    value: float | None
    reason: Undefined | None = None


def defined(value: float) -> Figure:
    """Return the figure of a finite number; overflow is told, not shown as infinity."""
    number = float(value)
    return Figure(number) if np.isfinite(number) else Figure(None, Undefined.TOO_LARGE)


def undefined(reason: Undefined) -> Figure:
    """Return the figure that does not exist."""
    return Figure(None, reason)


def is_constant(values: FloatArray) -> bool:
    """Return True when the values differ by rounding noise only."""
    return float(np.ptp(values)) <= NOISE * max(1.0, float(np.abs(values).max()))
