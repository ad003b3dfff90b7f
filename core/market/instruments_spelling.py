"""How people and vendors write the code of an instrument, and what a code says by itself."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from core.market.model import Board, Exchange, InstrumentKind

CODE_LENGTH: Final = 6
HK_CODE_LENGTH: Final = 5
SUFFIXES: Final = {
    "SH": Exchange.SSE,
    "SS": Exchange.SSE,
    "SSE": Exchange.SSE,
    "XSHG": Exchange.SSE,
    "SZ": Exchange.SZSE,
    "SZSE": Exchange.SZSE,
    "XSHE": Exchange.SZSE,
    "BJ": Exchange.BSE,
    "BSE": Exchange.BSE,
    "XBSE": Exchange.BSE,
    "HK": Exchange.HKEX,
    "HKEX": Exchange.HKEX,
    "XHKG": Exchange.HKEX,
}
CODE_FIRST: Final = re.compile(r"([0-9]{1,6})(?:\.([A-Z]{2,4}))?")
EXCHANGE_FIRST: Final = re.compile(r"(SH|SZ|BJ|HK)\.?([0-9]{1,6})")

BOARDS: Final = (
    (Exchange.SSE, ("600", "601", "603", "605", "900"), Board.MAIN),
    (Exchange.SSE, ("688", "689"), Board.STAR),
    (Exchange.SZSE, ("000", "001", "002", "003", "004", "200"), Board.MAIN),
    (Exchange.SZSE, ("300", "301", "302"), Board.CHINEXT),
    (Exchange.BSE, ("43", "83", "87", "920"), Board.BSE),
)
KINDS: Final = (
    (Exchange.SSE, ("000",), InstrumentKind.INDEX),
    (Exchange.SSE, ("50", "51", "52", "53", "56", "58"), InstrumentKind.FUND),
    (Exchange.SZSE, ("399",), InstrumentKind.INDEX),
    (Exchange.SZSE, ("15", "16", "18"), InstrumentKind.FUND),
    (Exchange.BSE, ("899",), InstrumentKind.INDEX),
)


@dataclass(frozen=True, slots=True)
class Spelling:
    """A code as written: its digits, and the exchange where the writer named one."""

    digits: str
    exchange: Exchange | None

    @property
    def length(self) -> int:
        """How many digits a whole code has on the named exchange, or on the mainland."""
        return HK_CODE_LENGTH if self.exchange is Exchange.HKEX else CODE_LENGTH

    @property
    def symbol(self) -> str | None:
        """The full symbol when the exchange is named and no digit is missing; Hong Kong codes are padded."""
        if self.exchange is Exchange.HKEX:
            return f"{self.digits.lstrip('0').zfill(HK_CODE_LENGTH)}.HK"
        return f"{self.digits}.{self.exchange}" if self.exchange and len(self.digits) == CODE_LENGTH else None


def fold(text: str) -> str:
    """Bring text to the form in which it is compared: half-width, upper case, no blanks."""
    return "".join(unicodedata.normalize("NFKC", text).upper().split())


def read_spelling(text: str) -> Spelling | None:
    """Read `600519.SH`, `600519.XSHG`, `sh600519`, `sh.600519`, `0700.HK` or bare digits; None when it is no code."""
    folded = fold(text)
    if found := EXCHANGE_FIRST.fullmatch(folded):
        return Spelling(found[2], SUFFIXES[found[1]])
    found = CODE_FIRST.fullmatch(folded)
    if found is None or (found[2] is not None and found[2] not in SUFFIXES):
        return None
    return Spelling(found[1], SUFFIXES[found[2]] if found[2] else None)


def board_of(symbol: str) -> Board | None:
    """Return the board that a share's code belongs to; None for indices, funds and unknown ranges."""
    code, _, suffix = symbol.partition(".")
    if suffix == Exchange.HKEX:
        return Board.HK_MAIN
    return next((board for exchange, starts, board in BOARDS if exchange == suffix and code.startswith(starts)), None)


def kind_of(symbol: str) -> InstrumentKind:
    """Return what the ranges of an exchange say a code is."""
    code, _, suffix = symbol.partition(".")
    found = (kind for exchange, starts, kind in KINDS if exchange == suffix and code.startswith(starts))
    return next(found, InstrumentKind.STOCK)
