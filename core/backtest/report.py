"""A run as one HTML page that stands alone: no script, no request, light and dark, English and Chinese."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Final

from core.backtest import charts
from core.backtest.report_data import ReportData, prepare
from core.backtest.report_style import STYLE
from core.backtest.report_text import (
    METRIC_NAMES,
    MONTH_NAMES,
    Language,
    metric_name,
    metric_text,
    money,
    percent,
    price,
    word,
)
from core.backtest.results import Cell, ResultDraft, Rows
from core.matching.model import ReasonCode
from core.performance.benchmark import BenchmarkWarning
from core.performance.figures import Undefined

__all__ = ["Language", "Report", "write"]

SHOWN_ROWS: Final = 200
"""Trades and orders listed on the page; the whole tables are there to be exported."""
DEEPEST_COLOUR: Final = 0.10
"""The return of a month from which the colour grows no stronger."""
REASONS: Final = {reason.value: reason for reason in Undefined} | {reason.text: reason for reason in Undefined}
"""Reasons by their code, and by their sentence."""
WARNINGS: Final = {warning.value: warning for warning in BenchmarkWarning}
SECURITY: Final = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A page about one run; `result_id` is its number where it is kept."""

    result_id: int | None
    title: str
    language: Language
    html: str


def write(
    run: ResultDraft, *, language: Language, result_id: int | None = None, made: datetime | None = None
) -> Report:
    """Return the page of a run, kept at `made`. The same run gives the same bytes."""
    data = prepare(run)
    title = f"{word('backtest', language)} · {run.name}"
    code = "zh-Hans" if language is Language.CHINESE else "en"
    head = (
        f'<!DOCTYPE html><html lang="{code}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{SECURITY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
    )
    body = "\n".join((*_heading(data, language, made), *_sections(data, language)))
    html = f"{head}\n{body}\n</main></body></html>\n"
    return Report(result_id=result_id, title=title, language=language, html=html)


def _sections(data: ReportData, language: Language) -> Iterator[str]:
    yield from _figures(data, language)
    yield from _equity(data, language)
    yield from _drawdown(data, language)
    yield from _months(data, language)
    yield from _orders(data, language)
    yield from _trades(data, language)
    yield from _parameters(data, language)


def _heading(data: ReportData, language: Language, made: datetime | None) -> Iterator[str]:
    run = data.run
    yield f"<h1>{escape(run.name)}</h1>"
    yield (
        f'<p class="soft">{escape(data.dates[0])} {word("to", language)} {escape(data.dates[-1])} · '
        f"{len(data.dates):,} {word('bars', language)}</p>"
    )
    facts = {
        "strategy": run.strategy,
        "group": run.program_group or "",
        "tags": ", ".join(run.tags),
        "data": run.dataset,
        "made": made.isoformat(timespec="seconds") if made else "",
        "fingerprint": run.fingerprint,
    }
    said = [f"{word(name, language)}: {escape(text)}" for name, text in facts.items() if text]
    yield f'<p class="soft small">{" · ".join(said)}</p>'
    if run.simulated:
        yield f'<p class="warn"><strong>{word("simulated", language)}</strong></p>'
    if data.run.warnings:
        told = "; ".join(_warning(warning, language) for warning in data.run.warnings)
        yield f'<p class="warn">{word("warnings", language)}: {escape(told)}</p>'


def _figures(data: ReportData, language: Language) -> Iterator[str]:
    metrics, undefined = data.run.metrics, data.run.undefined
    yield f'<h2>{word("figures", language)}</h2><dl class="figures">'
    for name in (name for name in METRIC_NAMES if name in metrics):
        value = metrics[name]
        if value is None:
            shown = f'<dd class="missing soft">{escape(_reason(undefined.get(name), language))}</dd>'
        else:
            shown = f"<dd>{metric_text(name, float(value))}</dd>"
        yield f"<div><dt>{escape(metric_name(name, language))}</dt>{shown}</div>"
    yield "</dl>"
    days = metrics.get("annualization", data.run.parameters.get("annualization"))
    if isinstance(days, int | float):
        yield f'<p class="soft small">{word("annualized", language, days=f"{days:g}")}</p>'


def _reason(reason: str | None, language: Language) -> str:
    known = REASONS.get(reason or "")
    if known is None:
        return reason or "–"
    return known.text_zh if language is Language.CHINESE else known.text


def _warning(warning: str, language: Language) -> str:
    known = WARNINGS.get(warning)
    if known is None:
        return warning
    return known.text_zh if language is Language.CHINESE else known.text


def _equity(data: ReportData, language: Language) -> Iterator[str]:
    title = word("equity", language)
    lines = [charts.Line(values=data.equity, kind="equity", label=title)]
    key = f'<span class="key"></span>{title}'
    if data.benchmark:
        label = word("benchmark", language)
        lines.insert(0, charts.Line(values=data.benchmark, kind="benchmark", label=label))
        key += f'<span class="key benchmark"></span>{label}'
    yield f'<h2>{title}</h2><p class="small">{key}</p>'
    yield _scrolled(
        charts.line_chart(lines, dates=data.dates, height=320, title=title, write=lambda value: f"{value:,.0f}")
    )


