"""A run as one PNG: equity beside the benchmark, drawdown, and the figures people ask for first.

Needs the extra `charts` (matplotlib), which is imported only here and only on use.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from core.backtest.charts import kept_places
from core.backtest.report_data import ReportData, prepare
from core.backtest.report_text import Language, metric_name, metric_text, word
from core.backtest.results import ResultDraft
from core.performance.images import DOTS_PER_INCH, FONTS, ChartsMissing, known_fonts, literal, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEADLINE: Final = ("total_return", "cagr", "sharpe", "max_drawdown", "win_rate", "num_trades")
SIZE_INCHES: Final = (10.0, 6.2)
DATE_LABELS: Final = 6
EQUITY: Final = "#1f6feb"
BENCHMARK: Final = "#8a6d3b"
FALL: Final = "#cf222e"


def draw(run: ResultDraft, *, language: Language) -> bytes:
    """Return the PNG of a run. Raises `ChartsMissing`."""
    if find_spec("matplotlib") is None:
        raise ChartsMissing
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    data = prepare(run)
    with mpl.rc_context({"font.family": known_fonts(FONTS), "axes.unicode_minus": False}):
        figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH, layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
        _head(figure, data, language)
        _equity(upper, data, language)
        _drawdown(lower, data, language)
        return png_of(figure)


def _head(figure: "Figure", data: ReportData, language: Language) -> None:
    run, metrics = data.run, data.run.metrics
    known = [name for name in HEADLINE if isinstance(metrics.get(name), int | float)]
    figures = "    ".join(f"{metric_name(name, language)} {metric_text(name, metrics[name])}" for name in known)
    title = f"{run.name}   {data.dates[0]} {word('to', language)} {data.dates[-1]}"
    notice = f"\n{word('simulated', language)}" if run.simulated else ""
    figure.suptitle(literal(f"{title}\n{figures}{notice}"), fontsize=11, linespacing=1.6)


def _equity(axes: "Axes", data: ReportData, language: Language) -> None:
    places = kept_places(data.equity)
    label = word("equity", language)
    axes.plot(places, [data.equity[place] for place in places], color=EQUITY, linewidth=1.4, label=label)
    if data.benchmark:
        places = kept_places(data.benchmark)
        closes: list[Any] = [data.benchmark[place] for place in places]
        label = word("benchmark", language)
        axes.plot(places, closes, color=BENCHMARK, linewidth=1.2, linestyle="--", label=label)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper left", frameon=False)


def _drawdown(axes: "Axes", data: ReportData, language: Language) -> None:
    places = kept_places(data.drawdowns)
    depths = [data.drawdowns[place] for place in places]
    axes.plot(places, depths, color=FALL, linewidth=1.0)
    axes.fill_between(places, depths, 0.0, color=FALL, alpha=0.18)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    axes.grid(visible=True, alpha=0.3)
    axes.set_ylabel(word("drawdown", language))
    count = len(data.dates)
    shown = min(DATE_LABELS, count)
    marks = [place * (count - 1) // max(shown - 1, 1) for place in range(shown)]
    axes.set_xticks(marks, [data.dates[place] for place in marks])
