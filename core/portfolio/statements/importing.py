"""Bringing a statement into an account: understand every row, say what happens to each, then write all or nothing."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

from core.errors import DeskError
from core.market.model import Instrument
from core.portfolio.book import Book, Plan, cash_changes
from core.portfolio.checks import find_faults
from core.portfolio.model import (
    BASE_CURRENCY,
    TRADES,
    Account,
    Fact,
    FactKind,
    Source,
)
from core.portfolio.recording import Recorder
from core.portfolio.refusals import BeforeOpening, BoughtToday, EventWithoutHolding, OpeningExists, SellExceedsHolding
from core.portfolio.requests import StatementFile
from core.portfolio.statements.deriving import EventDeriver
from core.portfolio.statements.drafts import Context, Draft, context_of, facts_of, taken_back
from core.portfolio.statements.layouts import Layout, StatementRow, read_statement
from core.portfolio.statements.model import ImportLine, RowOutcome, StatementImport
from core.portfolio.store import TeamLedger
from core.storage.unit_of_work import UnitOfWork

OPENING_CASH = "statement:opening-cash"
ZERO = Decimal(0)
NEEDS_PRICE = TRADES | {FactKind.RIGHTS}
MOVES_SHARES = NEEDS_PRICE | {FactKind.BONUS}
NEEDS_INSTRUMENT = MOVES_SHARES | {FactKind.DIVIDEND}
LEDGER_REFUSALS = (BeforeOpening, BoughtToday, EventWithoutHolding, OpeningExists, SellExceedsHolding)


class StatementImporter:
    """Reads statements for `PortfolioService.import_statement`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._deriver = EventDeriver(recorder)

    async def run(self, uow: UnitOfWork, store: TeamLedger, *, file: StatementFile, dry_run: bool) -> StatementImport:
        """Import a file, or only say what that would do. Raises `StatementNotRecognised`; refused rows are a result."""
        layout, rows = await asyncio.to_thread(read_statement, file.content, file.name)
        account = await self._recorder.account(store, file.account_id, file.account_type)
        context = await context_of(store, account)
        instruments, drafts = await self._drafts(rows, context)
        cash, warnings = _opening_cash(rows, context, file.opening_cash)
        derived, more = await self._deriver.derived(drafts, context, instruments, has_events=layout.has_events)
        warnings += more
        book = Book(store, account, self._recorder.terms(instruments.values()))
        drafts, plans = await _planned([*cash, *drafts, *derived], book)
        facts, back = facts_of(drafts), taken_back(drafts)
        refused = any(draft.outcome is RowOutcome.REFUSED for draft in drafts)
        closing = context.cash + cash_changes(facts, back).get(BASE_CURRENCY, ZERO)
        written = bool(facts) and not refused and not dry_run
        if written:
            await self._recorder.write(uow, book, facts, plans=plans, taken_back=back)
        if not refused:
            warnings += _balance_warnings(rows, closing)
        done = {"dry_run": dry_run, "written": written, "closing_cash": closing, "warnings": tuple(warnings)}
        return _result(layout, account, drafts, done)

    async def _drafts(
        self, rows: Sequence[StatementRow], context: Context
    ) -> tuple[dict[str, Instrument], list[Draft]]:
        """Decide each row by itself; return the instruments met, by symbol, beside."""
        instruments: dict[str, Instrument] = {}
        by_code: dict[str, Instrument | DeskError] = {}
        drafts = []
        for row in rows:
            if row.code and row.code not in by_code and row.kind is not None:
                by_code[row.code] = await self._restored(row.code)
            found = by_code.get(row.code)
            if isinstance(found, Instrument):
                instruments[found.symbol] = found
            drafts.append(self._draft(row, found, context))
        return instruments, drafts

    async def _restored(self, code: str) -> Instrument | DeskError:
        try:
            return await self._recorder.market.restore_code(code)
        except DeskError as error:
            return error

    def _draft(self, row: StatementRow, found: Instrument | DeskError | None, context: Context) -> Draft:
        if row.fault or row.kind is None:
            outcome = RowOutcome.REFUSED if row.fault else RowOutcome.SKIPPED
            return Draft(outcome=outcome, row=row, reason=row.fault or row.reason)
        if row.external_id in context.past.known:
            return Draft(outcome=RowOutcome.SKIPPED, row=row, reason=context.why_known(row.external_id))
        if isinstance(found, DeskError):
            return Draft(outcome=RowOutcome.REFUSED, row=row, reason=found.message)
        fault = _mismatch(row, found)
        fact = _fact(row, found)
        if not fault:
            fault = self._fault(fact, found)
        if fault:
            return Draft(outcome=RowOutcome.REFUSED, row=row, reason=fault)
        return Draft(outcome=RowOutcome.ADDED, row=row, fact=fact)

    def _fault(self, fact: Fact, instrument: Instrument | None) -> str:
        """Return every reason why a fact cannot be, or nothing."""
        is_trading_day = self._recorder.market.is_trading_day
        try:
            faults = list(find_faults(fact, instrument, today=self._recorder.today(), is_trading_day=is_trading_day))
        except DeskError as error:
            return error.message
        return " ".join(fault.message for fault in faults)


async def _planned(drafts: Sequence[Draft], book: Book) -> tuple[list[Draft], dict[str, Plan]]:
    """Fold the new facts onto the ledger. When some cannot have happened their rows are refused; nothing is planned."""
    try:
        back = {fact.fact_id: fact for fact in taken_back(drafts)}
        return list(drafts), await book.plan(facts_of(drafts), back)
    except LEDGER_REFUSALS:
        return await _refused(drafts, book), {}


