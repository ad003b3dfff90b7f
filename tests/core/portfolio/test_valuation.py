"""Prices meet positions."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.model import Quote
from core.portfolio.entries import entries_of
from core.portfolio.ledger import State, fold
from core.portfolio.model import AccountType, Fact, FactKind, Holding
from core.portfolio.valuation import Marks, Position, add, sum_base, sum_currencies, today_pnl, value
from tests.support import slow_ledger
from tests.support.fake_market import quote

TODAY = date(2026, 11, 20)
YESTERDAY = date(2026, 11, 19)


def fact(kind: FactKind, day: date, quantity: int = 0, amount: str = "0", *, number: int = 1, **more: object) -> Fact:
    known = {"symbol": "600519.SH", "fact_id": number, "sequence": number, "amount": Decimal(amount)}
    return Fact(kind=kind, trade_date=day, quantity=quantity, **(known | more))


def state(*facts: Fact, symbol: str = "600519.SH") -> State:
    numbered = [replace(item, fact_id=place, sequence=place) for place, item in enumerate(facts, start=1)]
    empty = State(symbol=symbol, t_plus_one=not symbol.endswith("HK"), is_foreign=symbol.endswith("HK"))
    return fold(empty, entries_of(numbered))


def position(position_id: int, folded: State) -> Position:
    currency = "HKD" if folded.is_foreign else "CNY"
    return Position(
        position_id=position_id,
        account_id="DEFAULT",
        account_type=AccountType.REAL,
        currency=currency,
        state=folded,
    )


def marks(*quotes: Quote, **rates: str) -> Marks:
    known = {currency: Decimal(rate) for currency, rate in rates.items()}
    return Marks(as_of=TODAY, quotes={each.symbol: each for each in quotes}, names={}, fx_rates=known)


def only(folded: State, *quotes: Quote, **rates: str) -> Holding:
    return value([position(1, folded)], marks(*quotes, **rates))[0]


HELD = fact(FactKind.BUY, YESTERDAY, 100, "1000.00", fees=Decimal(5))


def test_a_holding_names_every_figure() -> None:
    holding = only(state(HELD), quote("600519.SH", "12.00", reference="11.50"))
    assert (holding.market_value, holding.total_cost, holding.unrealized_pnl) == (1200, 1005, 195)
    assert holding.average_cost == Decimal("10.0500")
    assert holding.unrealized_pnl_ratio == Decimal("0.194030")
    assert (holding.today_pnl, holding.weight, holding.holding_days) == (50, 1, 1)
    assert (holding.sellable_quantity, holding.fees, holding.total_pnl) == (100, 5, 195)


def test_todays_result_of_held_sold_and_bought_shares() -> None:
    """100 held; today 50 sold at 13 (fee 5) and 30 bought at 11 (fee 5); reference 11.50, last 12.00."""
    sold = fact(FactKind.SELL, TODAY, 50, "650.00", fees=Decimal(5))
    bought = fact(FactKind.BUY, TODAY, 30, "330.00", fees=Decimal(5))
    folded = state(HELD, sold, bought)
    assert today_pnl(folded, quote("600519.SH", "12.00", reference="11.50"), TODAY) == Decimal("120.00")
    # 50 x 0.50 + (650 - 575) + (360 - 330) - 10
    assert only(folded, quote("600519.SH", "12.00", reference="11.50")).sellable_quantity == 50


def test_on_an_ex_date_the_dividend_is_inside_and_not_added_again() -> None:
    """Close 12.00, dividend 1.00 a share: reference 11.00. The price ends at 11.20: 0.20 a share was made."""
    dividend = fact(FactKind.DIVIDEND, TODAY, 0, "100.00")
    folded = state(HELD, dividend)
    assert today_pnl(folded, quote("600519.SH", "11.20", reference="11.00"), TODAY) == Decimal("20.00")


def test_bonus_shares_of_today_count_as_held() -> None:
    folded = state(HELD, fact(FactKind.BONUS, TODAY, 50))
    assert today_pnl(folded, quote("600519.SH", "8.20", reference="8.00"), TODAY) == Decimal("30.00")


def test_a_price_of_an_earlier_day_moves_nothing_today() -> None:
    stale = quote("600519.SH", "12.00", reference="11.50", day=YESTERDAY)
    assert today_pnl(state(HELD), stale, TODAY) == 0
    bought = fact(FactKind.BUY, TODAY, 30, "330.00")
    assert today_pnl(state(HELD, bought), stale, TODAY) == Decimal("30.00")


def test_a_closed_position_needs_no_price_and_what_was_sold_today_still_counts_today() -> None:
    closed = state(HELD, fact(FactKind.SELL, TODAY, 100, "1300.00", fees=Decimal(5)))
    assert only(closed).today_pnl is None
    assert only(closed).market_value == 0
    assert only(closed, quote("600519.SH", "12.00", reference="11.50")).today_pnl == Decimal("145.00")
    earlier = replace(closed, day=closed.day - 1)
    assert only(earlier).today_pnl == 0
    assert (only(earlier).realized_pnl, only(earlier).average_cost) == (290, None)


def test_without_a_price_nothing_is_guessed() -> None:
    holding = only(state(HELD))
    assert (holding.market_value, holding.unrealized_pnl, holding.total_pnl, holding.today_pnl) == (None,) * 4
    totals = sum_currencies([holding])[0]
    assert (totals.market_value, totals.total_cost) == (None, 1005)


HK = state(
    fact(FactKind.BUY, YESTERDAY, 100, "40000.00", symbol="00700.HK", currency="HKD", fx_rate=Decimal("0.90")),
    symbol="00700.HK",
)


def test_local_and_currency_effect_add_up() -> None:
    held = [position(1, HK)]
    known = marks(quote("00700.HK", "440", reference="430"), HKD="0.92")
    (holding,) = holdings = value(held, known)
    assert holding.market_value_base == Decimal("40480.00")
    assert holding.local_effect_base == Decimal("3680.00")  # 4,000 HKD at today's rate
    assert holding.currency_effect_base == Decimal("800.00")  # 40,000 HKD x 0.02
    totals = sum_base(held, holdings, known)
    assert (totals.unrealized_pnl, totals.local_effect, totals.currency_effect) == (4480, 3680, 800)
    assert (totals.today_pnl, totals.total_cost) == (Decimal("920.00"), Decimal("36000.00"))


def test_without_a_rate_the_base_totals_are_empty() -> None:
    held = [position(1, HK), position(2, state(HELD))]
    known = marks(quote("00700.HK", "440"), quote("600519.SH", "12"))
    holdings = value(held, known)
    totals = sum_base(held, holdings, known)
    assert (totals.market_value, totals.unrealized_pnl, totals.today_pnl) == (None, None, 0)
    assert (holdings[0].market_value_base, holdings[0].weight, holdings[1].weight) == (None, None, 1)
    assert [item.currency for item in sum_currencies(holdings)] == ["CNY", "HKD"]


def test_no_holdings_sum_to_nothing() -> None:
    totals = sum_base([], [], marks())
    assert (totals.market_value, totals.total_pnl, totals.local_effect) == (0, 0, 0)


def test_a_sum_that_would_leave_something_out_is_none() -> None:
    assert add([Decimal(1), None]) is None
    assert add([Decimal(1), Decimal(2)]) == 3


PRICES = st.integers(1, 10**6).map(lambda number: Decimal(number).scaleb(-2))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 300), PRICES, st.integers(0, 999)), max_size=8),
    PRICES,
    PRICES,
)
@settings(max_examples=100, deadline=None)
def test_todays_result_agrees_with_the_slow_reference(
    trades: list[tuple[bool, int, Decimal, int]], last: Decimal, reference: Decimal
) -> None:
    """3,000 held since yesterday, then any trades of today."""
    lines = [f"{YESTERDAY} buy 3000 @ 10.00 fee 5"]
    lines += [f"{TODAY} {'buy' if buys else 'sell'} {n} @ {price} fee {fee / 100}" for buys, n, price, fee in trades]
    slow = slow_ledger.parse("\n".join(lines))
    kinds = {"buy": FactKind.BUY, "sell": FactKind.SELL}
    facts = [
        fact(kinds[item.kind], item.day, item.quantity, str(Decimal(int(item.amount * 100)).scaleb(-2)),
             fees=Decimal(int(item.fee * 100)).scaleb(-2))
        for item in slow
    ]  # fmt: skip
    expected = slow_ledger.today(slow, TODAY, last=Fraction(last), reference=Fraction(reference))
    found = today_pnl(state(*facts), quote("600519.SH", str(last), reference=str(reference)), TODAY)
    assert Fraction(found) == expected
