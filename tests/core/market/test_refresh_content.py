"""Reference prices found by comparing raw bars with adjusted ones."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.model import Adjustment, BarSeries, Board, Exchange, Frequency, Instrument, InstrumentKind, Provenance
from core.market.refresh_content import (
    bars_content,
    dataset_of,
    instruments_content,
    previous_closes,
    reference_prices,
)

FIRST = date(2026, 9, 1)


def series(prices: np.ndarray, adjustment: Adjustment = Adjustment.RAW, symbol: str = "600519.SH") -> BarSeries:
    count = len(prices)
    days = [FIRST + timedelta(days=step) for step in range(count)]
    names = ("open", "high", "low", "close")
    return BarSeries(
        symbol=symbol,
        frequency=Frequency.DAY,
        adjustment=adjustment,
        times=np.array(days, dtype="datetime64[D]"),
        columns={
            **{name: prices[:, place] for place, name in enumerate(names)},
            "volume": np.full(count, 100_000, dtype=np.int64),
            "amount": prices[:, 3] * 100_000,
        },
        provenance=Provenance(dataset="eastmoney daily bars", as_of=None, simulated=False),
    )


def walk(count: int, seed: int = 1, start: float = 20.0) -> np.ndarray:
    """Raw prices that move by up to 3% a day."""
    random = np.random.default_rng(seed)
    close = start * np.cumprod(1 + random.uniform(-0.03, 0.03, count))
    opened = close * (1 + random.uniform(-0.01, 0.01, count))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    return np.round(np.column_stack([opened, high, low, close]), 2)


def paid(raw: np.ndarray, events: dict[int, tuple[float, float]]) -> np.ndarray:
    """Adjust forward as providers do: at each event older prices become (price - cash) / (1 + bonus)."""
    adjusted = raw.copy()
    for place, (cash, bonus) in events.items():
        adjusted[:place] = (adjusted[:place] - cash) / (1 + bonus)
    return np.round(adjusted, 2)


def found(raw: np.ndarray, events: dict[int, tuple[float, float]]):
    return reference_prices(series(raw), series(paid(raw, events), Adjustment.FORWARD))


def expected(raw: np.ndarray, events: dict[int, tuple[float, float]]) -> np.ndarray:
    prices = np.concatenate([[np.nan], raw[:-1, 3]])
    for place, (cash, bonus) in events.items():
        prices[place] = (prices[place] - cash) / (1 + bonus)
    return np.round(prices, 2)


@pytest.mark.parametrize(
    ("events", "first"),
    [
        ({}, 0),
        ({20: (0.5, 0.0)}, 0),
        ({20: (0.0, 1.0)}, 0),
        ({20: (0.35, 0.4)}, 0),
        ({29: (0.5, 0.0)}, 0),
        ({1: (0.5, 0.0)}, 0),
        ({12: (0.3, 0.0), 22: (0.5, 0.0)}, 0),
        ({12: (0.3, 0.5), 22: (0.5, 0.0)}, 0),
        ({12: (0.5, 0.0), 22: (0.3, 0.5)}, 12),
        ({20: (0.5, 0.0), 22: (0.4, 0.0)}, 21),
    ],
)
def test_events_are_found_until_they_are_not_understood(events, first) -> None:
    raw = walk(30)
    references = found(raw, events)
    assert references.first == first
    np.testing.assert_allclose(
        references.prices[first + 1 :], expected(raw, events)[first + 1 :], atol=0.0101 if len(events) > 1 else 0.0051
    )


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    place=st.integers(6, 28),
    cash=st.integers(2, 200).map(lambda cents: cents / 100),
    bonus=st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0, 1.5]),
)
def test_the_newest_event_is_exact(seed: int, place: int, cash: float, bonus: float) -> None:
    raw = walk(30, seed)
    references = found(raw, {place: (cash, bonus)})
    np.testing.assert_allclose(
        references.prices[references.first + 1 :], expected(raw, {place: (cash, bonus)})[references.first + 1 :],
        atol=0.0051,
    )  # fmt: skip
    assert references.first < place


def test_series_that_do_not_belong_together_tell_nothing() -> None:
    raw = walk(5)
    assert reference_prices(series(raw), series(raw[1:])).first == 4
    assert reference_prices(series(raw), series(raw + 1)).first == 4
    assert reference_prices(series(raw[:0]), series(raw[:0])).first == 0


def test_previous_closes() -> None:
    raw = walk(3)
    assert previous_closes(series(raw)).prices.tolist()[1:] == raw[:2, 3].tolist()
    assert len(previous_closes(series(raw[:0])).prices) == 0


def test_rows_of_bars() -> None:
    raw = walk(5)
    fetched = bars_content(series(raw), found(raw, {}), source="eastmoney", until=FIRST + timedelta(days=3))
    (part,) = fetched.content.parts
    rows = part.table.to_pylist()
    assert (part.dataset, part.adjustment, part.has_prices, fetched.name) == (
        "daily", Adjustment.RAW, True, "eastmoney 600519.SH"
    )  # fmt: skip
    assert [(row["trade_date"], row["pre_close"], row["#row"]) for row in rows] == [
        (FIRST, None, 1),
        *((FIRST + timedelta(days=step), raw[step - 1, 3], step + 1) for step in (1, 2, 3)),
    ]
    assert '"close": ' in fetched.content.text_of(4)
    assert len(fetched.sha256) == 64


@pytest.mark.parametrize(
    ("symbol", "dataset"), [("600519.SH", "daily"), ("000300.SH", "index_daily"), ("00700.HK", "hk_daily")]
)
def test_datasets(symbol: str, dataset: str) -> None:
    assert dataset_of(symbol) == dataset


def test_the_master_keeps_what_is_stored_save_the_name() -> None:
    def listed(symbol: str, name: str) -> Instrument:
        return Instrument(
            symbol=symbol, name=name, exchange=Exchange.SSE, board=Board.MAIN, kind=InstrumentKind.STOCK,
            currency="CNY", list_date=date(2020, 1, 1), industry="live",
        )  # fmt: skip

    stored = {
        "600001.SH": {"symbol": "600001.SH", "name": "旧名", "industry": "kept", "list_date": None, "source": "x"}
    }
    fetched = instruments_content(
        [listed("600001.SH", "新名"), listed("600002.SH", "另一")], stored, source="eastmoney"
    )
    rows = fetched.content.parts[0].table.to_pylist()
    assert [(row["name"], row["industry"], row["list_date"], row["source"]) for row in rows] == [
        ("新名", "kept", date(2020, 1, 1), "eastmoney"),
        ("另一", "live", date(2020, 1, 1), "eastmoney"),
    ]


def test_real_reference_prices_are_found_again(shared_data: Path) -> None:
    """Adjust real bars by their real events; the reference prices of the exchange must come out."""
    columns = ["symbol", "trade_date", "open", "high", "low", "close", "pre_close"]
    checked = 0
    for symbol in ("600519.SH", "600036.SH", "000001.SZ"):
        table = pq.read_table(shared_data / "daily_bars.parquet", columns=columns, filters=[("symbol", "==", symbol)])
        rows = table.sort_by("trade_date").to_pylist()[-1500:]
        raw = np.array([[row[name] for name in ("open", "high", "low", "close")] for row in rows])
        stated = np.array([row["pre_close"] for row in rows])
        events = {
            place: (round(raw[place - 1, 3] - stated[place], 4), 0.0)
            for place in range(1, len(rows))
            if abs(raw[place - 1, 3] - stated[place]) > 0.0051
        }
        references = found(raw, events)
        assert references.first == 0
        np.testing.assert_allclose(references.prices[1:], stated[1:], atol=0.0101)
        checked += len(events)
    assert checked > 10
