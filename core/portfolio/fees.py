"""What a trade would have cost, from the market's dated fee rules."""

from decimal import Decimal
from typing import NamedTuple

from core.market.model import Instrument
from core.portfolio.model import Fact


class Charges(NamedTuple):
    """Charges of one trade: `fees` to broker and exchange, `tax` stamp duty."""

    fees: Decimal
    tax: Decimal


def estimate_charges(fact: Fact, instrument: Instrument) -> Charges:
    """Return the charges by the rules of the trade's day."""
    raise NotImplementedError
