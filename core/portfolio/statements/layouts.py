"""The layouts of statements and what their rows say. One table holds every column and every word."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from core.portfolio.model import FactKind
from core.portfolio.statements.reading import RawRow, RawTable, read_table

ZERO: Final = Decimal(0)
CENT: Final = Decimal("0.01")
CURRENCIES: Final = {"": "CNY", "人民币": "CNY", "CNY": "CNY", "RMB": "CNY", "港币": "HKD", "港元": "HKD", "HKD": "HKD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Names of the columns of one layout; an empty name: the layout has no such column.

    `business` lists columns whose texts say what a row is. `has_events`: dividends and bonus shares stand in the file.
    """

    name: str
    day: str
    business: tuple[str, ...]
    code: str
    price: str
    quantity: str
    amount: str
    cash: str
    fees: tuple[str, ...]
    tax: str
    identity: tuple[str, ...]
    balances: tuple[str, ...] = ()
    cash_after: str = ""
    currency: str = ""
    has_events: bool = True

    @property
    def header(self) -> frozenset[str]:
        """The columns a file of this layout must have."""
        return frozenset(
            {self.day, *self.business, self.code, self.price, self.quantity, self.amount, self.cash, self.tax}
        )


FLOW: Final = Layout(
    name="flow",
    day="交易日期",
    business=("业务名称", "业务类型", "买卖标志"),
    code="证券代码",
    price="成交价格",
    quantity="发生数量",
    amount="成交金额",
    cash="发生金额",
    fees=("佣金", "过户费", "其他费"),
    tax="印花税",
    identity=(
        "交易日期",
        "业务名称",
        "业务类型",
        "证券代码",
        "成交价格",
        "发生数量",
        "成交金额",
        "发生金额",
        "成交时间",
    ),
    balances=("后资金额", "后证券额"),
    cash_after="后资金额",
    currency="币种",
)
FLAT: Final = Layout(
    name="flat",
    day="成交日期",
    business=("买卖标志",),
    code="证券代码",
    price="成交价格",
    quantity="成交数量",
    amount="成交金额",
    cash="发生金额",
    fees=("佣金", "过户费", "其他费"),
    tax="印花税",
    identity=("成交日期", "成交编号", "证券代码", "买卖标志", "成交价格", "成交数量", "发生金额"),
    balances=("成交编号",),
    has_events=False,
)
LAYOUTS: Final = (FLOW, FLAT)

