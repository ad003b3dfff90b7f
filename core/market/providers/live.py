"""The live market of a desk that turned it on: which providers, in which order."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from core.clock import Clock
from core.market.fallback import Circuit, LiveBars, LiveInstruments, LiveQuotes
from core.market.providers.eastmoney import Eastmoney
from core.market.providers.exchange_lists import ExchangeLists
from core.market.providers.last_answers import FileAnswers
from core.market.providers.sina import Sina
from core.market.providers.tencent import Tencent
from core.market.providers.wire import Wire


@dataclass(frozen=True, slots=True)
class LiveMarket:
    """The three live sources. They share one memory of failing providers, and one client."""

    quotes: LiveQuotes
    instruments: LiveInstruments
    bars: LiveBars
    client: httpx.AsyncClient

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()


def open_live_market(*, clock: Clock, folder: Path) -> LiveMarket:
    """Make the live market with a client of its own; `close` ends it."""
    return live_market(httpx.AsyncClient(follow_redirects=False), clock=clock, folder=folder)


def live_market(client: httpx.AsyncClient, *, clock: Clock, folder: Path) -> LiveMarket:
    """Wire the providers: Eastmoney, Sina, Tencent, the exchanges' lists, then the last answers kept in `folder`.

    Bars are not among the kept answers: those that count are stored, and a day remembered while it was being traded
    would pass for a whole one later. Nothing is fetched before the first question.
    """
    wire = Wire(client)
    eastmoney, sina, tencent = Eastmoney(wire, clock), Sina(wire, clock), Tencent(wire, clock)
    circuit, answers = Circuit(clock), FileAnswers(folder, clock)
    return LiveMarket(
        quotes=LiveQuotes([eastmoney, sina, tencent], clock=clock, circuit=circuit, last_answers=answers),
        instruments=LiveInstruments(
            [eastmoney, ExchangeLists(wire)], clock=clock, circuit=circuit, last_answers=answers
        ),
        bars=LiveBars([eastmoney, tencent], clock=clock, circuit=circuit),
        client=client,
    )
