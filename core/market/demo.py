"""The simulated market: 300 invented shares, two indices and some minutes, from a seed. Every answer says so.

Prices obey the dated rules: limits, rounding, first days, reference prices after dividends. The same seed gives the
same tables. `install` puts them in a market folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import dataset
from core.market.demo_more import HongKongBars, hong_kong_bars, index_bars, minute_ends, split_day
from core.market.demo_plan import (
    CODE_CHANGE_DAY,
    CODES_CHANGED,
    FIRST_DAY,
    HONG_KONG_COUNT,
    LAST_DAY,
    Share,
    cast,
    invented_names,
    limit_table,
    list_date,
)
from core.market.demo_prices import Bars, draw_bars
from core.market.manifest import Manifest
from core.market.model import Board, Exchange
from core.market.trading_calendar import TradingCalendar, TradingCalendars

if TYPE_CHECKING:
    import pyarrow as pa

SEED: Final = 20261120
SOURCE: Final = "simulated"
INDICES: Final = (("000001.SH", "模拟综合指数", 3000.0, 1), ("000300.SH", "模拟三百指数", 3500.0, 2))
"""Symbol, name, level before the first day, and which of the shares count: every nth."""
MINUTE_DAYS: Final = 10
MINUTE_SHARES: Final = 5
PRICE_COLUMNS: Final = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class _World:
    days: list[date]
    shares: list[Share]
    bars: Bars
    hong_kong_days: list[date]
    calendar: TradingCalendar
    hong_kong: HongKongBars


def make_market(seed: int = SEED) -> "dict[str, pa.Table]":
    """Make the tables of the simulated market, one per dataset."""
    random = np.random.default_rng(seed)
    calendars = TradingCalendars.load()
    days = calendars.shanghai.between(FIRST_DAY, LAST_DAY)
    hong_kong_days = calendars.hongkong.between(FIRST_DAY, LAST_DAY)
    shares = cast(random, len(days))
    bars = draw_bars(random, shares, limit_table(shares, days))
    hong_kong = hong_kong_bars(random, hong_kong_days, HONG_KONG_COUNT)
    world = _World(days, shares, bars, hong_kong_days, calendars.shanghai, hong_kong)
    minutes, turnover = _minutes(world, random)
    columns = {
        "daily": _daily(world, turnover),
        "index_daily": _index_daily(world),
        "hk_daily": _hk_daily(world),
        "minute": minutes,
        "actions": _actions(world),
    }
    rows = {
        "instruments": _instruments(world),
        "code_changes": _code_changes(world),
        "names": _names(world),
        "st": _st(world),
        "suspensions": _suspensions(world),
    }
    return {name: _table(name, given) for name, given in columns.items()} | {
        name: _table(name, _columns(given)) for name, given in rows.items()
    }


def install(store: MarketStore, *, imported_at: datetime, seed: int = SEED) -> Manifest:
    """Put the simulated market in force in a market folder, marked as simulated."""
    changes = {name: TableChange(table, keep_sources=False) for name, table in make_market(seed).items()}
    return store.commit(changes, imported_at=imported_at, simulated=True)


def _daily(world: _World, turnover: Mapping[tuple[int, int], int]) -> dict[str, Any]:
    """Return the bars of traded days as columns, share by share."""
    bars, live = world.bars, world.bars.live.T
    columns, days = np.nonzero(live)
    prices = {name: getattr(bars, name).T[live] / 100 for name in PRICE_COLUMNS}
    volume, issued = bars.volume.T[live], bars.shares_out.T[live]
    cents = sum(getattr(bars, name).T[live] for name in PRICE_COLUMNS) * volume // 4
    place = {key: at for at, key in enumerate(zip(days.tolist(), columns.tolist(), strict=True)) if key in turnover}
    for key, at in place.items():
        cents[at] = turnover[key]
    names, special = _name_matrix(world)
    return prices | {
        "symbol": np.array([share.symbol for share in world.shares])[columns],
        "trade_date": np.array(world.days, dtype="datetime64[D]")[days],
        "pre_close": bars.reference.T[live] / 100,
        "volume": volume,
        "amount": cents / 100,
        "turnover_pct": np.round(volume / issued * 100, 4),
        "adj_factor": np.round(bars.factor.T[live], 8),
        "is_st": special.T[live],
        "name": names.T[live],
        "float_shares": issued,
        "total_shares": issued,
        "source": [SOURCE] * len(columns),
    }


def _name_matrix(world: _World) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
    names = np.empty((len(world.days), len(world.shares)), dtype=object)
    special = np.zeros(names.shape, dtype=bool)
    for column, share in enumerate(world.shares):
        for first, last, name in _spells(share, len(world.days)):
            names[first:last, column] = name
            special[first:last, column] = "ST" in name
    return names, special


def _spells(share: Share, days: int) -> list[tuple[int, int, str]]:
    """Return the names of a share as (first day, day after the last, name)."""
    start, end = max(share.listed, 0), share.removed or days
    if not share.st:
        return [(start, end, share.name)]
    leaving = share.leaving().start if share.removed else end
    cuts = [
        (start, share.st.start, share.name),
        (share.st.start, min(share.st.stop, leaving), f"*ST{share.name}"),
        (share.st.stop, end, share.name),
        (leaving, end, f"{share.name}退"),
    ]
    return [cut for cut in cuts if cut[0] < cut[1]]


def _index_daily(world: _World) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for symbol, name, base, step in INDICES:
        members = np.arange(0, len(world.shares), step)
        volume = (world.bars.volume * world.bars.live)[:, members].sum(axis=1)
        count = len(world.days)
        fixed = {"symbol": [symbol] * count, "name": [name] * count, "source": [SOURCE] * count}
        days = np.array(world.days, dtype="datetime64[D]")
        prices = index_bars(world.bars, members, base)
        parts.append({**prices, **fixed, "trade_date": days, "volume": volume})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _hk_daily(world: _World) -> dict[str, Any]:
    bars, count = world.hong_kong, len(world.hong_kong_days)
    prices = {name: getattr(bars, name).T.ravel() / 1000 for name in PRICE_COLUMNS}
    volume = bars.volume.T.ravel()
    return prices | {
        "symbol": np.repeat([symbol for symbol, _ in _hong_kong()], count),
        "name": np.repeat([name for _, name in _hong_kong()], count),
        "trade_date": np.tile(np.array(world.hong_kong_days, dtype="datetime64[D]"), HONG_KONG_COUNT),
        "pre_close": bars.reference.T.ravel() / 1000,
        "volume": volume,
        "amount": np.round((prices["open"] + prices["close"]) / 2 * volume, 2),
        "adj_factor": np.ones(len(volume)),
        "adjustment": ["raw"] * len(volume),
        "source": [SOURCE] * len(volume),
    }


def _minutes(world: _World, random: np.random.Generator) -> tuple[dict[str, Any], dict[tuple[int, int], int]]:
    """Return minutes of the first shares that traded to the end, and each of their days' amount in cents."""
    recent = range(len(world.days) - MINUTE_DAYS, len(world.days))
    chosen = [column for column in range(len(world.shares)) if world.bars.live[recent, column].all()][:MINUTE_SHARES]
    parts: list[dict[str, Any]] = []
    turnover: dict[tuple[int, int], int] = {}
    for column in chosen:
        for day in recent:
            bar = tuple(int(getattr(world.bars, name)[day, column]) for name in (*PRICE_COLUMNS, "volume"))
            drawn = split_day(random, bar)  # type: ignore[arg-type]
            cents = (drawn["high"] + drawn["low"]) * drawn["volume"] // 2
            turnover[day, column] = int(cents.sum())
            prices = {name: drawn[name] / 100 for name in PRICE_COLUMNS}
            symbol = [world.shares[column].symbol] * len(cents)
            when = minute_ends(world.days[day])
            parts.append(
                {**prices, "volume": drawn["volume"], "amount": cents / 100, "symbol": symbol, "bar_end": when}
            )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    count = len(joined["symbol"])
    return joined | {"frequency": ["1m"] * count, "source": [SOURCE] * count}, turnover


