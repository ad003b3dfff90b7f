"""Prices meet positions: market value, unrealised result, today's result, sums.

Today's P/L of a holding on day D, with `held` the shares held at the start of D after the day's events, `sold` and
`bought` the trades of D:

    held and kept   (held - sold) x (last - reference)
    sold            sold value - reference x sold
    bought          last x bought - bought value
    less            the day's charges

The reference price is already ex dividend, so a dividend is inside the first line on its ex-date and is not added
again. When the last price is older than D nothing moved on D: the reference is then the last price itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from core.market.model import Exchange, Quote
from core.money import round_cents
from core.portfolio.entries import cents, day_of
from core.portfolio.ledger import State
from core.portfolio.model import BASE_CURRENCY, AccountType, AssetClass, BaseTotals, CurrencyTotals, Holding

COST_PLACES: Final = Decimal("0.0001")
RATIO_PLACES: Final = Decimal("0.000001")
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A folded state and whose it is."""

    position_id: int
    account_id: str
    account_type: AccountType
    currency: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What positions are valued with: the day, prices by symbol, names, base currency per unit of each currency."""

    as_of: date
    quotes: Mapping[str, Quote]
    names: Mapping[str, str]
    fx_rates: Mapping[str, Decimal]

    def rate(self, currency: str) -> Decimal | None:
        """Return the base currency for one unit of `currency`; None when nobody said."""
        return Decimal(1) if currency == BASE_CURRENCY else self.fx_rates.get(currency)


class Worth(NamedTuple):
    """Market value of a position in its currency and in the base currency; None: no price, no rate."""

    local: Decimal | None
    base: Decimal | None


def value(positions: Sequence[Position], marks: Marks) -> list[Holding]:
    """Mark every position; weights are of the sum of all market values in the base currency."""
    worths = [_worth(position, marks) for position in positions]
    whole = sum((worth.base for worth in worths if worth.base is not None), ZERO)
    pairs = zip(positions, worths, strict=True)
    return [_mark(position, marks, worth=worth, whole=whole) for position, worth in pairs]


def _worth(position: Position, marks: Marks) -> Worth:
    state, rate = position.state, marks.rate(position.currency)
    quote = marks.quotes.get(state.symbol)
    if not state.quantity:
        local: Decimal | None = ZERO
    else:
        local = None if quote is None else round_cents(state.quantity * quote.last_price)
    return Worth(local, None if local is None or rate is None else round_cents(local * rate))


def today_pnl(state: State, quote: Quote, as_of: date) -> Decimal:
    """Return the result of `as_of`; the formula is in the module's docstring."""
    last, fresh = quote.last_price, quote.trade_date == as_of
    reference = quote.reference_price if fresh and quote.reference_price is not None else last
    if day_of(max(state.day, 1)) != as_of:
        return round_cents(state.quantity * (last - reference))
    kept = state.start_quantity - state.day_sold
    moved = kept * (last - reference)
    sold = cents(state.day_sold_amount) - reference * state.day_sold
    bought = last * state.day_bought - cents(state.day_bought_amount)
    return round_cents(moved + sold + bought) - cents(state.day_charges)


def _mark(position: Position, marks: Marks, *, worth: Worth, whole: Decimal) -> Holding:
    state, quote, booked = position.state, marks.quotes.get(position.state.symbol), _booked(position.state)
    unrealized = _less(worth.local, booked["total_cost"])
    local_effect, currency_effect = _currency_split(position, worth.local, marks.rate(position.currency))
    opened = day_of(state.opened) if state.opened else None
    return Holding(
        position_id=position.position_id,
        account_id=position.account_id,
        account_type=position.account_type,
        asset_class=AssetClass.STOCK,
        symbol=state.symbol,
        market=Exchange(state.symbol.rpartition(".")[2]),
        name=quote.name if quote else marks.names.get(state.symbol, ""),
        currency=position.currency,
        quantity=state.quantity,
        sellable_quantity=state.sellable_on(marks.as_of.toordinal()),
        average_cost=_per_share(booked["total_cost"], state.quantity),
        diluted_cost=_per_share(cents(state.invested), state.quantity),
        last_price=quote.last_price if quote else None,
        price_at=quote.at if quote else None,
        market_value=worth.local,
        market_value_base=worth.base,
        weight=_ratio(worth.base, whole) if state.quantity else None,
        unrealized_pnl=unrealized,
        unrealized_pnl_ratio=_ratio(unrealized, booked["total_cost"]),
        fifo_unrealized_pnl=_less(worth.local, booked["fifo_cost"]),
        total_pnl=None if unrealized is None else unrealized + cents(state.realized + state.income - state.apart),
        today_pnl=_today(state, quote, marks.as_of),
        local_effect_base=local_effect,
        currency_effect_base=currency_effect,
        opened_on=opened,
        holding_days=(marks.as_of - opened).days if opened else None,
        is_suspended=quote.is_suspended if quote else False,
        recommendation=None,
        **booked,
    )


