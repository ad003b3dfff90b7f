"""The dated rules: every case of the reference, the dates of change, and the listing of all rows."""

import json
import os
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.market.instruments_spelling import board_of
from core.market.model import Board, Exchange, InstrumentKind
from core.market.rules import (
    Commission,
    LimitPercents,
    PriceLimits,
    ShareDay,
    TradeTerms,
    all_rules,
    delisting_period,
    hk_fees,
    is_t_plus_one,
    is_valid_quantity,
    limit_percents,
    limit_rounding,
    limit_ticks,
    lot_rule,
    opening_auction_band,
    price_cage,
    price_limits,
    tick_size,
    trade_costs,
    transfer_fee,
)
from core.market.rules_model import DelistingPeriod, Mark, PriceCage, Rounding, RuleNotKnown, Side, Topic
from core.money import MoneyInvalid

GOLDEN = Path(__file__).parents[2] / "golden" / "market_rules.txt"
DAY = date(2021, 6, 1)


def limits(board: Board, reference: str, day: date = DAY, **more) -> tuple[str, str] | None:
    found = price_limits(ShareDay(board=board, day=day, **more), Decimal(reference))
    return (str(found.down), str(found.up)) if found else None


def plain(value):
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return sorted(value) if isinstance(value, frozenset) else str(value)


def listing() -> str:
    def value(row) -> str:
        return json.dumps(row.value, default=plain)

    lines = (
        f"{row.topic:16} {row.scope:18} {row.first_date or ''!s:10} {row.last_date or ''!s:10} {row.mark} "
        f"{value(row)} | {row.source}"
        for row in all_rules()
    )
    return "\n".join(lines) + "\n"


@pytest.mark.golden
def test_the_listing_of_all_rows_is_frozen() -> None:
    if os.environ.get("DINGPAN_GOLDEN") == "write":
        GOLDEN.write_text(listing(), encoding="utf-8")
    assert listing() == GOLDEN.read_text("utf-8")


def test_rows_of_one_topic_and_scope_do_not_overlap() -> None:
    rows = [row for row in all_rules() if row.mark is not Mark.UNCERTAIN]
    for first, second in pairwise(rows):
        if (first.topic, first.scope) == (second.topic, second.scope):
            assert first.last_date is not None
            assert second.first_date is not None
            assert first.last_date < second.first_date


def test_every_row_has_a_source() -> None:
    assert all(row.source for row in all_rules())
    assert len(all_rules()) == 106


@pytest.mark.parametrize(
    ("board", "day", "is_st", "percent"),
    [
        (Board.MAIN, date(1996, 12, 13), False, None),
        (Board.MAIN, date(1996, 12, 16), False, 10),
        (Board.MAIN, date(1998, 4, 21), True, 10),
        (Board.MAIN, date(1998, 4, 22), True, 5),
        (Board.MAIN, date(2026, 7, 5), True, 5),
        (Board.MAIN, date(2026, 7, 6), True, 10),
        (Board.MAIN, date(2026, 7, 6), False, 10),
        (Board.CHINEXT, date(2020, 8, 23), False, 10),
        (Board.CHINEXT, date(2020, 8, 24), False, 20),
        (Board.CHINEXT, date(2020, 8, 24), True, 20),
        (Board.STAR, date(2019, 7, 22), False, 20),
        (Board.STAR, date(2022, 7, 22), True, 20),
        (Board.BSE, date(2021, 11, 15), False, 30),
        (Board.BSE, date(2023, 11, 15), True, 30),
        (Board.HK_MAIN, date(2023, 11, 15), False, None),
    ],
)
def test_limits_by_board_and_day(board, day, is_st, percent) -> None:
    expected = LimitPercents(percent, percent) if percent else None
    assert limit_percents(ShareDay(board=board, day=day, is_st=is_st)) == expected


