"""Twenty real stocks of all boards, some of them troubled, and their corporate actions."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq

from core.market.model import CorporateAction

STOCKS = (
    "600519.SH", "000001.SZ", "600036.SH", "000002.SZ", "300059.SZ", "300015.SZ", "688008.SH", "688981.SH", "600401.SH",
    "000504.SZ", "002336.SZ", "601318.SH", "000858.SZ", "002415.SZ", "600000.SH", "601398.SH", "300433.SZ", "300014.SZ",
    "600276.SH", "430047.BJ",
)  # fmt: skip
RATIOS = ("cash_per_share", "bonus_per_share", "rights_per_share", "rights_price")


def actions_of(shared_data: Path, symbol: str) -> list[CorporateAction]:
    rows = pq.read_table(shared_data / "dividends.parquet", filters=[("symbol", "==", symbol)]).to_pylist()
    return [
        CorporateAction(
            symbol=symbol, ex_date=row["ex_date"], **{name: Decimal(str(row[name] or 0)) for name in RATIOS}
        )
        for row in rows
        if row["ex_date"] >= date(2015, 1, 1)
    ]


def listed_of(shared_data: Path, symbol: str) -> date | None:
    rows = pq.read_table(shared_data / "security_master.parquet", filters=[("symbol", "==", symbol)]).to_pylist()
    found: date | None = rows[0]["list_date"] if rows else None
    return found
