"""The simulated market: every bar obeys the rules, whatever the seed, and the tables agree with each other."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from core.clock import CHINA, FrozenClock
from core.market.bar_store import MarketStore
from core.market.demo import SEED, _merged, install, make_market
from core.market.instruments_spelling import board_of
from core.market.model import Adjustment, Board, Exchange, Frequency
from core.market.rules import ShareDay, price_limits, tick_size
from core.market.service import MarketService
from core.market.trading_calendar import TradingCalendars

CALENDARS = TradingCalendars.load()


@dataclass
class Made:
    tables: dict[str, pa.Table]
    read: dict[str, list[dict]] = field(default_factory=dict)

    def rows(self, name: str) -> list[dict]:
        if name not in self.read:
            self.read[name] = self.tables[name].to_pylist()
        return self.read[name]

    def by_symbol(self, name: str) -> dict[str, list[dict]]:
        grouped: dict[str, list[dict]] = {}
        for row in self.rows(name):
            grouped.setdefault(row["symbol"], []).append(row)
        return grouped


@pytest.fixture(scope="module", params=[SEED, pytest.param(7, marks=pytest.mark.soak)])
def made(request) -> Made:
    return Made(make_market(request.param))


def cents(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal("0.01"))


def test_size_and_boards(made: Made) -> None:
    stocks = [row for row in made.rows("instruments") if row["kind"] == "stock"]
    assert Counter(row["board"] for row in stocks) == {"main": 170, "chinext": 60, "star": 40, "bse": 22, "hk_main": 8}
    assert all(str(board_of(row["symbol"])) == row["board"] for row in stocks)
    assert len({row["name"] for row in stocks}) == 300
    assert all("模拟" in row["value"] for row in made.rows("names"))
    assert len(set(made.tables["daily"]["trade_date"].to_pylist())) == 727
    assert Counter(made.tables["minute"]["symbol"].to_pylist()).most_common() == [
        (symbol, 2400) for symbol in dict.fromkeys(made.tables["minute"]["symbol"].to_pylist())
    ]


def test_figures_hold_together(made: Made) -> None:
    for name in ("daily", "index_daily", "hk_daily", "minute"):
        table = made.tables[name]
        opened, high, low, close = (table[column].to_numpy() for column in ("open", "high", "low", "close"))
        assert (low > 0).all()
        assert (low <= np.minimum(opened, close)).all()
        assert (high >= np.maximum(opened, close)).all()
        assert (table["volume"].to_numpy() >= 0).all()
    daily = made.tables["daily"]
    price = daily["amount"].to_numpy() / daily["volume"].to_numpy()
    assert ((price >= daily["low"].to_numpy() - 1e-4) & (price <= daily["high"].to_numpy() + 1e-4)).all()


def test_no_bar_lies_beyond_its_limits(made: Made) -> None:
    """Checked a second time with the scalar rule, on every share's first, special and touching days."""
    listed = {row["symbol"]: row["list_date"] for row in made.rows("instruments")}
    touched = unlimited = 0
    for symbol, bars in made.by_symbol("daily").items():
        board, leaving = board_of(symbol), 0
        for nth, bar in enumerate(bars, start=1):
            leaving += "退" in bar["name"]
            plain = nth > 5 and not leaving and not bar["is_st"]
            if plain and abs(bar["close"] / bar["pre_close"] - 1) < 0.045 and bar["high"] / bar["low"] < 1.045:
                continue
            is_new = bars[0]["trade_date"] == listed[symbol]
            share = ShareDay(
                board=board,
                day=bar["trade_date"],
                is_st=bar["is_st"],
                list_date=listed[symbol] if is_new else None,
                listed_days=nth if is_new else None,
                delisting_day=leaving or None,
                delisting_decided=bar["trade_date"] if leaving else None,
            )
            limits = price_limits(share, cents(bar["pre_close"]))
            unlimited += limits is None
            if limits is not None:
                assert limits.down <= cents(bar["low"]) <= cents(bar["high"]) <= limits.up, bar
                touched += cents(bar["close"]) in {limits.up, limits.down}
    assert touched > 500
    assert unlimited > 50


def test_reference_prices_follow_closes_and_events(made: Made) -> None:
    events = {(row["symbol"], row["ex_date"]): row for row in made.rows("actions")}
    met = 0
    for symbol, bars in made.by_symbol("daily").items():
        for before, bar in pairwise(bars):
            event = events.get((symbol, bar["trade_date"]))
            expected = before["close"]
            if event:
                met += 1
                exact = (cents(expected) - cents(event["cash_per_share"])) / (1 + cents(event["bonus_per_share"]))
                expected = float(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))
            assert bar["pre_close"] == expected, (symbol, bar["trade_date"])
            step = bar["adj_factor"] / before["adj_factor"]
            assert abs(step - before["close"] / bar["pre_close"]) < 1e-6
    assert met == len(events) > 500


