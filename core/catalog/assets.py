"""The desk's own assets: views over the market store under the names and columns that clients know.

Each asset is described by a table: which datasets its rows come from and which column of them becomes which column of
the asset. The SQL is made from the description, here only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from core.catalog.index_codes import CODE_TO_SYMBOL, INDEX_CODES
from core.catalog.model import Asset, AssetColumn, ColumnKind, ColumnRole, Sensitivity
from core.market.datasets import DATASETS
from core.market.manifest import Manifest
from core.market.service_minutes import MINUTE_BARS

TEXT, INTEGER, NUMBER, BOOLEAN = ColumnKind.TEXT, ColumnKind.INTEGER, ColumnKind.NUMBER, ColumnKind.BOOLEAN
SQL_TYPES: Final = {TEXT: "VARCHAR", INTEGER: "BIGINT", NUMBER: "DOUBLE", BOOLEAN: "BOOLEAN"}
OWNER: Final = "desk"
SYMBOL: Final = "_symbol"
DAY: Final = "_day"
"""The two hidden columns let a read skip what it cannot need; callers cannot name them."""

CODE_SQL: Final = (
    "CASE symbol " + " ".join(f"WHEN '{row.symbol}' THEN '{row.code}'" for row in INDEX_CODES) + " ELSE {other} END"
)
"""The code of a row's symbol: an index by the table of codes, everything else by `other`."""

EXPRESSIONS: Final = {
    "day": "strftime({day}, '%Y%m%d')",
    "code": CODE_SQL.format(other="split_part(symbol, '.', 1)"),
    "index_code": CODE_SQL.format(other="symbol"),
    "market": "split_part(symbol, '.', 2)",
    "bar_time": "strftime(bar_end, '%Y-%m-%d %H:%M:%S')",
    "final": "is_final",
    "pay_day": "strftime(pay_date, '%Y%m%d')",
}
"""Columns that are computed; any other source names a column of the dataset."""

ROLES: Final = {"code": ColumnRole.CODE, "day": ColumnRole.DAY, "pay_day": ColumnRole.DAY}
"""What filters may check. Index codes are left alone: some are letters, some whole symbols."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one dataset that belong to an asset. `where` is SQL over the dataset's columns.

    `relation` is SQL to read instead of the dataset, where rows are worked out from it.
    """

    dataset: str
    where: str = "true"
    relation: str = ""

    @property
    def origin(self) -> str:
        """SQL to read from."""
        return f"({self.relation})" if self.relation else f'"{self.dataset}"'


@dataclass(frozen=True, slots=True)
class MarketTable:
    """How an asset is made: its parts, and for each of its columns an expression or a dataset column.

    `day` dates a row, as SQL. `suffixes` are the exchanges whose codes the asset holds.
    """

    asset: Asset
    parts: tuple[Part, ...]
    sources: Mapping[str, str]
    day: str
    suffixes: tuple[str, ...]

    def sql(self) -> str:
        """Write the query of the asset's rows, with the hidden columns behind its own."""
        return " UNION ALL ".join(self._part_sql(part) for part in self.parts)

    def candidate_symbols(self, code: str) -> list[str]:
        """Return every symbol whose rows can carry `code`: what a read of that code needs to look at."""
        known = [CODE_TO_SYMBOL[code]] if code in CODE_TO_SYMBOL else []
        return [*known, *(f"{code}.{suffix}" for suffix in self.suffixes), code]

    def current(self, manifest: Manifest) -> Asset:
        """Return the asset with what the market store knows about its rows now."""
        entries = [manifest.datasets[part.dataset] for part in self.parts if part.dataset in manifest.datasets]
        whole = all(part.where == "true" for part in self.parts)
        imported = [datetime.fromisoformat(source.imported_at) for entry in entries for source in entry.sources]
        newest = max(imported, default=None)
        simulated = "Simulated market: every figure is invented. " if any(entry.simulated for entry in entries) else ""
        return replace(
            self.asset,
            record_count=sum(entry.rows for entry in entries) if whole else None,
            last_updated=newest,
            schema_synced_at=newest,
            source_description=simulated + self.asset.source_description,
        )

    def _part_sql(self, part: Part) -> str:
        stored = DATASETS[part.dataset].columns
        columns = [
            f'{self._expression(self.sources[column.name], stored, column.kind)} AS "{column.name}"'
            for column in self.asset.columns
        ]
        hidden = [f"symbol AS {SYMBOL}", f"CAST({self.day} AS DATE) AS {DAY}"]
        return f"SELECT {', '.join(columns + hidden)} FROM {part.origin} WHERE {part.where}"

    def _expression(self, source: str, stored: Mapping[str, str], kind: ColumnKind) -> str:
        if source in EXPRESSIONS:
            return EXPRESSIONS[source].format(day=self.day)
        return f"CAST({source if source in stored else 'NULL'} AS {SQL_TYPES[kind]})"


