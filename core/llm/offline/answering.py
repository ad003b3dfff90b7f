"""The result of a tool as a few sentences in the language of the question, with its own figures and its as-of day.

Nothing is computed but percentages: every figure stands in the result as it is quoted. Texts of the result are data, so
they are cut to one short line.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

MOST_ROWS: Final = 10
MOST_BARS: Final = 5
MOST_FIELDS: Final = 6
LONGEST_TEXT: Final = 80

PRICES: Final = ("open", "high", "low", "close")

ADVICE: Final = {
    "add1": ("加仓", "add at"),
    "add2": ("加仓", "add at"),
    "reduce1": ("减仓", "reduce at"),
    "reduce2": ("减仓", "reduce at"),
    "noMoreAdd": ("不再加仓", "no adding above"),
}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of a result: a headline and rows. `total` counts the rows there are, shown or not."""

    headline: str
    rows: tuple[str, ...] = ()
    total: int = 0

    def text(self, *, zh: bool) -> str:
        """Return it as lines, and how many rows were left out."""
        shown = [f"- {row}" for row in self.rows[:MOST_ROWS]]
        left = max(self.total, len(self.rows)) - len(shown)
        if left > 0:
            shown.append(f"- 另有 {left} 条" if zh else f"- and {left} more")
        return "\n".join([self.headline, *shown])


def answer(result: Mapping[str, Any], *, title: str, zh: bool) -> str:
    """Return the answer to a question whose tool returned `result`; `title` names the tool where nothing else does."""
    body, meta = unwrapped(result)
    made = (make(body, zh) for key, make in SHAPES if key in body)
    report = next((report for report in made if report is not None), None) or _plain(body, title, zh)
    return "\n".join(filter(None, [report.text(zh=zh), _provenance(meta, zh=zh)]))


def unwrapped(result: Mapping[str, Any]) -> tuple[Row, Row]:
    """Return the result itself and its provenance, whichever way they were sent."""
    inner = result.get("result", result) if "skillId" in result else result
    meta = inner.get("meta") if isinstance(inner.get("meta"), Mapping) else {}
    data = inner.get("data")
    if isinstance(data, Mapping) and set(inner) <= {"data", "meta", "message", "success", "traceId"}:
        return data, meta or {}
    return {name: value for name, value in inner.items() if name != "meta"}, meta or {}


def line(value: Any) -> str:
    """Return a value as one short line without control characters."""
    plain = "" if value is None else str(value)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."


def _provenance(meta: Row, *, zh: bool) -> str:
    """Say what the figures rest on, and every warning that came with them."""
    said = []
    if meta.get("asOf"):
        day, name = str(meta["asOf"])[:10], line(meta.get("dataset"))
        said.append(f"数据截至 {day}（{name}）。" if zh else f"Data as of {day} ({name}).")
    if meta.get("simulated"):
        said.append("行情为模拟数据，并非真实价格。" if zh else "The market is simulated: no price is real.")
    warnings = meta.get("warnings")
    if isinstance(warnings, Sequence) and not isinstance(warnings, str):
        said += [("注意：" if zh else "Note: ") + " ".join(str(item).split())[:300] for item in warnings[:3]]
    return "\n".join(said)


def _pnl(body: Row, zh: bool) -> Report | None:
    total = body.get("total")
    if not isinstance(total, Mapping) or "unrealizedPnl" not in total:
        return None
    day, rows = line(body.get("asOf")), _rows(body.get("holdings"))
    if zh:
        headline = (
            f"{day} 的持仓盈亏：总盈亏 {_signed(total.get('totalPnl'))} {line(total.get('currency'))}，"
            f"其中浮动盈亏 {_signed(total['unrealizedPnl'])}，已实现盈亏 {_signed(total.get('realizedPnl'))}，"
            f"当日盈亏 {_signed(total.get('todayPnl'))}；市值 {line(total.get('marketValue'))}，"
            f"成本 {line(total.get('totalCost'))}。"
        )
    else:
        headline = (
            f"Profit and loss on {day}: {_signed(total.get('totalPnl'))} {line(total.get('currency'))} in total, "
            f"{_signed(total['unrealizedPnl'])} unrealized and {_signed(total.get('realizedPnl'))} realized; "
            f"today {_signed(total.get('todayPnl'))}. Market value {line(total.get('marketValue'))}, "
            f"cost {line(total.get('totalCost'))}."
        )
    return Report(headline, tuple(_holding(row, zh) for row in rows))


def _holding(row: Row, zh: bool) -> str:
    who, share = _who(row), _percent(row.get("unrealizedPnlRatio"))
    gain = _signed(row.get("unrealizedPnl")) + (f" ({share})" if share else "")
    quantity, price, value = (line(row.get(name)) for name in ("quantity", "lastPrice", "marketValue"))
    day = str(row.get("priceAt") or "")[:10]
    if zh:
        return f"{who}：{quantity} 股，现价 {price}（{day}），市值 {value}，浮动盈亏 {gain}"
    return f"{who}: {quantity} shares, last {price} ({day}), value {value}, unrealized {gain}"


