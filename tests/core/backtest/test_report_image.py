"""The PNG of a run."""

import struct
import zlib

import pytest

from core.backtest import charts_image
from core.backtest.charts_image import DOTS_PER_INCH, SIZE_INCHES, ChartsMissing, draw
from core.backtest.report_text import Language
from core.backtest.results import ResultDraft
from tests.support.backtest_runs import draft, long_draft

pytest.importorskip("matplotlib")


def image(run: ResultDraft, language: Language = Language.ENGLISH) -> bytes:
    return draw(run, language=language)


def size(content: bytes) -> tuple[int, int]:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def colours(content: bytes) -> set[bytes]:
    """Every colour of an unfiltered reading: enough to see that something was drawn."""
    data = b"".join(chunk for kind, chunk in _chunks(content) if kind == b"IDAT")
    raw = zlib.decompress(data)
    return {raw[place : place + 4] for place in range(1, len(raw) - 4, 4 * 97)}


def _chunks(content: bytes):
    place = 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        place += 12 + length


@pytest.mark.parametrize("language", Language)
def test_image_has_its_size_and_is_the_same_every_time(language: Language) -> None:
    first = image(long_draft(), language)
    assert size(first) == tuple(round(inches * DOTS_PER_INCH) for inches in SIZE_INCHES)
    assert len(colours(first)) > 20
    assert image(long_draft(), language) == first


def test_a_name_with_dollars_is_no_formula() -> None:
    assert size(image(draft("cost $5 and $x^2$")))


def test_one_bar_is_drawn() -> None:
    assert size(image(ResultDraft(name="idle", metrics={}, equity_curve=[{"dt": "20240102", "equity": 1.0}])))


def test_a_machine_without_chinese_fonts_draws_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts_image, "FONTS", ("DejaVu Sans",))
    assert size(image(long_draft(260), Language.CHINESE))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts_image, "find_spec", lambda name: None)
    with pytest.raises(ChartsMissing, match=r"dingpan\[charts\]"):
        image(draft())
