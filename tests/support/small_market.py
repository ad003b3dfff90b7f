"""A market small enough to know by heart, and two callers of different teams."""

from datetime import UTC, date, datetime

import pyarrow as pa

from core.access.model import Caller, CallerKind
from core.market.manifest import Source

ALPHA = Caller(
    kind=CallerKind.TOKEN, user_id=11, username="anna", team_id=1, team_name="alpha", token_id=1, scopes=frozenset()
)
BETA = Caller(
    kind=CallerKind.TOKEN, user_id=22, username="ben", team_id=2, team_name="beta", token_id=2, scopes=frozenset()
)
ANONYMOUS = Caller(kind=CallerKind.ANONYMOUS)
IMPORTED = datetime(2024, 1, 5, 8, tzinfo=UTC)


def bars(rows: list[tuple]) -> pa.Table:
    """Rows of symbol, day of January 2024, close, volume."""
    closes = [float(row[2]) for row in rows]
    return pa.table(
        {
            "symbol": [row[0] for row in rows],
            "trade_date": [date(2024, 1, row[1]) for row in rows],
            "open": closes,
            "high": [close + 1 for close in closes],
            "low": [close - 1 for close in closes],
            "close": closes,
            "volume": pa.array([row[3] for row in rows], pa.int64()),
            "source": ["test"] * len(rows),
        }
    )


DAILY = [
    ("000878.SZ", 2, "10.5", 100),
    ("000878.SZ", 3, "10.7", 200),
    ("000878.SZ", 4, "10.9", 300),
    ("600519.SH", 2, "1700", 400),
    ("600519.SH", 3, "1710.5", 500),
    ("600519.SH", 4, "1720", 600),
    ("920002.BJ", 4, "33.3", 700),
]
INDICES = [
    ("000016.SH", 4, "2400", 10),
    ("000300.SH", 3, "3400.25", 20),
    ("000300.SH", 4, "3410.5", 30),
    ("000300.SH", 5, "3420", 40),
]


def dataset_tables() -> dict[str, pa.Table]:
    daily = bars(DAILY).append_column("name", pa.array(["鞍钢股份"] * 3 + ["贵州茅台"] * 3 + ["万达轴承"]))
    minute = pa.table(
        {
            "symbol": ["000300.SH", "00700.HK", "600519.SH"],
            "frequency": ["1m", "1m", "5m"],
            "bar_end": [
                datetime.fromisoformat("2024-01-04T09:31"),
                datetime.fromisoformat("2024-01-04T09:31"),
                datetime.fromisoformat("2024-01-04T15:00"),
            ],
            "open": [1.0, 2.0, 3.0],
            "high": [1.0, 2.0, 3.0],
            "low": [1.0, 2.0, 3.0],
            "close": [1.0, 2.0, 3.0],
            "source": ["test"] * 3,
        }
    )
    actions = pa.table(
        {
            "symbol": ["600519.SH"],
            "ex_date": [date(2023, 6, 30)],
            "cash_per_share": [25.911],
            "bonus_per_share": [0.0],
            "rights_per_share": [0.0],
            "rights_price": [0.0],
        }
    )
    return {"daily": daily, "index_daily": bars(INDICES), "minute": minute, "actions": actions}


def source() -> Source:
    return Source(name="made.csv", sha256="0" * 64, rows=7, adjustment="raw", imported_at=IMPORTED.isoformat())
