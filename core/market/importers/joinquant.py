"""JoinQuant: shares and CNY; `factor` tells the adjustment, and adjusted files have adjusted volumes too."""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.market.importers.layout import BarLayout, Reading
from core.market.importers.model import FileRefused
from core.market.importers.text import Frame
from core.market.model import Adjustment


def _adjustment(frame: Frame) -> Adjustment | None:
    """A factor of 1 throughout is raw; at most 1 is forward, at least 1 is backward adjustment."""
    factors = Reading(frame, {}, {}).real("factor")
    factors = factors[np.isfinite(factors)]
    if len(factors) == 0 or (factors == 1).all():
        return Adjustment.RAW
    if (factors <= 1).all():
        return Adjustment.FORWARD
    if (factors >= 1).all():
        return Adjustment.BACKWARD
    raise FileRefused(reason="factor is below 1 on some days and above 1 on others; neither forward nor backward")


def _finish(reading: Reading) -> None:
    """Undo the adjustment of the volume: traded shares are adjusted volume times factor."""
    factor = reading.real("factor")
    volume = reading.real("volume")
    reading.columns["volume"] = pa.chunked_array([pa.array(np.round(volume * factor), from_pandas=True)])
    reading.columns["factor"] = pa.chunked_array([pa.array(factor, from_pandas=True)])


def _suspended(reading: Reading) -> NDArray[np.bool_]:
    """Return the paused days."""
    paused: NDArray[np.bool_] = reading.real("paused") == 1
    return paused


LAYOUTS: Final = (
    BarLayout(
        name="joinquant",
        source="joinquant",
        required=frozenset({"open", "close", "high", "low", "volume", "money", "factor", "paused"}),
        columns={
            "open": "open",
            "high": "high",
            "low": "low",
            "close": "close",
            "pre_close": "pre_close",
            "volume": "volume",
            "amount": "money",
        },
        known=frozenset({"factor", "paused", "avg", "high_limit", "low_limit"}),
        day=("", "date", "time"),
        symbol=("code", "security"),
        adjustment=_adjustment,
        finish=_finish,
        suspended=_suspended,
        notes=("volumes were adjusted by the vendor and are stored as traded shares",),
    ),
)
