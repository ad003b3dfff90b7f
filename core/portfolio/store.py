"""The ledger in the database: facts are added and read, never changed; checkpoints spare folding them all."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    bindparam,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError

from core.errors import VersionConflict
from core.portfolio.entries import EFFECTS, LAST_PHASE, PHASES, RATE_ONE, Entry
from core.portfolio.ledger import State
from core.portfolio.model import BASE_CURRENCY, Account, AccountType, Fact, FactKind
from core.portfolio.schema_store import accounts, cash, facts, positions
from core.portfolio.stored_state import dump, load
from core.storage.unit_of_work import UnitOfWork

EFFECT_BY_TEXT: Final = {kind.value: (PHASES.get(kind, LAST_PHASE), effect) for kind, effect in EFFECTS.items()}
NEWEST_FIRST: Final = (facts.c.trade_date.desc(), facts.c.fact_id.desc())
FACT_COLUMNS: Final = [column for column in facts.c if column.name not in {"team_id", "account_key"}]
WRITTEN: Final = [column.name for column in FACT_COLUMNS if column.name not in {"fact_id", "sequence", "recorded_at"}]
ENTRY_COLUMNS: Final = [
    type_coerce(facts.c.trade_date, String).label("day"),
    facts.c.sequence,
    type_coerce(facts.c.kind, String).label("kind"),
    facts.c.quantity,
    type_coerce(facts.c.amount, BigInteger).label("amount"),
    (type_coerce(facts.c.fees, BigInteger) + type_coerce(facts.c.tax, BigInteger)).label("charges"),
    facts.c.currency,
    type_coerce(facts.c.fx_rate, BigInteger).label("fx_rate"),
    facts.c.fact_id,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A stored state of one instrument in one account, and the account's sequence it has seen."""

    position_id: int
    account_key: int
    currency: str
    seen: int
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class FactFilter:
    """Which facts a list asks for; None asks for all."""

    account_keys: Sequence[int]
    kinds: frozenset[FactKind] | None = None
    symbol: str | None = None
    market: str | None = None
    since: date | None = None
    until: date | None = None
    with_reversed: bool = False


