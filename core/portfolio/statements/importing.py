"""Bringing a statement into an account: understand every row, say what happens to each, then write all or nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

from core.errors import DeskError
from core.market.model import Instrument
from core.portfolio.book import Book, cash_changes
from core.portfolio.checks import find_faults
from core.portfolio.entries import EFFECTS
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
from core.portfolio.statements.events import derive, held_before
from core.portfolio.statements.layouts import Layout, StatementRow, read_statement
from core.portfolio.statements.model import ImportLine, RowOutcome, StatementImport
from core.portfolio.store import FactFilter, TeamLedger
from core.storage.unit_of_work import UnitOfWork

OPENING_CASH = "statement:opening-cash"
ZERO = Decimal(0)
NEEDS_PRICE = TRADES | {FactKind.RIGHTS}
MOVES_SHARES = NEEDS_PRICE | {FactKind.BONUS}
NEEDS_INSTRUMENT = MOVES_SHARES | {FactKind.DIVIDEND}
LEDGER_REFUSALS = (BeforeOpening, BoughtToday, EventWithoutHolding, OpeningExists, SellExceedsHolding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to become of a row, or of a derived fact (`row` None)."""

    outcome: RowOutcome
    row: StatementRow | None = None
    fact: Fact | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a statement meets: the account, its facts and cash so far, the external ids it knows.

    `withdrawn` are the ids of facts that were taken back.
    """

    account: Account
    history: Sequence[Fact]
    known: Mapping[str, int]
    withdrawn: frozenset[int]
    cash: Decimal

    def why_known(self, external_id: str) -> str:
        """Say which record a row became before."""
        record = self.known[external_id]
        since = " and taken back since" if record in self.withdrawn else ""
        return f"imported before as record {record}{since}"


class StatementImporter:
    """Reads statements for `PortfolioService.import_statement`."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def run(self, uow: UnitOfWork, store: TeamLedger, *, file: StatementFile, dry_run: bool) -> StatementImport:
        """Import a file, or only say what that would do. Raises `StatementNotRecognised`; refused rows are a result."""
        layout, rows = read_statement(file.content, file.name)
        account = await self._recorder.account(store, file.account_id, file.account_type)
        context = await self._context(store, account)
        instruments, drafts = await self._drafts(rows, context)
        cash, warnings = _opening_cash(rows, context, file.opening_cash)
        if not layout.has_events:
            derived, more = await self._derived(drafts, context, instruments)
            drafts, warnings = [*drafts, *derived], [*warnings, *more]
        book = Book(store, account, self._recorder.terms(instruments.values()))
        drafts = await _folded([*cash, *drafts], book)
        facts = [draft.fact for draft in drafts if draft.fact is not None]
        refused = any(draft.outcome is RowOutcome.REFUSED for draft in drafts)
        closing = context.cash + cash_changes(facts).get(BASE_CURRENCY, ZERO)
        written = bool(facts) and not refused and not dry_run
        if written:
            await self._recorder.write(uow, book, facts, plans=await book.plan(facts))
        if not refused:
            warnings += _balance_warnings(rows, closing)
        done = {"dry_run": dry_run, "written": written, "closing_cash": closing, "warnings": tuple(warnings)}
        return _result(layout, account, drafts, done)

    async def _context(self, store: TeamLedger, account: Account) -> Context:
        if not account.account_key:
            return Context(account=account, history=(), known={}, withdrawn=frozenset(), cash=ZERO)
        key = account.account_key
        history = [fact for _, fact in await store.facts(FactFilter(account_keys=[key]))]
        withdrawn = frozenset(await store.reversed_ids([key]))
        cash = (await store.balances([key])).get((key, BASE_CURRENCY), ZERO)
        known = await store.external_ids(key)
        return Context(account=account, history=history, known=known, withdrawn=withdrawn, cash=cash)

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
        if row.external_id in context.known:
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

    async def _derived(
        self, drafts: Sequence[Draft], context: Context, instruments: dict[str, Instrument]
    ) -> tuple[list[Draft], list[str]]:
        """Derive the corporate actions of every share held up to the statement's last day; fill in `instruments`.

        Who holds a share on that day is entitled to an event of the next trading day.
        """
        market = self._recorder.market
        facts = [draft.fact for draft in drafts if draft.fact is not None]
        histories = _by_symbol([*context.history, *facts])
        days = [draft.row.day for draft in drafts if draft.row is not None and draft.row.day is not None]
        if not histories or not days:
            return [], []
        for symbol in histories:
            if symbol not in instruments:
                instruments[symbol] = await market.instrument(symbol)
        start, last = min(fact.trade_date for history in histories.values() for fact in history), max(days)
        ends = {symbol: market.next_trading_day(instruments[symbol].exchange, last) for symbol in histories}
        actions = await market.actions(sorted(histories), start=start, end=max(ends.values()))
        warnings = _coverage_warnings(histories, await market.status(), last)
        made: list[Draft] = []
        for symbol, history in sorted(histories.items()):
            mine = [action for action in actions if action.symbol == symbol and action.ex_date <= ends[symbol]]
            today = self._recorder.today()
            derived = derive(instruments[symbol], history, mine, known=context.known, today=today)
            made += [Draft(outcome=RowOutcome.DERIVED, fact=fact, reason=fact.note) for fact in derived.facts]
            warnings += derived.warnings
        return made, warnings


async def _folded(drafts: Sequence[Draft], book: Book) -> list[Draft]:
    """Fold the new facts of each instrument onto the ledger; a row that cannot have happened is refused."""
    checked = list(drafts)
    for symbol in {draft.fact.symbol for draft in drafts if draft.fact is not None and draft.fact.symbol}:
        places = [place for place, draft in enumerate(drafts) if draft.fact is not None and draft.fact.symbol == symbol]
        facts = [fact for place in places if (fact := drafts[place].fact) is not None]
        try:
            await book.plan(facts)
        except LEDGER_REFUSALS as error:
            place = next((place for place in places if _is_meant(drafts[place].fact, error)), places[0])
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
    if first is None or OPENING_CASH in context.known:
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


def _by_symbol(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.symbol is not None and fact.kind in EFFECTS:
            groups.setdefault(fact.symbol, []).append(fact)
    return groups


def _coverage_warnings(histories: Mapping[str, Sequence[Fact]], status: Mapping[str, Any], end: date) -> list[str]:
    """Name the holdings whose corporate actions the market cannot know."""
    known_until = status.get("datasets", {}).get("actions", {}).get("last_day")
    if known_until is not None and known_until >= end:
        return []
    blind = [
        symbol
        for symbol, facts in sorted(histories.items())
        if known_until is None
        or held_before(facts, known_until)
        or any(fact.trade_date >= known_until for fact in facts)
    ]
    if not blind:
        return []
    since = "at all" if known_until is None else f"after {known_until}"
    warning = (
        f"This layout has no dividend or bonus rows, and the market has no corporate actions {since}: none could be "
        f"derived from there to {end} for {', '.join(blind)}. Import corporate actions, then this file again."
    )
    return [warning]


def _result(layout: Layout, account: Account, drafts: Sequence[Draft], done: Mapping[str, Any]) -> StatementImport:
    counts = Counter(draft.outcome for draft in drafts)
    facts = [draft.fact for draft in drafts if draft.fact is not None]
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
        dividends=sum((fact.amount for fact in facts if fact.kind is FactKind.DIVIDEND), ZERO),
        lines=tuple(_line(draft) for draft in drafts),
        **done,
    )


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