WORDS: Final = (
    ("税", FactKind.TAX),
    ("红股", FactKind.BONUS),
    ("送股", FactKind.BONUS),
    ("转增", FactKind.BONUS),
    ("股息", FactKind.DIVIDEND),
    ("红利", FactKind.DIVIDEND),
    ("派息", FactKind.DIVIDEND),
    ("配股", FactKind.RIGHTS),
    ("证券买入", FactKind.BUY),
    ("证券卖出", FactKind.SELL),
    ("银行转存", FactKind.CASH_IN),
    ("银行转取", FactKind.CASH_OUT),
    ("转入资金", FactKind.CASH_IN),
    ("转出资金", FactKind.CASH_OUT),
    ("利息", FactKind.INTEREST),
    ("结息", FactKind.INTEREST),
    ("费", FactKind.FEE),
)
"""First match wins: 股息红利税补缴 is a tax, although it speaks of dividends."""
SIDES: Final = {"买入": FactKind.BUY, "卖出": FactKind.SELL}
TRADED: Final = frozenset({FactKind.BUY, FactKind.SELL, FactKind.RIGHTS})
RECEIVES: Final = frozenset({FactKind.DIVIDEND, FactKind.CASH_IN, FactKind.INTEREST})
PAYS: Final = frozenset({FactKind.TAX, FactKind.FEE, FactKind.CASH_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRow:
    """One row understood. `kind` None: nothing to record, `reason` says why; `fault` says why it cannot be read.

    `quantity` is without sign, `amount` before charges, `cash` what the row did to the cash account.
    """

    number: int
    kind: FactKind | None = None
    day: date | None = None
    code: str = ""
    price: Decimal = ZERO
    quantity: int = 0
    amount: Decimal = ZERO
    fees: Decimal = ZERO
    tax: Decimal = ZERO
    cash: Decimal = ZERO
    cash_after: Decimal | None = None
    currency: str = "CNY"
    external_id: str = ""
    reason: str = ""
    fault: str = ""


class RowFault(ValueError):
    """A row that cannot be understood; the message says why."""


def read_statement(content: bytes, file_name: str) -> tuple[Layout, list[StatementRow]]:
    """Recognise the layout and understand every row, oldest first. Raises `StatementNotRecognised`."""
    which, table = read_table(content, file_name, [layout.header for layout in LAYOUTS])
    layout = LAYOUTS[which]
    return layout, list(_understood(layout, table))


def _understood(layout: Layout, table: RawTable) -> Iterator[StatementRow]:
    """Give each row an id that stays the same in every export.

    A row that repeats another one to the last balance is a copy. Rows that are equal but for the balance are two
    trades: they are counted, in the order of the file.
    """
    copies: dict[tuple[str, ...], int] = {}
    counts: dict[tuple[str, ...], int] = {}
    for raw in _oldest_first(layout, table.rows):
        identity = tuple(raw.cells.get(name, "") for name in layout.identity)
        whole = identity + tuple(raw.cells.get(name, "") for name in layout.balances)
        row = _row(layout, raw)
        if row.kind is not None and whole in copies:
            yield StatementRow(number=raw.number, day=row.day, reason=f"repeats row {copies[whole]} exactly")
            continue
        copies[whole] = raw.number
        counts[identity] = counts.get(identity, 0) + 1
        digest = hashlib.sha256("\x1f".join(identity).encode()).hexdigest()[:32]
        external_id = f"statement:{layout.name}:{digest}:{counts[identity]}"
        yield replace(row, external_id=external_id)


def _oldest_first(layout: Layout, rows: Sequence[RawRow]) -> Sequence[RawRow]:
    days = [raw.cells.get(layout.day, "") for raw in rows if not raw.fault]
    return rows[::-1] if days and days[0] > days[-1] else rows


def _row(layout: Layout, raw: RawRow) -> StatementRow:
    try:
        if raw.fault:
            raise RowFault(raw.fault)
        return _parsed(layout, raw)
    except RowFault as error:
        return StatementRow(number=raw.number, fault=str(error))


def _parsed(layout: Layout, raw: RawRow) -> StatementRow:
    cells = raw.cells
    row = StatementRow(
        number=raw.number,
        day=_day(cells[layout.day]),
        code=cells[layout.code],
        price=_figure(cells, layout.price),
        quantity=abs(_whole(cells, layout.quantity)),
        amount=_figure(cells, layout.amount),
        cash=_figure(cells, layout.cash),
        cash_after=_figure(cells, layout.cash_after) if cells.get(layout.cash_after) else None,
        currency=_currency(cells.get(layout.currency, "")),
    )
    business = next((cells[name] for name in layout.business if cells[name]), "")
    if not row.cash and not row.quantity:
        return replace(row, amount=ZERO, reason=f"{business}: moves neither cash nor shares")
    return _with_kind(row, _kind(business), layout, cells)


def _with_kind(row: StatementRow, kind: FactKind, layout: Layout, cells: dict[str, str]) -> StatementRow:
    """Fill in what depends on the kind: a trade has charges, an event only its cash."""
    if kind not in TRADED:
        return replace(row, kind=kind, amount=_moved(kind, row.cash))
    fees, tax = sum((_figure(cells, name) for name in layout.fees), ZERO), _figure(cells, layout.tax)
    _check_sums(kind, row.amount, row.cash, fees + tax)
    _check_price(row.price, row.quantity, row.amount)
    return replace(row, kind=kind, fees=fees, tax=tax)


def _kind(business: str) -> FactKind:
    for word, kind in WORDS:
        if word in business:
            return kind
    if business in SIDES:
        return SIDES[business]
    raise RowFault(f"the business {business!r} is not known, and it moves cash or shares.")


def _check_sums(kind: FactKind, amount: Decimal, cash: Decimal, charges: Decimal) -> None:
    """Cash moved must be the amount with the charges, to the cent."""
    expected = amount - charges if kind is FactKind.SELL else -amount - charges
    if cash != expected:
        raise RowFault(f"its cash {cash} is not the amount {amount} with the charges {charges} ({expected}).")


def _check_price(price: Decimal, quantity: int, amount: Decimal) -> None:
    """The price may be a rounded average of fills: off by less than a cent a share."""
    if quantity <= 0 or price <= 0:
        raise RowFault(f"a trade needs a price and a quantity above zero, not {price} and {quantity}.")
    if abs(price * quantity - amount) > CENT * quantity:
        raise RowFault(f"its amount {amount} is not price {price} times quantity {quantity}.")


def _moved(kind: FactKind, cash: Decimal) -> Decimal:
    """Return the cash of an event without sign. Raises when it goes the wrong way."""
    if (kind in RECEIVES and cash < 0) or (kind in PAYS and cash > 0):
        raise RowFault(f"a row of kind {kind.value} cannot move cash by {cash}.")
    return abs(cash)


def _figure(cells: dict[str, str], name: str) -> Decimal:
    text = cells.get(name, "").replace(",", "")
    if text in {"", "-", "--"}:
        return ZERO
    try:
        figure = Decimal(text)
    except InvalidOperation:
        raise RowFault(f"{name} {text!r} is not a number.") from None
    if not figure.is_finite():
        raise RowFault(f"{name} {text!r} is not a finite number.")
    return figure


def _whole(cells: dict[str, str], name: str) -> int:
    figure = _figure(cells, name)
    if figure != figure.to_integral_value():
        raise RowFault(f"{name} {figure} is not a whole number of shares.")
    return int(figure)


def _day(text: str) -> date:
    compact = text.split(" ", maxsplit=1)[0].replace("/", "-")
    for form in ("%Y%m%d", "%Y-%m-%d"):
        try:
            return datetime.strptime(compact, form).date()  # noqa: DTZ007 - a calendar day has no zone
        except ValueError:
            continue
    raise RowFault(f"{text!r} is not a day.")


def _currency(text: str) -> str:
    if text not in CURRENCIES:
        raise RowFault(f"the currency {text!r} is not known.")
    return CURRENCIES[text]
