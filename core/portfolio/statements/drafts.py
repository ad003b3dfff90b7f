"""An import in the making: what it meets in the ledger, and what is to become of each row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.portfolio.entries import effective
from core.portfolio.model import BASE_CURRENCY, Account, Fact, FactKind, Source
from core.portfolio.statements.events import Past
from core.portfolio.statements.layouts import StatementRow
from core.portfolio.statements.model import RowOutcome
from core.portfolio.store import FactFilter, TeamLedger


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to become of a row, or of a derived fact (`row` None). `takes_back`: the fact that `fact` reverses."""

    outcome: RowOutcome
    row: StatementRow | None = None
    fact: Fact | None = None
    reason: str = ""
    takes_back: Fact | None = None


def facts_of(drafts: Iterable[Draft]) -> list[Fact]:
    """Return the facts to be written, in order."""
    return [draft.fact for draft in drafts if draft.fact is not None]


def taken_back(drafts: Iterable[Draft]) -> list[Fact]:
    """Return the stored facts that those facts reverse."""
    return [draft.takes_back for draft in drafts if draft.takes_back is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a statement meets: the account, its cash and effective facts so far, newest first, and its past."""

    account: Account
    history: Sequence[Fact]
    past: Past
    cash: Decimal
    reversed_ids: frozenset[int]

    def why_known(self, external_id: str) -> str:
        """Say which record a row became before."""
        record = self.past.known[external_id]
        since = " and taken back since" if record in self.reversed_ids else ""
        return f"imported before as record {record}{since}"


async def context_of(store: TeamLedger, account: Account) -> Context:
    """Read what an import must know of an account."""
    key = account.account_key
    chosen = FactFilter(account_keys=[key], with_reversed=True)
    facts = [fact for _, fact in await store.facts(chosen)] if key else []
    balances = await store.balances([key]) if key else {}
    reversals = [fact for fact in facts if fact.kind is FactKind.REVERSAL]
    by_hand = [fact.reverses for fact in reversals if fact.source is not Source.DERIVED]
    return Context(
        account=account,
        history=effective(facts),
        past=Past(
            known={fact.external_id: fact.fact_id for fact in facts if fact.external_id is not None},
            withdrawn=frozenset(fact_id for fact_id in by_hand if fact_id is not None),
        ),
        cash=balances.get((key, BASE_CURRENCY), Decimal(0)),
        reversed_ids=frozenset(fact.reverses for fact in reversals if fact.reverses is not None),
    )
