"""Filters: what each operator finds, and what is refused. Pure but for the small market they read."""

from collections.abc import Callable

import pytest

from core.catalog.assets import MARKET_TABLES
from core.catalog.filters import FilterSlot
from core.catalog.reader import AssetReader, ReadRows
from core.catalog.requests import DataRequest, read_plan
from core.catalog.selection import page_query
from core.catalog.tables import TeamTables
from core.errors import ArgumentsInvalid, FieldFault
from core.market.bar_store import MarketStore, TableChange
from tests.support.small_market import ALPHA, IMPORTED, dataset_tables

Read = Callable[..., ReadRows]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("operators")
    store = MarketStore(folder / "market")
    changes = {name: TableChange(table) for name, table in dataset_tables().items()}
    store.commit(changes, imported_at=IMPORTED)
    reader = AssetReader(store, TeamTables(folder))
    asset = MARKET_TABLES[1].asset

    def run(**request: object) -> ReadRows:
        return reader.page(asset, ALPHA, read_plan(asset, DataRequest(**request)))

    return run


def where(column: object, value: object, operator: str | None = "eq", suffix: str = "") -> FilterSlot:
    return FilterSlot(column=column, value=value, operator=operator, suffix=suffix)


ALL_DAYS = where("day_id", "20240101", "gte", "2")


def fault(read: Read, **request: object) -> FieldFault:
    with pytest.raises(ArgumentsInvalid) as caught:
        read(**request)
    assert len(caught.value.faults) == 1, caught.value.message
    return caught.value.faults[0]


@pytest.mark.parametrize(
    ("operator", "value", "closes"),
    [
        ("eq", "1710.5", [1710.5]),
        ("eq", 1720, [1720.0]),
        ("ne", "1700", [10.5, 10.7, 10.9, 1710.5, 1720, 33.3, 3400.25, 3410.5, 3420]),
        ("gt", "3410.5", [3420]),
        ("gte", "3410.5", [3410.5, 3420]),
        ("lt", "10.7", [10.5]),
        ("lte", "10.7", [10.5, 10.7]),
        ("in", "10.5,33.3", [10.5, 33.3]),
        ("in", '["10.5", 33.3]', [10.5, 33.3]),
        ("in", [33], []),
        ("not_in", "10.5,10.7,10.9,3400.25,3410.5,3420", [1700, 1710.5, 1720, 33.3]),
        ("between", "10.7,33.3", [10.7, 10.9, 33.3]),
        ("between", ["10.7", "10.7"], [10.7]),
    ],
)
def test_operators_on_numbers(read, operator, value, closes):
    page = read(first=where("CLOSE_PRICE", value, operator), second=ALL_DAYS)
    assert sorted(row["CLOSE_PRICE"] for row in page.rows) == sorted(closes)
    assert page.total == len(closes)


@pytest.mark.parametrize(
    ("column", "operator", "value", "count"),
    [
        ("STOCK_NUM", "contains", "9", 4),
        ("STOCK_NUM", "like", "0519", 3),
        ("STOCK_NAME", "contains", "茅台", 3),
        ("STOCK_NUM", "in", "000878,600519", 6),
        ("STOCK_NUM", "in", ["000878", "1B0300"], 6),
        ("STOCK_NUM", "not_in", "000878,600519", 4),
        ("STOCK_NUM", "gte", "600519", 4),
        ("STOCK_NAME", "ne", "贵州茅台", 7),
        ("STOCK_NAME", "not_in", "贵州茅台", 7),
        ("stock_num", "eq", "600519", 3),
    ],
)
def test_operators_on_text(read, column, operator, value, count):
    page = read(first=where(column, value, operator), second=ALL_DAYS)
    assert page.total == count


@pytest.mark.parametrize(
    ("operator", "value", "days"),
    [
        ("eq", "20240103", {"20240103"}),
        ("eq", "2024-01-03", {"20240103"}),
        ("gt", "20240104", {"20240105"}),
        ("gte", "20240104", {"20240104", "20240105"}),
        ("lt", "20240103", {"20240102"}),
        ("lte", "20240103", {"20240102", "20240103"}),
        ("between", "20240103,20240104", {"20240103", "20240104"}),
        ("in", "20240102,20240105", {"20240102", "20240105"}),
        ("ne", "20240103", {"20240102", "20240104", "20240105"}),
        ("contains", "0105", {"20240105"}),
    ],
)
def test_operators_on_days(read, operator, value, days):
    page = read(first=where("day_id", value, operator))
    assert {row["day_id"] for row in page.rows} == days


