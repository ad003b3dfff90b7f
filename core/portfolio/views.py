"""Reading the ledger: positions as of a day, valued with the market's prices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from core.errors import DeskError
from core.market.model import Instrument, Provenance, Quote
from core.portfolio.book import cash_changes
from core.portfolio.entries import Entry
from core.portfolio.ledger import State, fold
from core.portfolio.model import BASE_CURRENCY, Account, CashBalance, Holding
from core.portfolio.ports import Market
from core.portfolio.store import Checkpoint, FactFilter, TeamLedger
from core.portfolio.valuation import Marks, Position, value

DATASET = "daily"


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """Positions, the same positions priced (in the same order), and what to know about the prices."""

    positions: Sequence[Position]
    holdings: Sequence[Holding]
    marks: Marks
    meta: Provenance


async def positions_on(
    store: TeamLedger, accounts: Sequence[Account], day: date, *, with_empty: bool = False
) -> list[Position]:
    """Return every position of the accounts as it stood at the end of `day`, closed ones too.

    The checkpoint and the facts after it are enough unless one of them lies after `day`: then the instrument is
    folded again from its first fact. `with_empty` adds positions without a fact up to then.
    """
    owners = {account.account_key: account for account in accounts}
    if not owners:
        return []
    known = await store.checkpoints(owners)
    later = await store.later_entries(owners)
    limit = day.toordinal()
    beyond = [item for item in known if _reaches_past(item, later, limit)]
    again = await _folded_again(store, beyond, day)
    states = {item.position_id: _continued(item, later) for item in known if item.position_id not in again} | again
    return [
        _position(item, owners[item.account_key], states[item.position_id])
        for item in known
        if with_empty or states[item.position_id].count
    ]


def _key(item: Checkpoint) -> tuple[int, str]:
    return (item.account_key, item.state.symbol)


def _reaches_past(item: Checkpoint, later: Mapping[tuple[int, str], list[Entry]], limit: int) -> bool:
    return item.state.day > limit or any(entry.day > limit for entry in later.get(_key(item), ()))


def _continued(item: Checkpoint, later: Mapping[tuple[int, str], list[Entry]]) -> State:
    tail = later.get(_key(item))
    return fold(item.state, tail) if tail else item.state


async def _folded_again(store: TeamLedger, items: Sequence[Checkpoint], day: date) -> dict[int, State]:
    """Fold the facts up to `day` from the first one."""
    if not items:
        return {}
    keys, symbols = {item.account_key for item in items}, sorted({item.state.symbol for item in items})
    groups = await store.entries(keys, symbols=symbols, until=day)
    return {item.position_id: fold(_emptied(item.state), groups.get(_key(item), [])) for item in items}


def _emptied(state: State) -> State:
    return State(symbol=state.symbol, t_plus_one=state.t_plus_one, is_foreign=state.is_foreign)


def _position(item: Checkpoint, account: Account, state: State) -> Position:
    return Position(
        position_id=item.position_id,
        account_id=account.account_id,
        account_type=account.account_type,
        currency=item.currency,
        state=state,
    )


async def cash_on(store: TeamLedger, accounts: Sequence[Account], day: date, *, today: date) -> list[CashBalance]:
    """Return each account's cash per currency at the end of `day`; the checkpoint serves from today on."""
    names = {account.account_key: account.account_id for account in accounts}
    if not names:
        return []
    if day >= today:
        amounts = await store.balances(names)
    else:
        amounts = {}
        for account_key in names:
            found = await store.facts(FactFilter(account_keys=[account_key], until=day))
            changes = cash_changes(fact for _, fact in found)
            amounts |= {(account_key, currency): amount for currency, amount in changes.items()}
    return [
        CashBalance(account_id=names[key], currency=currency, amount=amount)
        for (key, currency), amount in sorted(amounts.items())
    ]


class Appraiser:
    """Prices positions with what the market service knows."""

    def __init__(self, market: Market) -> None:
        self._market = market

    async def appraise(
        self, positions: Sequence[Position], *, as_of: date, today: date, fx_rates: Mapping[str, Decimal]
    ) -> Valuation:
        """Value positions on `as_of` with the last prices up to then."""
        symbols = sorted({position.state.symbol for position in positions if _needs_price(position.state, as_of)})
        quotes = await self._market.quotes(symbols, as_of=None if as_of >= today else as_of) if symbols else {}
        names = await self._names(
            position.state.symbol for position in positions if position.state.symbol not in quotes
        )
        marks = Marks(as_of=as_of, quotes=quotes, names=names, fx_rates=fx_rates)
        holdings = value(positions, marks)
        meta = self._provenance(marks, _warnings(holdings, marks, symbols))
        return Valuation(positions=positions, holdings=holdings, marks=marks, meta=meta)

    async def _names(self, symbols: Iterable[str]) -> dict[str, str]:
        """Return names for instruments without a price; one the master has lost keeps its symbol only."""
        names = {}
        for symbol in symbols:
            try:
                instrument: Instrument = await self._market.instrument(symbol)
            except DeskError:
                continue
            names[symbol] = instrument.name
        return names

    def _provenance(self, marks: Marks, warnings: tuple[str, ...]) -> Provenance:
        newest = max((quote.at for quote in marks.quotes.values()), default=None)
        source = self._market.provenance(DATASET, as_of=newest)
        return replace(source, currency=BASE_CURRENCY, warnings=(*source.warnings, *warnings))


def _needs_price(state: State, as_of: date) -> bool:
    return state.quantity > 0 or state.day == as_of.toordinal()


def _warnings(holdings: Sequence[Holding], marks: Marks, symbols: Sequence[str]) -> tuple[str, ...]:
    """Say what the figures leave out or rest on."""
    found = []
    missing = [symbol for symbol in symbols if symbol not in marks.quotes]
    if missing:
        found.append(f"No price for {_listed(missing)}: no market value, and no sums that would need it.")
    stale = _stale(marks)
    if stale:
        days = sorted({quote.trade_date.isoformat() for quote in stale})
        found.append(
            f"{len(stale)} of {len(marks.quotes)} prices are older than {marks.as_of.isoformat()} (newest of them "
            f"{days[-1]}): today's P/L counts no price move for them. Ask with asOf={days[-1]} for that day's."
        )
    held = {holding.currency for holding in holdings if holding.quantity}
    found += [
        f"No exchange rate {BASE_CURRENCY}/{currency} is known: holdings in {currency} are left out of weights, "
        f"and the base totals are empty. Give fx_rates, or record an fx fact."
        for currency in sorted(held)
        if marks.rate(currency) is None
    ]
    return tuple(found)


def _stale(marks: Marks) -> list[Quote]:
    return [quote for quote in marks.quotes.values() if quote.trade_date < marks.as_of and not quote.is_suspended]


def _listed(symbols: Sequence[str]) -> str:
    more = f" and {len(symbols) - 5} more" if len(symbols) > 5 else ""
    return ", ".join(symbols[:5]) + more