async def _refused(drafts: Sequence[Draft], book: Book) -> list[Draft]:
    """Find each instrument whose facts cannot all have happened, and refuse the row that the ledger names."""
    checked = list(drafts)
    places: dict[str, list[int]] = {}
    for place, draft in enumerate(drafts):
        if draft.fact is not None and draft.fact.symbol is not None:
            places.setdefault(draft.fact.symbol, []).append(place)
    for mine in places.values():
        own = [drafts[place] for place in mine]
        try:
            await book.plan(facts_of(own), {fact.fact_id: fact for fact in taken_back(own)})
        except LEDGER_REFUSALS as error:
            place = next((place for place in mine if _is_meant(drafts[place].fact, error)), mine[0])
            checked[place] = replace(drafts[place], outcome=RowOutcome.REFUSED, fact=None, reason=error.message)
    return checked


def _is_meant(fact: Fact | None, error: DeskError) -> bool:
    """True when a ledger's refusal speaks of this fact."""
    if fact is None or fact.trade_date.isoformat() != error.data["day"]:
        return False
    return bool(fact.quantity == error.data.get("quantity", fact.quantity))


def _mismatch(row: StatementRow, instrument: Instrument | None) -> str:
    if instrument is None:
        return "" if row.kind not in NEEDS_INSTRUMENT else "the row has no code."
    if row.currency != instrument.currency:
        return f"{instrument.symbol} is kept in {instrument.currency}, the row is in {row.currency}."
    return ""


def _fact(row: StatementRow, instrument: Instrument | None) -> Fact:
    if row.kind is None or row.day is None:
        message = "only understood rows become facts"
        raise ValueError(message)
    return Fact(
        kind=row.kind,
        trade_date=row.day,
        symbol=None if instrument is None else instrument.symbol,
        quantity=row.quantity if row.kind in MOVES_SHARES else 0,
        price=row.price if row.kind in NEEDS_PRICE else None,
        amount=row.amount,
        fees=row.fees,
        tax=row.tax,
        currency=row.currency,
        source=Source.IMPORT,
        external_id=row.external_id,
    )


def _opening_cash(
    rows: Sequence[StatementRow], context: Context, given: Decimal | None
) -> tuple[list[Draft], list[str]]:
    """Return the cash the account began with: as given, or as the statement's first balance says for a new account."""
    first = next((row for row in rows if row.day is not None and not row.fault), None)
    if first is None or OPENING_CASH in context.past.known:
        return [], []
    said = None if first.cash_after is None else first.cash_after - first.cash
    if given is None and (said is None or context.account.version):
        return [], []
    amount = said if given is None else given
    warnings = []
    if given is not None and said is not None and given != said:
        warnings.append(f"The statement's first balance says the account began with {said}, not {given}.")
    if not amount or first.day is None:
        return [], warnings
    fact = Fact(
        kind=FactKind.CASH_IN if amount > 0 else FactKind.CASH_OUT,
        trade_date=first.day,
        amount=abs(amount),
        source=Source.IMPORT,
        external_id=OPENING_CASH,
        note="cash before the first row of the statement",
    )
    return [Draft(outcome=RowOutcome.ADDED, fact=fact, reason=fact.note)], warnings


def _balance_warnings(rows: Sequence[StatementRow], closing: Decimal) -> list[str]:
    """Compare the statement's own running balance with its rows and with the ledger."""
    warnings = []
    known = [row for row in rows if row.cash_after is not None and not row.fault]
    for before, after in pairwise(known):
        if before.cash_after is not None and before.cash_after + after.cash != after.cash_after:
            warnings.append(
                f"Row {after.number}: the balance {after.cash_after} does not follow from {before.cash_after} and "
                f"{after.cash}: rows may be missing above it."
            )
    if known and known[-1].cash_after != closing:
        warnings.append(f"The statement ends with {known[-1].cash_after} in cash, the ledger with {closing}.")
    return warnings


def _result(layout: Layout, account: Account, drafts: Sequence[Draft], done: Mapping[str, Any]) -> StatementImport:
    counts = Counter(draft.outcome for draft in drafts)
    facts = facts_of(drafts)
    days = [draft.row.day for draft in drafts if draft.row is not None and draft.row.day is not None]
    return StatementImport(
        layout=layout.name,
        account_id=account.account_id,
        first_date=min(days, default=None),
        last_date=max(days, default=None),
        added=counts[RowOutcome.ADDED],
        derived=counts[RowOutcome.DERIVED],
        skipped=counts[RowOutcome.SKIPPED],
        refused=counts[RowOutcome.REFUSED],
        fees=sum((fact.fees + fact.tax for fact in facts), ZERO),
        dividends=_dividends(facts) - _dividends(taken_back(drafts)),
        lines=tuple(_line(draft) for draft in drafts),
        **done,
    )


def _dividends(facts: Iterable[Fact]) -> Decimal:
    return sum((fact.amount for fact in facts if fact.kind is FactKind.DIVIDEND), ZERO)


def _line(draft: Draft) -> ImportLine:
    row, fact = draft.row, draft.fact
    shown = fact or row
    return ImportLine(
        row=row.number if row else None,
        outcome=draft.outcome,
        kind=shown.kind if shown else None,
        symbol=fact.symbol if fact else (row.code or None if row else None),
        trade_date=fact.trade_date if fact else (row.day if row else None),
        quantity=shown.quantity if shown else 0,
        amount=shown.amount if shown else ZERO,
        charges=shown.fees + shown.tax if shown else ZERO,
        reason=draft.reason,
    )
