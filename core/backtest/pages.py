"""Pictures and pages of a run that is not kept anywhere."""

from collections.abc import Mapping
from typing import Any, Protocol

from core.backtest import charts, report
from core.backtest.report_data import prepare
from core.backtest.report_text import Language, word
from core.backtest.results_draft import draft_of


class Finished(Protocol):
    """A run that tells everything as plain values: a `BacktestResult`."""

    def to_dict(self) -> Mapping[str, Any]:
        """Return metrics, trades, equity_curve, orders, benchmark, parameters and so on."""
        ...


def equity_svg(result: Finished, *, language: str = "en") -> str:
    """Return the equity, beside the benchmark where there is one, as an SVG picture with its own colours."""
    title = word("equity", Language(language))
    data = prepare(draft_of(result.to_dict(), name=title))
    lines = [charts.Line(values=data.equity, kind="equity", label=title)]
    if data.benchmark:
        lines.insert(
            0, charts.Line(values=data.benchmark, kind="benchmark", label=word("benchmark", Language(language)))
        )
    drawn = charts.line_chart(lines, dates=data.dates, height=320, title=title, write=lambda value: f"{value:,.0f}")
    return drawn.replace("</title>", f"</title><style>{charts.STYLE}</style>", 1)


def report_page(result: Finished, *, name: str, language: str = "en") -> str:
    """Return the HTML report of a run; see `core.backtest.report`."""
    return report.write(draft_of(result.to_dict(), name=name), language=Language(language)).html
