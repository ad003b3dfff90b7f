"""Longer bars made of minutes, against a plain reference that walks the day minute by minute."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import DATASETS
from core.market.model import Frequency
from core.market.service_minutes import MADE, MINUTE_BARS, bars_sql, chosen_bars

DAY = date(2026, 11, 20)
SESSIONS = {
    "SH": [(time(9, 31), time(11, 30)), (time(13, 1), time(15, 0))],
    "HK": [(time(9, 31), time(12, 0)), (time(13, 1), time(16, 0))],
}


def moments(first: time, last: time, day: date = DAY) -> list[datetime]:
    start, end = datetime.combine(day, first), datetime.combine(day, last)
    return [start + timedelta(minutes=step) for step in range(int((end - start).total_seconds()) // 60 + 1)]


def minute(symbol: str, at: datetime, price: float = 10.0, **more) -> dict:
    prices = {"open": price, "high": price + 0.5, "low": price - 0.5, "close": price + 0.1}
    row = {"symbol": symbol, "frequency": "1m", "bar_end": at, **prices, "volume": 100, "amount": 1000.5}
    return row | {"source": "test"} | more


def whole_day(symbol: str, seed: int = 1) -> list[dict]:
    random = Random(seed)
    times = [at for first, last in SESSIONS[symbol[-2:]] for at in moments(first, last)]
    return [minute(symbol, at, round(random.uniform(9, 11), 2), volume=random.randrange(1000)) for at in times]


def slowly(rows: list[dict], length: int) -> list[tuple]:
    """Cut each session into pieces of `length` rows."""
    made = []
    for first, last in SESSIONS[rows[0]["symbol"][-2:]]:
        session = [row for row in rows if first <= row["bar_end"].time() <= last]
        for start in range(0, len(session), length):
            piece = session[start : start + length]
            figures = (
                piece[0]["open"],
                max(row["high"] for row in piece),
                min(row["low"] for row in piece),
                piece[-1]["close"],
                sum(row["volume"] for row in piece),
                round(sum(row["amount"] for row in piece), 4),
            )
            made.append((piece[-1]["bar_end"], *figures, True))
    return made


@pytest.fixture
def stored(tmp_path: Path):
    def commit(rows: list[dict]) -> MarketStore:
        store = MarketStore(tmp_path / "market")
        table = pa.Table.from_pylist(rows, DATASETS["minute"].schema())
        store.commit({"minute": TableChange(table)}, imported_at=datetime(2026, 11, 20, tzinfo=UTC))
        return store

    return commit


def read(store: MarketStore, frequency: Frequency, symbol: str, **bounds) -> list[tuple]:
    sql, values = chosen_bars(frequency, [symbol], start=bounds.get("start"), end=bounds.get("end"))
    names = ("bar_end", "open", "high", "low", "close", "volume", "amount", "is_final")
    return [tuple(row[name] for name in names) for row in store.query(sql, values).to_pylist()]


@pytest.mark.parametrize("frequency", MADE, ids=str)
@pytest.mark.parametrize("symbol", ["600519.SH", "00700.HK"])
def test_a_whole_day(stored, symbol: str, frequency: Frequency) -> None:
    rows = whole_day(symbol)
    found = read(stored(rows), frequency, symbol)
    assert found == slowly(rows, MADE[frequency])
    if symbol == "600519.SH":
        assert len(found) == 240 // MADE[frequency]


def test_hours_never_reach_over_noon(stored) -> None:
    store = stored(whole_day("600519.SH") + whole_day("00700.HK"))
    assert [bar[0].time() for bar in read(store, Frequency.MINUTE_60, "600519.SH")] == [
        time(10, 30), time(11, 30), time(14, 0), time(15, 0)
    ]  # fmt: skip
    assert [bar[0].time() for bar in read(store, Frequency.MINUTE_60, "00700.HK")] == [
        time(10, 30), time(11, 30), time(12, 0), time(14, 0), time(15, 0), time(16, 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "at", "end"),
    [
        ("600519.SH", time(9, 30), time(9, 35)),
        ("600519.SH", time(9, 35), time(9, 35)),
        ("600519.SH", time(9, 36), time(9, 40)),
        ("600519.SH", time(13, 0), time(11, 30)),
        ("600519.SH", time(13, 1), time(13, 5)),
        ("600519.SH", time(15, 0), time(15, 0)),
        ("600519.SH", time(9, 25), None),
        ("600519.SH", time(15, 6), None),
        ("00700.HK", time(11, 59), time(12, 0)),
        ("00700.HK", time(16, 8), time(16, 0)),
        ("00700.HK", time(16, 11), None),
    ],
)
def test_minutes_at_the_edges(stored, symbol: str, at: time, end: time | None) -> None:
    found = read(stored([minute(symbol, datetime.combine(DAY, at))]), Frequency.MINUTE_5, symbol)
    assert [bar[0].time() for bar in found] == ([end] if end else [])


def test_an_incomplete_bar_says_so_and_a_quiet_minute_makes_none(stored) -> None:
    times = [*moments(time(9, 31), time(9, 34)), time(9, 37), time(9, 41)]
    rows = [minute("600519.SH", at if isinstance(at, datetime) else datetime.combine(DAY, at)) for at in times]
    found = read(stored(rows), Frequency.MINUTE_5, "600519.SH")
    assert [(bar[0].time(), bar[5], bar[7]) for bar in found] == [
        (time(9, 35), 400, True),
        (time(9, 40), 100, True),
        (time(9, 45), 100, False),
    ]


def test_stored_bars_stand_on_their_days(stored) -> None:
    day_before = DAY - timedelta(days=1)
    rows = [
        minute("600519.SH", datetime.combine(day_before, time(9, 31))),
        minute("600519.SH", datetime.combine(DAY, time(9, 31))),
        minute("600519.SH", datetime.combine(DAY, time(15, 0)), 20.0, frequency="5m", source="vendor"),
    ]
    store = stored(rows)
    found = read(store, Frequency.MINUTE_5, "600519.SH")
    assert [(bar[0], bar[1]) for bar in found] == [
        (datetime.combine(day_before, time(9, 35)), 10.0),
        (datetime.combine(DAY, time(15, 0)), 20.0),
    ]
    assert len(read(store, Frequency.MINUTE_5, "600519.SH", start=DAY)) == 1
    assert len(read(store, Frequency.MINUTE_5, "600519.SH", end=day_before)) == 1
    sources = store.query(f"SELECT DISTINCT source FROM ({bars_sql(Frequency.MINUTE_5)}) ORDER BY 1")
    assert sources["source"].to_pylist() == ["test, from 1m", "vendor"]


def test_every_length_at_once_is_each_length_by_itself(stored) -> None:
    store = stored(whole_day("600519.SH"))
    counts = store.query(f"SELECT frequency, count(*) AS n FROM ({MINUTE_BARS}) GROUP BY frequency").to_pylist()
    assert {row["frequency"]: row["n"] for row in counts} == {"1m": 240, "5m": 48, "15m": 16, "30m": 8, "60m": 4}


def test_absent_amounts_stay_absent(stored) -> None:
    rows = [minute("600519.SH", datetime.combine(DAY, time(9, 31)), amount=None, volume=None)]
    assert read(stored(rows), Frequency.MINUTE_15, "600519.SH")[0][5:7] == (None, None)


def test_real_minutes_make_the_five_minute_bars_a_vendor_made(stored, shared_data: Path) -> None:
    def rows(name: str) -> list[dict]:
        return pq.read_table(shared_data / f"minute_bars_{name}.parquet").to_pylist()

    vendor = {(row["symbol"], row["bar_end"]): row for row in rows("5m")}
    days = {(symbol, at.date()) for symbol, at in vendor}
    minutes = [row for row in rows("1m") if (row["symbol"], row["bar_end"].date()) in days]
    names = set(DATASETS["minute"].columns)
    store = stored([{k: v for k, v in row.items() if k in names} | {"frequency": "1m"} for row in minutes])
    found = store.query(bars_sql(Frequency.MINUTE_5)).to_pylist()
    both = [(bar, vendor[bar["symbol"], bar["bar_end"]]) for bar in found if (bar["symbol"], bar["bar_end"]) in vendor]
    assert len(both) == len(found) > 0
    for ours, theirs in both:
        prices = ("open", "high", "low", "close")
        assert [ours[name] for name in prices] == pytest.approx([theirs[name] for name in prices])
