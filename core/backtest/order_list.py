"""The orders of a run: rows of a table, made into objects when somebody looks at them."""

from collections.abc import Iterator, Sequence
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from core.backtest.model import Order, SizeKind
from core.backtest.settlement import Account
from core.matching import order_layout as at
from core.matching.model import ReasonCode, Side
from core.matching.rules_kernel import BUY, SELL

Integers = NDArray[np.int64]
KINDS: Final = {
    at.ALL: SizeKind.ALL,
    at.PART: SizeKind.PART,
    at.SHARES: SizeKind.SHARES,
    at.TARGET: SizeKind.TARGET,
}
REASONS: Final = tuple(ReasonCode)
SIDES: Final = {BUY: Side.BUY, SELL: Side.SELL, at.NO_SIDE: None}


class OrderList(Sequence[Order]):
    """Every order of an account so far, or of one of its holdings, oldest first."""

    __slots__ = ("_account", "_rows")

    def __init__(self, account: Account, *, holding: int | None = None) -> None:
        account.write_waiting()
        self._account = account
        self._rows = np.arange(account.submitted)
        if holding is not None:
            self._rows = np.flatnonzero(account.orders[: account.submitted, at.HOLDING] == holding)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, key: int) -> Order: ...

    @overload
    def __getitem__(self, key: slice) -> list[Order]: ...

    def __getitem__(self, key: int | slice) -> Order | list[Order]:
        rows = self._rows[key]
        if isinstance(key, slice):
            return [self._order(row, figures) for row, figures in self._figures(rows)]
        return next(self._order(row, figures) for row, figures in self._figures(np.array([rows])))

    def __iter__(self) -> Iterator[Order]:
        return (self._order(row, figures) for row, figures in self._figures(self._rows))

    def reasons(self) -> dict[str, int]:
        """Return how many orders ended with each reason, the most frequent first."""
        numbers, firsts, counts = np.unique(
            self._account.orders[self._rows, at.REASON], return_index=True, return_counts=True
        )
        ranked = np.lexsort((firsts, -counts))
        return {REASONS[numbers[place]].value: int(counts[place]) for place in ranked}

    def _figures(self, rows: Integers) -> Iterator[tuple[int, list[int]]]:
        return zip(rows.tolist(), self._account.orders[rows].tolist(), strict=True)

    def _order(self, row: int, figures: list[int]) -> Order:
        member, kind, ended = self._account.members[figures[at.HOLDING]], figures[at.KIND], figures[at.ENDED]
        value = figures[at.VALUE]
        return Order(
            id=row + 1,
            symbol=member.symbol,
            side=SIDES[figures[at.SIDE]],
            size_kind=KINDS[kind],
            shares=value if kind == at.SHARES else 0,
            part=value if kind in {at.PART, at.TARGET} else 0,
            limit_price=self._account.limits.get(row),
            submitted=figures[at.SUBMITTED],
            spell=member.bars.dt,
            target=figures[at.TARGET_SHARES],
            reason=REASONS[figures[at.REASON]],
            quantity=figures[at.QUANTITY],
            filled=figures[at.FILLED_SHARES],
            amount=figures[at.AMOUNT],
            fees=figures[at.FEES],
            ended=None if ended == at.NEVER else ended,
        )
