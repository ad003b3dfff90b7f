"""Line charts as SVG text: drawn here, coloured by the page's style sheet, readable without a script."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import Final

WIDTH: Final = 960
MARGIN_LEFT: Final = 76
MARGIN_RIGHT: Final = 12
MARGIN_TOP: Final = 12
MARGIN_BOTTOM: Final = 26
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
DATE_LABELS: Final = 6
FLAT: Final = 1e-9
"""A smaller spread, absolute or as part of the values, is a flat line: its axis is as high as the values are."""
PLOT_WIDTH: Final = WIDTH - MARGIN_LEFT - MARGIN_RIGHT
STYLE: Final = (
    "text{font:12px sans-serif;fill:#6e7781}.grid{stroke:#d0d7de;stroke-width:1}polyline{fill:none;stroke-width:1.6}"
    ".equity{stroke:#1f6feb}.benchmark{stroke:#8a6d3b;stroke-dasharray:5 3}.fall{stroke:#cf222e}"
    ".area{fill:#cf222e;opacity:.18}"
)
"""Colours for a chart outside a page, readable on light and dark."""

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series: `kind` is its class in the style sheet, `label` its name in the legend. None is a gap."""

    values: Values
    kind: str
    label: str
    is_filled: bool = False


def line_chart(
    lines: Sequence[Line], *, dates: Sequence[str], height: int, title: str, write: Callable[[float], str]
) -> str:
    """Return an SVG of series over the same bars, all at least one bar long. `write` makes the labels of the y axis."""
    known = [value for line in lines for value in line.values if value is not None]
    ticks = axis_ticks(min(known), max(known), count=5)
    scale = Scale(low=ticks[0], high=ticks[-1], count=len(dates), height=height)
    parts = [
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>",
        *_grid(ticks, scale, write),
        *_dates(dates, scale),
        *(part for line in lines for part in _line(line, scale)),
        "</svg>",
    ]
    return "".join(parts)


def axis_ticks(low: float, high: float, *, count: int) -> list[float]:
    """Return round numbers that enclose `low` and `high`, about `count` apart, two at least."""
    size = max(abs(low), abs(high))
    spread = high - low if high - low > size * FLAT else size
    rough = (spread if spread > FLAT else 1.0) / count
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in STEPS if power * factor >= rough * (1 - 1e-9))
    first = floor(low / step + 1e-9)
    last = -floor(-high / step + 1e-9)
    return [place * step for place in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where a value and a bar are drawn."""

    low: float
    high: float
    count: int
    height: int

    def across(self, place: int) -> float:
        """Return the x of a bar; a single bar stands in the middle."""
        return MARGIN_LEFT + PLOT_WIDTH * (place / (self.count - 1) if self.count > 1 else 0.5)

    def down(self, value: float) -> float:
        """Return the y of a value."""
        room = self.height - MARGIN_TOP - MARGIN_BOTTOM
        return MARGIN_TOP + room * (self.high - value) / (self.high - self.low)


def kept_places(values: Values, *, limit: int = PLOT_WIDTH) -> list[int]:
    """Return which bars to draw: all up to `limit`, else first, lowest, highest and last of each pixel's bars.

    So a spike of one minute in ten years is still seen.
    """
    count = len(values)
    if count <= limit:
        return list(range(count))
    kept: set[int] = set()
    for pixel in range(limit):
        first, end = pixel * count // limit, (pixel + 1) * count // limit
        known = [place for place in range(first, end) if values[place] is not None]
        kept |= {first, end - 1}
        if known:
            kept |= {
                min(known, key=lambda place: values[place] or 0.0),
                max(known, key=lambda place: values[place] or 0.0),
            }
    return sorted(kept)


def _runs(values: Values) -> Iterator[list[int]]:
    """Yield the drawn places of each stretch without a gap."""
    run: list[int] = []
    for place in kept_places(values):
        if values[place] is not None:
            run.append(place)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _line(line: Line, scale: Scale) -> Iterator[str]:
    for run in _runs(line.values):
        points = " ".join(f"{scale.across(place):.1f},{scale.down(line.values[place] or 0.0):.1f}" for place in run)
        if line.is_filled:
            base = scale.down(min(max(0.0, scale.low), scale.high))
            closed = f"{scale.across(run[0]):.1f},{base:.1f} {points} {scale.across(run[-1]):.1f},{base:.1f}"
            yield f'<polygon class="{line.kind} area" points="{closed}"/>'
        yield f'<polyline class="{line.kind}" points="{points}"/>'


def _grid(ticks: Sequence[float], scale: Scale, write: Callable[[float], str]) -> Iterator[str]:
    for tick in ticks:
        height = scale.down(tick)
        yield f'<line class="grid" x1="{MARGIN_LEFT}" x2="{WIDTH - MARGIN_RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>'
        yield f'<text class="axis" text-anchor="end" x="{MARGIN_LEFT - 8}" y="{height + 4:.1f}">{write(tick)}</text>'


def _dates(dates: Sequence[str], scale: Scale) -> Iterator[str]:
    shown = min(DATE_LABELS, len(dates))
    places = [place * (len(dates) - 1) // max(shown - 1, 1) for place in range(shown)]
    for order, place in enumerate(places):
        anchor = "middle" if 0 < order < shown - 1 or shown == 1 else ("start" if order == 0 else "end")
        across, down = scale.across(place), scale.height - 8
        yield f'<text class="axis" text-anchor="{anchor}" x="{across:.1f}" y="{down}">{escape(dates[place])}</text>'
