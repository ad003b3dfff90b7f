"""Showing the facts behind a figure."""

from decimal import Decimal

from core.market.model import Provenance
from core.money import round_cents
from core.portfolio.entries import EFFECTS, cents, day_of, entries_of
from core.portfolio.ledger import Match, OpenLot, State, fold
from core.portfolio.model import (
    TRADES,
    Account,
    Explanation,
    Fact,
    FactKind,
    Holding,
    LedgerLine,
    Lot,
    MatchedLot,
    TradeType,
)
from core.portfolio.store import FactFilter, TeamLedger
from core.portfolio.valuation import Position

METHODS = {
    "totalCost": "purchases with their fees; each sale relieves total cost x sold / held, half up to the cent",
    "averageCost": "total cost / quantity",
    "dilutedCost": "(purchases - sales - dividends + charges since the position was opened) / quantity",
    "marketValue": "quantity x last price",
    "unrealizedPnl": "market value - total cost",
    "realizedPnl": "sum over sales of proceeds after charges - relieved cost",
    "fifoRealizedPnl": "sum over sales of proceeds after charges - cost of the oldest lots (see matchedLots)",
    "income": "cash dividends before tax; they leave the cost alone",
    "otherCharges": "fees and taxes booked apart from trades",
    "totalPnl": "realised + unrealised + income - other charges; equal under average cost and FIFO",
    "todayPnl": "(held - sold) x (last - reference) + (sold value - reference x sold) + (last x bought - bought value)"
    " - today's charges; on an ex-date the reference price already contains the dividend",
}


def line(account: Account, fact: Fact, *, is_reversed: bool = False) -> LedgerLine:
    """Show a stored fact."""
    if fact.recorded_at is None:
        message = "only stored facts are shown"
        raise ValueError(message)
    return LedgerLine(
        record_id=fact.fact_id,
        account_id=account.account_id,
        account_type=account.account_type,
        asset_class=fact.asset_class,
        kind=fact.kind,
        symbol=fact.symbol,
        trade_date=fact.trade_date,
        price=None if fact.price is None else shown_price(fact.price),
        quantity=fact.quantity,
        amount=round_cents(fact.amount),
        fees=round_cents(fact.fees),
        tax=round_cents(fact.tax),
        currency=fact.currency,
        source=fact.source,
        external_id=fact.external_id,
        note=fact.note,
        recorded_at=fact.recorded_at,
        is_reversed=is_reversed,
        trade_type=TradeType(fact.kind.value.upper()) if fact.kind in TRADES else None,
    )


def shown_price(price: Decimal) -> Decimal:
    """Show a price with the places it was quoted with, at least two: storage pads it to eight."""
    exponent = price.normalize().as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return price.quantize(Decimal(1).scaleb(-places))


async def explain(
    store: TeamLedger, account: Account, position: Position, *, holding: Holding, meta: Provenance
) -> Explanation:
    """Return every fact of the position, taken back ones too, and the lots that result, oldest first."""
    symbol = position.state.symbol
    chosen = FactFilter(account_keys=[account.account_key], symbol=symbol, with_reversed=True)
    facts = [fact for _, fact in reversed(await store.facts(chosen))]
    gone = {fact.reverses for fact in facts if fact.kind is FactKind.REVERSAL}
    matches: list[Match] = []
    start = State(symbol=symbol, t_plus_one=position.state.t_plus_one, is_foreign=position.state.is_foreign)
    state = fold(start, entries_of(fact for fact in facts if fact.kind in EFFECTS or fact.reverses), matches=matches)
    return Explanation(
        holding=holding,
        methods=METHODS,
        facts=tuple(line(account, fact, is_reversed=fact.fact_id in gone) for fact in facts),
        open_lots=tuple(_lot(lot) for lot in state.lots),
        matched_lots=tuple(_matched(match) for match in matches),
        meta=meta,
    )


def _lot(lot: OpenLot) -> Lot:
    return Lot(fact_id=lot.fact_id, bought_on=day_of(lot.day), quantity=lot.quantity, cost=cents(lot.cost))


def _matched(match: Match) -> MatchedLot:
    return MatchedLot(
        sale_fact_id=match.sale_id,
        sold_on=day_of(match.sale_day),
        lot_fact_id=match.lot_id,
        bought_on=day_of(match.lot_day),
        quantity=match.quantity,
        cost=cents(match.cost),
        proceeds=cents(match.proceeds),
        realized_pnl=cents(match.proceeds - match.cost),
    )
