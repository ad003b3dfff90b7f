"""What every image of figures shares: the library and its absence, fonts with Chinese characters, how it travels.

Needs the extra `charts` (matplotlib), which is imported only on use.
"""

import base64
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Final

from core.errors import NotPossible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG: Final = "image/png"
DOTS_PER_INCH: Final = 120
FONTS: Final = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "PingFang SC",
    "Microsoft YaHei",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "SimHei",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "DejaVu Sans",
)
"""Fonts with Chinese characters, the best first; the last one comes with matplotlib and has none."""


class ChartsMissing(NotPossible):
    """The packages that draw images are not installed."""

    code = "charts_not_installed"
    template = "Images need the extra `charts`: install dingpan[charts]. The HTML report needs nothing."


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image as callers get it. `title` says in words what it shows and of which day."""

    name: str
    title: str
    media_type: str
    data_base64: str

    @classmethod
    def of_png(cls, content: bytes, *, name: str, title: str) -> "Picture":
        """Wrap a PNG."""
        return cls(name=name, title=title, media_type=PNG, data_base64=base64.b64encode(content).decode("ascii"))


def require_charts() -> None:
    """Raise `ChartsMissing` unless matplotlib is there."""
    if find_spec("matplotlib") is None:
        raise ChartsMissing


def known_fonts(wanted: Iterable[str]) -> list[str]:
    """Return those of the fonts that the machine has; asking for others would only fill the log."""
    from matplotlib.font_manager import get_font_names  # noqa: PLC0415 - heavy, and an extra

    known = set(get_font_names())
    return [name for name in wanted if name in known]


def png_of(figure: "Figure") -> bytes:
    """Return a figure as PNG, the same bytes for the same figure."""
    target = BytesIO()
    with warnings.catch_warnings():
        # A machine without Chinese fonts draws boxes: poorer than letters, better than no image.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def literal(text: str) -> str:
    """Return text in which no dollar sign begins a formula."""
    return text.replace("$", r"\$")
