"""Instrument codes as vendors write them, turned into symbols such as `600519.SH`."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

_SUFFIXES: Final = {
    "SH": "SH", "SS": "SH", "SSE": "SH", "XSHG": "SH",
    "SZ": "SZ", "SZSE": "SZ", "XSHE": "SZ",
    "BJ": "BJ", "BSE": "BJ", "XBSE": "BJ",
    "HK": "HK", "XHKG": "HK",
}  # fmt: skip
_SUFFIX_FORM: Final = re.compile(r"(\d{1,6})\.([A-Z]{2,4})")
_PREFIX_FORM: Final = re.compile(r"(SH|SZ|BJ|HK)[._]?(\d{5,6})")
_BARE_FORM: Final = re.compile(r"\d{1,6}")
_IN_NAME: Final = re.compile(
    r"(?<![A-Z0-9])(?:(?:SH|SZ|BJ)[._]?\d{6}|HK[._]?\d{5}|\d{6}\.(?:SH|SS|SZ|BJ|XSHG|XSHE)|\d{4,5}\.HK|\d{6})(?![0-9])"
)
_EXCHANGES_BY_PREFIX: Final = (
    ("SH", ("600", "601", "603", "605", "688", "689", "900", "5", "110", "113", "118", "204")),
    ("SZ", ("000", "001", "002", "003", "004", "300", "301", "302", "200", "399")),
    ("SZ", ("15", "16", "18", "123", "127", "128")),
    ("BJ", ("43", "83", "87", "88", "920", "899")),
)  # fmt: skip


def parse_code(text: str, *, prefer_index: bool = False) -> str | None:
    """Return the symbol a code means, or None when it means none or too many.

    A bare code takes the exchange its number range belongs to; `000300` is a stock of Shenzhen unless `prefer_index`.
    """
    code = text.strip().strip("'`\"").upper()
    if match := _SUFFIX_FORM.fullmatch(code):
        return _with_exchange(match[1], _SUFFIXES.get(match[2]))
    if match := _PREFIX_FORM.fullmatch(code):
        return _with_exchange(match[2], match[1])
    if _BARE_FORM.fullmatch(code):
        return _bare(code, prefer_index=prefer_index)
    return None


def restore_zeros(text: str, known: Collection[str]) -> str | None:
    """Return the one known symbol whose leading zeros a spreadsheet dropped (878 for 000878), or None."""
    code = text.strip().strip("'`\"")
    if not lost_zeros(code):
        return None
    full = code.zfill(6)
    found = [symbol for exchange in ("SZ", "SH", "BJ") if (symbol := f"{full}.{exchange}") in known]
    found = [symbol for symbol in found if not is_index(symbol)] or found
    return found[0] if len(found) == 1 else None


def lost_zeros(text: str) -> bool:
    """Tell whether a code looks like one whose leading zeros were dropped."""
    code = text.strip().strip("'`\"")
    return code.isascii() and code.isdigit() and len(code) < 6 and not code.startswith("0")


def is_index(symbol: str) -> bool:
    """Tell whether a symbol is an index by its number range."""
    code, _, exchange = symbol.partition(".")
    return (exchange, code[:3]) in {("SH", "000"), ("SZ", "399"), ("BJ", "899")}


def price_places(symbol: str) -> int:
    """Return the decimal places of quoted prices: funds are quoted in tenths of a cent."""
    code, _, exchange = symbol.partition(".")
    return 3 if (exchange, code[:1]) == ("SH", "5") or (exchange, code[:2]) in {("SZ", "15"), ("SZ", "16")} else 2


def symbols_in_name(path: Path) -> list[str]:
    """Return the symbols a file's name spells, each once."""
    name = path.name.upper()
    prefer_index = "INDEX" in name
    found = [parse_code(match, prefer_index=prefer_index) for match in _IN_NAME.findall(name)]
    return list(dict.fromkeys(symbol for symbol in found if symbol))


def _with_exchange(digits: str, exchange: str | None) -> str | None:
    """Join digits and exchange when the length fits."""
    if exchange == "HK":
        return f"{digits.zfill(5)}.HK" if len(digits) <= 5 else None
    return f"{digits}.{exchange}" if exchange and len(digits) == 6 else None


def _bare(code: str, *, prefer_index: bool) -> str | None:
    """Find the exchange of a code without one."""
    if len(code) == 5 and code.startswith("0"):
        return f"{code}.HK"
    if len(code) != 6:
        return None
    if prefer_index and code.startswith("000"):
        return f"{code}.SH"
    return next((f"{code}.{exchange}" for exchange, starts in _EXCHANGES_BY_PREFIX if code.startswith(starts)), None)
