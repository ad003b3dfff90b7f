"""Yahoo: prices adjusted for splits but not for dividends, as 32-bit floats; shares; no amount."""

from typing import Final

import pyarrow.compute as pc

from core.market.importers.layout import BarLayout, Reading, constant
from core.market.model import Adjustment

PLACES: Final = 3
"""Prices of Hong Kong have at most three places; further ones are noise of 32-bit floats."""


def _finish(reading: Reading) -> None:
    """Round away the noise of 32-bit floats, and say in each row how it was adjusted."""
    for name in ("open", "high", "low", "close"):
        reading.columns[name] = pc.round(reading.columns[name], PLACES)
    reading.columns["adj_close"] = pc.round(reading.columns["adj_close"], 6)
    reading.columns["adjustment"] = constant(Adjustment.SPLIT_ONLY.value, len(reading.frame.numbers))


LAYOUTS: Final = (
    BarLayout(
        name="yahoo",
        source="yahoo",
        required=frozenset({"Date", "Open", "High", "Low", "Close", "Adj Close", "Volume"}),
        columns={
            "open": "Open",
            "high": "High",
            "low": "Low",
            "close": "Close",
            "adj_close": "Adj Close",
            "volume": "Volume",
        },
        known=frozenset({"Dividends", "Stock Splits"}),
        day=("Date",),
        adjustment=lambda _: Adjustment.SPLIT_ONLY,
        finish=_finish,
    ),
)