def _actions(world: _World) -> dict[str, Any]:
    bars = world.bars
    days, columns = np.nonzero(bars.cash)
    zeros = np.zeros(len(days))
    return {
        "symbol": np.array([share.symbol for share in world.shares])[columns],
        "ex_date": np.array(world.days, dtype="datetime64[D]")[days],
        "cash_per_share": bars.cash[days, columns] / 100,
        "bonus_per_share": bars.bonus[days, columns] / 10,
        "rights_per_share": zeros,
        "rights_price": zeros,
        "source": [SOURCE] * len(days),
    }


def _instruments(world: _World) -> list[dict[str, Any]]:
    mainland = [
        {
            "symbol": share.symbol,
            "name": _spells(share, len(world.days))[-1][2],
            "board": share.board.value,
            "kind": "stock",
            "list_date": list_date(share, world.days, world.calendar),
            "delist_date": world.days[share.removed] if share.removed else None,
            "industry": share.name[2:4],
        }
        for share in world.shares
    ]
    indices = [{"symbol": symbol, "name": name, "kind": "index"} for symbol, name, *_ in INDICES]
    abroad = [
        {"symbol": symbol, "name": name, "kind": "stock", "board": Board.HK_MAIN.value} for symbol, name in _hong_kong()
    ]
    empty: dict[str, Any] = dict.fromkeys(("board", "list_date", "delist_date", "industry"))
    everything: list[dict[str, Any]] = [*mainland, *indices, *abroad]
    return [empty | _listing(row["symbol"]) | row for row in everything]