def test_bars_stand_on_trading_days_outside_halts(made: Made) -> None:
    days = CALENDARS.shanghai.between(date(2023, 11, 20), date(2026, 11, 19))
    halts = made.by_symbol("suspensions")
    removed = {row["symbol"]: row["delist_date"] for row in made.rows("instruments")}
    listed = {row["symbol"]: row["list_date"] for row in made.rows("instruments")}
    for symbol, bars in made.by_symbol("daily").items():
        halted = {
            day
            for row in halts.get(symbol, ())
            for day in days
            if row["first_date"] <= day <= (row["last_date"] or day)
        }
        expected = [
            day
            for day in days
            if day >= listed[symbol] and day not in halted and (removed[symbol] is None or day < removed[symbol])
        ]
        assert [bar["trade_date"] for bar in bars] == expected
    assert len(halts) > 15
    hong_kong = CALENDARS.hongkong.between(date(2023, 11, 20), date(2026, 11, 19))
    assert all([bar["trade_date"] for bar in bars] == hong_kong for bars in made.by_symbol("hk_daily").values())


def test_st_spells_and_the_delisting(made: Made) -> None:
    spells = made.by_symbol("st")
    for bar in made.rows("daily"):
        day = bar["trade_date"]
        inside = any(s["first_date"] <= day <= (s["last_date"] or day) for s in spells.get(bar["symbol"], ()))
        assert bar["is_st"] is inside
    gone = [row for row in made.rows("instruments") if row["delist_date"]]
    assert (len(spells), len(gone)) == (10, 1)
    last = [bar for bar in made.rows("daily") if bar["symbol"] == gone[0]["symbol"]][-15:]
    assert all("退" in bar["name"] for bar in last)
    assert gone[0]["delist_date"] == CALENDARS.shanghai.next(last[-1]["trade_date"])


def test_minutes_add_up_to_their_day(made: Made) -> None:
    days = {(row["symbol"], row["trade_date"]): row for row in made.rows("daily")}
    minutes: dict[tuple, list[dict]] = {}
    for row in made.rows("minute"):
        minutes.setdefault((row["symbol"], row["bar_end"].date()), []).append(row)
    assert len(minutes) == 50
    for key, bars in minutes.items():
        day = days[key]
        assert len(bars) == 240
        assert (bars[0]["open"], bars[-1]["close"]) == (day["open"], day["close"])
        assert (max(b["high"] for b in bars), min(b["low"] for b in bars)) == (day["high"], day["low"])
        assert sum(b["volume"] for b in bars) == day["volume"]
        assert sum(cents(b["amount"]) for b in bars) == cents(day["amount"])
        clock = [b["bar_end"].strftime("%H:%M") for b in bars]
        assert (clock[0], clock[119], clock[120], clock[-1]) == ("09:31", "11:30", "13:01", "15:00")


def test_hong_kong_prices_stand_on_the_spread_table(made: Made) -> None:
    for bar in made.rows("hk_daily")[::29]:
        for name in ("open", "high", "low", "close"):
            price = Decimal(repr(bar[name]))
            step = tick_size(Exchange.HKEX, bar["trade_date"], price=price)
            assert price % step == 0, (bar, name)


def test_halts_that_meet_are_one_spell() -> None:
    assert _merged([range(30, 40), range(5, 10), range(10, 12), range(32, 35)]) == [(5, 12), (30, 40)]


def test_code_changes_name_present_shares(made: Made) -> None:
    changes = made.rows("code_changes")
    symbols = {row["symbol"] for row in made.rows("instruments")}
    assert len(changes) == 12
    assert all(row["new_symbol"] in symbols and board_of(row["old_symbol"]) is Board.BSE for row in changes)


def test_the_same_seed_makes_the_same_market_and_another_does_not(made: Made) -> None:
    same = {name: made.tables[name].equals(table) for name, table in make_market(SEED).items()}
    is_same_seed = same["suspensions"]
    assert {same[name] for name in ("daily", "index_daily", "hk_daily", "minute", "actions")} == {is_same_seed}


@pytest.mark.anyio
async def test_an_installed_market_answers_and_says_that_it_is_simulated(tmp_path: Path, clock: FrozenClock) -> None:
    store = MarketStore(tmp_path / "market")
    first = install(store, imported_at=datetime(2026, 11, 20, tzinfo=CHINA))
    again = install(store, imported_at=datetime(2026, 11, 21, tzinfo=CHINA))
    assert first.generation == again.generation == 1
    market = MarketService(store, clock)
    assert market.is_simulated
    found = (await market.search("模拟银行甲"))[0]
    quote = (await market.quotes([found.symbol]))[found.symbol]
    assert (quote.trade_date, quote.is_suspended) == (date(2026, 11, 19), False)
    series = await market.bars(found.symbol, adjustment=Adjustment.FORWARD)
    assert series.provenance.dataset == "simulated_daily"
    assert series.columns["close"][-1] == float(quote.last_price)
    minutes = await market.bars(found.symbol, frequency=Frequency.MINUTE)
    assert minutes.provenance.simulated
    old = (await market.instrument("838011")).symbol
    assert old.startswith("920")
    assert pc.count_distinct(store.table("daily")["symbol"]).as_py() == 292