def test_unknown_column_and_operator_are_refused_with_the_nearest(read):
    column = fault(read, first=where("CLOSE", "1"))
    assert (column.path, column.suggestion) == ("filterColumn", "CLOSE_PRICE")
    operator = fault(read, second=where("CLOSE_PRICE", "1", ">=", "2"))
    assert (operator.path, operator.got, operator.suggestion) == ("filterOp2", ">=", "gte")
    order = fault(read, order_by="Volume_")
    assert (order.path, order.suggestion) == ("orderBy", "VOLUME")


def test_every_fault_is_listed(read):
    with pytest.raises(ArgumentsInvalid) as caught:
        read(
            page=0,
            size=0,
            first=where("nothing", None, "equals"),
            second=where("CLOSE_PRICE", "abc", "eq", "2"),
            order_by="x",
            order_direction="down",
        )
    assert [item.path for item in caught.value.faults] == [
        "page",
        "size",
        "filterColumn",
        "filterOp",
        "filterValue",
        "filterValue2",
        "orderBy",
        "orderDirection",
    ]


@pytest.mark.parametrize(
    ("column", "operator", "value", "suggestion"),
    [
        ("STOCK_NUM", "eq", "878", "000878"),
        ("STOCK_NUM", "in", "878,600519", "000878"),
        ("STOCK_NUM", "eq", 878, "000878"),
        ("STOCK_NUM", "in", [600519], "600519"),
        ("STOCK_NUM", "eq", "600519.SH", "600519"),
        ("STOCK_NUM", "eq", "sh600519", "600519"),
        ("STOCK_NUM", "eq", "600519,000878", "in"),
        ("STOCK_NUM", "eq", ["600519", "000878"], "in"),
        ("STOCK_NAME", "eq", 5, '"5"'),
        ("STOCK_NAME", "like", "%茅台%", "茅台"),
        ("day_id", "eq", 20240103, "20240103"),
        ("day_id", "eq", "20241301", ""),
        ("day_id", "eq", "January", ""),
        ("CLOSE_PRICE", "contains", "10", "eq"),
        ("CLOSE_PRICE", "eq", "ten", ""),
        ("CLOSE_PRICE", "eq", "NaN", ""),
        ("CLOSE_PRICE", "eq", "1e999", ""),
        ("CLOSE_PRICE", "eq", True, ""),
        ("CLOSE_PRICE", "between", "5", ""),
        ("CLOSE_PRICE", "between", "1,2,3", ""),
        ("CLOSE_PRICE", "between", "5,1", "1,5"),
        ("CLOSE_PRICE", "between", ["1", 5], ""),
        ("CLOSE_PRICE", "in", "[1, 2", ""),
        ("CLOSE_PRICE", "in", '["a", {}]', ""),
        ("CLOSE_PRICE", "in", ",", ""),
        ("CLOSE_PRICE", "in", [1] * 1001, ""),
        ("IS_ST", "gt", "true", ""),
        ("IS_ST", "eq", "yes", ""),
    ],
)
def test_values_that_cannot_be_meant_are_refused(read, column, operator, value, suggestion):
    refused = fault(read, first=where(column, value, operator))
    assert (refused.path, refused.suggestion) == ("filterValue", suggestion)


def test_half_a_filter_is_refused(read):
    assert (fault(read, first=FilterSlot(column="STOCK_NUM"))).path == "filterValue"
    assert (fault(read, first=FilterSlot(value="x"))).path == "filterColumn"
    with pytest.raises(ArgumentsInvalid):
        read(first=FilterSlot(operator="eq"))
    assert (fault(read, order_direction="desc")).path == "orderDirection"


def test_shortcuts_skip_but_never_decide(read: Read) -> None:
    """The same rows come back with and without the conditions on hidden columns."""
    table = MARKET_TABLES[1]
    plan = read_plan(
        table.asset, DataRequest(first=where("STOCK_NUM", "000878,1B0300", "in"), second=ALL_DAYS, order_by="VOLUME")
    )
    assert (
        "_symbol" in page_query(table.asset, table.sql(), plan, table).sql.partition("WHERE")[2].rpartition("WHERE")[2]
    )
    assert "_symbol IN" not in page_query(table.asset, table.sql(), plan, None).sql
    assert set(table.candidate_symbols("1B0300")) >= {"000300.SH"}
    assert set(table.candidate_symbols("000878")) >= {"000878.SZ", "000878.SH", "000878.BJ"}