def _booked(state: State) -> dict[str, Decimal]:
    """Return the figures of a holding that need no price."""
    return {
        "total_cost": cents(state.cost),
        "fifo_cost": cents(state.fifo_cost),
        "realized_pnl": cents(state.realized),
        "fifo_realized_pnl": cents(state.realized_fifo),
        "income": cents(state.income),
        "fees": cents(state.charges),
        "other_charges": cents(state.apart),
    }


def _less(worth: Decimal | None, cost: Decimal) -> Decimal | None:
    return None if worth is None else worth - cost


def _today(state: State, quote: Quote | None, as_of: date) -> Decimal | None:
    """A closed position without activity on the day has no result of the day, price or not."""
    if not state.quantity and day_of(max(state.day, 1)) != as_of:
        return ZERO
    return None if quote is None else today_pnl(state, quote, as_of)


def _currency_split(
    position: Position, worth: Decimal | None, rate: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """Split the unrealised result of a foreign holding: price move at today's rate; move of the rate on the cost."""
    state = position.state
    if not state.is_foreign or worth is None or rate is None or not state.base_known:
        return None, None
    cost, base_cost = cents(state.cost), cents(state.base_cost)
    whole = round_cents(worth * rate) - base_cost
    local = round_cents((worth - cost) * rate)
    return local, whole - local


def _per_share(amount: Decimal, quantity: int) -> Decimal | None:
    return (amount / quantity).quantize(COST_PLACES, rounding=ROUND_HALF_UP) if quantity else None


def _ratio(part: Decimal | None, whole: Decimal) -> Decimal | None:
    return None if part is None or whole <= 0 else (part / whole).quantize(RATIO_PLACES, rounding=ROUND_HALF_UP)


def sum_currencies(holdings: Iterable[Holding]) -> list[CurrencyTotals]:
    """Sum the holdings of each currency, the base currency first."""
    groups: dict[str, list[Holding]] = {}
    for holding in holdings:
        groups.setdefault(holding.currency, []).append(holding)
    return [_sum_currency(currency, groups[currency]) for currency in sorted(groups, key=_base_first)]


def _base_first(currency: str) -> tuple[bool, str]:
    return (currency != BASE_CURRENCY, currency)


def _sum_currency(currency: str, group: Sequence[Holding]) -> CurrencyTotals:
    return CurrencyTotals(
        currency=currency,
        total_cost=sum((holding.total_cost for holding in group), ZERO),
        market_value=add(holding.market_value for holding in group),
        unrealized_pnl=add(holding.unrealized_pnl for holding in group),
        realized_pnl=sum((holding.realized_pnl for holding in group), ZERO),
        income=sum((holding.income for holding in group), ZERO),
        fees=sum((holding.fees for holding in group), ZERO),
        other_charges=sum((holding.other_charges for holding in group), ZERO),
        total_pnl=add(holding.total_pnl for holding in group),
        today_pnl=add(holding.today_pnl for holding in group),
    )


def sum_base(positions: Sequence[Position], holdings: Sequence[Holding], marks: Marks) -> BaseTotals:
    """Sum everything in the base currency.

    Cost, realised result and income of foreign holdings are converted at the rates of their own days, today's result
    and market value at today's rate. `income` is after fees and taxes booked apart.
    """
    figures = [_in_base(position, holding, marks) for position, holding in zip(positions, holdings, strict=True)]
    worth, cost, realized, income, today = (
        (add(column) for column in zip(*figures, strict=True)) if figures else [ZERO] * 5
    )
    unrealized = None if worth is None or cost is None else worth - cost
    parts = (realized, unrealized, income)
    foreign = [holding for holding in holdings if holding.currency != BASE_CURRENCY and holding.quantity]
    return BaseTotals(
        currency=BASE_CURRENCY,
        market_value=worth,
        total_cost=cost,
        unrealized_pnl=unrealized,
        realized_pnl=realized,
        income=income,
        total_pnl=add(parts),
        today_pnl=today,
        local_effect=add(holding.local_effect_base for holding in foreign),
        currency_effect=add(holding.currency_effect_base for holding in foreign),
    )


def _in_base(position: Position, holding: Holding, marks: Marks) -> tuple[Decimal | None, ...]:
    """Return market value, cost, realised result, income less other charges and today's result in the base currency."""
    state, rate = position.state, marks.rate(position.currency)
    today = None if holding.today_pnl is None or rate is None else round_cents(holding.today_pnl * rate)
    if not state.is_foreign:
        income = holding.income - holding.other_charges
        return holding.market_value, holding.total_cost, holding.realized_pnl, income, today
    worth = holding.market_value_base if holding.quantity else ZERO
    today = ZERO if holding.today_pnl == 0 else today
    if not state.base_known:
        return worth, None, None, None, today
    return worth, cents(state.base_cost), cents(state.base_realized), cents(state.base_income), today


def add(figures: Iterable[Decimal | None]) -> Decimal | None:
    """Sum; None when a figure is missing: a sum that leaves something out is not the sum."""
    total = ZERO
    for figure in figures:
        if figure is None:
            return None
        total += figure
    return total
