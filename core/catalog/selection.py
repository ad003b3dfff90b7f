"""Writes the SQL of a data read: rows of a relation, filtered, ordered, one page of them.

Every filter is written once, over the columns callers see; that alone decides which rows come back. For the desk's own
assets conditions on hidden columns are added that follow from the filters and let the store skip most of its file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.catalog.assets import DAY, SYMBOL, MarketTable
from core.catalog.filters import Filter, Operator
from core.catalog.model import Asset, ColumnRole

COMPARISONS: Final = {
    Operator.EQ: "{c} = ?",
    Operator.NE: "{c} IS DISTINCT FROM ?",
    Operator.GT: "{c} > ?",
    Operator.GTE: "{c} >= ?",
    Operator.LT: "{c} < ?",
    Operator.LTE: "{c} <= ?",
    Operator.LIKE: "contains({c}, ?)",
    Operator.CONTAINS: "contains({c}, ?)",
    Operator.BETWEEN: "{c} BETWEEN ? AND ?",
}
DAY_BOUNDS: Final = {
    Operator.EQ: f"{DAY} = ?",
    Operator.GT: f"{DAY} > ?",
    Operator.GTE: f"{DAY} >= ?",
    Operator.LT: f"{DAY} < ?",
    Operator.LTE: f"{DAY} <= ?",
    Operator.BETWEEN: f"{DAY} BETWEEN ? AND ?",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL that is true for a wanted row, and its parameters."""

    sql: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to read: all filters hold at once; rows come in `order_by`, ties and no order by the key columns."""

    filters: tuple[Filter, ...] = ()
    order_by: str | None = None
    descending: bool = False
    offset: int = 0
    limit: int = 0


def page_query(asset: Asset, relation: str, plan: Plan, table: MarketTable | None) -> Condition:
    """Write the query of one page. `relation` is the SQL of all rows; `table` describes it where it is the desk's."""
    where = _where(plan.filters, table)
    columns = ", ".join(_quoted(column.name) for column in asset.columns)
    sql = f"SELECT {columns} FROM ({relation}){where.sql} ORDER BY {_order(asset, plan)} LIMIT ? OFFSET ?"
    return Condition(sql, (*where.values, plan.limit, plan.offset))


def count_query(relation: str, plan: Plan, table: MarketTable | None) -> Condition:
    """Write the query that counts the rows of all pages."""
    where = _where(plan.filters, table)
    return Condition(f"SELECT count(*) AS total FROM ({relation}){where.sql}", where.values)


def _where(filters: Sequence[Filter], table: MarketTable | None) -> Condition:
    conditions = [_comparison(item) for item in filters]
    if table is not None:
        conditions += [found for item in filters if (found := _shortcut(item, table)) is not None]
    sql = " AND ".join(condition.sql for condition in conditions)
    values = tuple(value for condition in conditions for value in condition.values)
    return Condition(f" WHERE {sql}" if sql else "", values)


def _comparison(item: Filter) -> Condition:
    column = _quoted(item.column.name)
    places = ", ".join("?" * len(item.values))
    match item.operator:
        case Operator.IN:
            return Condition(f"{column} IN ({places})", item.values)
        case Operator.NOT_IN:
            return Condition(f"NOT coalesce({column} IN ({places}), false)", item.values)
        case operator:
            return Condition(COMPARISONS[operator].format(c=column), item.values)


def _shortcut(item: Filter, table: MarketTable) -> Condition | None:
    """Return a condition on a hidden column that every wanted row meets, or None."""
    if item.column.role is ColumnRole.CODE and item.operator in {Operator.EQ, Operator.IN}:
        symbols = sorted({symbol for code in item.values for symbol in table.candidate_symbols(str(code))})
        places = ", ".join("?" * len(symbols))
        return Condition(f"{SYMBOL} BETWEEN ? AND ? AND {SYMBOL} IN ({places})", (symbols[0], symbols[-1], *symbols))
    is_day = item.column.role is ColumnRole.DAY and table.sources[item.column.name] == "day"
    if is_day and item.operator in DAY_BOUNDS:
        days = (datetime.strptime(str(value), "%Y%m%d").date() for value in item.values)  # noqa: DTZ007 - a day
        return Condition(DAY_BOUNDS[item.operator], tuple(days))
    return None


def _order(asset: Asset, plan: Plan) -> str:
    terms = [f"{_quoted(plan.order_by)} {'DESC' if plan.descending else 'ASC'} NULLS LAST"] if plan.order_by else []
    return ", ".join([*terms, *(f"{_quoted(name)} NULLS LAST" for name in asset.key_columns if name != plan.order_by)])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
