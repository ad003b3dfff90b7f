"""How each provider writes a symbol, and which board a code belongs to."""

from typing import Final

from core.market.model import Board, Exchange

EASTMONEY_MARKETS: Final = {"SH": "1", "SZ": "0", "BJ": "0", "HK": "116"}
EASTMONEY_HONG_KONG: Final = frozenset({"116", "128"})
LETTER_PREFIXES: Final = {"SH": "sh", "SZ": "sz", "BJ": "bj", "HK": "hk"}
SHANGHAI_MAIN: Final = ("600", "601", "603", "605")
SHANGHAI_STAR: Final = ("688", "689")
SHENZHEN_MAIN: Final = ("000", "001", "002", "003", "004")
SHENZHEN_CHINEXT: Final = ("300", "301", "302")
BEIJING: Final = ("43", "83", "87", "88", "92")


def eastmoney_secid(symbol: str) -> str | None:
    """Write `600519.SH` as `1.600519`; None where Eastmoney lists no such market."""
    code, _, suffix = symbol.partition(".")
    market = EASTMONEY_MARKETS.get(suffix)
    return f"{market}.{code}" if market else None


def eastmoney_symbol(market: str, code: str) -> str | None:
    """Read Eastmoney's market number and code; None for markets the desk does not trade.

    Market 0 holds Shenzhen and Beijing: the code tells which.
    """
    if market in EASTMONEY_HONG_KONG:
        return f"{code}.HK"
    if market == "1":
        return f"{code}.SH"
    if market == "0":
        return f"{code}.BJ" if code.startswith(BEIJING) else f"{code}.SZ"
    return None


def sina_code(symbol: str) -> str | None:
    """Write `600519.SH` as `sh600519` and `00700.HK` as `rt_hk00700`."""
    plain = tencent_code(symbol)
    return f"rt_{plain}" if plain is not None and plain.startswith("hk") else plain


def tencent_code(symbol: str) -> str | None:
    """Write `600519.SH` as `sh600519` and `00700.HK` as `hk00700`."""
    code, _, suffix = symbol.partition(".")
    prefix = LETTER_PREFIXES.get(suffix)
    return f"{prefix}{code}" if prefix else None


def is_index(symbol: str) -> bool:
    """Tell whether the symbol is an index: 000xxx in Shanghai, 399xxx in Shenzhen, 899xxx in Beijing."""
    return (symbol.endswith(".SH") and symbol.startswith("000")) or symbol.startswith(("399", "899"))


def share_lot(symbol: str) -> int:
    """Return how many shares one reported unit of volume is where a provider counts in lots: none do in Hong Kong."""
    return 1 if symbol.endswith(".HK") else 100


def is_star(symbol: str) -> bool:
    """Tell whether the symbol is a share on the STAR board."""
    return symbol.endswith(".SH") and symbol.startswith(SHANGHAI_STAR)


def board_of(symbol: str) -> Board | None:
    """Return the board of a share; None for what is no A share and not listed in Hong Kong."""
    code, _, suffix = symbol.partition(".")
    if suffix == Exchange.HKEX:
        return Board.HK_MAIN
    boards = {
        "SH": ((SHANGHAI_MAIN, Board.MAIN), (SHANGHAI_STAR, Board.STAR)),
        "SZ": ((SHENZHEN_MAIN, Board.MAIN), (SHENZHEN_CHINEXT, Board.CHINEXT)),
        "BJ": ((BEIJING, Board.BSE),),
    }
    return next((board for prefixes, board in boards.get(suffix, ()) if code.startswith(prefixes)), None)