def _columns(text: str, *, width: int) -> tuple[tuple[AssetColumn, ...], dict[str, str]]:
    """Read the compact notation of the table below: `NAME kind source`, separated by semicolons."""
    columns, sources = [], {}
    for entry in filter(None, map(str.strip, text.split(";"))):
        name, kind, source = entry.split()
        role = ROLES.get(source, ColumnRole.PLAIN)
        code_width = width if role is ColumnRole.CODE else 0
        columns.append(AssetColumn(name=name, kind=ColumnKind(kind), role=role, width=code_width))
        sources[name] = source
    return tuple(columns), sources


def _asset(  # noqa: PLR0913 - one row of the table below
    asset_id: int,
    name: str,
    columns: str,
    *,
    description: str,
    origin: str,
    parts: tuple[Part, ...],
    category: str,
    key: str = "day_id STOCK_NUM MARKET",
    day: str = "trade_date",
    suffixes: str = "SH SZ BJ",
    width: int = 6,
    partition: str | None = None,
) -> MarketTable:
    read, sources = _columns(columns, width=width)
    asset = Asset(
        asset_id=asset_id,
        asset_name=name,
        team_id=None,
        team_name=OWNER,
        asset_category=category,
        description=description,
        tags=("market", category),
        sensitivity=Sensitivity.PUBLIC,
        allow_subscription=True,
        columns=read,
        key_columns=tuple(key.split()),
        partition_column=partition,
        created_by=OWNER,
        source_description=origin,
    )
    return MarketTable(asset, parts, sources, day, tuple(suffixes.split()))


_PRICES = (
    "OPEN_PRICE number open; HIGH_PRICE number high; LOW_PRICE number low; CLOSE_PRICE number close; "
    "PRE_CLOSE_PRICE number pre_close; VOLUME integer volume; AMOUNT number amount"
)
_BARS = (
    "day_id text day; STOCK_NUM text code; MARKET text market; interval_type text frequency; bar_time text bar_time; "
    "OPEN_PRICE number open; HIGH_PRICE number high; LOW_PRICE number low; CLOSE_PRICE number close; "
    "VOLUME integer volume; AMOUNT number amount; is_final boolean final; source text source"
)
_STOCK_DAY_INDICES = ", ".join(f"'{row.symbol}'" for row in INDEX_CODES if row.in_stock_day)
_RAW = "Prices as traded, not adjusted; volumes in shares; amounts in the currency."
_MADE = "Longer bars that no source brought are made of 1-minute bars; is_final is false while minutes are missing."

