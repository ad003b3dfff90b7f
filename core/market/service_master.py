"""Builds the security master from the market folder, completed where the folder has bars but no description."""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.market.bar_store import MarketStore
from core.market.instruments import SecurityMaster
from core.market.instruments_spelling import board_of, kind_of
from core.market.model import Board, CodeChange, Exchange, Instrument, InstrumentKind, Spell

if TYPE_CHECKING:
    import pyarrow as pa

SHIPPED: Final = Path(__file__).with_name("data") / "instruments.csv"
BAR_DATASETS: Final = ("daily", "index_daily", "hk_daily")


def build_master(store: MarketStore) -> SecurityMaster:
    """Read the master's datasets. Symbols with bars and no row get one from their code, with the last name seen."""
    instruments = {row["symbol"]: _instrument(row) for row in store.table("instruments").to_pylist()}
    changes = [
        CodeChange(row["old_symbol"], row["new_symbol"], row["effective_date"])
        for row in store.table("code_changes").to_pylist()
    ]
    replaced = {change.old_symbol for change in changes if change.new_symbol in instruments}
    for symbol, name in _symbols_with_bars(store):
        if symbol not in instruments and symbol not in replaced:
            instruments[symbol] = _guessed(symbol, name)
    return SecurityMaster.build(
        instruments.values(), changes=changes, names=_spells(store.table("names")), st_spells=_spells(store.table("st"))
    )


def shipped_names() -> Mapping[str, str]:
    """Return the names of the indices and Hong Kong shares that free sources have bars of."""
    with SHIPPED.open(encoding="utf-8", newline="") as lines:
        return {row["symbol"]: row["name"] for row in csv.DictReader(lines)}


def _symbols_with_bars(store: MarketStore) -> Iterator[tuple[str, str | None]]:
    parts = (
        f"SELECT symbol, max_by(name, trade_date) AS name FROM {dataset} GROUP BY symbol" for dataset in BAR_DATASETS
    )
    for row in store.query(" UNION ALL ".join(parts) + " ORDER BY 1").to_pylist():
        yield row["symbol"], row["name"]


def _guessed(symbol: str, name: str | None) -> Instrument:
    exchange = Exchange(symbol.partition(".")[2])
    return Instrument(
        symbol=symbol,
        name=name or shipped_names().get(symbol, symbol),
        exchange=exchange,
        board=board_of(symbol),
        kind=kind_of(symbol),
        currency=exchange.currency,
    )


def _instrument(row: Mapping[str, Any]) -> Instrument:
    return Instrument(
        symbol=row["symbol"],
        name=row["name"],
        exchange=Exchange(row["exchange"]),
        board=Board(row["board"]) if row["board"] else None,
        kind=InstrumentKind(row["kind"]),
        currency=row["currency"],
        list_date=row["list_date"],
        delist_date=row["delist_date"],
        industry=row["industry"],
    )


def _spells(table: "pa.Table") -> Iterator[Spell]:
    make: Callable[..., Spell] = Spell
    for row in table.select(["symbol", "first_date", "last_date", "value"]).to_pylist():
        yield make(row["symbol"], row["first_date"], row["last_date"], row["value"])
