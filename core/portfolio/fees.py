"""What a trade would have cost, from the market's dated fee rules and a usual commission."""

from decimal import Decimal
from typing import Final, NamedTuple

from core.market.model import Exchange, Instrument
from core.market.rules import Commission, TradeTerms, trade_costs
from core.market.rules_model import Side
from core.portfolio.model import Fact, FactKind

MAINLAND: Final = Commission(bps=Decimal("2.5"), minimum=Decimal(5))
"""0.025 %, at least 5 CNY an order: what brokers usually agree to."""
HONGKONG: Final = Commission(bps=Decimal(25), minimum=Decimal(100))
"""0.25 %, at least 100 HKD."""


class Charges(NamedTuple):
    """Charges of one trade: `fees` to broker and exchange, `tax` stamp duty."""

    fees: Decimal
    tax: Decimal


def estimate_charges(fact: Fact, instrument: Instrument) -> Charges:
    """Return the charges by the rules of the trade's day. Raises `RuleNotKnown` for days before the recorded rules."""
    terms = TradeTerms(
        exchange=instrument.exchange,
        kind=instrument.kind,
        side=Side.BUY if fact.kind is FactKind.BUY else Side.SELL,
        day=fact.trade_date,
        price=fact.price or Decimal(0),
        quantity=fact.quantity,
    )
    costs = trade_costs(terms, HONGKONG if instrument.exchange is Exchange.HKEX else MAINLAND)
    return Charges(fees=costs.total - costs.taxes, tax=costs.taxes)