def _explained(body: Row, zh: bool) -> Report | None:
    holding = body.get("holding")
    if not isinstance(holding, Mapping):
        return None
    facts = tuple(_trade(row, zh) for row in _rows(body.get("facts")))
    return Report(_holding(holding, zh) + ("。账目：" if zh else ". It rests on:"), facts)


def _quotes(body: Row, zh: bool) -> Report:
    rows = tuple(_quote(row, zh) for row in _rows(body.get("quotes")))
    without = [line(item if isinstance(item, str) else _who(item)) for item in body.get("withoutPrice") or ()]
    headline = ("最新行情：" if zh else "Last prices:") if rows else ("没有查到价格。" if zh else "No price was found.")
    missing = ("没有价格：" if zh else "without a price: ") + ", ".join(without)
    return Report(headline, (*rows, missing) if without else rows)


def _quote(row: Row, zh: bool) -> str:
    change = _change(row.get("lastPrice"), row.get("referencePrice"))
    price = f"{line(row.get('lastPrice'))} {line(row.get('currency'))}" + (f" ({change})" if change else "")
    day, halted = line(row.get("tradeDate")), row.get("isSuspended")
    ends = ("，停牌" if zh else ", suspended") if halted else ""
    span = f"{line(row.get('low'))}-{line(row.get('high'))}"
    if zh:
        return f"{_who(row)}：{price}，{day}，前收 {line(row.get('referencePrice'))}，高低 {span}{ends}"
    return f"{_who(row)}: {price} on {day}, previous close {line(row.get('referencePrice'))}, range {span}{ends}"


def _bars(body: Row, zh: bool) -> Report:
    rows = _rows(body.get("bars"))
    who = f"{line(body.get('symbol'))} {line(body.get('name'))}".strip()
    if not rows:
        return Report(f"{who}：没有这段时间的行情。" if zh else f"{who}: no bars in that time.")
    first, last = rows[0], rows[-1]
    change = _change(last.get("close"), first.get("close")) or "0%"
    spelled = f"{line(first.get('time'))} - {line(last.get('time'))}"
    headline = (
        f"{who} {spelled}，共 {line(body.get('total') or len(rows))} 根；收盘 {line(first.get('close'))} → "
        f"{line(last.get('close'))}（{change}）。最近几根："
        if zh
        else f"{who}, {spelled}, {line(body.get('total') or len(rows))} bars; close {line(first.get('close'))} -> "
        f"{line(last.get('close'))} ({change}). The newest:"
    )
    words = ("开", "高", "低", "收") if zh else ("open", "high", "low", "close")
    told = [_prices(row, words) for row in rows[-MOST_BARS:]]
    return Report(headline, tuple(told))


def _prices(row: Row, words: Sequence[str]) -> str:
    told = (f"{word} {line(row.get(name))}" for word, name in zip(words, PRICES, strict=True))
    return f"{line(row.get('time'))} " + " ".join(told)


def _items(body: Row, zh: bool) -> Report | None:
    """Tell a list by the keys of its rows."""
    rows = _rows(body.get("items"))
    total = max(_total(body), len(rows))
    for key, make, names in LISTS:
        if rows and key in rows[0]:
            what = names[0] if zh else names[1]
            headline = f"{what}，共 {total} 条：" if zh else f"{what}, {total}:"
            return Report(headline, tuple(make(row, zh) for row in rows), total)
    return None


def _trade(row: Row, zh: bool) -> str:
    sides = {"BUY": ("买入", "bought"), "SELL": ("卖出", "sold")}
    side = sides.get(str(row.get("tradeType")), (line(row.get("kind")),) * 2)[0 if zh else 1]
    quantity, price, money = (line(row.get(name)) for name in ("quantity", "price", "amount"))
    amount = f"{quantity} x {price} = {money} {line(row.get('currency'))}"
    taken_back = (" （已冲销）" if zh else " (reversed)") if row.get("isReversed") else ""
    return f"{line(row.get('tradeDate'))} {side} {_who(row)} {amount} (#{line(row.get('recordId'))}){taken_back}"


def _recommendation(row: Row, zh: bool) -> str:
    prices = [
        f"{words[0 if zh else 1]} {line(row[name])}" for name, words in ADVICE.items() if row.get(name) is not None
    ]
    note = f" {line(row['note'])}" if row.get("note") else ""
    said = ", ".join([line(row.get("action")), *prices])
    return f"{_who(row)}: {said} ({str(row.get('createdAt') or '')[:10]}){note}"


def _asset(row: Row, _: bool) -> str:
    count = f", {line(row['recordCount'])} rows" if row.get("recordCount") is not None else ""
    return f"#{line(row.get('id'))} {line(row.get('assetName'))}{count}: {line(row.get('description'))}"


