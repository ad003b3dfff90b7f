"""States as the database keeps them. The lots stay text until a fold needs them: a list of holdings never does."""

import json
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, overload

from core.portfolio.ledger import NAMES, OpenLot, State

VALUES: Final = attrgetter(*NAMES)


def dump(state: State) -> list[Any]:
    """Return a state as plain values for storage: its figures in the order of `NAMES`, and its lots as text."""
    lots = state.lots
    return [list(VALUES(state)), lots.text if isinstance(lots, StoredLots) else json.dumps([list(lot) for lot in lots])]


def load(row: list[Any]) -> State:
    """Return the state that `dump` wrote."""
    values, lots = row
    return State(**dict(zip(NAMES, values, strict=True)), lots=StoredLots(lots))


class StoredLots(Sequence[OpenLot]):
    """Lots read from their text when first looked at."""

    __slots__ = ("_lots", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._lots: tuple[OpenLot, ...] | None = None

    def _read(self) -> tuple[OpenLot, ...]:
        if self._lots is None:
            self._lots = tuple(map(OpenLot._make, json.loads(self.text)))
        return self._lots

    def __len__(self) -> int:
        return len(self._read())

    def __iter__(self) -> Iterator[OpenLot]:
        return iter(self._read())

    @overload
    def __getitem__(self, place: int) -> OpenLot: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[OpenLot]: ...

    def __getitem__(self, place: int | slice) -> OpenLot | Sequence[OpenLot]:
        return self._read()[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._read() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._read())
