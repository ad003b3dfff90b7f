"""The words of a report in English and Chinese."""

from enum import StrEnum
from typing import Final


class Language(StrEnum):
    """The language of a report."""

    ENGLISH = "en"
    CHINESE = "zh"


METRIC_NAMES: Final = {
    "total_return": ("Total return", "总收益率"),
    "cagr": ("Annual growth (CAGR)", "年化收益率"),
    "sharpe": ("Sharpe ratio", "夏普比率"),
    "sortino": ("Sortino ratio", "索提诺比率"),
    "max_drawdown": ("Maximum drawdown", "最大回撤"),
    "calmar": ("Calmar ratio", "卡玛比率"),
    "volatility": ("Volatility (a year)", "年化波动率"),
    "deflated_sharpe": ("Deflated Sharpe (probability)", "紧缩夏普（概率）"),
    "num_trades": ("Closed trades", "平仓次数"),
    "win_rate": ("Win rate", "胜率"),
    "profit_factor": ("Profit factor", "盈亏比（总额）"),
    "payoff_ratio": ("Payoff ratio", "盈亏比（单笔）"),
    "expectancy": ("Mean result of a trade", "单笔平均盈亏"),
    "longest_losing_streak": ("Longest losing streak", "最长连亏次数"),
    "exposure": ("Time in the market", "持仓时间占比"),
    "turnover": ("Turnover (a year)", "年化换手率"),
    "fees": ("Fees and taxes", "费用与税"),
    "benchmark_return": ("Benchmark return", "基准收益率"),
    "alpha": ("Alpha (a day)", "日均阿尔法"),
    "alpha_annualized": ("Alpha (a year)", "年化阿尔法"),
    "beta": ("Beta", "贝塔"),
    "r_squared": ("R²", "决定系数 R²"),
    "benchmark_volatility": ("Benchmark volatility", "基准波动率"),
    "tracking_error": ("Tracking error", "跟踪误差"),
    "information_ratio": ("Information ratio", "信息比率"),
}
PERCENTAGES: Final = frozenset(
    {
        "total_return",
        "cagr",
        "max_drawdown",
        "volatility",
        "deflated_sharpe",
        "win_rate",
        "exposure",
        "benchmark_return",
        "alpha",
        "alpha_annualized",
        "benchmark_volatility",
        "tracking_error",
    }
)
COUNTS: Final = frozenset({"num_trades", "longest_losing_streak"})
AMOUNTS: Final = frozenset({"fees", "expectancy"})

WORDS: Final = {
    "backtest": ("Backtest", "回测"),
    "to": ("to", "至"),
    "bars": ("bars", "根K线"),
    "strategy": ("Strategy", "策略"),
    "group": ("Program group", "程序组"),
    "tags": ("Tags", "标签"),
    "data": ("Data", "数据"),
    "made": ("Run kept at", "保存时间"),
    "fingerprint": ("Fingerprint", "指纹"),
    "simulated": ("Simulated market: the prices are invented.", "模拟行情：价格为虚构数据。"),
    "figures": ("Figures", "指标"),
    "equity": ("Equity", "净值"),
    "benchmark": ("Benchmark, from the same start", "基准（同起点）"),
    "drawdown": ("Drawdown", "回撤"),
    "months": ("Returns by month", "月度收益"),
    "year": ("Year", "年份"),
    "whole_year": ("Whole year", "全年"),
    "trades": ("Closed trades", "平仓记录"),
    "orders": ("Orders by outcome", "委托结果统计"),
    "unfilled": ("Orders not filled whole", "未完全成交的委托"),
    "parameters": ("Parameters", "参数"),
    "warnings": ("Warnings", "提示"),
    "entry": ("Entry", "开仓"),
    "exit": ("Exit", "平仓"),
    "symbol": ("Symbol", "代码"),
    "qty": ("Quantity", "数量"),
    "entry_px": ("Entry price", "开仓价"),
    "exit_px": ("Exit price", "平仓价"),
    "pnl": ("Result", "盈亏"),
    "return_bps": ("Return", "收益率"),
    "reason": ("Outcome", "结果"),
    "count": ("Orders", "委托数"),
    "side": ("Side", "方向"),
    "submitted_dt": ("Submitted", "提交"),
    "quantity": ("Ordered", "委托量"),
    "filled": ("Filled", "成交量"),
    "none": ("None.", "无。"),
    "first_of": ("The first {shown} of {total}.", "共 {total} 条，显示前 {shown} 条。"),
    "fallen_from": ("Deepest from {start} to {trough}, {recovery}.", "最深回撤自 {start} 至 {trough}，{recovery}。"),
    "recovered": ("made good on {day}", "于 {day} 收复"),
    "not_recovered": ("not made good since", "至今未收复"),
    "start": ("the start", "期初"),
    "annualized": ("Annualised with {days} days a year.", "年化按每年 {days} 个交易日计算。"),
    "buy": ("Buy", "买入"),
    "sell": ("Sell", "卖出"),
}
MONTH_NAMES: Final = {
    Language.ENGLISH: ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    Language.CHINESE: tuple(f"{month}月" for month in range(1, 13)),
}


def word(name: str, language: Language, **data: object) -> str:
    """Return a word or sentence of the page, filled in."""
    return WORDS[name][language is Language.CHINESE].format(**data)


def metric_name(name: str, language: Language) -> str:
    """Return what people call a metric; its own name when it has no other."""
    return METRIC_NAMES.get(name, (name, name))[language is Language.CHINESE]


def metric_text(name: str, value: float) -> str:
    """Return a figure as people read it: percent, whole number, money, or three decimals."""
    if name in PERCENTAGES:
        return percent(value)
    if name in COUNTS:
        return f"{value:,.0f}"
    return money(value) if name in AMOUNTS else f"{value:,.3f}"


def percent(value: float) -> str:
    """Return a fraction as percent with two decimals; what rounds to zero has no sign."""
    return f"{round(value * 100, 2) + 0.0:.2f}%"


def money(value: float) -> str:
    """Return an amount with separators and two decimals; what rounds to zero has no sign."""
    return f"{round(value, 2) + 0.0:,.2f}"


def price(value: float) -> str:
    """Return a price with separators and two decimals, up to four where it has them."""
    text = f"{value:,.4f}"
    return text[:-2] if text.endswith("00") else text.rstrip("0")
