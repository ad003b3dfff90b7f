"""Small tables of daily bars for tests."""

from datetime import date

import pyarrow as pa


def daily_table(*rows: tuple[str, str, float]) -> pa.Table:
    """Bars of symbol, day and close; open, high, low and reference price equal the close."""
    close = [row[2] for row in rows]
    return pa.table(
        {
            "symbol": pa.array([row[0] for row in rows], pa.string()),
            "trade_date": pa.array([date.fromisoformat(row[1]) for row in rows], pa.date32()),
            **{name: pa.array(close, pa.float64()) for name in ("open", "high", "low", "close", "pre_close")},
            "volume": pa.array([1000] * len(rows), pa.int64()),
            "amount": pa.array([1000.0 * price for price in close], pa.float64()),
            "adj_factor": pa.array([1.0] * len(rows), pa.float64()),
            "is_st": pa.array([False] * len(rows), pa.bool_()),
            "source": pa.array(["test"] * len(rows), pa.string()),
        }
    )
