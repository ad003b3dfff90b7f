"""A market of a few instruments whose prices, events and closed days a test decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.clock import CHINA
from core.errors import Invalid
from core.market.model import CorporateAction, Exchange, Instrument, InstrumentKind, Provenance, Quote
from core.recommendation.model import Recommendation
from core.storage.unit_of_work import UnitOfWork

BOOK = {
    "600519.SH": "贵州茅台",
    "000001.SZ": "平安银行",
    "000878.SZ": "云南铜业",
    "300750.SZ": "宁德时代",
    "688001.SH": "华兴源创",
    "00700.HK": "腾讯控股",
    "00005.HK": "汇丰控股",
    "518880.SH": "黄金ETF",
    "510300.SH": "沪深300ETF",
}
FUNDS = frozenset({"518880.SH", "510300.SH"})


class UnknownInstrument(Invalid):
    code = "unknown_instrument"
    template = "No instrument {code}."


class CodeZerosLost(Invalid):
    code = "code_zeros_lost"
    template = "{code} lost its zeros: write {full}."


def instrument(symbol: str, *, name: str | None = None, list_date: date | None = None) -> Instrument:
    exchange = Exchange(symbol.rpartition(".")[2])
    return Instrument(
        symbol=symbol,
        name=name or BOOK.get(symbol, symbol),
        exchange=exchange,
        board=None,
        kind=InstrumentKind.FUND if symbol in FUNDS else InstrumentKind.STOCK,
        currency=exchange.currency,
        list_date=list_date,
    )


def quote(
    symbol: str,
    last: str,
    *,
    reference: str | None = None,
    day: date = date(2026, 11, 20),
    is_suspended: bool = False,
) -> Quote:
    return Quote(
        symbol=symbol,
        name=BOOK.get(symbol, symbol),
        last_price=Decimal(last),
        reference_price=None if reference is None else Decimal(reference),
        open=None,
        high=None,
        low=None,
        volume=None,
        amount=None,
        trade_date=day,
        at=datetime(day.year, day.month, day.day, 15, tzinfo=CHINA),
        currency=Exchange(symbol.rpartition(".")[2]).currency,
        is_suspended=is_suspended,
        source="test",
    )


@dataclass
class FakeMarket:
    """Answers `core.portfolio.ports.Market`. Weekends and `closed` are no trading days."""

    symbols: Iterable[str] = tuple(BOOK)
    quotes_by_symbol: dict[str, Quote] = field(default_factory=dict)
    corporate_actions: list[CorporateAction] = field(default_factory=list)
    closed: set[date] = field(default_factory=set)
    actions_until: date | None = date(2026, 11, 19)

    async def instrument(self, code: str, *, kind: InstrumentKind | None = None, day: date | None = None) -> Instrument:
        for symbol in self.symbols:
            if code in {symbol, symbol.partition(".")[0]}:
                return instrument(symbol)
            if symbol.partition(".")[0].lstrip("0") == code.partition(".")[0]:
                raise CodeZerosLost(code=code, full=symbol)
        raise UnknownInstrument(code=code)

    async def restore_code(self, code: str) -> Instrument:
        return await self.instrument(code.partition(".")[0].zfill(6))

    async def quotes(self, symbols: Sequence[str], *, as_of: date | None = None) -> Mapping[str, Quote]:
        found = {symbol: self.quotes_by_symbol[symbol] for symbol in symbols if symbol in self.quotes_by_symbol}
        return {symbol: each for symbol, each in found.items() if as_of is None or each.trade_date <= as_of}

    async def actions(self, symbols: Sequence[str], *, start: date, end: date) -> Sequence[CorporateAction]:
        return [item for item in self.corporate_actions if item.symbol in symbols and start <= item.ex_date <= end]

    def is_trading_day(self, exchange: Exchange, day: date) -> bool:
        return day.weekday() < 5 and day not in self.closed

    def next_trading_day(self, exchange: Exchange, day: date) -> date:
        after = day + timedelta(days=1)
        return after if self.is_trading_day(exchange, after) else self.next_trading_day(exchange, after)

    def provenance(self, dataset: str, *, as_of: date | None) -> Provenance:
        return Provenance(dataset=dataset, as_of=as_of and as_of.isoformat(), simulated=True)

    async def status(self) -> dict[str, Any]:
        return {"datasets": {"actions": {"last_day": self.actions_until}} if self.actions_until else {}}


@dataclass
class FakeRecommendations:
    """Answers `core.portfolio.ports.LatestRecommendations`."""

    by_symbol: dict[str, Recommendation] = field(default_factory=dict)

    async def latest(
        self, uow: UnitOfWork, team_id: int, symbols: Sequence[str] | None = None
    ) -> Mapping[str, Recommendation]:
        return {symbol: self.by_symbol[symbol] for symbol in symbols or () if symbol in self.by_symbol}


def action(symbol: str, ex_date: date, *, cash: str = "0", bonus: str = "0", rights: str = "0") -> CorporateAction:
    return CorporateAction(
        symbol=symbol,
        ex_date=ex_date,
        cash_per_share=Decimal(cash),
        bonus_per_share=Decimal(bonus),
        rights_per_share=Decimal(rights),
        rights_price=Decimal(0),
    )
