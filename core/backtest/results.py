"""Finished runs as they are kept: drafts, summaries, comparisons, and what a draft must be."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from core.errors import ArgumentsInvalid, FieldFault, NotFound

NAME_LENGTH: Final = 128
GROUP_LENGTH: Final = 128
STRATEGY_LENGTH: Final = 128
DATASET_LENGTH: Final = 128
FINGERPRINT_LENGTH: Final = 64
DATE_LENGTH: Final = 32
TAG_LENGTH: Final = 64
MAXIMUM_TAGS: Final = 20
MAXIMUM_ROWS: Final = 1_000_000
"""Rows of one table of a run: as many bars as one backtest may have."""
MAXIMUM_JSON: Final = 1_000_000
"""Characters of the parameters, and of the metrics, as JSON."""

SUMMARY_METRICS: Final = ("total_return", "cagr", "sharpe", "max_drawdown", "win_rate", "num_trades")

Cell = str | int | float | bool | None
Rows = Sequence[Mapping[str, Cell]]


class ResultTable(StrEnum):
    """The tables of a run: one row a bar, a closed round trip, an order, a bar of the benchmark."""

    EQUITY = "equity"
    TRADES = "trades"
    ORDERS = "orders"
    BENCHMARK = "benchmark"


class ExportFormat(StrEnum):
    """How a table leaves the desk."""

    CSV = "csv"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """The registered media type."""
        return {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}[self.value]


class ResultNotFound(NotFound):
    """No such run in the team."""

    code = "backtest_result_not_found"
    template = "No backtest result {result_id}."


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDraft:
    """A finished run to keep. `metrics` are fractions and counts; `undefined` says why a metric is None.

    `equity_curve` has the rows {dt, equity, cash, position, close} of the guide, `benchmark` rows {dt, close}.
    `dataset` and `simulated` tell what the run rests on, `fingerprint` what would repeat it.
    """

    name: str
    metrics: Mapping[str, Any]
    equity_curve: Rows
    trades: Rows = ()
    orders: Rows = ()
    benchmark: Rows = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    program_group: str | None = None
    strategy: str = ""
    dataset: str = ""
    simulated: bool = False
    fingerprint: str = ""
    warnings: Sequence[str] = ()

    def rows(self, table: ResultTable) -> Rows:
        """Return the rows of one table."""
        return {
            ResultTable.EQUITY: self.equity_curve,
            ResultTable.TRADES: self.trades,
            ResultTable.ORDERS: self.orders,
            ResultTable.BENCHMARK: self.benchmark,
        }[table]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSummary:
    """One run without its tables. Fractions, not percent; `max_drawdown` is never positive. `bars` long."""

    id: int
    name: str
    strategy: str
    program_group: str | None
    tags: tuple[str, ...]
    total_return: float | None
    cagr: float | None
    sharpe: float | None
    max_drawdown: float | None
    win_rate: float | None
    num_trades: int | None
    first_dt: str
    last_dt: str
    bars: int
    dataset: str
    simulated: bool
    fingerprint: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """The newest runs that match, without their tables, and how many match in all."""

    items: tuple[ResultSummary, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """One run with everything but its tables."""

    summary: ResultSummary
    parameters: dict[str, Any]
    metrics: dict[str, Any]
    undefined: dict[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilter:
    """Which runs: exact name, part of a tag in any case, exact group; all that are given must hold."""

    name: str | None = None
    tag: str | None = None
    program_group: str | None = None


def restored(stored: StoredResult, tables: Mapping[ResultTable, Rows]) -> ResultDraft:
    """Return a kept run as the draft it was made from."""
    summary = stored.summary
    return ResultDraft(
        name=summary.name,
        metrics=stored.metrics,
        equity_curve=tables[ResultTable.EQUITY],
        trades=tables[ResultTable.TRADES],
        orders=tables[ResultTable.ORDERS],
        benchmark=tables[ResultTable.BENCHMARK],
        parameters=stored.parameters,
        undefined=stored.undefined,
        tags=summary.tags,
        program_group=summary.program_group,
        strategy=summary.strategy,
        dataset=summary.dataset,
        simulated=summary.simulated,
        fingerprint=summary.fingerprint,
        warnings=stored.warnings,
    )


def checked(draft: ResultDraft) -> ResultDraft:
    """Return the draft with trimmed texts and tags without blanks and repetitions.

    Raises `ArgumentsInvalid` with every fault: an empty or long name, too many or long tags, a long group, an empty or
    endless curve, or figures that are not finite numbers.
    """
    tags = tuple(dict.fromkeys(tag.strip() for tag in draft.tags if tag.strip()))
    name, group = draft.name.strip(), (draft.program_group or "").strip() or None
    optional = {"programGroup": (group, GROUP_LENGTH), "strategy": (draft.strategy, STRATEGY_LENGTH)}
    optional |= {"dataset": (draft.dataset, DATASET_LENGTH), "fingerprint": (draft.fingerprint, FINGERPRINT_LENGTH)}
    faults = [
        *_text_faults("name", name, NAME_LENGTH),
        *(fault for path, (text, limit) in optional.items() if text for fault in _text_faults(path, text, limit)),
        *_tag_faults(tags),
        *_table_faults(draft),
        *_json_faults("parameters", draft.parameters),
        *_json_faults("metrics", draft.metrics),
        *_metric_faults(draft.metrics),
    ]
    if faults:
        raise ArgumentsInvalid(faults)
    return replace(draft, name=name, program_group=group, tags=tags)


def checked_filter(asked: ResultFilter) -> ResultFilter:
    """Return the filter, or raise `ArgumentsInvalid`: text that no run can have would only hide a mistake."""
    given = {"name": (asked.name, NAME_LENGTH), "tag": (asked.tag, TAG_LENGTH)}
    given |= {"programGroup": (asked.program_group, GROUP_LENGTH)}
    faults = [
        fault for path, (text, limit) in given.items() if text is not None for fault in _text_faults(path, text, limit)
    ]
    if faults:
        raise ArgumentsInvalid(faults)
    return asked


def _text_faults(path: str, text: str, limit: int) -> list[FieldFault]:
    expected = f"1 to {limit} characters without line breaks"
    if not text or len(text) > limit:
        return [FieldFault(path, f"is {len(text)} characters long", expected=expected)]
    if any(unicodedata.category(character) == "Cc" for character in text):
        return [FieldFault(path, "has a control character", expected=expected, got=repr(text))]
    return []


def _metric_faults(metrics: Mapping[str, Any]) -> list[FieldFault]:
    return [
        FieldFault(f"metrics.{name}", "is no number", expected="a number or null", got=repr(metrics[name])[:80])
        for name in SUMMARY_METRICS
        if isinstance(metrics.get(name), bool) or not isinstance(metrics.get(name), int | float | None)
    ]


def _tag_faults(tags: Sequence[str]) -> list[FieldFault]:
    faults = [fault for place, tag in enumerate(tags) for fault in _text_faults(f"tags[{place}]", tag, TAG_LENGTH)]
    if len(tags) > MAXIMUM_TAGS:
        faults.append(FieldFault("tags", f"has {len(tags)} tags", expected=f"at most {MAXIMUM_TAGS}"))
    return faults


def _table_faults(draft: ResultDraft) -> list[FieldFault]:
    sizes = {table: len(draft.rows(table)) for table in ResultTable}
    faults = [
        FieldFault(table.value, f"has {size} rows", expected=f"at most {MAXIMUM_ROWS}")
        for table, size in sizes.items()
        if size > MAXIMUM_ROWS
    ]
    if not sizes[ResultTable.EQUITY]:
        faults.append(FieldFault("equityCurve", "is empty: a run has at least one bar", expected="one row a bar"))
    for row in (*draft.equity_curve[:1], *draft.equity_curve[-1:]):
        faults += _text_faults("equityCurve.dt", str(row.get("dt", "")), DATE_LENGTH)
    return faults


def _json_faults(path: str, value: Mapping[str, Any]) -> list[FieldFault]:
    expected = f"at most {MAXIMUM_JSON} characters of JSON; a figure that does not exist is null"
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        return [FieldFault(path, str(error), expected=expected)]
    if len(text) > MAXIMUM_JSON:
        return [FieldFault(path, f"is {len(text)} characters long", expected=expected)]
    return []
