"""NetEase: GBK, newest first, a quote before each code, `None` for what is missing; raw prices, shares and CNY."""

from typing import Final

from core.market.importers.layout import BarLayout

LAYOUTS: Final = (
    BarLayout(
        name="netease",
        source="netease",
        required=frozenset(
            {"日期", "股票代码", "名称", "收盘价", "最高价", "最低价", "开盘价", "前收盘", "成交量", "成交金额"}
        ),
        columns={
            "name": "名称",
            "open": "开盘价",
            "high": "最高价",
            "low": "最低价",
            "close": "收盘价",
            "pre_close": "前收盘",
            "volume": "成交量",
            "amount": "成交金额",
            "turnover_pct": "换手率",
        },
        known=frozenset({"涨跌额", "涨跌幅", "总市值", "流通市值", "成交笔数"}),
        day=("日期",),
        symbol=("股票代码",),
    ),
)