MARKET_TABLES: Final[Mapping[int, MarketTable]] = {
    table.asset.asset_id: table
    for table in (
        _asset(
            1,
            "stock_day",
            f"day_id text day; STOCK_NUM text code; MARKET text market; STOCK_NAME text name; {_PRICES}; "
            "TURNOVER_PCT number turnover_pct; ADJ_FACTOR number adj_factor; IS_ST boolean is_st; source text source",
            description="A股及主要指数日线 | Daily bars of A shares and four indices.",
            origin=f"{_RAW} ADJ_FACTOR times a price is the backward adjusted price.",
            parts=(Part("daily"), Part("index_daily", f"symbol IN ({_STOCK_DAY_INDICES})")),
            category="daily",
            partition="day_id",
        ),
        _asset(
            2,
            "stock_day_hk",
            f"day_id text day; STOCK_NUM text code; MARKET text market; STOCK_NAME text name; {_PRICES}; "
            "ADJ_CLOSE_PRICE number adj_close; ADJUSTMENT text adjustment; source text source",
            description="港股日线 | Daily bars of Hong Kong shares, in HKD.",
            origin="ADJUSTMENT says how the source adjusted its prices; volumes in shares.",
            parts=(Part("hk_daily"),),
            category="daily",
            suffixes="HK",
            width=5,
        ),
        _asset(
            3,
            "stock_kline",
            _BARS,
            description="A股分钟线 | Minute bars of A shares and indices: 1, 5, 15, 30 and 60 minutes.",
            origin=f"{_RAW} bar_time is the end of the bar, China time. {_MADE}",
            parts=(Part("minute", "NOT ends_with(symbol, '.HK')", MINUTE_BARS),),
            category="minute",
            key="STOCK_NUM MARKET interval_type bar_time",
            day="bar_end",
        ),
        _asset(
            4,
            "stock_kline_hk",
            _BARS,
            description="港股分钟线 | Minute bars of Hong Kong shares.",
            origin=f"{_RAW} bar_time is the end of the bar, Hong Kong time. {_MADE}",
            parts=(Part("minute", "ends_with(symbol, '.HK')", MINUTE_BARS),),
            category="minute",
            key="STOCK_NUM MARKET interval_type bar_time",
            day="bar_end",
            suffixes="HK",
            width=5,
        ),
        _asset(
            5,
            "index_day",
            f"day_id text day; STOCK_NUM text index_code; MARKET text market; STOCK_NAME text name; {_PRICES}; "
            "source text source",
            description="指数日线 | Daily bars of every index of the desk.",
            origin="1A0001 is the SSE Composite, 1B0300 CSI 300; an index without such a code is listed by its symbol.",
            parts=(Part("index_daily"),),
            category="daily",
        ),
        _asset(
            6,
            "stock_dividend",
            "STOCK_NUM text code; MARKET text market; EX_DATE text day; CASH_PER_SHARE number cash_per_share; "
            "BONUS_PER_SHARE number bonus_per_share; RIGHTS_PER_SHARE number rights_per_share; "
            "RIGHTS_PRICE number rights_price; PAY_DATE text pay_day; source text source",
            description="分红送配 | Cash dividends, bonus shares and rights issues per share, before tax.",
            origin="BONUS_PER_SHARE includes shares transferred from capital reserve.",
            parts=(Part("actions"),),
            category="event",
            key="EX_DATE STOCK_NUM MARKET",
            day="ex_date",
            suffixes="SH SZ BJ HK",
        ),
    )
}
"""The desk's own assets by number. The numbers are part of the contract with clients: never reused, never changed."""

FIRST_TEAM_ASSET: Final = 1001
"""Team assets count from here."""

RESERVED_NAMES: Final = frozenset(table.asset.asset_name for table in MARKET_TABLES.values()) | frozenset(DATASETS)
"""Names no team may give: those of the desk's assets and of the datasets behind them."""


def newest_partition(table: MarketTable, manifest: Manifest) -> date | None:
    """Return the newest day of an asset that is read by day: the last of its first dataset that has rows."""
    if table.asset.partition_column is None:
        return None
    entries = (manifest.datasets.get(part.dataset) for part in table.parts)
    return next((entry.last_date for entry in entries if entry is not None and entry.last_date), None)
