"""Live prices shared by many callers."""

import asyncio
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from core.clock import CHINA
from core.market.fallback import Sourced
from core.market.model import Provenance, Quote
from core.market.service_live import LivePrices
from core.market.sources import SourceUnavailable

pytestmark = pytest.mark.anyio


def quote(symbol: str, price: str = "10.00", source: str = "eastmoney") -> Quote:
    return Quote(
        symbol=symbol,
        name="模拟",
        last_price=Decimal(price),
        reference_price=None,
        open=None,
        high=None,
        low=None,
        volume=None,
        amount=None,
        trade_date=date(2026, 11, 20),
        at=datetime(2026, 11, 20, 14, 0, tzinfo=CHINA),
        currency="CNY",
        is_suspended=False,
        source=source,
    )


@dataclass
class Source:
    """Answers when `gate` is open; writes down what it was asked for."""

    quotes: dict[str, Quote]
    warnings: tuple[str, ...] = ()
    failure: Exception | None = None
    asked: list[list[str]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "live"

    async def quotes_sourced(self, symbols) -> Sourced[list[Quote]]:
        self.asked.append(list(symbols))
        await self.gate.wait()
        if self.failure:
            raise self.failure
        found = [self.quotes[symbol] for symbol in symbols if symbol in self.quotes]
        return Sourced(found, Provenance(dataset="live", as_of=None, simulated=False, warnings=self.warnings))


@pytest.fixture
def source() -> Source:
    made = Source({symbol: quote(symbol) for symbol in ("600519.SH", "000001.SZ", "00700.HK")})
    made.gate.set()
    return made


async def test_a_symbol_is_fetched_again_after_three_seconds(source: Source, clock) -> None:
    prices = LivePrices(source, clock)
    assert set((await prices.get(["600519.SH", "999999.SH", "600519.SH"])).quotes) == {"600519.SH"}
    clock.advance(timedelta(seconds=2.9))
    assert set((await prices.get(["999999.SH", "600519.SH", "000001.SZ"])).quotes) == {"600519.SH", "000001.SZ"}
    clock.advance(timedelta(seconds=0.1))
    await prices.get(["600519.SH", "000001.SZ"])
    assert source.asked == [["600519.SH", "999999.SH"], ["000001.SZ"], ["600519.SH"]]


async def test_concurrent_calls_share_one_fetch(source: Source, clock) -> None:
    source.gate.clear()
    prices = LivePrices(source, clock)
    calls = [asyncio.create_task(prices.get(symbols)) for symbols in (["600519.SH"], ["600519.SH", "00700.HK"])]
    impatient = asyncio.create_task(prices.get(["600519.SH"]))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    source.gate.set()
    answers = await asyncio.gather(*calls)
    assert impatient.cancelled()
    assert [set(answer.quotes) for answer in answers] == [{"600519.SH"}, {"600519.SH", "00700.HK"}]
    assert source.asked == [["600519.SH"], ["00700.HK"]]


async def test_a_failure_is_a_warning_and_not_kept(source: Source, clock) -> None:
    prices = LivePrices(source, clock)
    source.failure = SourceUnavailable(source="live", reason="refused")
    answer = await prices.get(["600519.SH"])
    said = ("Live prices are missing, stored ones stand in: The market data source live is unavailable: refused",)
    assert (answer.quotes, answer.warnings, prices.warnings()) == ({}, said, said)
    source.failure = None
    assert set((await prices.get(["600519.SH"])).quotes) == {"600519.SH"}
    assert prices.warnings() == ()


async def test_a_bug_reaches_every_caller_and_is_forgotten(source: Source, clock) -> None:
    prices = LivePrices(source, clock)
    source.failure = KeyError("f2")
    with pytest.raises(KeyError):
        await prices.get(["600519.SH"])
    source.failure = None
    assert set((await prices.get(["600519.SH"])).quotes) == {"600519.SH"}


async def test_warnings_go_to_whom_they_concern(source: Source, clock) -> None:
    general, own, other = (
        "eastmoney did not answer: 502",
        "600519.SH: no live quote; remembered from a minute ago",
        "00700.HK: no live quote; remembered from an hour ago",
    )
    source.warnings = (general, own, other)
    source.quotes["600519.SH"] = quote("600519.SH", source="sina, remembered")
    prices = LivePrices(source, clock)
    assert prices.warnings() == ()
    assert (await prices.get(["600519.SH", "00700.HK"])).warnings == (general, own, other)
    assert (await prices.get(["600519.SH"])).warnings == (general, own)
    assert prices.warnings() == (
        general,
        "1 prices are remembered, not live; the oldest is of 2026-11-20T14:00:00+08:00.",
    )


async def test_memory_is_bounded(source: Source, clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.market.service_live.MOST_KEPT", 1)
    prices = LivePrices(source, clock)
    for symbol in ("600519.SH", "000001.SZ", "600519.SH"):
        assert set((await prices.get([symbol])).quotes) == {symbol}
    assert source.asked == [["600519.SH"], ["000001.SZ"], ["600519.SH"]]


async def test_closing_gives_up_what_is_under_way(source: Source, clock) -> None:
    source.gate.clear()
    prices = LivePrices(source, clock)
    call = asyncio.create_task(prices.get(["600519.SH"]))
    await asyncio.sleep(0)
    await prices.close()
    with pytest.raises(asyncio.CancelledError):
        await call