class LedgerStore:
    """The door to a team's ledger."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def for_team(self, team_id: int) -> "TeamLedger":
        """Return the store of one team."""
        return TeamLedger(self._uow, team_id)


class TeamLedger:
    """One team's ledger. Every statement is filtered by the team here."""

    def __init__(self, uow: UnitOfWork, team_id: int) -> None:
        self._uow = uow
        self._team_id = team_id

    # Accounts

    async def accounts(self, account_id: str | None = None, account_type: AccountType | None = None) -> list[Account]:
        """Return the team's accounts, one or those of one type when asked for."""
        statement = select(accounts).where(accounts.c.team_id == self._team_id).order_by(accounts.c.account_key)
        if account_id is not None:
            statement = statement.where(accounts.c.account_id == account_id)
        if account_type is not None:
            statement = statement.where(accounts.c.account_type == account_type)
        return [_account(row) for row in await self._uow.fetch_all(statement)]

    async def claim(self, account: Account, count: int, *, at: datetime) -> Account:
        """Take the next `count` sequence numbers of the account, making it when it is new.

        Raises `VersionConflict` when somebody wrote to it since `account` was read.
        """
        try:
            key = await self._create(account, at=at) if not account.account_key else account.account_key
            statement = (
                update(accounts)
                .where(accounts.c.team_id == self._team_id)
                .where(accounts.c.account_key == key, accounts.c.version == account.version)
                .values(version=account.version + count)
            )
            changed = (await self._uow.execute(statement)).rowcount
        except IntegrityError as error:
            raise VersionConflict(thing=f"Account {account.account_id}") from error
        if changed != 1:
            raise VersionConflict(thing=f"Account {account.account_id}")
        return Account(
            account_key=key,
            account_id=account.account_id,
            account_type=account.account_type,
            version=account.version + count,
        )

    async def _create(self, account: Account, *, at: datetime) -> int:
        row = {"account_id": account.account_id, "account_type": account.account_type, "version": 0}
        statement = insert(accounts).values(team_id=self._team_id, created_at=at, **row)
        key: int = (await self._uow.execute(statement.returning(accounts.c.account_key))).scalar_one()
        return key

    # Facts

    async def add_facts(self, account_key: int, rows: Sequence[Fact], *, first: int, at: datetime) -> list[int]:
        """Append facts as the account's last, with sequences from `first` on; return their ids in the same order.

        Raises `VersionConflict` when a sequence, external id or reversal is there already.
        """
        if not rows:
            return []
        common = {"team_id": self._team_id, "account_key": account_key, "recorded_at": at}
        values = [
            {name: getattr(fact, name) for name in WRITTEN} | common | {"sequence": sequence}
            for sequence, fact in enumerate(rows, start=first)
        ]
        try:
            await self._uow.execute(insert(facts), values)
        except IntegrityError as error:
            raise VersionConflict(thing="The account") from error
        mine = and_(facts.c.team_id == self._team_id, facts.c.account_key == account_key, facts.c.sequence >= first)
        found = await self._uow.fetch_all(select(facts.c.fact_id).where(mine).order_by(facts.c.sequence))
        return [row.fact_id for row in found]

    async def facts(self, chosen: FactFilter) -> list[tuple[int, Fact]]:
        """Return (account key, fact), newest first."""
        statement = self._chosen(select(facts.c.account_key, *FACT_COLUMNS), chosen).order_by(*NEWEST_FIRST)
        return [(row.account_key, _fact(row)) for row in await self._uow.fetch_all(statement)]

    async def page_of_facts(self, chosen: FactFilter, *, limit: int, offset: int) -> tuple[list[tuple[int, Fact]], int]:
        """Return one page of `facts`, and how many there are on all pages."""
        counted = select(facts.c.account_key, *FACT_COLUMNS, func.count().over().label("rows"))
        statement = self._chosen(counted, chosen).order_by(*NEWEST_FIRST).limit(limit).offset(offset)
        rows = await self._uow.fetch_all(statement)
        if not rows:  # nothing at all, or a page after the last
            return [], await self.count_facts(chosen)
        return [(row.account_key, _fact(row)) for row in rows], rows[0].rows

    async def count_facts(self, chosen: FactFilter) -> int:
        """Return how many facts `facts` would return without a limit."""
        row = await self._uow.fetch_one(self._chosen(select(func.count().label("rows")), chosen))
        return int(row.rows) if row else 0

    async def fact(self, fact_id: int) -> tuple[int, Fact] | None:
        """Return (account key, fact), or None when the team has no such fact."""
        statement = select(facts.c.account_key, *FACT_COLUMNS)
        row = await self._uow.fetch_one(statement.where(facts.c.team_id == self._team_id, facts.c.fact_id == fact_id))
        return None if row is None else (row.account_key, _fact(row))

    async def reversed_ids(self, account_keys: Iterable[int]) -> set[int]:
        """Return the ids of facts that were taken back."""
        statement = select(facts.c.reverses).where(facts.c.team_id == self._team_id, facts.c.reverses.is_not(None))
        rows = await self._uow.fetch_all(statement.where(facts.c.account_key.in_(list(account_keys))))
        return {row.reverses for row in rows}

    async def external_ids(self, account_key: int) -> dict[str, int]:
        """Return the external ids the account knows, with their facts."""
        statement = select(facts.c.external_id, facts.c.fact_id).where(facts.c.team_id == self._team_id)
        statement = statement.where(facts.c.account_key == account_key, facts.c.external_id.is_not(None))
        return {row.external_id: row.fact_id for row in await self._uow.fetch_all(statement)}

    def _chosen(self, statement: Select[Any], chosen: FactFilter) -> Select[Any]:
        conditions = [facts.c.team_id == self._team_id, facts.c.account_key.in_(list(chosen.account_keys))]
        if chosen.kinds is not None:
            conditions.append(facts.c.kind.in_(sorted(chosen.kinds)))
        if chosen.symbol is not None:
            conditions.append(facts.c.symbol == chosen.symbol)
        if chosen.market is not None:
            conditions.append(facts.c.symbol.like(f"%.{chosen.market}"))
        if chosen.since is not None:
            conditions.append(facts.c.trade_date >= chosen.since)
        if chosen.until is not None:
            conditions.append(facts.c.trade_date <= chosen.until)
        if not chosen.with_reversed:
            conditions.append(self._stands())
        return statement.where(and_(*conditions))

    def _stands(self) -> ColumnElement[bool]:
        """Neither taken back nor itself a reversal."""
        gone = select(facts.c.reverses).where(facts.c.team_id == self._team_id, facts.c.reverses.is_not(None))
        return and_(facts.c.reverses.is_(None), facts.c.fact_id.not_in(gone.scalar_subquery()))

    # Entries: facts in the fold's inner form

    async def entries(
        self, account_keys: Iterable[int], *, symbols: Sequence[str] | None = None, until: date | None = None
    ) -> dict[tuple[int, str], list[Entry]]:
        """Return the effective entries by (account, symbol), each list in the order of effect."""
        statement = select(facts.c.account_key, facts.c.symbol, *ENTRY_COLUMNS)
        statement = statement.where(facts.c.team_id == self._team_id, facts.c.symbol.is_not(None), self._stands())
        statement = statement.where(facts.c.account_key.in_(list(account_keys)))
        if symbols is not None:
            statement = statement.where(facts.c.symbol.in_(list(symbols)))
        if until is not None:
            statement = statement.where(facts.c.trade_date <= until)
        return await self._grouped(statement)

    async def later_entries(
        self, account_keys: Iterable[int], symbols: Sequence[str] | None = None
    ) -> dict[tuple[int, str], list[Entry]]:
        """Return the entries that the checkpoints have not seen yet."""
        # The sums with nothing keep every planner from beginning at all the facts of the team.
        unseen = and_(
            positions.c.account_key == facts.c.account_key,
            positions.c.symbol == facts.c.symbol,
            positions.c.team_id == facts.c.team_id + 0,
            facts.c.sequence > positions.c.seen,
        )
        columns = select(facts.c.account_key, facts.c.symbol, *ENTRY_COLUMNS)
        statement = columns.select_from(positions.join(facts, unseen)).where(positions.c.team_id == self._team_id)
        if symbols is not None:
            statement = statement.where(positions.c.symbol.in_(list(symbols)))
        return await self._grouped(statement.where((positions.c.account_key + 0).in_(list(account_keys))))

    async def _grouped(self, statement: Select[Any]) -> dict[tuple[int, str], list[Entry]]:
        """Read (account, symbol, *ENTRY_COLUMNS). A million rows pass here: no calls but those into C."""
        groups: defaultdict[tuple[int, str], list[Entry]] = defaultdict(list)
        ordinals, new = _Ordinals(), tuple.__new__
        rows: Sequence[Any] = await self._uow.fetch_all(statement)
        for row in rows:
            key, symbol, day, sequence, kind, quantity, amount, charges, currency, fx_rate, fact_id = row
            phase, effect = EFFECT_BY_TEXT[kind]
            rate = RATE_ONE if currency == BASE_CURRENCY else fx_rate or 0
            entry = (ordinals[day], phase, sequence, effect, quantity, amount, charges, rate, fact_id)
            groups[key, symbol].append(new(Entry, entry))
        for entries in groups.values():
            entries.sort()
        return dict(groups)

    # Checkpoints

    async def checkpoints(self, account_keys: Iterable[int], symbols: Sequence[str] | None = None) -> list[Checkpoint]:
        """Return the stored states of these accounts, by position id."""
        statement = select(positions).where(positions.c.team_id == self._team_id).order_by(positions.c.position_id)
        statement = statement.where(positions.c.account_key.in_(list(account_keys)))
        if symbols is not None:
            statement = statement.where(positions.c.symbol.in_(list(symbols)))
        return [_checkpoint(row) for row in await self._uow.fetch_all(statement)]

    async def checkpoint(self, position_id: int) -> Checkpoint | None:
        """Return one stored state, or None when the team has no such position."""
        condition = and_(positions.c.team_id == self._team_id, positions.c.position_id == position_id)
        row = await self._uow.fetch_one(select(positions).where(condition))
        return None if row is None else _checkpoint(row)

    async def save(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Store states; `position_id` 0 makes a new position."""
        rows = [
            {
                "position": item.position_id,
                "team_id": self._team_id,
                "account_key": item.account_key,
                "symbol": item.state.symbol,
                "currency": item.currency,
                "seen": item.seen,
                "state": dump(item.state),
            }
            for item in checkpoints
        ]
        fresh = [{name: row[name] for name in row if name != "position"} for row in rows if not row["position"]]
        if fresh:
            await self._uow.execute(insert(positions), fresh)
        known = [{name: row[name] for name in ("position", "seen", "state")} for row in rows if row["position"]]
        if known:
            mine = and_(positions.c.team_id == self._team_id, positions.c.position_id == bindparam("position"))
            statement = update(positions).where(mine).values(seen=bindparam("seen"), state=bindparam("state"))
            await self._uow.execute(statement, known)

    # Cash and exchange rates

    async def balances(self, account_keys: Iterable[int]) -> dict[tuple[int, str], Decimal]:
        """Return the cash by (account, currency) after all facts."""
        statement = select(cash).where(cash.c.team_id == self._team_id)
        rows = await self._uow.fetch_all(statement.where(cash.c.account_key.in_(list(account_keys))))
        return {(row.account_key, row.currency): row.amount for row in rows}

    async def change_cash(self, account_key: int, changes: Mapping[str, Decimal]) -> None:
        """Add to the account's cash per currency."""
        known = await self.balances([account_key])
        for currency, change in changes.items():
            before = known.get((account_key, currency))
            key = and_(cash.c.team_id == self._team_id, cash.c.account_key == account_key, cash.c.currency == currency)
            if before is None:
                row = {"team_id": self._team_id, "account_key": account_key, "currency": currency, "amount": change}
                await self._uow.execute(insert(cash).values(**row))
            else:
                await self._uow.execute(update(cash).where(key).values(amount=before + change))

    async def fx_rates(self, until: date) -> dict[str, Decimal]:
        """Return the newest recorded exchange rate of each currency up to a day."""
        statement = select(facts.c.currency, facts.c.price).where(facts.c.team_id == self._team_id, self._stands())
        statement = statement.where(facts.c.kind == FactKind.FX, facts.c.trade_date <= until)
        rows = await self._uow.fetch_all(statement.order_by(facts.c.trade_date, facts.c.fact_id))
        return {row.currency: row.price for row in rows if row.price is not None}


def _account(row: Row[Any]) -> Account:
    return Account(
        account_key=row.account_key, account_id=row.account_id, account_type=row.account_type, version=row.version
    )


def _fact(row: Row[Any]) -> Fact:
    return Fact(**{column.name: getattr(row, column.name) for column in FACT_COLUMNS})


def _checkpoint(row: Row[Any]) -> Checkpoint:
    state = load(row.state)
    return Checkpoint(
        position_id=row.position_id, account_key=row.account_key, currency=row.currency, seen=row.seen, state=state
    )


class _Ordinals(dict[Any, int]):
    """Ordinals of days as the database drivers give them, each computed once: dates, or text on SQLite."""

    def __missing__(self, day: str | date) -> int:
        self[day] = ordinal = (date.fromisoformat(day) if isinstance(day, str) else day).toordinal()
        return ordinal