def _backtest(row: Row, zh: bool) -> str:
    words = ("收益", "夏普", "最大回撤", "笔交易") if zh else ("return", "Sharpe", "drawdown", "trades")
    invented = ("，模拟行情" if zh else ", simulated market") if row.get("simulated") else ""
    span = f"{line(row.get('firstDt'))[:10]} - {line(row.get('lastDt'))[:10]}"
    figures = [
        f"{words[0]} {_percent(row.get('totalReturn')) or '-'}",
        f"{words[1]} {_short(row.get('sharpe'))}",
        f"{words[2]} {_percent(row.get('maxDrawdown')) or '-'}",
        f"{line(row.get('numTrades'))} {words[3]}",
    ]
    return f"#{line(row.get('id'))} {line(row.get('name'))} ({span}): {', '.join(figures)}{invented}"


def _instrument(row: Row, _: bool) -> str:
    return f"{_who(row)} ({line(row.get('exchange'))}, {line(row.get('kind'))})"


def _instruments(body: Row, zh: bool) -> Report:
    rows = _rows(body.get("instruments"))
    none = "没有找到符合的证券。" if zh else "No instrument matches."
    headline = ("找到的证券：" if zh else "Instruments found:") if rows else none
    return Report(headline, tuple(_instrument(row, zh) for row in rows))


def _calendar(body: Row, zh: bool) -> Report | None:
    days = _rows(body.get("days"))
    if not days or "isOpen" not in days[0]:
        return None
    exchange, first = line(body.get("exchange")), days[0]
    if len(days) == 1:
        state = ("开市" if zh else "open") if first["isOpen"] else ("休市" if zh else "closed")
        why = f" ({line(first.get('note'))})" if first.get("note") else ""
        return Report(f"{line(first.get('day'))} {exchange}{'：' if zh else ': '}{state}{why}")
    span = f"{line(body.get('start'))} - {line(body.get('end'))}"
    headline = (
        f"{exchange} {span}：{line(body.get('tradingDays'))} 个交易日。首日 {line(first.get('day'))}"
        f"{'开市' if first['isOpen'] else '休市'}。休市日："
        if zh
        else f"{exchange}, {span}: {line(body.get('tradingDays'))} trading days. {line(first.get('day'))} is "
        f"{'open' if first['isOpen'] else 'closed'}. Closed on:"
    )
    closed = [f"{line(row.get('day'))} {line(row.get('note'))}".strip() for row in days if not row["isOpen"]]
    return Report(headline, tuple(closed))


def _plain(body: Row, title: str, zh: bool) -> Report:
    """Tell any other result: its single values, then the rows of its first list."""
    single = [f"{name} {line(value)}" for name, value in body.items() if _is_plain(value) and value is not None]
    rows = next((_rows(value) for value in body.values() if _rows(value)), [])
    if not rows and any(value == [] for value in body.values()) and not _total(body):
        return Report(f"{title}：没有记录。" if zh else f"{title}: nothing there.")
    headline = f"{title}{'：' if zh else ': '}" + ", ".join(single[: 2 * MOST_FIELDS])
    return Report(headline.rstrip(), tuple(_fields(row) for row in rows), max(_total(body), len(rows)))


def _total(body: Row) -> int:
    counts = (body.get(name) for name in ("total", "totalElements"))
    return next((count for count in counts if isinstance(count, int)), 0)


def _fields(row: Row) -> str:
    told = [f"{name} {line(value)}" for name, value in row.items() if _is_plain(value) and value not in {None, ""}]
    return ", ".join(told[:MOST_FIELDS])


def _rows(value: Any) -> list[Row]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _who(row: Row) -> str:
    return f"{line(row.get('symbol'))} {line(row.get('name'))}".strip()


def _figure(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _signed(value: Any) -> str:
    read = _figure(value)
    return f"+{line(value)}" if read is not None and read > 0 else line(value)


def _percent(ratio: Any) -> str:
    read = _figure(ratio)
    return f"{read * 100:+.2f}%" if read is not None and read.is_finite() else ""


def _short(value: Any) -> str:
    read = _figure(value)
    return f"{read:.2f}" if read is not None and read.is_finite() else "-"


def _change(now: Any, before: Any) -> str:
    last, base = _figure(now), _figure(before)
    return _percent(last / base - 1) if last is not None and base is not None and base > 0 else ""


SHAPES: Final[tuple[tuple[str, Callable[[Row, bool], Report | None]], ...]] = (
    ("holdings", _pnl),
    ("holding", _explained),
    ("quotes", _quotes),
    ("bars", _bars),
    ("instruments", _instruments),
    ("days", _calendar),
    ("items", _items),
)
"""How a result is told, by a key that only such results have."""
LISTS: Final[tuple[tuple[str, Callable[[Row, bool], str], tuple[str, str]], ...]] = (
    ("positionId", _holding, ("持仓", "Holdings")),
    ("tradeType", _trade, ("交易记录", "Trades")),
    ("recommendationId", _recommendation, ("操作建议", "Advice in force")),
    ("assetName", _asset, ("数据资产", "Data assets")),
    ("totalReturn", _backtest, ("回测", "Backtests")),
)
"""How the rows of a list are told, by a key of theirs."""
