"""Keeps the last good answer of the live sources as JSON files in the market folder.

A file is written aside and renamed, so that a reader sees the old one or the new one. A file that cannot be read (cut
short, or from another version) counts as absent: what is remembered is a convenience, never the only copy.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

from core.clock import Clock
from core.market.fallback import Remembered
from core.market.model import (
    Adjustment,
    BarSeries,
    Board,
    Exchange,
    Frequency,
    Instrument,
    InstrumentKind,
    Provenance,
    Quote,
)

FORM: Final = 1
QUOTES_SAVED_EVERY_SECONDS: Final = 60.0
UNREADABLE: Final = (OSError, ValueError, KeyError, TypeError, ArithmeticError)

Read = TypeVar("Read")


@dataclass(slots=True)
class FileAnswers:
    """The last answers in `folder`, which is made when the first is kept."""

    folder: Path
    clock: Clock
    _quotes: dict[str, Remembered[Quote]] | None = None
    _quotes_saved: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def save_quotes(self, quotes: Sequence[Quote]) -> None:
        """Keep quotes in memory at once, and in the file at most once a minute."""
        async with self._lock:
            kept = await self._loaded_quotes()
            saved_at = self.clock.now()
            kept |= {quote.symbol: Remembered(quote, saved_at) for quote in quotes}
            now = self.clock.monotonic()
            if self._quotes_saved is None or now - self._quotes_saved >= QUOTES_SAVED_EVERY_SECONDS:
                self._quotes_saved = now
                rows = [asdict(each.value) | {"saved_at": each.saved_at} for each in kept.values()]
                await self._write("quotes", {"quotes": rows})

    async def quotes(self, symbols: Sequence[str]) -> list[Remembered[Quote]]:
        """Return the kept quotes of those symbols."""
        async with self._lock:
            kept = await self._loaded_quotes()
        return [kept[symbol] for symbol in symbols if symbol in kept]

    async def save_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Keep the list."""
        await self._write("instruments", {"instruments": [asdict(each) for each in instruments]})

    async def instruments(self) -> Remembered[list[Instrument]] | None:
        """Return the kept list."""
        return await self._read("instruments", _instruments)

    async def save_bars(self, series: BarSeries, start: date, end: date) -> None:
        """Keep the bars of one instrument and adjustment, replacing those kept before."""
        columns = {name: values.tolist() for name, values in series.columns.items()}
        provenance = asdict(series.provenance)
        content = {"start": start, "end": end, "times": series.times.astype(str).tolist(), "columns": columns}
        await self._write(_bars_name(series.symbol, series.adjustment), content | {"provenance": provenance})

    async def bars(self, symbol: str, start: date, end: date, adjustment: Adjustment) -> Remembered[BarSeries] | None:
        """Return the kept bars of `start` to `end` when that whole range was answered."""

        def read(content: dict[str, Any]) -> BarSeries | None:
            return _bars(content, symbol=symbol, adjustment=adjustment, start=start, end=end)

        return await self._read(_bars_name(symbol, adjustment), read)

    async def _loaded_quotes(self) -> dict[str, Remembered[Quote]]:
        if self._quotes is None:
            kept = await self._read("quotes", _quotes)
            self._quotes = kept.value if kept else {}
        return self._quotes

    async def _write(self, name: str, content: dict[str, Any]) -> None:
        content = {"form": FORM, "saved_at": self.clock.now()} | content
        await asyncio.to_thread(_replace_file, self.folder / f"{name}.json", content)

    async def _read(self, name: str, read: Callable[[dict[str, Any]], Read | None]) -> Remembered[Read] | None:
        return await asyncio.to_thread(_read_file, self.folder / f"{name}.json", read)


def _replace_file(path: Path, content: dict[str, Any]) -> None:
    """Write the file aside and rename it. A full or read-only disk must not spoil the good answer that is at hand."""
    text = json.dumps(content, ensure_ascii=False, default=str)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, ignore_cleanup_errors=True) as aside:
            part = Path(aside) / path.name
            part.write_text(text, encoding="utf-8")
            part.replace(path)


def _read_file(path: Path, read: Callable[[dict[str, Any]], Read | None]) -> Remembered[Read] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["form"] != FORM:
            return None
        value = read(content)
        return None if value is None else Remembered(value, datetime.fromisoformat(content["saved_at"]))
    except UNREADABLE:
        return None


def _bars_name(symbol: str, adjustment: Adjustment) -> str:
    """Name the file by a hash: a symbol comes from outside and is no file name."""
    return f"bars-{hashlib.sha256(f'{symbol} {adjustment}'.encode()).hexdigest()[:24]}"


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _quotes(content: dict[str, Any]) -> dict[str, Remembered[Quote]]:
    return {
        row["symbol"]: Remembered(_quote(row), datetime.fromisoformat(row["saved_at"])) for row in content["quotes"]
    }


def _quote(row: dict[str, Any]) -> Quote:
    prices = {name: _decimal(row[name]) for name in ("reference_price", "open", "high", "low", "amount")}
    return Quote(
        symbol=row["symbol"],
        name=row["name"],
        last_price=Decimal(row["last_price"]),
        volume=row["volume"],
        trade_date=date.fromisoformat(row["trade_date"]),
        at=datetime.fromisoformat(row["at"]),
        currency=row["currency"],
        is_suspended=row["is_suspended"],
        source=row["source"],
        **prices,
    )


def _instruments(content: dict[str, Any]) -> list[Instrument]:
    return [_instrument(row) for row in content["instruments"]]


def _instrument(row: dict[str, Any]) -> Instrument:
    days = {name: date.fromisoformat(row[name]) if row[name] else None for name in ("list_date", "delist_date")}
    return Instrument(
        symbol=row["symbol"],
        name=row["name"],
        exchange=Exchange(row["exchange"]),
        board=Board(row["board"]) if row["board"] else None,
        kind=InstrumentKind(row["kind"]),
        currency=row["currency"],
        industry=row["industry"],
        **days,
    )


def _bars(content: dict[str, Any], *, symbol: str, adjustment: Adjustment, start: date, end: date) -> BarSeries | None:
    import numpy as np  # noqa: PLC0415 - not needed until bars are remembered

    if not date.fromisoformat(content["start"]) <= start <= end <= date.fromisoformat(content["end"]):
        return None
    times = np.array(content["times"], dtype="datetime64[D]")
    inside = (times >= np.datetime64(start)) & (times <= np.datetime64(end))
    kinds = {name: np.int64 if name == "volume" else np.float64 for name in content["columns"]}
    provenance = content["provenance"]
    return BarSeries(
        symbol=symbol,
        frequency=Frequency.DAY,
        adjustment=adjustment,
        times=times[inside],
        columns={name: np.array(values, dtype=kinds[name])[inside] for name, values in content["columns"].items()},
        provenance=Provenance(
            dataset=provenance["dataset"],
            as_of=str(times[inside][-1]) if inside.any() else None,
            simulated=provenance["simulated"],
            adjustment=adjustment,
            currency=provenance["currency"],
            warnings=tuple(provenance["warnings"]),
        ),
    )