@pytest.mark.parametrize(
    ("board", "reference", "expected"),
    [
        (Board.MAIN, "10.00", ("9.00", "11.00")),
        (Board.MAIN, "10.05", ("9.05", "11.06")),
        (Board.MAIN, "10.15", ("9.14", "11.17")),
        (Board.MAIN, "7.25", ("6.53", "7.98")),
        (Board.MAIN, "0.12", ("0.11", "0.13")),
        (Board.MAIN, "0.05", ("0.04", "0.06")),
        (Board.MAIN, "0.04", ("0.03", "0.05")),
        (Board.MAIN, "0.01", ("0.01", "0.02")),
        (Board.STAR, "33.33", ("26.66", "40.00")),
        (Board.CHINEXT, "12.34", ("9.87", "14.81")),
    ],
)
def test_half_cents_go_up_and_a_limit_is_a_tick_away(board, reference, expected) -> None:
    assert limits(board, reference) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("20.06", ("14.05", "26.07")),
        ("11.15", ("7.81", "14.49")),
        ("14.49", ("10.15", "18.83")),
        ("20.42", ("14.30", "26.54")),
        ("10.00", ("7.00", "13.00")),
        ("0.03", ("0.02", "0.04")),
        ("0.01", ("0.01", "0.02")),
    ],
)
def test_beijing_truncates_inwards(reference, expected) -> None:
    assert limits(Board.BSE, reference, date(2021, 12, 29)) == expected


def test_st_limits_round_half_up() -> None:
    assert limits(Board.MAIN, "3.30", is_st=True) == ("3.14", "3.47")


def new(board: Board, listed: date, nth: int) -> dict:
    return {
        "board": board,
        "reference": "10.01",
        "day": listed + timedelta(days=nth),
        "list_date": listed,
        "listed_days": nth,
    }


@pytest.mark.parametrize(
    ("board", "listed", "nth", "expected"),
    [
        (Board.MAIN, date(2013, 12, 31), 1, None),
        (Board.MAIN, date(2014, 1, 1), 1, ("6.41", "14.41")),
        (Board.MAIN, date(2023, 4, 9), 1, ("6.41", "14.41")),
        (Board.MAIN, date(2023, 4, 9), 2, ("9.01", "11.01")),
        (Board.MAIN, date(2023, 4, 10), 1, None),
        (Board.MAIN, date(2023, 4, 10), 5, None),
        (Board.MAIN, date(2023, 4, 10), 6, ("9.01", "11.01")),
        (Board.CHINEXT, date(2020, 8, 20), 1, ("6.41", "14.41")),
        (Board.CHINEXT, date(2020, 8, 24), 1, None),
        (Board.CHINEXT, date(2020, 8, 24), 5, None),
        (Board.CHINEXT, date(2020, 8, 24), 6, ("8.01", "12.01")),
        (Board.STAR, date(2019, 7, 22), 5, None),
        (Board.STAR, date(2019, 7, 22), 6, ("8.01", "12.01")),
        (Board.BSE, date(2021, 11, 15), 1, None),
        (Board.BSE, date(2021, 11, 15), 2, ("7.01", "13.01")),
    ],
)
def test_first_days_by_listing_date(board, listed, nth, expected) -> None:
    assert limits(**new(board, listed, nth)) == expected


def test_opening_auction_of_a_44_percent_day() -> None:
    share = ShareDay(board=Board.MAIN, day=DAY, list_date=DAY, listed_days=1)
    assert opening_auction_band(share, Decimal("10.01")) == PriceLimits(Decimal("8.01"), Decimal("12.01"))
    second = ShareDay(board=Board.MAIN, day=DAY, list_date=DAY, listed_days=2)
    assert opening_auction_band(second, Decimal("10.01")) is None
    star = ShareDay(board=Board.STAR, day=DAY, list_date=DAY, listed_days=1)
    assert opening_auction_band(star, Decimal("10.01")) is None


def test_delisting_periods() -> None:
    old = {"board": Board.MAIN, "day": DAY, "is_st": True, "delisting_decided": date(2020, 12, 30)}
    assert limit_percents(ShareDay(**old, delisting_day=1)) == LimitPercents(10, 10)
    recent = old | {"delisting_decided": date(2020, 12, 31)}
    assert limit_percents(ShareDay(**recent, delisting_day=1)) is None
    assert limit_percents(ShareDay(**recent, delisting_day=2)) == LimitPercents(10, 10)
    assert delisting_period(date(2015, 5, 1)) == DelistingPeriod(30, 0)
    assert delisting_period(date(2021, 1, 1)) == DelistingPeriod(15, 1)
    assert delisting_period(date(2021, 1, 1), by_price=True) == DelistingPeriod(0, 0)
    assert delisting_period(date(2019, 1, 1), by_price=True) == DelistingPeriod(30, 0)


