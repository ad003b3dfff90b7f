from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import CHINA
from core.market.model import Board
from core.market.providers.codes import board_of, eastmoney_secid, eastmoney_symbol, is_index, sina_code, tencent_code
from core.market.providers.figures import (
    Bounds,
    Malformed,
    WireQuote,
    count,
    day,
    index_shares,
    name_of,
    number,
    price,
    reading,
    shares,
    to_quote,
)
from core.market.sources import SourceAnswerInvalid

D = Decimal


@pytest.mark.parametrize("absent", [None, "", "-", " - ", "--"])
def test_ways_of_saying_none(absent):
    assert number(absent, "f") is None
    assert price(absent, "f") is None
    assert count(absent, "f") is None


@pytest.mark.parametrize(
    "wrong", ["abc", "NaN", "Infinity", "1e999999999", "1e-999999999", "1000000000000000", True, 1.5, [], {}, "1,000"]
)
def test_what_is_no_number_is_named(wrong):
    with pytest.raises(Malformed, match=r"600519.SH: f2"):
        number(wrong, "600519.SH: f2")


@pytest.mark.parametrize(
    ("wire", "ours"), [("1820.000", "1820.00"), ("1820.125", "1820.125"), ("9", "9.00"), ("0.0050", "0.005")]
)
def test_prices_have_two_places_or_as_many_as_they_need(wire, ours):
    assert str(price(wire, "f")) == ours


def test_a_price_of_zero_is_none_and_a_negative_one_is_malformed():
    assert price("0.000", "f") is None
    with pytest.raises(Malformed, match="negative"):
        price("-1", "f")


@pytest.mark.parametrize("wrong", ["-1", "1.5"])
def test_counts_are_whole(wrong):
    with pytest.raises(Malformed, match="no count"):
        count(wrong, "f")


@pytest.mark.parametrize(
    ("wire", "ours"),
    [("万  科Ａ", "万科A"), ("五 粮 液", "五粮液"), ("*ST 海 南", "*ST海南"), ("HSBC HOLDINGS", "HSBC HOLDINGS")],
)
def test_names_lose_their_padding(wire, ours):
    assert name_of(wire) == ours


def test_days_are_read_in_both_spellings_and_checked():
    assert day("20261120", "f") == day("2026-11-20", "f")
    with pytest.raises(Malformed, match="f is no time: '20261320'"):
        day("20261320", "f")


RANGE = Bounds(low=D("119.63"), high=D("121.39"))


def test_the_average_price_decides_between_lots_and_shares():
    amount = D(2246348480)
    assert shares(D(18660976), amount, unit=1, bounds=RANGE, what="v") == 18660976
    assert shares(D(18660976), amount, unit=100, bounds=RANGE, what="v") == 18660976
    assert shares(D(186610), amount, unit=100, bounds=RANGE, what="v") == 18661000
    assert shares(D(186610), amount, unit=1, bounds=RANGE, what="v") == 18661000


def test_without_amount_or_range_the_declared_unit_holds():
    assert shares(D(5), None, unit=100, bounds=RANGE, what="v") == 500
    assert shares(D(5), D(0), unit=100, bounds=RANGE, what="v") == 500
    assert shares(D(5), D(9), unit=1, bounds=None, what="v") == 5
    assert shares(None, D(9), unit=1, bounds=None, what="v") is None


def test_contradicting_figures_are_malformed():
    with pytest.raises(Malformed, match=r"v 10 and amount 999999 contradict prices of 119.63 to 121.39"):
        shares(D(10), D(999999), unit=100, bounds=RANGE, what="v")
    with pytest.raises(Malformed, match="negative"):
        shares(D(-1), None, unit=100, bounds=None, what="v")


