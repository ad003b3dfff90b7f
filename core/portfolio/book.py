"""Writing to one account: new facts are folded onto what is there, then stored with the states they lead to.

Everything is read and checked before the write transaction; inside it the account's version is claimed first, so a
writer that read an older ledger is refused with `version_conflict` and nothing is written.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from core.portfolio.entries import EFFECTS, OPENING, Entry, cash_effect, day_of, entry_of
from core.portfolio.ledger import State, fold
from core.portfolio.model import BASE_CURRENCY, Account, Fact, FactKind
from core.portfolio.refusals import BeforeOpening, OpeningExists
from core.portfolio.store import Checkpoint, TeamLedger

SMALL_STATE: Final = 256
"""A checkpoint with at most this many open lots is rewritten by every write."""
LONGEST_TAIL: Final = 64
"""A larger one is rewritten when this many facts have gathered after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How an instrument is kept: settlement and currency."""

    t_plus_one: bool
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """New facts of one instrument and what they are folded onto. `tail`: facts the stored checkpoint has not seen."""

    before: Checkpoint
    base: State
    kept: list[Entry]
    added: list[Fact]
    tail: int

    def after(self, added: Iterable[Fact]) -> State:
        """Fold what is kept and what is added."""
        return fold(self.base, sorted([*self.kept, *(entry_of(fact) for fact in added)]))

    def is_due(self, state: State) -> bool:
        """True when the checkpoint must be rewritten: always for a small or a rebuilt one."""
        rebuilt = self.base.count == 0
        return rebuilt or len(state.lots) <= SMALL_STATE or self.tail + len(self.added) >= LONGEST_TAIL


class Book:
    """One account being written to. `taken_back` are facts that the new facts reverse, by id."""

    def __init__(self, store: TeamLedger, account: Account, terms: Mapping[str, Terms]) -> None:
        self._store = store
        self._account = account
        self._terms = terms

    async def plan(self, added: Sequence[Fact], taken_back: Mapping[int, Fact] | None = None) -> dict[str, Plan]:
        """Read what the new facts rest on, give them their sequence and check that the whole can have happened.

        Raises the refusals of the ledger. The facts keep the order given.
        """
        first = self._account.version + 1
        numbered = [replace(fact, sequence=first + place) for place, fact in enumerate(added)]
        groups = _by_symbol(numbered)
        known = await self._known(sorted(groups))
        plans = {}
        for symbol, mine in sorted(groups.items()):
            plans[symbol] = await self._plan_one(known[symbol], mine, taken_back or {})
            self._check_opening(plans[symbol])
            plans[symbol].after(_moving(mine))
        return plans

    async def write(
        self,
        added: Sequence[Fact],
        plans: Mapping[str, Plan],
        *,
        at: datetime,
        taken_back: Iterable[Fact] = (),
    ) -> list[Fact]:
        """Store the facts of `plan` with their states and cash; return them with their ids. Call inside `uow.write`."""
        account = await self._store.claim(self._account, len(added), at=at)
        first = self._account.version + 1
        identifiers = await self._store.add_facts(account.account_key, added, first=first, at=at)
        stored = [
            replace(fact, fact_id=fact_id, sequence=sequence, recorded_at=at)
            for sequence, (fact, fact_id) in enumerate(zip(added, identifiers, strict=True), start=first)
        ]
        groups = _by_symbol(stored)
        states = {symbol: plan.after(_moving(groups[symbol])) for symbol, plan in plans.items()}
        due = [symbol for symbol, plan in plans.items() if plan.is_due(states[symbol])]
        await self._store.save([_advanced(plans[symbol].before, account, states[symbol]) for symbol in due])
        await self._store.change_cash(account.account_key, cash_changes(stored, taken_back))
        return stored

    async def _known(self, symbols: Sequence[str]) -> dict[str, tuple[Checkpoint, list[Entry]]]:
        """Return each instrument's checkpoint (an empty one when there is none) and the entries after it."""
        key = self._account.account_key
        found = {item.state.symbol: item for item in await self._store.checkpoints([key], symbols)} if key else {}
        later = await self._store.later_entries([key], symbols) if found else {}
        return {symbol: (found.get(symbol) or self._empty(symbol), later.get((key, symbol), [])) for symbol in symbols}

    def _empty(self, symbol: str) -> Checkpoint:
        terms = self._terms[symbol]
        state = State(symbol=symbol, t_plus_one=terms.t_plus_one, is_foreign=terms.currency != BASE_CURRENCY)
        return Checkpoint(
            position_id=0, account_key=self._account.account_key, currency=terms.currency, seen=0, state=state
        )

    async def _plan_one(
        self, known: tuple[Checkpoint, list[Entry]], added: list[Fact], taken_back: Mapping[int, Fact]
    ) -> Plan:
        """Continue the checkpoint when the new facts come after it; else start from the instrument's first fact."""
        before, tail = known
        state = before.state
        moving = list(_moving(added))
        last = tail[-1][:3] if tail else state.order
        continues = all(entry_of(fact)[:3] > last for fact in moving) and len(moving) == len(added)
        if continues or not before.position_id:
            return Plan(before=before, base=state, kept=tail, added=added, tail=len(tail))
        groups = await self._store.entries([before.account_key], symbols=[state.symbol])
        entries = groups.get((before.account_key, state.symbol), [])
        kept = [entry for entry in entries if entry.fact_id not in taken_back]
        empty = State(symbol=state.symbol, t_plus_one=state.t_plus_one, is_foreign=state.is_foreign)
        return Plan(before=before, base=empty, kept=kept, added=added, tail=0)

    def _check_opening(self, plan: Plan) -> None:
        """An opening is the first fact of its position: nothing lies before it, nothing was there already."""
        symbol = plan.base.symbol
        openings = [fact for fact in plan.added if fact.kind is FactKind.OPENING]
        kept = [day_of(entry.day) for entry in plan.kept if entry.effect == OPENING]
        earlier = [entry for entry in plan.kept if openings and day_of(entry.day) < openings[0].trade_date]
        if openings and (len(openings) > 1 or kept or earlier or plan.base.count):
            where = {"account_id": self._account.account_id, "position_id": plan.before.position_id}
            raise OpeningExists(symbol=symbol, count=plan.base.count + len(plan.kept), **where)
        days = kept + [fact.trade_date for fact in openings]
        for fact in _moving(plan.added):
            if days and fact.trade_date < days[0]:
                raise BeforeOpening(symbol=symbol, day=fact.trade_date.isoformat(), opening_day=days[0].isoformat())


def cash_changes(added: Iterable[Fact], taken_back: Iterable[Fact] = ()) -> dict[str, Decimal]:
    """Return what new facts, less the facts they reverse, do to the account's cash per currency."""
    changes: dict[str, Decimal] = {}
    for sign, facts in ((1, added), (-1, taken_back)):
        for fact in facts:
            for currency, amount in cash_effect(fact).items():
                changes[currency] = changes.get(currency, Decimal(0)) + sign * amount
    return {currency: change for currency, change in changes.items() if change}


def _by_symbol(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.symbol is not None:
            groups.setdefault(fact.symbol, []).append(fact)
    return groups


def _moving(facts: Iterable[Fact]) -> Iterable[Fact]:
    """Leave out reversals: they act by what they take away."""
    return (fact for fact in facts if fact.kind in EFFECTS)


def _advanced(before: Checkpoint, account: Account, state: State) -> Checkpoint:
    return replace(before, account_key=account.account_key, seen=account.version, state=state)
