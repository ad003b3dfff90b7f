"""Panels equal what a slow, plain loop makes of the same bars."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.market.bar_store import MarketStore, TableChange
from core.market.panel import PanelColumnUnknown
from tests.support.bars import daily_table

MOMENT = datetime(2026, 11, 20, tzinfo=UTC)
SYMBOLS = ("000001.SZ", "000002.SZ", "300750.SZ", "600000.SH", "600519.SH")
DAYS = tuple(f"2024-01-{day:02}" for day in range(1, 15))


def committed(folder: Path, rows) -> MarketStore:
    store = MarketStore(folder)
    store.commit({"daily": TableChange(daily_table(*rows))}, imported_at=MOMENT)
    return store


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(DAYS)), min_size=1),
    wanted=st.none() | st.sets(st.sampled_from(SYMBOLS)),
    span=st.none() | st.tuples(st.sampled_from(DAYS), st.sampled_from(DAYS)),
)
def test_a_panel_equals_the_plain_loop(keys, wanted, span, tmp_path_factory) -> None:
    rows = [(symbol, day, 1.0 + index) for index, (symbol, day) in enumerate(sorted(keys))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.market.bar_store.ROWS_PER_GROUP", 3)
        patch.setattr("core.market.panel.GROUPS_PER_BLOCK", 2)
        store = committed(tmp_path_factory.mktemp("market"), rows)
        start, end = (None, None) if span is None else (date.fromisoformat(span[0]), date.fromisoformat(span[1]))
        panel = store.panel(
            ["close", "volume"], symbols=None if wanted is None else sorted(wanted), start=start, end=end
        )
    kept = {
        (symbol, day): close
        for symbol, day, close in rows
        if (wanted is None or symbol in wanted) and (span is None or span[0] <= day <= span[1])
    }
    assert panel.symbols == tuple(sorted({symbol for symbol, _ in kept}))
    assert [str(day) for day in panel.days] == sorted({day for _, day in kept})
    for row, day in enumerate(panel.days):
        for column, symbol in enumerate(panel.symbols):
            expected = kept.get((symbol, str(day)))
            close, volume = panel["close"][row, column], panel["volume"][row, column]
            assert (np.isnan(close) and volume == 0) if expected is None else (close == expected and volume == 1000)


def test_a_panel_is_mapped_again_and_cannot_be_written(tmp_path: Path) -> None:
    store = committed(tmp_path, [("600519.SH", "2024-01-02", 1.0)])
    store.panel(["close"])
    places = list((tmp_path / "panels").iterdir())
    panel = store.panel(["close"])
    assert list((tmp_path / "panels").iterdir()) == places
    assert isinstance(panel["close"], np.memmap)
    assert panel["close"].flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        panel["close"][0, 0] = 2.0


def test_new_bars_make_a_new_panel_and_old_ones_go(tmp_path: Path) -> None:
    store = committed(tmp_path, [("600519.SH", "2024-01-02", 1.0)])
    store.panel(["close"])
    for price in (2.0, 3.0):
        store.commit({"daily": TableChange(daily_table(("600519.SH", "2024-01-02", price)))}, imported_at=MOMENT)
        assert store.panel(["close"])["close"].tolist() == [[price]]
    assert len(list((tmp_path / "panels").iterdir())) == 2


def test_half_a_panel_is_never_used_and_goes_with_the_next_commit(tmp_path: Path) -> None:
    store = committed(tmp_path, [("600519.SH", "2024-01-02", 1.0)])
    store.panel(["close"])
    place = next((tmp_path / "panels").iterdir())
    (place / "panel.json").unlink()
    (tmp_path / "panels" / ".building-x").mkdir()
    store.commit({"daily": TableChange(daily_table(("600519.SH", "2024-01-02", 2.0)))}, imported_at=MOMENT)
    assert list((tmp_path / "panels").iterdir()) == []


@pytest.mark.parametrize("column", ["name", "symbol", "colour"])
def test_columns_that_are_no_numbers_are_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(PanelColumnUnknown, match=column):
        MarketStore(tmp_path).panel([column])
