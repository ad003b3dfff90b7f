"""How a file's prices were adjusted: what was said, what its name says, and what its own money says.

Amount divided by volume is the average price really paid. It lies between low and high on every day exactly when the
prices are raw; below-money prices are forward adjusted. So a file whose header is silent still tells on itself, and a
wrong claim is found out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.market.importers.keys import CENT
from core.market.importers.model import FileRefused
from core.market.model import Adjustment

_NAME_WORDS: Final = {
    "raw": Adjustment.RAW, "bfq": Adjustment.RAW, "none": Adjustment.RAW,
    "不复权": Adjustment.RAW, "未复权": Adjustment.RAW,
    "qfq": Adjustment.FORWARD, "forward": Adjustment.FORWARD, "前复权": Adjustment.FORWARD,
    "hfq": Adjustment.BACKWARD, "backward": Adjustment.BACKWARD, "后复权": Adjustment.BACKWARD,
}  # fmt: skip
_SPLIT: Final = re.compile(r"[^a-z\u4e00-\u9fff]+")
ENOUGH_ROWS: Final = 5
MOSTLY: Final = 0.98
"""Share of days that decides; early records have single wrong amounts."""
FEW_SHARES: Final = 10_000
"""Below it, volumes rounded to lots make averages too coarse."""
HOW_TO_SAY: Final = "say --adjustment raw, forward or backward"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What amounts and volumes say: the share of days whose average price lies between low and high, and the rest."""

    days: int
    inside: float
    newest_inside: float
    below_money: float

    @property
    def is_raw(self) -> bool:
        """True when the prices are those at which money changed hands."""
        return self.days >= ENOUGH_ROWS and self.inside >= MOSTLY

    @property
    def is_forward(self) -> bool:
        """True when old prices lie below the money paid and the newest agree with it."""
        return self.days >= ENOUGH_ROWS and not self.is_raw and self.newest_inside >= 0.9 and self.below_money >= MOSTLY

    @property
    def is_above_money(self) -> bool:
        """True when prices lie above the money paid wherever they differ from it."""
        return self.days >= ENOUGH_ROWS and not self.is_raw and self.below_money <= 1 - MOSTLY

    @property
    def is_foreign(self) -> bool:
        """True when prices, amounts and volumes cannot belong to one instrument, single bad records set aside."""
        return self.days >= ENOUGH_ROWS and self.inside < 0.5

    @property
    def contradicts_raw(self) -> bool:
        """True when the prices cannot be raw."""
        return self.days >= ENOUGH_ROWS and self.inside < 0.9


def decide(
    table: pa.Table, path: Path, *, stated: Adjustment | None, told: Adjustment | None
) -> tuple[Adjustment, str]:
    """Return the adjustment of a file's bars and how it is known. Raises `FileRefused`."""
    if stated is not None:
        if told is not None and told is not stated:
            raise FileRefused(reason=f"the file itself says {stated.value}, --adjustment says {told.value}")
        if stated is Adjustment.RAW and weigh(table).is_foreign:
            raise FileRefused(
                reason="amount divided by volume lies outside low and high on most days: "
                "these are not raw bars of this instrument; if it is another one say --symbol"
            )
        return stated, "stated in the file"
    claimed = told or told_by_name(path)
    evidence = weigh(table)
    if claimed is Adjustment.RAW and evidence.contradicts_raw:
        share = f"{1 - evidence.inside:.0%} of days; {HOW_TO_SAY}"
        raise FileRefused(reason=f"called raw, but amount divided by volume lies outside low and high on {share}")
    if claimed is not None:
        return claimed, "told by --adjustment" if told else "told by the file's name"
    if evidence.is_raw:
        return Adjustment.RAW, "found by comparing prices with amount divided by volume"
    if evidence.is_forward:
        return Adjustment.FORWARD, "found by comparing prices with amount divided by volume"
    guess = " (they lie above the money paid, as backward adjusted ones do)" if evidence.is_above_money else ""
    raise FileRefused(reason=f"nothing tells how the prices were adjusted{guess}; {HOW_TO_SAY}")


def told_by_name(path: Path) -> Adjustment | None:
    """Return the one adjustment a file's name speaks of, such as `qfq`, or None."""
    words = {word for word in _SPLIT.split(path.stem.lower()) if word}
    found = {adjustment for word, adjustment in _NAME_WORDS.items() if word in words}
    return found.pop() if len(found) == 1 else None


def weigh(table: pa.Table) -> Evidence:
    """Compare prices with amount divided by volume, days in order."""
    if not {"amount", "volume"} <= set(table.column_names):
        return Evidence(0, 0.0, 0.0, 0.0)
    ordered = table.sort_by("trade_date")
    volume, amount, high, low = (_numbers(ordered, name) for name in ("volume", "amount", "high", "low"))
    usable = (volume >= FEW_SHARES) & (amount > 0) & np.isfinite(high) & np.isfinite(low)
    if not usable.any():
        return Evidence(0, 0.0, 0.0, 0.0)
    paid, high, low = amount[usable] / volume[usable], high[usable], low[usable]
    inside = (paid >= low * 0.999 - 0.006) & (paid <= high * 1.001 + 0.006)
    outside = ~inside
    below = float((high[outside] < paid[outside]).mean()) if outside.any() else 0.0
    return Evidence(len(paid), float(inside.mean()), float(inside[-20:].mean()), below)


def check_against_stored(table: pa.Table, stored: pa.Table) -> None:
    """Refuse bars called raw whose closes are not the stored raw ones. Raises `FileRefused`."""
    table = table.filter(pc.is_valid(table["trade_date"]))
    days_new = table["trade_date"].cast(pa.int32()).to_numpy()
    days_old = stored["trade_date"].cast(pa.int32()).to_numpy()
    common, at_new, at_old = np.intersect1d(days_new, days_old, return_indices=True)
    if len(common) < ENOUGH_ROWS:
        return
    differing = np.abs(_numbers(table, "close")[at_new] - _numbers(stored, "close")[at_old]) > CENT
    if differing.mean() > 1 - 0.9:
        raise FileRefused(
            reason=f"called raw, but {int(differing.sum())} of {len(common)} closes differ from the stored raw ones; "
            + HOW_TO_SAY
        )


def symbols_of(table: pa.Table) -> Sequence[str]:
    """Return the distinct symbols of a table."""
    found: list[str] = pc.unique(table["symbol"]).drop_null().to_pylist()
    return found


def _numbers(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column as floats, NaN where null."""
    values: NDArray[np.float64] = pc.fill_null(table[name].cast(pa.float64()), float("nan")).to_numpy()
    return values
