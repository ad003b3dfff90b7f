"""The one table between the index codes of asset data and the symbols of the market.

Bare index codes would collide with stocks (000016 is a share in Shenzhen and SSE 50 in Shanghai), so asset data calls
the indices of Shanghai 1A and 1B, as quotation terminals do. An index outside this table appears under its symbol.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class IndexCode:
    """`code` stands in the column STOCK_NUM. `in_stock_day`: its bars are also part of the asset `stock_day`."""

    code: str
    symbol: str
    name: str
    in_stock_day: bool = False


INDEX_CODES: Final = (
    IndexCode("1A0001", "000001.SH", "上证指数", in_stock_day=True),
    IndexCode("1B0300", "000300.SH", "沪深300", in_stock_day=True),
    IndexCode("1B0510", "000510.SH", "中证A500", in_stock_day=True),
    IndexCode("399001", "399001.SZ", "深证成指", in_stock_day=True),
    IndexCode("1B0016", "000016.SH", "上证50"),
    IndexCode("1B0688", "000688.SH", "科创50"),
    IndexCode("1B0852", "000852.SH", "中证1000"),
    IndexCode("1B0905", "000905.SH", "中证500"),
    IndexCode("399005", "399005.SZ", "中小100"),
    IndexCode("399006", "399006.SZ", "创业板指"),
    IndexCode("899050", "899050.BJ", "北证50"),
)

CODE_TO_SYMBOL: Final = {row.code: row.symbol for row in INDEX_CODES}
SYMBOL_TO_CODE: Final = {row.symbol: row.code for row in INDEX_CODES}