def test_a_resumed_listing_has_no_limit() -> None:
    assert limits(Board.MAIN, "10.00", date(2021, 8, 10), is_resumed=True) is None


def test_published_percents_win() -> None:
    share = ShareDay(board=Board.MAIN, day=DAY)
    assert price_limits(share, Decimal(10), percents=LimitPercents(5, 5)) == PriceLimits(
        Decimal("9.50"), Decimal("10.50")
    )


def test_parts_of_a_cent_are_refused() -> None:
    with pytest.raises(MoneyInvalid):
        price_limits(ShareDay(board=Board.MAIN, day=DAY), Decimal("10.001"))


@given(
    st.integers(1, 500_000), st.sampled_from([5, 10, 20, 30, 44]), st.sampled_from([Rounding.HALF_UP, Rounding.INWARDS])
)
def test_limits_against_fractions(reference, percent, rounding) -> None:
    down, up = limit_ticks(reference, LimitPercents(percent, percent), rounding=rounding)
    exact_up, exact_down = Fraction(reference * (100 + percent), 100), Fraction(reference * (100 - percent), 100)
    if rounding is Rounding.INWARDS:
        expected = -(-exact_down // 1), exact_up // 1
    else:
        expected = (exact_down + Fraction(1, 2)) // 1, (exact_up + Fraction(1, 2)) // 1
    assert down == max(min(expected[0], reference - 1), 1)
    assert up == max(expected[1], reference + 1)
    many = limit_ticks(np.array([reference, 1000]), LimitPercents(percent, percent), rounding=rounding)
    assert (many[0][0], many[1][0]) == (down, up)


@pytest.mark.parametrize(
    ("board", "side", "quantity", "position", "valid"),
    [
        (Board.MAIN, Side.BUY, 100, 0, True),
        (Board.MAIN, Side.BUY, 0, 0, False),
        (Board.MAIN, Side.BUY, -100, 0, False),
        (Board.MAIN, Side.BUY, 150, 0, False),
        (Board.MAIN, Side.BUY, 1_000_000, 0, True),
        (Board.MAIN, Side.BUY, 1_000_100, 0, False),
        (Board.MAIN, Side.SELL, 100, 250, True),
        (Board.MAIN, Side.SELL, 250, 250, True),
        (Board.MAIN, Side.SELL, 150, 250, True),
        (Board.MAIN, Side.SELL, 50, 250, True),
        (Board.MAIN, Side.SELL, 30, 250, False),
        (Board.MAIN, Side.SELL, 130, 250, False),
        (Board.MAIN, Side.SELL, 300, 250, False),
        (Board.MAIN, Side.SELL, 50, 200, False),
        (Board.CHINEXT, Side.BUY, 300_000, 0, True),
        (Board.CHINEXT, Side.BUY, 300_100, 0, False),
        (Board.STAR, Side.BUY, 199, 0, False),
        (Board.STAR, Side.BUY, 200, 0, True),
        (Board.STAR, Side.BUY, 201, 0, True),
        (Board.STAR, Side.BUY, 100_001, 0, False),
        (Board.STAR, Side.SELL, 201, 500, True),
        (Board.STAR, Side.SELL, 150, 500, False),
        (Board.STAR, Side.SELL, 150, 150, True),
        (Board.STAR, Side.SELL, 100, 150, False),
        (Board.BSE, Side.BUY, 101, 0, True),
        (Board.BSE, Side.BUY, 99, 0, False),
        (Board.BSE, Side.SELL, 99, 99, True),
    ],
)
def test_order_sizes(board, side, quantity, position, valid) -> None:
    rule = lot_rule(board, date(2024, 1, 2))
    assert is_valid_quantity(rule, quantity, side=side, position=position) is valid


def test_hong_kong_has_no_lot_rule() -> None:
    with pytest.raises(RuleNotKnown):
        lot_rule(Board.HK_MAIN, DAY)
    with pytest.raises(RuleNotKnown):
        lot_rule(None, DAY)
    assert lot_rule(None, DAY, kind=InstrumentKind.FUND).minimum == 100


@pytest.mark.parametrize(
    ("price", "before", "after"),
    [
        ("0.25", "0.001", "0.001"),
        ("0.251", "0.005", "0.005"),
        ("0.50", "0.005", "0.005"),
        ("0.51", "0.01", "0.01"),
        ("10", "0.01", "0.01"),
        ("10.02", "0.02", "0.01"),
        ("20", "0.02", "0.01"),
        ("20.05", "0.05", "0.02"),
        ("50.05", "0.05", "0.05"),
        ("150", "0.1", "0.1"),
        ("500", "0.2", "0.2"),
        ("1000", "0.5", "0.5"),
        ("2000", "1", "1"),
        ("5000", "2", "2"),
        ("5002", "5", "5"),
    ],
)
def test_hong_kong_spreads(price, before, after) -> None:
    assert tick_size(Exchange.HKEX, date(2025, 8, 3), price=Decimal(price)) == Decimal(before)
    assert tick_size(Exchange.HKEX, date(2025, 8, 4), price=Decimal(price)) == Decimal(after)


def test_mainland_ticks() -> None:
    assert tick_size(Exchange.SSE, DAY) == Decimal("0.01")
    assert tick_size(Exchange.SZSE, DAY, kind=InstrumentKind.FUND) == Decimal("0.001")
    assert tick_size(Exchange.SSE, DAY, is_b_share=True) == Decimal("0.001")
    assert tick_size(Exchange.SZSE, DAY, is_b_share=True) == Decimal("0.01")


def test_price_cages() -> None:
    assert price_cage(Board.MAIN, date(2023, 4, 9)) is None
    assert price_cage(Board.MAIN, date(2023, 4, 10)) == PriceCage(102, 98, 10)
    assert price_cage(Board.STAR, DAY) == PriceCage(102, 98, 0)
    assert price_cage(Board.BSE, date(2022, 1, 4)) == PriceCage(105, 95, 10)
    assert price_cage(Board.HK_MAIN, DAY) is None


def test_settlement() -> None:
    assert is_t_plus_one(Exchange.SSE, DAY) is True
    assert is_t_plus_one(Exchange.HKEX, DAY) is False
    assert is_t_plus_one(Exchange.SSE, DAY, kind=InstrumentKind.FUND) is True
    assert is_t_plus_one(Exchange.SSE, DAY, kind=InstrumentKind.FUND, is_same_day_fund=True) is False


def costs(exchange: str, day: date, side: Side, *, price: str = "10", quantity: int = 1000, **more) -> dict[str, str]:
    trade = TradeTerms(
        exchange=Exchange(exchange),
        day=day,
        side=side,
        price=Decimal(price),
        quantity=quantity,
        **more.pop("terms", {}),
    )
    found = trade_costs(trade, Commission(bps=Decimal(2), **more))
    return {topic.value: str(amount) for topic, amount in found.items.items()}


@pytest.mark.parametrize(
    ("exchange", "day", "side", "duty", "transfer"),
    [
        ("SH", date(2012, 9, 3), Side.SELL, "10.00", "0.30"),
        ("SH", date(2015, 7, 31), Side.BUY, "0.00", "0.30"),
        ("SH", date(2015, 8, 1), Side.BUY, "0.00", "0.20"),
        ("SZ", date(2015, 8, 1), Side.SELL, "10.00", "0.20"),
        ("SZ", date(2022, 4, 28), Side.SELL, "10.00", "0.20"),
        ("SZ", date(2022, 4, 29), Side.SELL, "10.00", "0.10"),
        ("BJ", date(2022, 4, 28), Side.SELL, "10.00", "0.25"),
        ("BJ", date(2022, 4, 29), Side.SELL, "10.00", "0.10"),
        ("SH", date(2023, 8, 27), Side.SELL, "10.00", "0.10"),
        ("SH", date(2023, 8, 28), Side.SELL, "5.00", "0.10"),
        ("SH", date(2023, 8, 28), Side.BUY, "0.00", "0.10"),
    ],
)
def test_mainland_taxes_and_fees_by_day(exchange, day, side, duty, transfer) -> None:
    assert costs(exchange, day, side) == {"commission": "5.00", "stamp_duty": duty, "transfer_fee": transfer}


def test_the_transfer_fee_of_shenzhen_was_inside_the_commission() -> None:
    day = date(2015, 7, 31)
    assert costs("SZ", day, Side.SELL) == {"commission": "5.00", "stamp_duty": "10.00"}
    apart = costs("SZ", day, Side.SELL, includes_exchange_fees=False)
    assert apart["transfer_fee"] == "0.26"


@pytest.mark.parametrize(
    ("exchange", "day", "handling"),
    [
        ("SH", date(2015, 7, 31), "6.96"),
        ("SH", date(2015, 8, 1), "4.87"),
        ("SZ", date(2023, 8, 28), "3.41"),
        ("BJ", date(2023, 8, 27), "25.00"),
        ("BJ", date(2023, 8, 28), "12.50"),
    ],
)
def test_handling_fees_by_day(exchange, day, handling) -> None:
    found = costs(exchange, day, Side.BUY, price="100", includes_exchange_fees=False)
    assert (found["handling_fee"], found["regulatory_fee"], found["commission"]) == (handling, "2.00", "20.00")


def test_each_item_is_rounded_half_up_by_itself() -> None:
    found = costs("SH", date(2023, 8, 28), Side.SELL, price="12.35", quantity=100, minimum=Decimal(0))
    assert found == {"commission": "0.25", "stamp_duty": "0.62", "transfer_fee": "0.01"}


def test_funds_pay_commission_only() -> None:
    terms = {"terms": {"kind": InstrumentKind.FUND}}
    expected = {"commission": "5.00", "stamp_duty": "0.00", "transfer_fee": "0.00"}
    assert costs("SH", date(2024, 1, 2), Side.SELL, **terms) == expected
    assert costs("SH", date(2024, 1, 2), Side.SELL, includes_exchange_fees=False, **terms) == expected


def test_par_values_matter_for_old_transfer_fees() -> None:
    assert costs("SH", date(2014, 1, 2), Side.BUY, terms={"par_value": Decimal("0.1")})["transfer_fee"] == "0.03"
    trade = TradeTerms(exchange=Exchange.SSE, day=DAY, side=Side.BUY, price=Decimal(10), quantity=1000)
    assert transfer_fee(trade) == Decimal("0.20")


def test_sums_of_costs() -> None:
    trade = TradeTerms(exchange=Exchange.SSE, day=date(2024, 1, 2), side=Side.SELL, price=Decimal(10), quantity=1000)
    found = trade_costs(trade, Commission(bps=Decimal("2.5")))
    assert (found.commission, found.taxes, found.fees, found.total) == tuple(map(Decimal, ("5", "5", "0.10", "10.10")))


@pytest.mark.parametrize("day", [date(2007, 5, 29), date(2012, 8, 31)])
def test_days_before_the_recorded_rules_are_refused(day) -> None:
    with pytest.raises(RuleNotKnown, match="is recorded"):
        costs("SH", day, Side.SELL)


def hong_kong(day: date, *, price: str = "512.5", quantity: int = 100, **more) -> dict[str, str]:
    trade = TradeTerms(exchange=Exchange.HKEX, day=day, side=Side.BUY, price=Decimal(price), quantity=quantity, **more)
    found = trade_costs(trade, Commission(bps=Decimal(0), minimum=Decimal(0)))
    return {topic.value: str(amount) for topic, amount in found.items.items() if topic is not Topic.COMMISSION}


@pytest.mark.parametrize(
    ("day", "duty", "sfc", "frc", "trading", "tariff", "clearing"),
    [
        (date(2014, 10, 31), "52.00", "1.54", None, "2.56", "0.50", "2.00"),
        (date(2021, 7, 31), "52.00", "1.38", None, "2.56", "0.50", "2.00"),
        (date(2021, 8, 1), "67.00", "1.38", None, "2.56", "0.50", "2.00"),
        (date(2022, 1, 1), "67.00", "1.38", "0.08", "2.56", "0.50", "2.00"),
        (date(2023, 1, 1), "67.00", "1.38", "0.08", "2.90", None, "2.00"),
        (date(2023, 11, 17), "52.00", "1.38", "0.08", "2.90", None, "2.00"),
        (date(2025, 6, 30), "52.00", "1.38", "0.08", "2.90", None, "2.15"),
    ],
)
def test_hong_kong_costs_by_day(day, duty, sfc, frc, trading, tariff, clearing) -> None:
    topics = ("stamp_duty", "sfc_levy", "frc_levy", "trading_fee", "trading_tariff", "settlement_fee")
    amounts = zip(topics, (duty, sfc, frc, trading, tariff, clearing), strict=True)
    assert hong_kong(day) == {topic: amount for topic, amount in amounts if amount}


def test_hong_kong_duty_and_clearing_bounds() -> None:
    assert hong_kong(date(2024, 1, 2), price="500", quantity=1000)["stamp_duty"] == "500.00"
    assert hong_kong(date(2024, 1, 2), price="500", quantity=20_000)["settlement_fee"] == "100.00"
    fund = hong_kong(date(2025, 6, 30), price="500", quantity=1000, kind=InstrumentKind.FUND)
    assert (fund["stamp_duty"], fund["settlement_fee"]) == ("0.00", "10.00")
    trade = TradeTerms(exchange=Exchange.HKEX, day=date(2009, 1, 5), side=Side.BUY, price=Decimal(10), quantity=100)
    assert Topic.SFC_LEVY not in hk_fees(trade)


@pytest.fixture(scope="module")
def real_bars(shared_data: Path) -> dict[str, np.ndarray]:
    """Bars from the 13th day after listing on: prices in cents, with the limit class of each row."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = ["symbol", "trade_date", "name", "high", "low", "pre_close", "is_st"]
    bars = pq.read_table(shared_data / "daily_bars.parquet", columns=names, read_dictionary=["symbol", "name"])
    master = pq.read_table(shared_data / "security_master.parquet", columns=["symbol", "list_date"]).to_pylist()
    listed_on = {row["symbol"]: row["list_date"] for row in master}
    coded = bars["symbol"].combine_chunks()
    symbols, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    listed = np.array([listed_on.get(symbol) or date(1990, 1, 1) for symbol in symbols], dtype="datetime64[D]")
    leaving = pc.fill_null(pc.match_substring(bars["name"].cast("string"), "退"), False).to_numpy()
    columns = {
        "symbol": np.array(symbols)[codes],
        "board": np.array([str(board_of(symbol)) for symbol in symbols])[codes],
        "day": bars["trade_date"].to_numpy(),
        "is_st": pc.fill_null(bars["is_st"], False).to_numpy() & ~leaving,
        **{name: np.rint(bars[name].to_numpy() * 100).astype(np.int64) for name in ("high", "low", "pre_close")},
    }
    seasoned = (columns["day"] - listed[codes]).astype(int) > 12
    return {name: values[seasoned] for name, values in columns.items()}


@pytest.mark.parametrize(
    ("board", "is_st", "first", "last", "exceptions"),
    [
        (Board.MAIN, {False}, "2015-01-01", "2026-07-05", {("000792.SZ", date(2021, 8, 10))}),
        (Board.MAIN, {True}, "2015-01-01", "2026-07-05", {("000727.SZ", date(2021, 4, 2))}),
        (Board.CHINEXT, {False, True}, "2015-01-01", "2020-08-23", set()),
        (Board.CHINEXT, {False, True}, "2020-08-24", "2026-07-05", set()),
        (Board.STAR, {False, True}, "2019-07-22", "2026-07-05", set()),
        (Board.BSE, {False, True}, "2021-11-15", "2026-07-05", set()),
    ],
)
def test_no_real_bar_lies_beyond_its_limits(real_bars, board, is_st, first, last, exceptions) -> None:
    """The two named days are a resumed listing, and an ST mark lifted whose name came one bar late."""
    chosen = (real_bars["board"] == str(board)) & np.isin(real_bars["is_st"], list(is_st))
    chosen &= (real_bars["day"] >= np.datetime64(first)) & (real_bars["day"] <= np.datetime64(last))
    assert chosen.sum() > 500
    rows = {name: values[chosen] for name, values in real_bars.items()}
    for marked in is_st:
        percents = limit_percents(ShareDay(board=board, day=date.fromisoformat(first), is_st=marked))
        down, up = limit_ticks(rows["pre_close"], percents, rounding=limit_rounding(board))
        beyond = (rows["high"] > up) | (rows["low"] < down)
        found = zip(rows["symbol"][beyond].tolist(), rows["day"][beyond].tolist(), strict=True)
        assert set(found) == exceptions


def test_costs_are_cents() -> None:
    trade = TradeTerms(exchange=Exchange.SSE, day=DAY, side=Side.SELL, price=Decimal("3.333"), quantity=777)
    amount = trade.amount * Decimal("0.001")
    assert trade_costs(trade, Commission(bps=Decimal(2))).taxes == amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
