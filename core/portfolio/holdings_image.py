"""Holdings as one PNG: the largest by value, with weight and unrealised result. Needs the extra `charts`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from core.performance.images import DOTS_PER_INCH, FONTS, known_fonts, literal, png_of, require_charts
from core.portfolio.model import Holding, HoldingPage

MOST: Final = 15
"""Bars that can be read; the rest is named by its number."""
WIDTH_INCHES: Final = 9.0
BAR_INCHES: Final = 0.38
GAIN, LOSS, PLAIN = "#cf222e", "#1a7f37", "#57606a"
"""As Chinese markets colour them: red for a gain."""


def draw(page: HoldingPage) -> bytes:
    """Return the PNG of the holdings. Raises `ChartsMissing`."""
    require_charts()
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy, and an extra

    shown = largest(page.items)
    with mpl.rc_context({"font.family": known_fonts(FONTS), "axes.unicode_minus": False}):
        height = 1.4 + BAR_INCHES * max(len(shown), 1)
        figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DOTS_PER_INCH, layout="constrained")
        axes = figure.subplots()
        places = list(range(len(shown)))
        values = [float(item.market_value_base or 0) for item in shown]
        bars = axes.barh(places, values, color=[_colour(item.unrealized_pnl) for item in shown])
        axes.bar_label(bars, labels=[literal(_label(item)) for item in shown], padding=4, fontsize=9)
        axes.set_yticks(places, [literal(f"{item.name} {item.symbol}") for item in shown])
        axes.invert_yaxis()
        axes.margins(x=0.25)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.grid(visible=True, axis="x", alpha=0.3)
        figure.suptitle(literal(title_of(page)), fontsize=11)
        return png_of(figure)


def title_of(page: HoldingPage) -> str:
    """Say what the image shows, of which day, and what it leaves out."""
    notice = "  SIMULATED 模拟数据" if page.meta.simulated else ""
    left_out = len(page.items) - len(largest(page.items)) + page.total - len(page.items)
    rest = f", {left_out} more" if left_out > 0 else ""
    return (
        f"Holdings by market value 持仓市值 ({page.meta.currency or 'base currency'}, {page.meta.as_of}{rest}){notice}"
    )


def largest(items: Sequence[Holding]) -> list[Holding]:
    """Return the holdings with a value, the largest first."""
    priced = [item for item in items if item.market_value_base is not None]
    return sorted(priced, key=lambda item: (-(item.market_value_base or Decimal(0)), item.symbol))[:MOST]


def _colour(result: Decimal | None) -> str:
    if not result:
        return PLAIN
    return GAIN if result > 0 else LOSS


def _label(item: Holding) -> str:
    weight = f"{item.weight:.1%}" if item.weight is not None else ""
    result = f"  {item.unrealized_pnl_ratio:+.1%}" if item.unrealized_pnl_ratio is not None else ""
    return weight + result