@given(
    bought=st.integers(1, 10**9),
    low=st.integers(1, 10**6),
    spread=st.integers(0, 100),
    part=st.integers(0, 100),
    declared=st.sampled_from([1, 100]),
)
def test_shares_are_found_from_either_unit(bought, low, spread, part, declared):
    """Whatever unit the wire counts in and whatever we believed, the shares come out, if the lots are exact."""
    bought *= 100
    bounds = Bounds(low=D(low) / 100, high=D(low) / 100 * (100 + spread) / 100)
    amount = bought * (bounds.low + (bounds.high - bounds.low) * part / 100)
    assert shares(D(bought), amount, unit=declared, bounds=bounds, what="v") == bought
    assert shares(D(bought // 100), amount, unit=declared, bounds=bounds, what="v") == bought


def test_index_volumes():
    assert index_shares(D(400_000_000), D(500_000_000_000)) == 40_000_000_000
    assert index_shares(D(40_000_000_000), D(500_000_000_000)) == 40_000_000_000
    assert index_shares(None, None) is None


def wire_quote(**changes):
    base = {
        "symbol": "600519.SH",
        "name": "贵州茅台",
        "last": D("1301.50"),
        "reference": D("1306.45"),
        "open": D("1310.00"),
        "high": D("1314.40"),
        "low": D("1300.01"),
        "volume": D(11131),
        "amount": D(1451334748),
        "unit": 100,
        "at": datetime(2026, 11, 20, 10, 43, 33, tzinfo=CHINA),
    }
    return WireQuote(**(base | changes))


NOW = datetime(2026, 11, 20, 15, 30, tzinfo=CHINA)


def test_a_quote_in_our_units():
    quote = to_quote(wire_quote(), now=NOW, source="s")
    assert (quote.volume, quote.currency, quote.is_suspended) == (1113100, "CNY", False)
    assert quote.at == datetime(2026, 11, 20, 10, 43, 33, tzinfo=CHINA)


@pytest.mark.parametrize(("symbol", "hour"), [("600519.SH", 15), ("00700.HK", 16)])
def test_the_moment_is_cut_at_the_close(symbol, hour):
    late = datetime(2026, 11, 20, 16, 14, 32, tzinfo=CHINA)
    assert to_quote(wire_quote(symbol=symbol, at=late, volume=D(1113100), unit=1), now=NOW, source="s").at == datetime(
        2026, 11, 20, hour, tzinfo=CHINA
    )


def test_what_did_not_trade_keeps_its_reference_and_is_suspended():
    idle = wire_quote(last=None, open=None, high=None, low=None, volume=D(0), amount=D(0))
    quote = to_quote(idle, now=NOW, source="s")
    assert (quote.last_price, quote.is_suspended, quote.volume) == (D("1306.45"), True, 0)


def test_before_trading_begins_nothing_is_suspended():
    at = datetime(2026, 11, 20, 9, 0, tzinfo=CHINA)
    idle = wire_quote(last=None, open=None, high=None, low=None, volume=D(0), amount=D(0), at=at)
    assert to_quote(idle, now=at, source="s").is_suspended is False
    assert to_quote(idle, now=datetime(2026, 11, 21, 9, 0, tzinfo=CHINA), source="s").is_suspended is True


def test_neither_price_nor_reference_is_no_quote():
    assert to_quote(wire_quote(last=None, reference=None), now=NOW, source="s") is None


def test_a_high_below_the_low_is_malformed():
    with pytest.raises(Malformed, match=r"high 1 is below low 1300.01"):
        to_quote(wire_quote(high=D(1)), now=NOW, source="s")


def test_bytes_of_another_encoding_name_the_source():
    with pytest.raises(SourceAnswerInvalid, match=r"source s answered .* byte 0 is not gb18030"), reading("s"):
        b"\xff".decode("gb18030")


@pytest.mark.parametrize(
    ("symbol", "secid", "sina", "tencent", "board"),
    [
        ("600519.SH", "1.600519", "sh600519", "sh600519", Board.MAIN),
        ("688981.SH", "1.688981", "sh688981", "sh688981", Board.STAR),
        ("000001.SZ", "0.000001", "sz000001", "sz000001", Board.MAIN),
        ("300750.SZ", "0.300750", "sz300750", "sz300750", Board.CHINEXT),
        ("920118.BJ", "0.920118", "bj920118", "bj920118", Board.BSE),
        ("00700.HK", "116.00700", "rt_hk00700", "hk00700", Board.HK_MAIN),
        ("000300.SH", "1.000300", "sh000300", "sh000300", None),
        ("X.US", None, None, None, None),
    ],
)
def test_codes(symbol, secid, sina, tencent, board):
    assert (eastmoney_secid(symbol), sina_code(symbol), tencent_code(symbol)) == (secid, sina, tencent)
    assert board_of(symbol) is board
    if secid:
        market, _, code = secid.partition(".")
        assert eastmoney_symbol(market, code) == symbol


def test_markets_the_desk_does_not_trade_have_no_symbol():
    assert eastmoney_symbol("105", "AAPL") is None


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [("000001.SH", True), ("000001.SZ", False), ("399006.SZ", True), ("899050.BJ", True), ("600000.SH", False)],
)
def test_indices(symbol, expected):
    assert is_index(symbol) is expected
