"""What the surroundings lend to a backtest: where assets are read from, where results are kept, the recorded trades."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Protocol

from core.backtest.model import BarSource, BarTable, ResultSink
from core.backtest.problems import ParameterInvalid, PortMissing


class TradeRecords(Protocol):
    """Where recorded trades are read from."""

    def records(self, symbol: str, *, trade_type: str | None, size: int) -> list[dict[str, Any]]:
        """Return the newest trades of a stock, newest first: trade_date, trade_type, qty."""
        ...


class TickSource(Protocol):
    """Where ticks are read from that no caller gave."""

    def ticks(self, symbol: str, *, books: bool, start: str | None, end: str | None) -> BarTable | None:
        """Return trades of an instrument, or its order books, between two days; None where there are none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports in force; None where the place has none."""

    source: BarSource | None = None
    sink: ResultSink | None = None
    records: TradeRecords | None = None
    ticks: TickSource | None = None


_NONE: Final = Ports()
_PORTS: Final[ContextVar[Ports]] = ContextVar("backtest_ports", default=_NONE)


@contextmanager
def use_ports(ports: Ports) -> Iterator[None]:
    """Lend ports to every backtest inside the block."""
    token = _PORTS.set(ports)
    try:
        yield
    finally:
        _PORTS.reset(token)


def current_ports() -> Ports:
    """Return the ports in force."""
    return _PORTS.get()


def read_asset(
    asset: int | str | None,
    *,
    filter_column: str | None,
    filter_value: object,
    start: str | None,
    end: str | None,
) -> BarTable:
    """Read the bars of an asset through the port. Raises `PortMissing`, and `ParameterInvalid` without an asset."""
    if asset is None:
        raise ParameterInvalid(name="asset", reason="give asset= or bars=")
    source = current_ports().source
    if source is None:
        raise PortMissing(parameter="asset", port="a source of bars", instead="Give the bars themselves with bars=.")
    return source.bars(asset, filter_column=filter_column, filter_value=filter_value, start=start, end=end)
