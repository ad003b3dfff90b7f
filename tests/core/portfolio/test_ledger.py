"""The fold: scenarios written as text, properties against a slow reference."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.money import round_cents
from core.portfolio.entries import cents, entries_of
from core.portfolio.ledger import Match, OpenLot, State, fold, rescale
from core.portfolio.model import Fact, FactKind
from core.portfolio.refusals import BoughtToday, EventWithoutHolding, SellExceedsHolding
from core.portfolio.stored_state import dump, load
from tests.support import slow_ledger
from tests.support.slow_ledger import SlowFact

MONDAY = date(2026, 11, 2)
EMPTY = State(symbol="600519.SH", t_plus_one=True, is_foreign=False)


def fact_of(slow: SlowFact, number: int) -> Fact:
    price = Decimal(slow.price.numerator) / Decimal(slow.price.denominator)
    money = {name: Decimal(int(getattr(slow, name) * 100)).scaleb(-2) for name in ("amount", "fee")}
    return Fact(
        kind=FactKind(slow.kind),
        trade_date=slow.day,
        symbol="600519.SH",
        quantity=slow.quantity,
        price=price if slow.price else None,
        amount=money["amount"],
        fees=money["fee"],
        fact_id=number,
        sequence=number,
    )


def facts_of(text: str) -> list[Fact]:
    return [fact_of(slow, number) for number, slow in enumerate(slow_ledger.parse(text), start=1)]


def folded(text: str | None, *, t_plus_one: bool = True) -> State:
    return fold(replace(EMPTY, t_plus_one=t_plus_one), entries_of(facts_of(text or "")))


def test_average_cost_keeps_buying_fees_and_relieves_half_up() -> None:
    """
    2026-11-02 buy 300 @ 10.00 fee 5
    2026-11-03 buy 100 @ 11.00 fee 5
    2026-11-04 sell 150 @ 12.00 fee 6.80
    """
    state = folded(test_average_cost_keeps_buying_fees_and_relieves_half_up.__doc__)
    assert cents(state.cost) == Decimal("2568.75")  # 4110.00 - 1541.25
    assert cents(state.realized) == Decimal("251.95")  # 1800.00 - 6.80 - 1541.25
    assert cents(state.realized_fifo) == Decimal("290.70")  # 1793.20 - 3005 / 2
    assert state.lots == (OpenLot(1, MONDAY.toordinal(), 150, 150250), OpenLot(2, MONDAY.toordinal() + 1, 100, 110500))
    assert (state.quantity, state.charges, state.count) == (250, 1680, 3)


def test_the_residue_goes_with_the_last_share() -> None:
    """
    2026-11-02 buy 3 @ 3.33 fee 0.01
    2026-11-03 sell 1 @ 4.00
    2026-11-04 sell 1 @ 4.00
    2026-11-05 sell 1 @ 4.00
    """
    matches: list[Match] = []
    state = fold(EMPTY, entries_of(facts_of(test_the_residue_goes_with_the_last_share.__doc__ or "")), matches=matches)
    assert [match.cost for match in matches] == [333, 334, 333]
    assert (state.cost, state.quantity, state.opened, state.realized) == (0, 0, 0, 200)


def test_bonus_changes_quantity_and_lots_but_no_cost() -> None:
    """
    2026-11-02 buy 100 @ 10.00
    2026-11-03 buy 101 @ 20.00
    2026-11-04 bonus 60
    """
    state = folded(test_bonus_changes_quantity_and_lots_but_no_cost.__doc__)
    assert [(lot.quantity, lot.cost) for lot in state.lots] == [(129, 100000), (132, 202000)]
    assert (state.quantity, state.cost, state.start_quantity) == (261, 302000, 261)


def test_dividend_is_income_lowers_diluted_cost_only_and_tax_stands_apart() -> None:
    """
    2026-11-02 buy 100 @ 10.00 fee 5
    2026-11-04 dividend 50.00
    2026-11-05 sell 50 @ 30.00 fee 5
    2026-11-06 tax 10.00
    """
    state = folded(test_dividend_is_income_lowers_diluted_cost_only_and_tax_stands_apart.__doc__)
    assert (state.cost, state.income, state.apart, state.charges) == (50250, 5000, 1000, 2000)
    assert cents(state.invested) == Decimal("-530.00")  # 1005 - 50 - 1495 + 10: negative is possible


def test_diluted_cost_starts_afresh_when_the_position_was_closed() -> None:
    """
    2026-11-02 buy 100 @ 10.00
    2026-11-03 sell 100 @ 30.00
    2026-11-04 buy 100 @ 20.00
    """
    state = folded(test_diluted_cost_starts_afresh_when_the_position_was_closed.__doc__)
    assert (state.invested, state.opened) == (200000, date(2026, 11, 4).toordinal())


def test_events_of_a_day_come_before_its_trades_whatever_the_order_recorded() -> None:
    """
    2026-11-02 buy 100 @ 10.00
    2026-11-04 sell 150 @ 8.00
    2026-11-04 bonus 50
    """
    assert folded(test_events_of_a_day_come_before_its_trades_whatever_the_order_recorded.__doc__).quantity == 0


def test_selling_more_than_held_is_refused_and_names_the_day() -> None:
    """
    2026-11-02 buy 100 @ 10.00
    2026-11-03 sell 101 @ 8.00
    """
    with pytest.raises(SellExceedsHolding, match=r"101 600519\.SH cannot leave on 2026-11-03: only 100 are held"):
        folded(test_selling_more_than_held_is_refused_and_names_the_day.__doc__)


SAME_DAY = """
2026-11-02 buy 100 @ 10.00
2026-11-03 buy 50 @ 10.00
2026-11-03 sell 101 @ 8.00
"""


def test_shares_bought_today_cannot_be_sold_today_where_settlement_is_t_plus_one() -> None:
    with pytest.raises(BoughtToday, match=r"T\+1, so at most 100 can be sold"):
        folded(SAME_DAY)
    assert folded(SAME_DAY, t_plus_one=False).quantity == 49
    state = folded(SAME_DAY.replace("101", "100"))
    assert (state.sellable_on(state.day), state.sellable_on(state.day + 1)) == (0, 50)


@pytest.mark.parametrize("line", ["2026-11-02 bonus 50", "2026-11-02 dividend 50.00"])
def test_an_event_needs_shares(line: str) -> None:
    with pytest.raises(EventWithoutHolding):
        folded(line)


def test_a_dividend_may_arrive_after_everything_was_sold() -> None:
    """
    2026-11-02 buy 100 @ 10.00
    2026-11-03 sell 100 @ 10.00
    2026-11-20 dividend 50.00
    """
    assert folded(test_a_dividend_may_arrive_after_everything_was_sold.__doc__).income == 5000


def test_a_reverse_split_that_empties_a_lot_keeps_its_cost() -> None:
    lots = [OpenLot(1, 1, 1, 100), OpenLot(2, 2, 99, 200)]
    assert rescale(lots, 100, 10) == [OpenLot(2, 2, 10, 300)]


def test_a_foreign_position_follows_the_rates_of_its_own_days() -> None:
    state = State(symbol="00700.HK", t_plus_one=False, is_foreign=True)
    facts = facts_of("2026-11-02 buy 200 @ 400.00 fee 100\n2026-11-03 sell 100 @ 450.00 fee 100")
    facts = [
        replace(fact, currency="HKD", fx_rate=Decimal(rate)) for fact, rate in zip(facts, ("0.9", "0.92"), strict=True)
    ]
    folded_state = fold(state, entries_of(facts))
    assert folded_state.base_known
    assert cents(folded_state.base_cost) == Decimal("36045.00")
    assert cents(folded_state.base_realized) == round_cents(Decimal(44900) * Decimal("0.92")) - Decimal("36045.00")
    unknown = fold(state, entries_of([replace(facts[0], fx_rate=None)]))
    assert not unknown.base_known


def test_a_reversal_takes_its_fact_away() -> None:
    facts = facts_of("2026-11-02 buy 100 @ 10.00\n2026-11-03 buy 50 @ 10.00")
    back = Fact(kind=FactKind.REVERSAL, trade_date=MONDAY, symbol="600519.SH", reverses=2, fact_id=3, sequence=3)
    assert entries_of([*facts, back]) == entries_of(facts[:1])


# Properties


@st.composite
def histories(draw: st.DrawFn) -> list[SlowFact]:
    """Possible histories: sales never exceed what may be sold; bonuses and splits only while something is held."""
    facts: list[SlowFact] = []
    held = bought_today = 0
    day = MONDAY
    for _ in range(draw(st.integers(1, 25))):
        step = draw(st.integers(0, 2))
        bought_today = bought_today if step == 0 else 0
        day += timedelta(days=step)
        kind = draw(st.sampled_from(["buy", "buy", "sell", "sell", "dividend", "bonus", "split", "tax", "transfer_in"]))
        quantity = draw(st.integers(1, 5000))
        price = Fraction(draw(st.integers(1, 500_000)), draw(st.sampled_from([100, 1000])))
        fee = Fraction(draw(st.integers(0, 9999)), 100)
        sellable = held - bought_today
        if kind == "sell" and sellable > 0:
            quantity = draw(st.integers(1, sellable))
            held -= quantity
        elif kind in {"bonus", "split"} and step and held > 1:
            quantity = quantity if kind == "bonus" else -draw(st.integers(1, held - 1))
            held += quantity
            price = fee = Fraction(0)
        elif kind in {"dividend", "tax"} and step and facts:
            facts.append(SlowFact(day, kind, amount=slow_ledger.half_up(price)))
            continue
        else:
            kind = "transfer_in" if kind == "transfer_in" else "buy"
            held, bought_today = held + quantity, bought_today + (quantity if kind == "buy" else 0)
        facts.append(SlowFact(day, kind, quantity, price, slow_ledger.half_up(price * abs(quantity)), fee))
    return facts


def state_of(history: list[SlowFact]) -> State:
    return fold(EMPTY, entries_of(fact_of(slow, number) for number, slow in enumerate(history, start=1)))


def in_cents(amount: Fraction) -> int:
    assert (amount * 100).denominator == 1
    return int(amount * 100)


@given(histories())
@settings(max_examples=100, deadline=None)
def test_the_fold_agrees_with_the_slow_reference(history: list[SlowFact]) -> None:
    state, slow = state_of(history), slow_ledger.follow(history)
    assert (state.quantity, state.cost) == (slow.shares, in_cents(slow.cost))
    assert (state.realized, state.realized_fifo) == (in_cents(slow.realized), in_cents(slow.fifo_realized))
    assert (state.income, state.apart) == (in_cents(slow.income), in_cents(slow.apart))
    lots = [(lot.day, lot.quantity, lot.cost) for lot in state.lots]
    assert lots == [(lot.bought_on.toordinal(), lot.shares, in_cents(lot.cost)) for lot in slow.lots]
    if slow.shares:
        assert state.invested == in_cents(slow.invested)


@given(histories())
@settings(max_examples=100, deadline=None)
def test_both_methods_agree_on_the_whole_result(history: list[SlowFact]) -> None:
    state = state_of(history)
    assert state.fifo_cost == sum(lot.cost for lot in state.lots)
    assert state.quantity == sum(lot.quantity for lot in state.lots)
    assert state.quantity or not state.cost


@given(histories(), st.integers(0, 25))
@settings(max_examples=100, deadline=None)
def test_any_split_of_the_facts_folds_to_the_same_state(history: list[SlowFact], cut: int) -> None:
    entries = entries_of(fact_of(slow, number) for number, slow in enumerate(history, start=1))
    folded_half = fold(EMPTY, entries[:cut])
    half = load(json.loads(json.dumps(dump(folded_half))))
    assert half == folded_half
    assert dump(half) == dump(folded_half)
    assert fold(half, entries[cut:]) == fold(EMPTY, entries)


@given(histories())
@settings(max_examples=100, deadline=None)
def test_matched_lots_add_up_to_the_fifo_result(history: list[SlowFact]) -> None:
    matches: list[Match] = []
    entries = entries_of(fact_of(slow, number) for number, slow in enumerate(history, start=1))
    state = fold(EMPTY, entries, matches=matches)
    assert sum(match.proceeds - match.cost for match in matches) == state.realized_fifo