def _drawdown(data: ReportData, language: Language) -> Iterator[str]:
    title, fall = word("drawdown", language), data.drawdown
    yield f"<h2>{title}</h2>"
    if fall.start is not None and fall.trough is not None:
        start = data.dates[fall.start] if fall.start >= 0 else word("start", language)
        day = "" if fall.recovery is None else data.dates[fall.recovery]
        end = word("recovered" if day else "not_recovered", language, day=day)
        text = word("fallen_from", language, start=start, trough=data.dates[fall.trough], recovery=end)
        yield f'<p class="soft small">{escape(text)}</p>'
    line = charts.Line(values=data.drawdowns, kind="fall", label=title, is_filled=True)
    yield _scrolled(
        charts.line_chart([line], dates=data.dates, height=180, title=title, write=lambda value: f"{value:.1%}")
    )


def _scrolled(content: str) -> str:
    return f'<div class="scroll">{content}</div>'


def _months(data: ReportData, language: Language) -> Iterator[str]:
    if not data.years:
        return
    yield f'<h2>{word("months", language)}</h2><div class="scroll"><table class="months">'
    yield _header([word("year", language), *MONTH_NAMES[language], word("whole_year", language)])
    for row in data.years:
        cells = "".join(_return_cell(value) for value in (*row.months, row.total))
        yield f'<tr><th scope="row">{row.year}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _return_cell(value: float | None) -> str:
    if value is None:
        return "<td></td>"
    strength = min(abs(value) / DEEPEST_COLOUR, 1.0) * 0.45
    colour = "up" if value >= 0 else "down"
    return f'<td style="background:rgba(var(--{colour}-rgb),{strength:.2f})">{percent(value)}</td>'


def _orders(data: ReportData, language: Language) -> Iterator[str]:
    if not data.run.orders:
        return
    yield f'<h2>{word("orders", language)}</h2><div class="scroll"><table>'
    yield _header([word("reason", language), word("count", language)])
    for reason, count in data.reasons.items():
        yield f'<tr><td class="wide">{escape(_outcome(reason, language))}</td><td>{count:,}</td></tr>'
    yield "</tbody></table></div>"
    left = [row for row in data.run.orders if row.get("reason") != ReasonCode.FILLED.value]
    yield f"<h2>{word('unfilled', language)}</h2>"
    yield from _table(
        left,
        {"submitted_dt": "submitted_dt", "symbol": "symbol", "side": "side", "quantity": "quantity", "filled": "filled"}
        | {"reason": "reason"},
        language,
    )


def _trades(data: ReportData, language: Language) -> Iterator[str]:
    yield f"<h2>{word('trades', language)}</h2>"
    columns = {"entry_dt": "entry", "exit_dt": "exit", "symbol": "symbol", "qty": "qty", "entry_px": "entry_px"}
    yield from _table(
        data.run.trades, columns | {"exit_px": "exit_px", "pnl": "pnl", "return_bps": "return_bps"}, language
    )


def _table(rows: Rows, columns: Mapping[str, str], language: Language) -> Iterator[str]:
    """Yield a table of the first rows; `columns` maps keys to words, and keys that no row has are left out."""
    if not rows:
        yield f'<p class="soft">{word("none", language)}</p>'
        return
    if len(rows) > SHOWN_ROWS:
        yield f'<p class="soft small">{word("first_of", language, shown=SHOWN_ROWS, total=f"{len(rows):,}")}</p>'
    used = [name for name in columns if any(row.get(name) is not None for row in rows)]
    yield '<div class="scroll"><table>'
    yield _header([word(columns[name], language) for name in used], texts=[name == "reason" for name in used])
    for row in rows[:SHOWN_ROWS]:
        yield f"<tr>{''.join(_cell(name, row.get(name), language) for name in used)}</tr>"
    yield "</tbody></table></div>"


def _cell(name: str, value: Cell, language: Language) -> str:
    if value is None:
        return "<td></td>"
    if name in {"pnl", "return_bps"} and isinstance(value, int | float):
        kind = "up" if value > 0 else "down" if value < 0 else ""
        return f'<td class="{kind}">{money(value) if name == "pnl" else percent(value / 10_000)}</td>'
    if name in {"entry_px", "exit_px"} and isinstance(value, float):
        return f"<td>{price(value)}</td>"
    if name == "reason":
        return f'<td class="text">{escape(_outcome(str(value), language))}</td>'
    if name == "side" and value in {"buy", "sell"}:
        return f"<td>{word(str(value), language)}</td>"
    return f"<td>{escape(_plain(value))}</td>"


def _plain(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.4f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _outcome(reason: str, language: Language) -> str:
    if reason not in set(ReasonCode):
        return reason
    known = ReasonCode(reason)
    return f"{known.text_zh if language is Language.CHINESE else known.text} ({reason})"


def _parameters(data: ReportData, language: Language) -> Iterator[str]:
    if not data.run.parameters:
        return
    yield f'<h2>{word("parameters", language)}</h2><div class="scroll"><table><tbody>'
    for name, value in data.run.parameters.items():
        yield f'<tr><th scope="row">{escape(name)}</th><td class="wide">{escape(str(value))}</td></tr>'
    yield "</tbody></table></div>"


def _header(names: Sequence[str], *, texts: Sequence[bool] | None = None) -> str:
    kinds = ['class="text" ' if is_text else "" for is_text in texts or [False] * len(names)]
    cells = "".join(f'<th {kind}scope="col">{escape(name)}</th>' for kind, name in zip(kinds, names, strict=True))
    return f"<thead><tr>{cells}</tr></thead><tbody>"
