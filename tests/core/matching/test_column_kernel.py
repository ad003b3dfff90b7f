"""Columns of bars: days, spelled moments, whole prices, beside what numpy says."""

import numpy as np
import pytest

from core.matching import column_kernel as kernel

DAYS = np.arange("1583-01-01", "2401-01-01", 7, dtype="datetime64[D]")


def test_day_numbers() -> None:
    out = np.empty(len(DAYS), dtype=np.int64)
    kernel.day_numbers(DAYS.astype(np.int64), 1, out)
    assert out.tolist() == [int(text.replace("-", "")) for text in DAYS.astype(str).tolist()]


def test_day_numbers_of_moments() -> None:
    moments = np.array(["1969-12-31T23:59", "1970-01-01T00:00", "1970-01-01T00:01", "2024-02-29T15:00"], "M8[ms]")
    out = np.empty(4, dtype=np.int64)
    kernel.day_numbers(moments.astype(np.int64), 86_400_000, out)
    assert out.tolist() == [19691231, 19700101, 19700101, 20240229]


@pytest.mark.parametrize("hyphens", [True, False])
def test_read_days_is_the_way_back(hyphens: bool) -> None:
    texts = [text if hyphens else text.replace("-", "") for text in DAYS.astype(str).tolist()]
    out = np.empty(len(texts), dtype=np.int64)
    assert kernel.read_days(np.frombuffer("".join(texts).encode(), np.uint8), len(texts[0]), out)
    assert (out.view("M8[D]") == DAYS).all()


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-1a-01", "2024/01/01",
     "0000-01-01", "20240431", "2024013 "],
)  # fmt: skip
def test_read_days_refuses(text: str) -> None:
    letters = np.frombuffer(f"2024-01-02{text}".encode() if len(text) == 10 else f"20240102{text}".encode(), np.uint8)
    assert not kernel.read_days(letters, len(text), np.empty(2, dtype=np.int64))


def test_spell() -> None:
    moments = np.array(["2024-01-05T09:31:00.999", "2024-01-05T23:59:59", "1969-12-31T23:59:58"], dtype="M8[ms]")
    letters = np.empty((3, 20), dtype=np.uint8)
    kernel.spell(moments.view(np.int64), np.array([20240105, 20240105, 19691231]), letters)
    assert bytes(letters) == b"2024-01-05 09:31:00\n2024-01-05 23:59:59\n1969-12-31 23:59:58\n"
    letters = np.empty((2, 11), dtype=np.uint8)
    kernel.spell(np.array([0, 1]), np.array([19700101, 19700102]), letters)
    assert bytes(letters) == b"1970-01-01\n1970-01-02\n"


@pytest.mark.parametrize(
    ("values", "scale", "expected"),
    [
        ([10.01, 0.07, 123456.78], 100.0, [1001, 7, 12345678]),
        ([10.015], 100.0, None),
        ([10.015], 1000.0, [10015]),
        ([0.1 + 0.2], 100.0, None),
        ([1e16], 1.0, None),
    ],
)
def test_whole_numbers(values: list[float], scale: float, expected: list[int] | None) -> None:
    out = np.empty(len(values), dtype=np.int64)
    assert kernel.whole_numbers(np.array(values), scale, out) == (expected is not None)
    assert expected is None or out.tolist() == expected


def test_published_limits() -> None:
    out = np.empty(5, dtype=np.int64)
    kernel.published_limits(np.array([10.01, np.nan, 0.0, -1.0, np.inf]), 100.0, 7, out)
    assert out.tolist() == [1001, 7, 7, 7, 7]
