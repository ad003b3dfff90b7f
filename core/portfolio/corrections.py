"""Taking back and putting right, by appending: reversals and correcting facts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from core.portfolio.book import Book, Plan
from core.portfolio.entries import cents
from core.portfolio.ledger import State
from core.portfolio.model import TRADES, Account, Fact, FactKind, Removal
from core.portfolio.recording import Recorder, reversal, valued
from core.portfolio.refusals import (
    BoughtToday,
    EventWithoutHolding,
    FactIsNeeded,
    FigureInvalid,
    SellExceedsHolding,
    TradeNotFound,
)
from core.portfolio.store import Checkpoint, FactFilter, TeamLedger
from core.portfolio.views import positions_on
from core.storage.unit_of_work import UnitOfWork

GIVEN_BY_HOLDING: Final = frozenset({FactKind.DIVIDEND, FactKind.BONUS, FactKind.SPLIT, FactKind.RIGHTS})
"""Facts whose size follows from the shares held before them."""
PRICE_STEP: Final = Decimal("0.00000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Withdrawal:
    """A checked plan to take facts back."""

    book: Book
    facts: Sequence[Fact]
    taken_back: Sequence[Fact]
    plans: dict[str, Plan]
    removal: Removal


class Corrector:
    """Deletions and corrections of what was recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def delete_trade(
        self, uow: UnitOfWork, team_id: int, *, record_id: int, note: str, preview: bool = False
    ) -> Removal:
        """Take one trade back, or only say what that would do.

        Raises `TradeNotFound`, or `FactIsNeeded` naming the first later fact that depends on it: one that could not
        have happened without it, or one the company gave for the shares held.
        """
        store = self._recorder.ledger(uow, team_id)
        found = await store.fact(record_id)
        if found is None or found[1].kind not in TRADES or found[1].symbol is None:
            raise TradeNotFound(record_id=record_id)
        account_key, fact = found
        if record_id in await store.reversed_ids([account_key]):
            raise TradeNotFound(record_id=record_id)
        account = next(item for item in await store.accounts() if item.account_key == account_key)
        await self._refuse_if_given(store, account, fact)
        withdrawal = await self._plan(store, account, fact.symbol or "", [fact], note=note)
        return withdrawal.removal if preview else await self._carry_out(uow, withdrawal)

    async def delete_position(
        self, uow: UnitOfWork, team_id: int, *, position_id: int, note: str, preview: bool = False
    ) -> Removal:
        """Take every fact of a position back, or only say what that would do. Raises `PositionNotFound`."""
        store = self._recorder.ledger(uow, team_id)
        checkpoint, account = await self._recorder.position(store, position_id)
        chosen = FactFilter(account_keys=[account.account_key], symbol=checkpoint.state.symbol)
        facts = [fact for _, fact in reversed(await store.facts(chosen))]
        withdrawal = await self._plan(store, account, checkpoint.state.symbol, facts, note=note)
        return withdrawal.removal if preview else await self._carry_out(uow, withdrawal)

    async def correct(
        self,
        uow: UnitOfWork,
        team_id: int,
        *,
        position_id: int,
        quantity: int | None,
        cost: Decimal | None,
        note: str,
    ) -> tuple[str, str]:
        """Set a position to a quantity and a cost price per share; return its account id and symbol.

        A position that is only its opening gets a new opening on the same day. Any other is moved out at its cost and
        in again as it should be, dated today: its history and realised result stay.
        """
        store = self._recorder.ledger(uow, team_id)
        checkpoint, account = await self._recorder.position(store, position_id)
        state = await self._state(store, account, checkpoint)
        instrument = await self._recorder.market.instrument(state.symbol)
        wanted = state.quantity if quantity is None else quantity
        if wanted <= 0:
            raise FigureInvalid(field="quantity", expected="above zero (delete the position instead)", got=str(wanted))
        if quantity is not None or cost is not None:
            price = _unit_cost(state) if cost is None else cost
            today = self._recorder.today()
            rate = await self._recorder.rate(store, instrument.currency, today, None)
            target = valued(FactKind.TRANSFER_IN, instrument, today, quantity=wanted, price=price)
            target = replace(target, fx_rate=rate, note=note or "corrected by hand")
            facts, taken_back = await self._correction(store, account, state, target)
            await self._recorder.append(uow, store, account, facts, instruments=[instrument], taken_back=taken_back)
        return account.account_id, state.symbol

    async def _correction(
        self, store: TeamLedger, account: Account, state: State, target: Fact
    ) -> tuple[list[Fact], list[Fact]]:
        """Return the facts to append, and those among the old ones that are taken back."""
        chosen = FactFilter(account_keys=[account.account_key], symbol=state.symbol)
        history = [fact for _, fact in await store.facts(chosen)]
        if [fact.kind for fact in history] == [FactKind.OPENING]:
            opening = history[0]
            again = replace(
                opening, quantity=target.quantity, price=target.price, amount=target.amount, note=target.note
            )
            return [reversal(opening, self._recorder.today(), note=target.note), _unstored(again)], [opening]
        out = replace(target, kind=FactKind.TRANSFER_OUT, quantity=state.quantity, price=None, amount=cents(state.cost))
        return ([out, target] if state.quantity else [target]), []

    async def _state(self, store: TeamLedger, account: Account, checkpoint: Checkpoint) -> State:
        positions = await positions_on(store, [account], self._recorder.today())
        return next((item.state for item in positions if item.position_id == checkpoint.position_id), checkpoint.state)

    async def _refuse_if_given(self, store: TeamLedger, account: Account, fact: Fact) -> None:
        """A dividend or bonus after the trade was measured by the shares held: the trade is needed."""
        chosen = FactFilter(
            account_keys=[account.account_key], symbol=fact.symbol, kinds=GIVEN_BY_HOLDING, since=fact.trade_date
        )
        later = [item for _, item in await store.facts(chosen) if item.trade_date > fact.trade_date]
        if later:
            raise _needed(fact.fact_id, later[-1], "It was given for the shares held.")

    async def _plan(
        self, store: TeamLedger, account: Account, symbol: str, facts: Sequence[Fact], *, note: str
    ) -> _Withdrawal:
        instrument = await self._recorder.market.instrument(symbol)
        book = Book(store, account, self._recorder.terms([instrument]))
        reversals = [reversal(fact, self._recorder.today(), note=note) for fact in facts]
        (checkpoint,) = await store.checkpoints([account.account_key], [symbol])
        before = await self._state(store, account, checkpoint)
        try:
            plans = await book.plan(reversals, {fact.fact_id: fact for fact in facts})
            after = plans[symbol].after(())
        except (SellExceedsHolding, BoughtToday, EventWithoutHolding) as error:
            dependent = await store.fact(int(error.data["record"]))
            if dependent is None:
                raise
            raise _needed(facts[0].fact_id, dependent[1], f"Without it: {error.message}") from error
        removal = Removal(
            reversed_records=tuple(fact.fact_id for fact in facts),
            symbol=symbol,
            account_id=account.account_id,
            position_id=checkpoint.position_id,
            quantity_before=before.quantity,
            quantity_after=after.quantity,
            cost_before=cents(before.cost),
            cost_after=cents(after.cost),
        )
        return _Withdrawal(book=book, facts=reversals, taken_back=facts, plans=plans, removal=removal)

    async def _carry_out(self, uow: UnitOfWork, withdrawal: _Withdrawal) -> Removal:
        if withdrawal.facts:
            await self._recorder.write(
                uow, withdrawal.book, withdrawal.facts, plans=withdrawal.plans, taken_back=withdrawal.taken_back
            )
        return withdrawal.removal


def _unstored(fact: Fact) -> Fact:
    return replace(fact, fact_id=0, sequence=0, recorded_at=None, external_id=None)


def _unit_cost(state: State) -> Decimal:
    if not state.quantity:
        return Decimal(0)
    return (cents(state.cost) / state.quantity).quantize(PRICE_STEP, rounding=ROUND_HALF_UP)


def _needed(record_id: int, dependent: Fact, reason: str) -> FactIsNeeded:
    return FactIsNeeded(
        record_id=record_id,
        dependent_id=dependent.fact_id,
        dependent_kind=dependent.kind.value,
        dependent_day=dependent.trade_date.isoformat(),
        symbol=dependent.symbol,
        reason=reason,
    )