def _listing(symbol: str) -> dict[str, str]:
    exchange = Exchange(symbol.partition(".")[2])
    return {"exchange": exchange.value, "currency": exchange.currency, "source": SOURCE}


def _hong_kong() -> Sequence[tuple[str, str]]:
    return [(f"{9011 + 11 * place:05d}.HK", name) for place, name in enumerate(invented_names()[-HONG_KONG_COUNT:])]


def _code_changes(world: _World) -> list[dict[str, Any]]:
    older = [share.symbol for share in world.shares if share.board is Board.BSE and share.listed < 0][:CODES_CHANGED]
    return [
        {
            "old_symbol": f"83{8011 + 7 * place}.BJ",
            "new_symbol": symbol,
            "effective_date": CODE_CHANGE_DAY,
            "source": SOURCE,
        }
        for place, symbol in enumerate(older)
    ]


def _names(world: _World) -> list[dict[str, Any]]:
    return [
        _spell(share.symbol, (first, last), world, name)
        for share in world.shares
        for first, last, name in _spells(share, len(world.days))
    ]


def _st(world: _World) -> list[dict[str, Any]]:
    return [
        _spell(share.symbol, (first, last), world, "ST")
        for share in world.shares
        for first, last, name in _spells(share, len(world.days))
        if "ST" in name
    ]


def _suspensions(world: _World) -> list[dict[str, Any]]:
    return [
        _spell(share.symbol, (first, last), world, "simulated halt") | {"days": last - first}
        for share in world.shares
        for first, last in _merged(share.halts)
    ]


def _merged(halts: Sequence[range]) -> list[tuple[int, int]]:
    """Join halts that overlap or touch."""
    joined: list[tuple[int, int]] = []
    for halt in sorted(halts, key=lambda one: one.start):
        if joined and halt.start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], halt.stop))
        else:
            joined.append((halt.start, halt.stop))
    return joined


def _spell(symbol: str, span: tuple[int, int], world: _World, value: str) -> dict[str, Any]:
    """Make a spell of days [first, last); open at its end when it reaches the last simulated day."""
    last = None if span[1] >= len(world.days) else world.days[span[1] - 1]
    return {"symbol": symbol, "first_date": world.days[span[0]], "last_date": last, "value": value, "source": SOURCE}


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {key: [row[key] for row in rows] for key in rows[0]}


def _table(name: str, columns: Mapping[str, Any]) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - heavy; loaded on first use

    schema = dataset(name).schema()
    return pa.table({key: pa.array(values, type=schema.field(key).type) for key, values in columns.items()})
