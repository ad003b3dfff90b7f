"""The security master: one instrument per company, and the old codes of those that changed theirs."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa

from core.market.importers.model import ROW, FileContent, Part
from core.market.model import Exchange, InstrumentKind

REQUIRED: Final = frozenset({"symbol", "name", "exchange", "board", "list_date", "delist_date"})
SOURCE: Final = "security_master"
BSE_CHANGE: Final = date(2025, 10, 9)
"""The day on which Beijing moved all its listed companies to codes that begin with 920. Six pilots had moved on
2025-05-06; the file does not tell which."""
_EXCHANGES: Final = {"SSE": Exchange.SSE, "SZSE": Exchange.SZSE, "BSE": Exchange.BSE, "HKEX": Exchange.HKEX}
_KNOWN: Final = frozenset(
    {"status_202303", "industry_sw1", "industry_tushare", "industry", "area", "first_bar_xbx", "last_bar_xbx"}
)
_FOREIGN: Final = {"900": "USD", "200": "HKD"}
"""Currencies of B shares, by the beginning of their codes."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the master, with its number in the file."""

    number: int
    fields: Mapping[str, Any]

    @property
    def symbol(self) -> str:
        return str(self.fields["symbol"])


def read(table: pa.Table, text_of: Callable[[int], str]) -> FileContent:
    """Turn the master into instruments and code changes. Rows without a known exchange are quarantined."""
    rows = [_Row(number, fields) for number, fields in enumerate(table.to_pylist(), start=1)]
    changes = code_changes(rows)
    kept = [row for row in rows if row.symbol not in changes]
    numbers = {row.symbol: row.number for row in rows}
    return FileContent(
        layout="security_master",
        parts=(_instruments(kept), _changes(changes, numbers)),
        rows_read=len(rows),
        torn=(),
        text_of=text_of,
        unknown_columns=tuple(
            name for name in table.column_names if name not in REQUIRED | _KNOWN and not name.startswith("in_")
        ),
        notes=(f"{len(changes)} companies are listed twice: their old codes became code changes",) if changes else (),
    )


def code_changes(rows: list[_Row]) -> dict[str, str]:
    """Find the new code of each Beijing company that is listed under an old one too.

    Both lines state the same listing day. Where several companies share it, the name decides, then the last three
    digits, which most companies kept; what stays doubtful is no change.
    """
    renewed: dict[Any, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.symbol.startswith("920") and row.symbol.endswith(".BJ"):
            renewed[row.fields["list_date"]].append(row)
    changes = {}
    for row in rows:
        if row.symbol.endswith(".BJ") and not row.symbol.startswith("920"):
            found = _successor(row, renewed[row.fields["list_date"]])
            if found is not None:
                changes[row.symbol] = found
    return changes


def _successor(old: _Row, candidates: list[_Row]) -> str | None:
    """Return the one candidate that has the old line's name, or failing that its last digits."""
    by_name = [row.symbol for row in candidates if _plain(row.fields["name"]) == _plain(old.fields["name"])]
    by_digits = [row.symbol for row in candidates if row.symbol[3:6] == old.symbol[3:6]]
    for found in (by_name, by_digits):
        if len(found) == 1:
            return found[0]
    return None


def _plain(name: str | None) -> str:
    """Return a name without marks that come and go."""
    return (name or "").replace("*", "").replace(" ", "").removeprefix("ST").removeprefix("N").removeprefix("C")


def _instruments(rows: list[_Row]) -> Part:
    """Return the part of instruments."""
    exchanges = [_EXCHANGES.get(str(row.fields["exchange"])) for row in rows]
    columns: dict[str, list[object]] = {
        "symbol": [row.symbol for row in rows],
        "name": [row.fields["name"] for row in rows],
        "exchange": [exchange and exchange.value for exchange in exchanges],
        "board": [row.fields["board"] for row in rows],
        "kind": [InstrumentKind.STOCK.value for _ in rows],
        "currency": [_currency(row, exchange) for row, exchange in zip(rows, exchanges, strict=True)],
        "list_date": [row.fields["list_date"] for row in rows],
        "delist_date": [row.fields["delist_date"] for row in rows],
        "industry": [row.fields.get("industry_sw1") or row.fields.get("industry_tushare") for row in rows],
        "source": [SOURCE for _ in rows],
        ROW: [row.number for row in rows],
    }  # fmt: skip
    return Part(
        dataset="instruments", table=pa.table({name: _column(name, values) for name, values in columns.items()})
    )


def _currency(row: _Row, exchange: Exchange | None) -> str | None:
    """Return the currency of a share; B shares have foreign ones."""
    return _FOREIGN.get(row.symbol[:3], exchange.currency if exchange else None)


def _changes(changes: Mapping[str, str], numbers: Mapping[str, int]) -> Part:
    """Return the part of code changes."""
    columns: dict[str, list[object]] = {
        "old_symbol": list(changes),
        "new_symbol": list(changes.values()),
        "effective_date": [BSE_CHANGE for _ in changes],
        "source": [SOURCE for _ in changes],
        ROW: [numbers[symbol] for symbol in changes],
    }
    return Part(
        dataset="code_changes", table=pa.table({name: _column(name, values) for name, values in columns.items()})
    )


def _column(name: str, values: list[object]) -> pa.Array:
    """Return a column of the type its name means."""
    kind = pa.int64() if name == ROW else pa.date32() if name.endswith("_date") else pa.string()
    return pa.array(values, type=kind)
