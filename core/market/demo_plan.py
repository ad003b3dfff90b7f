"""The cast of the simulated market: which shares exist, when they are listed, halted, special or removed.

Nothing here is real. Names begin with 模拟 (simulated); codes lie in ranges that exist on their boards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.market.model import Board
from core.market.rules import ShareDay, delisting_period, limit_percents
from core.market.trading_calendar import TradingCalendar

FIRST_DAY: Final = date(2023, 11, 20)
LAST_DAY: Final = date(2026, 11, 19)
WORDS: Final = (
    "银行证券保险酒业医药生物器械电子芯片软件通信传媒电力煤业石化"
    "钢铁铜业铝业化工建材水泥地产建工机械汽车电池光伏航空港口食品"
)
"""Thirty trades of two characters each."""
STEMS: Final = "甲乙丙丁戊己庚辛壬癸"
MAINLAND: Final = (
    (Board.MAIN, "SH", 600_011, 13, 90),
    (Board.MAIN, "SZ", 2_011, 7, 80),
    (Board.CHINEXT, "SZ", 300_011, 9, 60),
    (Board.STAR, "SH", 688_011, 11, 40),
    (Board.BSE, "BJ", 920_011, 9, 22),
)
"""Board, exchange, first code, step between codes, number of shares."""
OLDEST: Final = {Board.MAIN: 6000, Board.CHINEXT: 5000, Board.STAR: 1500, Board.BSE: 700}
"""Calendar days before the first simulated day, at most, that a share of a board was listed: no board is older."""
HONG_KONG_COUNT: Final = 8
NEW_LISTINGS: Final = 14
ST_SHARES: Final = 10
HALTED_SHARES: Final = 24
CODES_CHANGED: Final = 12
CODE_CHANGE_DAY: Final = date(2025, 10, 9)


@dataclass(frozen=True, slots=True)
class Share:
    """One invented share; days are indices into the simulated days. `listed` is negative for older listings."""

    symbol: str
    name: str
    board: Board
    listed: int
    removed: int | None
    st: range
    halts: tuple[range, ...]

    def leaving(self) -> range:
        """Return the days of its delisting period."""
        if self.removed is None:
            return range(0)
        return range(self.removed - delisting_period(LAST_DAY).days, self.removed)


def invented_names() -> list[str]:
    """Return 300 different names."""
    words = [WORDS[place : place + 2] for place in range(0, len(WORDS), 2)]
    return [f"模拟{word}{stem}" for stem in STEMS for word in words]


def cast(random: np.random.Generator, days: int) -> list[Share]:
    """Choose the mainland shares: ten with an ST spell, 14 new listings, 24 with halts, one that is removed."""
    identities = list(_identities())
    mains = [place for place, (_, board) in enumerate(identities) if board is Board.MAIN]
    special = set(random.choice(mains, ST_SHARES, replace=False).tolist())
    removed = min(special)
    others = [place for place in range(len(identities)) if place not in special]
    fresh = random.choice(others, NEW_LISTINGS, replace=False).tolist()
    halted = set(random.choice(others, HALTED_SHARES, replace=False).tolist()) - set(fresh)
    names = invented_names()
    shares = []
    for place, (symbol, board) in enumerate(identities):
        leaves = days - 60 if place == removed else None
        starts = int(random.integers(60, days - 300))
        ends = leaves or (days if place == max(special) else starts + int(random.integers(60, 240)))
        halts = (_halt(random, days), _halt(random, days)) if place in halted else ()
        listed = int(random.integers(40, days - 60)) if place in fresh else -int(random.integers(250, OLDEST[board]))
        st = range(starts, ends) if place in special else range(0)
        shares.append(Share(symbol, names[place], board, listed, leaves, st, halts))
    return shares


def limit_table(shares: list[Share], days: list[date]) -> NDArray[np.int64]:
    """Return the limit of each day and share in percent of the reference price, from the rule table; 0 is none."""
    table = np.zeros((len(days), len(shares)), dtype=np.int64)
    for board in dict.fromkeys(share.board for share in shares):
        columns = [place for place, share in enumerate(shares) if share.board is board]
        table[:, columns] = np.array([[_percent(ShareDay(board=board, day=day))] for day in days])
    for column, share in enumerate(shares):
        for row, state in _special_days(share, days):
            table[row, column] = _percent(state)
    return table


def list_date(share: Share, days: list[date], calendar: TradingCalendar) -> date:
    """Return a share's listing day; older ones are counted back by calendar days."""
    return days[share.listed] if share.listed >= 0 else calendar.shift(days[0] + timedelta(days=share.listed), 0)


def _identities() -> Iterator[tuple[str, Board]]:
    for board, exchange, first, step, count in MAINLAND:
        for place in range(count):
            yield f"{first + step * place:06d}.{exchange}", board


def _halt(random: np.random.Generator, days: int) -> range:
    first = int(random.integers(20, days - 40))
    return range(first, first + int(random.integers(1, 25)))


def _special_days(share: Share, days: list[date]) -> Iterator[tuple[int, ShareDay]]:
    """Yield the days on which a share's limit may differ from its board's."""
    for row in share.st:
        yield row, ShareDay(board=share.board, day=days[row], is_st=True)
    for nth, row in enumerate(share.leaving(), start=1):
        decided = days[share.leaving().start]
        yield row, ShareDay(board=share.board, day=days[row], delisting_day=nth, delisting_decided=decided)
    if share.listed >= 0:
        for nth, row in enumerate(range(share.listed, share.listed + 5), start=1):
            listed = days[share.listed]
            yield row, ShareDay(board=share.board, day=days[row], list_date=listed, listed_days=nth)


def _percent(state: ShareDay) -> int:
    found = limit_percents(state)
    return found.up if found else 0
