"""Writing advice, reading what is in force, and measuring what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any, Final

from core.clock import CHINA, Clock
from core.errors import DeskError, FieldFault
from core.market.model import Adjustment, Exchange, Instrument
from core.market.service import MarketService
from core.market.service_bars import AdjustmentUnavailable
from core.recommendation.model import (
    MAXIMUM_ITEMS,
    Outcome,
    Recommendation,
    RecommendationDraft,
    RecommendationHistory,
    RecommendationList,
    RecommendationsInvalid,
    RecommendationsWritten,
    ScoredRecommendation,
)
from core.recommendation.scoring import HORIZONS, Closes, score
from core.recommendation.store import RecommendationStore
from core.storage.unit_of_work import UnitOfWork

BENCHMARK: Final = "000300.SH"
"""CSI 300, the yardstick of A shares. Hong Kong shares are scored without one."""

LONGEST_SUSPENSION: Final = timedelta(days=366)
"""A stock without a bar for longer than this is not scored."""

MAXIMUM_PAGE: Final = 200


class RecommendationService:
    """Advice per stock; made once by `bootstrap`."""

    def __init__(self, market: MarketService, clock: Clock) -> None:
        self._market = market
        self._clock = clock

    async def write(
        self, uow: UnitOfWork, team_id: int, *, items: Sequence[RecommendationDraft]
    ) -> RecommendationsWritten:
        """Append all drafts or none.

        Raises `RecommendationsInvalid` with every fault of every draft: an unknown instrument, a market that is not the
        instrument's, a price that is not positive.
        """
        drafts = await self._resolved(items)
        now = self._clock.now()
        async with uow.write():
            store = RecommendationStore(uow).for_team(team_id)
            stored = [await store.add(draft, created_at=now) for draft in drafts]
        return RecommendationsWritten(written=len(stored), items=tuple(stored))

    async def latest(
        self, uow: UnitOfWork, team_id: int, symbols: Sequence[str] | None = None
    ) -> dict[str, Recommendation]:
        """Return the advice in force by symbol; stocks without any are absent. None asks for every stock."""
        found = await RecommendationStore(uow).for_team(team_id).latest(symbols)
        return {recommendation.symbol: recommendation for recommendation in found}

    async def list_latest(self, uow: UnitOfWork, team_id: int, *, code: str | None = None) -> RecommendationList:
        """Return the advice in force for one stock or for all, by symbol."""
        symbols = None if code is None else [(await self._market.instrument(code)).symbol]
        return RecommendationList(items=tuple((await self.latest(uow, team_id, symbols)).values()))

    async def history(
        self, uow: UnitOfWork, team_id: int, *, code: str, page: int = 1, size: int = 20
    ) -> RecommendationHistory:
        """Return a page of all advice on a stock, newest first, each scored where the market has the bars."""
        faults = _paging_faults(page, size)
        if faults:
            raise RecommendationsInvalid(faults)
        instrument = await self._market.instrument(code)
        store = RecommendationStore(uow).for_team(team_id)
        total = await store.count(instrument.symbol)
        rows = await store.page(instrument.symbol, offset=(page - 1) * size, limit=size)
        outcomes, last_day = await self._outcomes(instrument, rows)
        return RecommendationHistory(
            items=tuple(
                ScoredRecommendation(**asdict(row), outcome=outcomes.get(row.recommendation_id)) for row in rows
            ),
            page_size=size,
            current_page=page,
            total_elements=total,
            total_pages=-(-total // size),
            meta=self._market.provenance("daily", as_of=last_day),
        )

    async def _resolved(self, items: Sequence[RecommendationDraft]) -> list[RecommendationDraft]:
        faults: list[FieldFault] = []
        if not 1 <= len(items) <= MAXIMUM_ITEMS:
            message = f"must hold 1 to {MAXIMUM_ITEMS} recommendations"
            faults.append(FieldFault("items", message, expected=f"1 to {MAXIMUM_ITEMS}", got=str(len(items))))
        drafts = []
        for place, draft in enumerate(items[:MAXIMUM_ITEMS]):
            path = f"items[{place}]"
            faults.extend(draft.faults(path))
            try:
                instrument = await self._market.instrument(draft.symbol)
            except DeskError as error:
                faults.append(_instrument_fault(path, draft, error))
                continue
            if draft.market and draft.market.upper() != instrument.exchange.value:
                message = f"{instrument.symbol} trades in {instrument.exchange.value}"
                faults.append(
                    FieldFault(f"{path}.market", message, expected=instrument.exchange.value, got=draft.market)
                )
            drafts.append(
                replace(draft, symbol=instrument.symbol, market=instrument.exchange.value, action=draft.action.strip())
            )
        if faults:
            raise RecommendationsInvalid(faults)
        return drafts

    async def _outcomes(
        self, instrument: Instrument, rows: Sequence[Recommendation]
    ) -> tuple[Mapping[int, Outcome], date | None]:
        """Score rows of one stock, and say up to which day its bars reach."""
        if not rows:
            return {}, None
        bases = {row.recommendation_id: self._base_day(instrument.exchange, row) for row in rows}
        stock = await self._closes(instrument.symbol, start=min(bases.values()))
        if not stock.days:
            return {}, None
        in_mainland = instrument.exchange is not Exchange.HKEX
        benchmark = await self._closes(BENCHMARK, start=min(bases.values())) if in_mainland else None
        benchmark = benchmark if benchmark is not None and benchmark.days else None
        outcomes = {
            number: score(
                stock,
                base=base,
                targets=self._targets(instrument.exchange, base, stock, benchmark),
                benchmark=benchmark,
                benchmark_symbol=BENCHMARK,
            )
            for number, base in bases.items()
        }
        return outcomes, stock.days[-1]

    def _base_day(self, exchange: Exchange, row: Recommendation) -> date:
        day = row.created_at.astimezone(CHINA).date()
        return day if self._market.is_trading_day(exchange, day) else self._market.previous_trading_day(exchange, day)

    def _targets(self, exchange: Exchange, base: date, *series: Closes | None) -> dict[int, date]:
        """Return the day of each horizon that the bars reach; later days are not asked for: a calendar may end."""
        last = max((closes.days[-1] for closes in series if closes is not None), default=base)
        targets: dict[int, date] = {}
        day = base
        for horizon in range(1, max(HORIZONS) + 1):
            if day >= last:
                break
            day = self._market.next_trading_day(exchange, day)
            if horizon in HORIZONS:
                targets[horizon] = day
        return targets

    async def _closes(self, symbol: str, *, start: date) -> Closes:
        """Return adjusted closes, from long enough before `start` to have the price of a suspended stock on it.

        Empty when the store does not tell how to adjust them: returns over raw prices would be wrong at every dividend.
        """
        adjustment = Adjustment.RAW if symbol == BENCHMARK else Adjustment.BACKWARD
        try:
            series = await self._market.bars(symbol, start=start - LONGEST_SUSPENSION, adjustment=adjustment)
        except AdjustmentUnavailable:
            return Closes((), ())
        days = series.times.astype("datetime64[D]").tolist()
        return Closes(days, series.columns["close"].tolist())


def _paging_faults(page: int, size: int) -> list[FieldFault]:
    faults = [] if page >= 1 else [FieldFault("page", "counts from 1", expected="1 or more", got=str(page))]
    if not 1 <= size <= MAXIMUM_PAGE:
        message = f"must lie between 1 and {MAXIMUM_PAGE}"
        faults.append(FieldFault("size", message, expected=f"1 to {MAXIMUM_PAGE}", got=str(size)))
    return faults


def _instrument_fault(path: str, draft: RecommendationDraft, error: DeskError) -> FieldFault:
    hints: Any = error.extras().get("did_you_mean") or [""]
    return FieldFault(
        f"{path}.symbol", error.message, expected="a known stock", got=draft.symbol, suggestion=str(hints[0])
    )
