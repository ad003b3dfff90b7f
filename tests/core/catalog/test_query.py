"""Users' SQL: what it can compute, and that it can reach nothing else."""

import contextlib
from pathlib import Path

import pyarrow as pa
import pytest

from core.catalog.problems import QueryFailed, QueryRefused, QueryTooExpensive
from core.catalog.query import Caps, Relation, UserQueries

SECRET = Path("/etc/passwd")
python_variable = pa.table({"secret": [1]})


def relation(name: str, table: pa.Table) -> Relation:
    return Relation(f'SELECT *, 0 AS _hidden FROM "_source_{name}"', {f"_source_{name}": lambda: table})


READABLE = {
    "prices": relation("prices", pa.table({"code": ["000878", "600519", "600519"], "close": [10.5, 1700.0, 1710.0]})),
    "names": relation("names", pa.table({"code": ["600519"], "name": ["贵州茅台"]})),
    "never_opened": Relation("SELECT * FROM _broken", {"_broken": lambda: 1 / 0}),
}


@pytest.fixture(scope="module")
def queries() -> UserQueries:
    return UserQueries(Caps(seconds=30, megabytes=64, rows=100))


@pytest.fixture(scope="module")
def hurried() -> UserQueries:
    return UserQueries(Caps(seconds=0.3, megabytes=64, rows=100))


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT max(close) AS x FROM prices", [{"x": 1710.0}]),
        ("select PRICES.close x from Prices where code = '000878' ;", [{"x": 10.5}]),
        ("FROM names SELECT name", [{"name": "贵州茅台"}]),
        ("SELECT name, count(*) n FROM prices JOIN names USING (code) GROUP BY ALL", [{"name": "贵州茅台", "n": 2}]),
        ("WITH names AS (SELECT 1 AS a) SELECT a FROM names -- comment", [{"a": 1}]),
        ("SELECT sum(range) AS x FROM range(5)", [{"x": 10}]),
        ("SELECT 1 AS x UNION ALL SELECT 2 ORDER BY x DESC", [{"x": 2}, {"x": 1}]),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) AS x FROM n",
            [{"x": 6}],
        ),
        ("SELECT * FROM prices LIMIT 1", [{"code": "000878", "close": 10.5}]),
        ("SELECT close - lag(close) OVER (ORDER BY close) AS x FROM prices QUALIFY x > 1000", [{"x": 1689.5}]),
    ],
)
def test_one_select_over_readable_relations(queries: UserQueries, sql: str, rows: list[dict[str, object]]) -> None:
    assert queries.run(sql, READABLE).to_pylist() == rows


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM read_csv('{SECRET}')",
        f"SELECT * FROM read_text('{SECRET}')",
        f"SELECT * FROM read_blob('{SECRET}')",
        f"SELECT * FROM '{SECRET}'",
        "SELECT * FROM 'secrets.parquet'",
        f"SELECT (SELECT content FROM read_text('{SECRET}'))",
        f"WITH a AS (SELECT * FROM read_text('{SECRET}')) SELECT * FROM a",
        f"SELECT 1 WHERE EXISTS (FROM system.main.read_text('{SECRET}'))",
        "SELECT * FROM glob('/*')",
        f"COPY (SELECT 1) TO '{SECRET}.copy'",
        f"COPY prices FROM '{SECRET}'",
        "ATTACH '/tmp/other.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "PRAGMA enable_external_access=true",
        "SET enable_external_access=true",
        "SET lock_configuration=false",
        "RESET memory_limit",
        "CALL pragma_version()",
        "CREATE TABLE t AS SELECT 1",
        "CREATE MACRO f() AS 1",
        "INSERT INTO prices VALUES ('x', 1)",
        "DROP VIEW prices",
        "EXPORT DATABASE '/tmp/x'",
        "EXPLAIN SELECT 1",
        "PREPARE p AS SELECT 1",
        "BEGIN",
        "SHOW TABLES",
        "DESCRIBE prices",
        "SUMMARIZE prices",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP VIEW prices",
        "",
        "-- nothing",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_views",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table(['_source_prices'])",
        "SELECT * FROM _source_prices",
        "SELECT * FROM memory.main.prices",
        "SELECT * FROM main.prices",
        "SELECT * FROM other_teams_table",
        "SELECT * FROM python_variable",
        "SELECT * FROM READABLE",
        "SELECT current_setting('temp_directory')",
        "SELECT getenv('HOME')",
        "SELECT length(repeat('x', 900000000))",
        "SELECT version()",
        "WITH x AS (SELECT 1) SELECT * FROM (WITH y AS (SELECT 1) SELECT * FROM x) JOIN y ON true",
    ],
)
def test_everything_else_is_refused_before_it_runs(queries: UserQueries, sql: str) -> None:
    with pytest.raises(QueryRefused):
        queries.run(sql, READABLE)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 400 + "1" + ")" * 400,
        "SELECT 1" + " + 1" * 900,
        "SELECT " + "-" * 1 + "(-" * 900 + "1" + ")" * 900,
    ],
)
def test_depth_is_no_way_to_crash(queries: UserQueries, sql: str) -> None:
    with contextlib.suppress(QueryRefused, QueryFailed):
        assert queries.run(sql, READABLE).num_rows == 1


def test_refusal_names_close_assets_but_no_others(queries: UserQueries) -> None:
    with pytest.raises(QueryRefused) as caught:
        queries.run("SELECT * FROM price", READABLE)
    assert caught.value.extras() == {"did_you_mean": ["prices"]}
    assert caught.value.message == "There is no asset price that you may read."


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT nothing FROM prices",
        "SELEC 1",
        "SELECT CAST(code AS DATE) FROM prices",
        "SELECT _hidden FROM prices",
        "SELECT no_such_function(1)",
    ],
)
def test_mistakes_are_explained_in_one_line(queries: UserQueries, sql: str) -> None:
    with pytest.raises(QueryFailed) as caught:
        queries.run(sql, READABLE)
    assert caught.value.code == "query_failed"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = -1",
        "WITH RECURSIVE t AS (SELECT 1 AS i UNION ALL SELECT i % 1000 FROM t) SELECT count(*) FROM t",
        "SELECT count(*) FROM prices, range(100000000) c, range(1000000) d WHERE sin(c.range + d.range) > 2",
    ],
)
def test_endless_work_is_interrupted(hurried: UserQueries, sql: str) -> None:
    with pytest.raises(QueryTooExpensive):
        hurried.run(sql, READABLE)
    assert hurried.run("SELECT 1 AS x", READABLE).to_pylist() == [{"x": 1}]


def test_memory_and_rows_are_capped() -> None:
    queries = UserQueries(Caps(seconds=20, megabytes=20, rows=100))
    with pytest.raises(QueryTooExpensive) as caught:
        queries.run("SELECT array_agg(hash(range)) FROM range(50000000)", READABLE)
    assert caught.value.message == "The query was stopped: it needs more than 20 MB"
    with pytest.raises(QueryTooExpensive) as caught:
        queries.run("SELECT * FROM range(101)", READABLE)
    assert "more than 100 rows" in caught.value.message
    assert queries.run("SELECT * FROM range(100)", READABLE).num_rows == 100
    with pytest.raises(QueryRefused):
        queries.run("SELECT 1 " + " " * 20_000, READABLE)


def test_only_named_relations_are_opened(queries: UserQueries) -> None:
    assert queries.run("SELECT count(*) AS n FROM prices", READABLE).to_pylist() == [{"n": 3}]
    with pytest.raises(ZeroDivisionError):
        queries.run("SELECT * FROM never_opened", READABLE)
