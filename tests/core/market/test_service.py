"""The market service over a small market folder made by hand."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from core.clock import CHINA, FrozenClock
from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import DATASETS
from core.market.fallback import Sourced
from core.market.instruments import CodeZerosLost, InstrumentNotFound
from core.market.model import (
    Adjustment,
    CorporateAction,
    Exchange,
    Frequency,
    InstrumentKind,
    Provenance,
    Quote,
    TradingDay,
)
from core.market.service import MarketService, RangeInvalid
from core.market.service_bars import AdjustmentUnavailable, decimal_of
from core.market.service_quotes import last_session
from core.market.sources import SourceUnavailable
from core.market.trading_calendar import CalendarEnds, TradingCalendars

pytestmark = pytest.mark.anyio
MOMENT = datetime(2026, 11, 20, tzinfo=UTC)
TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (date(2026, 11, day) for day in (17, 18, 19, 20))


def bar(symbol: str, day: date, close: float, *, pre: float | None = None, **more) -> dict:
    shape = {"symbol": symbol, "trade_date": day, "open": close - 0.1, "high": close + 0.2, "low": close - 0.2}
    return {**shape, "close": close, "pre_close": pre, "volume": 1000, "amount": close * 1000, "source": "test"} | more


DAILY = [
    bar("600519.SH", TUESDAY, 10.0, pre=9.9, adj_factor=2.0),
    bar("600519.SH", WEDNESDAY, 11.0, pre=10.0, adj_factor=2.0),
    bar("600519.SH", THURSDAY, 5.61, pre=5.5, adj_factor=4.0),
    bar("600519.SH", FRIDAY, 5.72, pre=5.61, adj_factor=4.0),
    bar("000001.SZ", TUESDAY, 8.0, pre=8.0, is_st=True, name="*ST平安"),
    bar("000001.SZ", WEDNESDAY, 8.4, pre=8.0, is_st=True, name="*ST平安"),
    bar("430047.BJ", TUESDAY, 20.0, pre=19.5),
    bar("920047.BJ", THURSDAY, 10.5, pre=10.0),
]
INDEX = [bar("000001.SH", TUESDAY, 3999.123), bar("000001.SH", FRIDAY, 4000.5)]
HONG_KONG = [
    bar("00700.HK", WEDNESDAY, 500.0, adj_close=400.0, adjustment="split_only"),
    bar("00700.HK", FRIDAY, 510.0, adj_close=510.0, adjustment="split_only"),
]
INSTRUMENTS = [
    {"symbol": s, "name": n, "exchange": s[-2:], "board": b, "kind": "stock", "currency": "CNY"}
    for s, n, b in [
        ("600519.SH", "贵州茅台", "main"),
        ("000001.SZ", "平安银行", "main"),
        ("920047.BJ", "诺思兰德", "bse"),
    ]
]
MINUTES = [
    {
        **bar("600519.SH", FRIDAY, 5.7 + step / 100),
        "bar_end": datetime(2026, 11, 20, 9, 31 + step),  # noqa: DTZ001 - stored naive
        "frequency": frequency,
    }
    for step, frequency in ((0, "1m"), (1, "1m"), (4, "5m"))
]
for row in MINUTES:
    del row["trade_date"], row["pre_close"]
ACTION = {"symbol": "430047.BJ", "ex_date": THURSDAY, "cash_per_share": 0.123456, "bonus_per_share": 1.0}
CONTENT = {
    "daily": DAILY,
    "index_daily": INDEX,
    "hk_daily": HONG_KONG,
    "minute": MINUTES,
    "instruments": INSTRUMENTS,
    "code_changes": [{"old_symbol": "430047.BJ", "new_symbol": "920047.BJ", "effective_date": WEDNESDAY}],
    "names": [{"symbol": "000001.SZ", "first_date": TUESDAY, "last_date": None, "value": "*ST平安"}],
    "st": [{"symbol": "600519.SH", "first_date": date(1999, 1, 1), "last_date": date(1999, 2, 1), "value": "ST"}],
    "actions": [ACTION | {"rights_per_share": 0.0, "rights_price": 0.0}],
}


def commit(store: MarketStore, content: dict, **more) -> None:
    changes = {name: TableChange(pa.Table.from_pylist(rows, DATASETS[name].schema())) for name, rows in content.items()}
    store.commit(changes, imported_at=MOMENT, **more)


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    made = MarketStore(tmp_path / "market")
    commit(made, CONTENT)
    return made


@pytest.fixture
def market(store: MarketStore, clock: FrozenClock) -> MarketService:
    return MarketService(store, clock)


async def test_instruments_come_from_the_master_and_from_bars(market: MarketService) -> None:
    assert (await market.instrument("sh600519")).name == "贵州茅台"
    assert (await market.instrument("430047")).symbol == "920047.BJ"
    index = await market.instrument("000001", kind=InstrumentKind.INDEX)
    assert (index.symbol, index.name, index.board) == ("000001.SH", "上证指数", None)
    assert (await market.instrument("0700.HK")).currency == "HKD"
    assert (await market.restore_code("1")).symbol == "000001.SZ"
    assert [entry.symbol for entry in await market.search("茅台")] == ["600519.SH"]
    with pytest.raises(CodeZerosLost):
        await market.instrument("1")
    with pytest.raises(InstrumentNotFound, match=r"Did you mean 600519\.SH"):
        await market.instrument("600591")


async def test_a_quote_of_a_traded_day(market: MarketService) -> None:
    quotes = await market.quotes(["600519.SH", "000001.SH", "nothing.SH"])
    assert set(quotes) == {"600519.SH", "000001.SH"}
    assert quotes["600519.SH"] == Quote(
        symbol="600519.SH",
        name="贵州茅台",
        last_price=Decimal("5.72"),
        reference_price=Decimal("5.61"),
        open=Decimal("5.62"),
        high=Decimal("5.92"),
        low=Decimal("5.52"),
        volume=1000,
        amount=Decimal("5720.00"),
        trade_date=FRIDAY,
        at=datetime(2026, 11, 20, 15, 0, tzinfo=CHINA),
        currency="CNY",
        is_suspended=False,
        source="test",
    )
    assert quotes["000001.SH"].reference_price == Decimal("3999.123")


async def test_a_quote_of_a_day_without_trade(market: MarketService) -> None:
    quote = (await market.quotes(["000001.SZ"]))["000001.SZ"]
    assert (quote.trade_date, quote.is_suspended, quote.volume, quote.open) == (WEDNESDAY, True, 0, None)
    assert quote.last_price == quote.reference_price == Decimal("8.40")


@pytest.mark.parametrize(
    ("symbol", "as_of", "price", "suspended"),
    [
        ("600519.SH", WEDNESDAY, "11.00", False),
        ("600519.SH", date(2026, 11, 22), "5.72", False),
        ("600519.SH", date(2026, 11, 16), None, None),
        ("000001.SZ", WEDNESDAY, "8.40", False),
        ("000001.SZ", THURSDAY, "8.40", True),
        ("920047.BJ", WEDNESDAY, "20.00", True),
        ("920047.BJ", THURSDAY, "10.50", False),
        ("430047.BJ", TUESDAY, "20.00", False),
        ("00700.HK", THURSDAY, "500.00", True),
        ("600519.SH", date(2027, 3, 1), "5.72", False),
    ],
)
async def test_quotes_as_of_a_day(market: MarketService, symbol, as_of, price, suspended) -> None:
    for _ in range(2):
        quote = (await market.quotes([symbol], as_of=as_of)).get(symbol)
        assert (str(quote.last_price), quote.is_suspended) == (price, suspended) if price else quote is None


QUIET = "600519.SH"
OLD = {"daily": [bar(QUIET, date(2026, 9, 17), 9.0), bar("000001.SZ", FRIDAY, 8.0)]}


def halt(last: date | None) -> dict:
    return {"suspensions": [{"symbol": QUIET, "first_date": date(2026, 9, 18), "last_date": last, "days": 50}]}


@pytest.mark.parametrize(
    ("more", "suspended"),
    [({}, False), (halt(FRIDAY), True), (halt(None), True), (halt(date(2026, 9, 30)), False)],
)
async def test_data_that_end_are_no_suspension(tmp_path: Path, clock: FrozenClock, more, suspended) -> None:
    store = MarketStore(tmp_path / "quiet")
    commit(store, OLD | more)
    answer = await MarketService(store, clock).quotes_sourced([QUIET, "000001.SZ"])
    quote = answer.value[QUIET]
    assert (quote.is_suspended, quote.volume) == ((True, 0) if suspended else (False, 1000))
    said = f"The stored data of {QUIET} end on 2026-09-17: its price is of that day."
    assert [text for text in answer.provenance.warnings if "end on" in text] == ([] if suspended else [said])


@pytest.mark.parametrize(("silent", "suspended"), [(30, True), (31, False)])
async def test_a_silence_of_thirty_trading_days_may_be_a_suspension(tmp_path, clock, silent, suspended) -> None:
    last = TradingCalendars.load().shanghai.shift(FRIDAY, -silent)
    store = MarketStore(tmp_path / "quiet")
    commit(store, {"daily": [bar(QUIET, last, 9.0), bar("000001.SZ", FRIDAY, 8.0)]})
    market = MarketService(store, clock)
    assert (await market.quotes([QUIET]))[QUIET].is_suspended is suspended


async def test_bars_that_go_on_later_were_interrupted_by_a_suspension(tmp_path: Path, clock: FrozenClock) -> None:
    store = MarketStore(tmp_path / "gap")
    commit(store, {"daily": [bar(QUIET, date(2026, 3, 2), 9.0), bar(QUIET, FRIDAY, 8.0)]})
    market = MarketService(store, clock)
    assert (await market.quotes([QUIET], as_of=date(2026, 8, 3)))[QUIET].is_suspended


async def test_without_any_price_there_is_no_day(market: MarketService) -> None:
    answer = await market.quotes_sourced(["600519.SH"], as_of=date(2026, 11, 16))
    assert (answer.value, answer.provenance.as_of) == ({}, None)


async def test_a_former_symbol_answers_with_the_present_one(market: MarketService) -> None:
    quotes = await market.quotes(["430047.BJ", "920047.BJ"])
    assert {given: quote.symbol for given, quote in quotes.items()} == dict.fromkeys(
        ("430047.BJ", "920047.BJ"), "920047.BJ"
    )
    assert quotes["430047.BJ"].name == "诺思兰德"


async def test_memory_is_bounded(market: MarketService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.market.service_quotes.REMEMBERED", 1)
    for symbol in ("600519.SH", "000001.SZ", "600519.SH"):
        assert symbol in await market.quotes([symbol])
    assert [key[0] for key in market._kept.book.remembered] == ["600519.SH"]


def test_the_last_session_at_or_before_a_day() -> None:
    calendars = TradingCalendars.load()
    assert last_session(calendars, Exchange.SSE, date(2026, 11, 22)) == FRIDAY
    assert last_session(calendars, Exchange.SSE, date(2028, 1, 1)) == date(2026, 12, 31)
    assert last_session(calendars, Exchange.SSE, date(1980, 1, 1)) is None


async def test_a_new_commit_is_seen(market: MarketService, store: MarketStore) -> None:
    await market.quotes(["600519.SH"])
    commit(store, {"daily": [*DAILY[:3], bar("600519.SH", FRIDAY, 6.0, pre=5.61)]})
    assert (await market.quotes(["600519.SH"]))["600519.SH"].last_price == Decimal("6.00")


async def test_raw_bars_of_some_days(market: MarketService) -> None:
    series = await market.bars("600519.SH", start=WEDNESDAY, end=THURSDAY)
    assert series.times.tolist() == [WEDNESDAY, THURSDAY]
    assert series.columns["close"].tolist() == [11.0, 5.61]
    assert series.columns["volume"].dtype == np.int64
    assert series.provenance.as_of == "2026-11-19"
    assert (series.provenance.adjustment, series.provenance.currency) == (Adjustment.RAW, "CNY")
    assert series.provenance.simulated is False


async def test_adjusted_bars(market: MarketService) -> None:
    forward = await market.bars("600519.SH", end=THURSDAY, adjustment=Adjustment.FORWARD)
    assert forward.columns["close"].tolist() == [5.0, 5.5, 5.61]
    assert forward.columns["volume"].tolist() == [1000, 1000, 1000]
    backward = await market.bars("600519.SH", start=THURSDAY, adjustment=Adjustment.BACKWARD)
    assert backward.columns["close"].tolist() == [22.44, 22.88]
    assert backward.columns["pre_close"].tolist() == [22.0, 22.44]


async def test_factors_are_chained_from_reference_prices_where_none_are_stored(market: MarketService) -> None:
    series = await market.bars("920047.BJ", adjustment=Adjustment.BACKWARD)
    assert series.times.tolist() == [TUESDAY, THURSDAY]
    assert series.columns["close"].tolist() == [20.0, 21.0]
    index = await market.bars("000001.SH", adjustment=Adjustment.FORWARD)
    assert index.columns["close"].tolist() == [3999.123, 4000.5]


async def test_vendor_adjusted_prices_are_labelled(market: MarketService) -> None:
    series = await market.bars("00700.HK")
    assert series.adjustment is series.provenance.adjustment is Adjustment.SPLIT_ONLY
    assert series.provenance.currency == "HKD"
    forward = await market.bars("00700.HK", adjustment=Adjustment.FORWARD)
    assert forward.columns["close"].tolist() == [400.0, 510.0]
    with pytest.raises(AdjustmentUnavailable, match="raw"):
        await market.bars("600519.SH", adjustment=Adjustment.SPLIT_ONLY)


async def test_a_history_without_reference_prices_cannot_be_adjusted(market: MarketService, store: MarketStore) -> None:
    commit(store, {"daily": [bar("600519.SH", WEDNESDAY, 10.0), bar("600519.SH", THURSDAY, 11.0)]})
    with pytest.raises(AdjustmentUnavailable, match="neither factors nor reference prices"):
        await market.bars("600519.SH", adjustment=Adjustment.FORWARD)
    assert len(await market.bars("600519.SH")) == 2


async def test_minutes(market: MarketService) -> None:
    series = await market.bars("600519.SH", frequency=Frequency.MINUTE, start=FRIDAY, end=FRIDAY)
    assert series.columns["close"].tolist() == [5.7, 5.71]
    assert series.provenance.as_of == "2026-11-20T09:32:00+08:00"
    assert len(await market.bars("600519.SH", frequency=Frequency.MINUTE_5)) == 1
    assert series.provenance.warnings == ()
    hour = await market.bars("600519.SH", frequency=Frequency.MINUTE_60)
    assert (hour.columns["close"].tolist(), hour.columns["volume"].tolist()) == ([5.71], [2000])
    assert hour.provenance.warnings == (
        "The last bar, ending 2026-11-20 10:30:00, is incomplete: its last minutes are not stored.",
    )
    with pytest.raises(AdjustmentUnavailable, match="minute bars are raw"):
        await market.bars("600519.SH", frequency=Frequency.MINUTE, adjustment=Adjustment.FORWARD)


async def test_an_empty_series_says_why(market: MarketService) -> None:
    series = await market.bars("600519.SH", end=date(2020, 1, 1), adjustment=Adjustment.FORWARD)
    assert (len(series), series.provenance.as_of) == (0, None)
    assert "No bars of 600519.SH are stored for these days." in series.provenance.warnings
    with pytest.raises(RangeInvalid):
        await market.bars("600519.SH", start=FRIDAY, end=THURSDAY)


async def test_actions_follow_code_changes(market: MarketService) -> None:
    expected = CorporateAction(
        symbol="920047.BJ",
        ex_date=THURSDAY,
        cash_per_share=Decimal("0.123456"),
        bonus_per_share=Decimal(1),
        rights_per_share=Decimal(0),
        rights_price=Decimal(0),
    )
    assert await market.actions(["920047.BJ"], start=TUESDAY, end=FRIDAY) == [expected]
    assert await market.actions(["430047.BJ"]) == [expected]
    assert await market.actions(["920047.BJ"], start=FRIDAY, end=FRIDAY) == []


async def test_names_and_st_marks(market: MarketService) -> None:
    assert await market.name_on("000001.SZ", TUESDAY) == "*ST平安"
    assert await market.is_st_on("000001.SZ", FRIDAY) is True
    assert await market.is_st_on("600519.SH", FRIDAY) is False
    assert await market.is_st_on("600519.SH", date(1999, 1, 5)) is True


async def test_calendar(market: MarketService) -> None:
    days = await market.calendar(Exchange.SSE, FRIDAY, date(2026, 11, 21))
    assert days == [
        TradingDay(FRIDAY, Exchange.SSE, is_open=True, is_half_day=False),
        TradingDay(date(2026, 11, 21), Exchange.SSE, is_open=False, is_half_day=False, note="weekend"),
    ]
    assert market.is_trading_day(Exchange.HKEX, FRIDAY)
    assert market.next_trading_day(Exchange.SSE, FRIDAY) == date(2026, 11, 23)
    assert market.previous_trading_day(Exchange.SSE, FRIDAY) == THURSDAY
    with pytest.raises(CalendarEnds):
        await market.calendar(Exchange.SSE, FRIDAY, date(2027, 1, 1))


async def test_old_bars_and_ending_calendars_are_warned_of(market: MarketService, clock: FrozenClock) -> None:
    assert market.provenance("daily").warnings == ()
    clock.advance(timedelta(days=3))
    assert market.provenance("daily").warnings == (
        "The newest bar in daily is of 2026-11-20; the last finished trading day is 2026-11-23.",
    )
    clock.advance(timedelta(minutes=-5))
    assert market.provenance("daily").warnings == ()
    clock.advance(timedelta(days=15))
    assert [warning for warning in market.provenance("actions").warnings if "Shanghai trading calendar ends" in warning]


async def test_the_simulated_market_says_so(store: MarketStore, clock: FrozenClock) -> None:
    commit(store, {"daily": DAILY[:2]}, simulated=True)
    market = MarketService(store, clock)
    found = market.provenance("daily")
    assert (found.dataset, found.simulated, found.as_of, found.warnings) == ("simulated_daily", True, "2026-11-18", ())
    assert market.is_simulated is True
    assert (await market.bars("600519.SH")).provenance.simulated is True


async def test_status(market: MarketService) -> None:
    status = await market.status()
    assert status["datasets"]["daily"] == {
        "rows": 8,
        "first_day": TUESDAY,
        "last_day": FRIDAY,
        "simulated": False,
    }
    assert (status["instruments"], status["simulated"], status["warnings"]) == (5, False, [])
    assert status["calendars_end"]["shanghai"] == date(2026, 12, 31)


async def test_an_empty_folder(tmp_path: Path, clock: FrozenClock) -> None:
    market = MarketService(MarketStore(tmp_path / "market"), clock)
    assert await market.quotes(["600519.SH"]) == {}
    assert await market.search("茅台") == []
    with pytest.raises(InstrumentNotFound, match="No market data has been imported"):
        await market.instrument("600519")
    assert (await market.status())["datasets"] == {}


@dataclass
class Live:
    quotes_known: dict[str, Quote] = field(default_factory=dict)
    fails: bool = False
    warnings: tuple[str, ...] = ()
    name: str = "live"

    async def quotes_sourced(self, symbols) -> Sourced[list[Quote]]:
        if self.fails:
            raise SourceUnavailable(source="live", reason="refused")
        found = [self.quotes_known[symbol] for symbol in symbols if symbol in self.quotes_known]
        return Sourced(found, Provenance(dataset="live", as_of=None, simulated=False, warnings=self.warnings))


@pytest.fixture
async def live(store: MarketStore, clock: FrozenClock) -> Live:
    stored = (await MarketService(store, clock).quotes(["600519.SH"]))["600519.SH"]
    return Live({"600519.SH": replace(stored, last_price=Decimal("5.99"), source="eastmoney")})


async def test_live_prices_win_today_and_stored_ones_stand_in(store: MarketStore, clock: FrozenClock, live: Live):
    market = MarketService(store, clock, live=live)
    assert (await market.quotes(["600519.SH", "000001.SZ"]))["600519.SH"].last_price == Decimal("5.99")
    assert (await market.quotes(["000001.SZ"]))["000001.SZ"].source == "test"
    assert (await market.quotes(["600519.SH"], as_of=THURSDAY))["600519.SH"].last_price == Decimal("5.61")
    clock.advance(timedelta(seconds=3))
    live.fails = True
    assert (await market.quotes(["600519.SH"], as_of=FRIDAY))["600519.SH"].last_price == Decimal("5.72")
    assert "Live prices are missing" in market.provenance("daily").warnings[0]
    live.fails = False
    await market.quotes(["600519.SH"])
    assert market.provenance("daily").warnings == ()
    await market.close()


async def test_live_quotes_say_where_they_come_from(store: MarketStore, clock: FrozenClock, live: Live) -> None:
    live.warnings = ("sina did not answer: 403", "600519.SH: no live quote; remembered from yesterday")
    market = MarketService(store, clock, live=live)
    alone = (await market.quotes_sourced(["600519.SH"])).provenance
    assert (alone.dataset, alone.as_of) == ("live quotes (eastmoney)", "2026-11-20T15:00:00+08:00")
    assert (alone.simulated, alone.adjustment, alone.currency) == (False, Adjustment.RAW, "CNY")
    assert alone.warnings == live.warnings
    both = (await market.quotes_sourced(["600519.SH", "000001.SZ"])).provenance
    assert both.dataset == "live quotes (eastmoney), daily"
    stored = (await market.quotes_sourced(["600519.SH"], as_of=THURSDAY)).provenance
    assert (stored.dataset, stored.as_of, stored.warnings) == ("daily", "2026-11-19", ())
    assert market.provenance("daily").warnings == ("sina did not answer: 403",)
    assert (await market.status())["live_source"] == "live"


async def test_an_old_folder_matters_only_to_prices_that_come_from_it(
    store: MarketStore, clock: FrozenClock, live: Live
) -> None:
    clock.advance(timedelta(days=4))
    market = MarketService(store, clock, live=live)
    assert (await market.quotes_sourced(["600519.SH"])).provenance.warnings == ()
    warnings = (await market.quotes_sourced(["600519.SH", "000001.SZ"])).provenance.warnings
    assert [text[:33] for text in warnings] == ["The newest bar in daily is of 202"]


async def test_real_prices_are_never_mixed_into_the_simulated_market(
    store: MarketStore, clock: FrozenClock, live: Live
) -> None:
    commit(store, {"daily": DAILY[:2]}, simulated=True)
    market = MarketService(store, clock, live=live)
    assert (await market.quotes(["600519.SH"]))["600519.SH"].last_price == Decimal("11.00")
    assert (await market.status())["live_source"] is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(15.5, "15.50"), (0.0, "0.00"), (3999.123, "3999.123"), (1e-7, "1E-7"), (None, None), (float("nan"), None)],
)
def test_decimals_are_what_was_stored(value, text) -> None:
    found = decimal_of(value)
    assert (found if found is None else str(found)) == text
