"""A backtest engine in plain Python fractions, written from the rule book alone. It shares no code with the kernels.

It is slow and simple on purpose: one function per sentence of the rules, no columns, no integers in disguise.
"""

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from math import ceil, floor

from tests.support.slow_rules import (
    CENT,
    UNIT,
    SlowCharge,
    SlowLots,
    half_up,
    slow_affordable,
    slow_fees,
    slow_slipped,
    slow_tick,
)

F = Fraction


@dataclass(frozen=True)
class SlowBar:
    day: date
    open: Fraction
    close: Fraction
    volume: int
    pre_close: Fraction
    is_st: bool = False


@dataclass(frozen=True)
class SlowAction:
    ex_date: date
    cash: Fraction = F(0)
    bonus: Fraction = F(0)
    rights: Fraction = F(0)
    rights_price: Fraction = F(0)


@dataclass
class SlowOrder:
    kind: str
    size: object
    limit: Fraction | None = None
    symbol: str = ""
    placed: date | None = None
    reason: str = "pending"
    quantity: int = 0
    filled: int = 0
    amount: Fraction = F(0)
    fees: Fraction = F(0)
    side: str | None = None
    target: int = 0


@dataclass
class SlowAsset:
    symbol: str
    board: str
    bars: list[SlowBar]
    script: dict[date, list[SlowOrder]]
    actions: list[SlowAction] = field(default_factory=list)
    list_date: date | None = None
    lot_size: int = 100

    @property
    def by_day(self) -> dict[date, SlowBar]:
        return {bar.day: bar for bar in self.bars}


@dataclass(frozen=True)
class SlowOptions:
    rules: str | None = "a_share"
    cash: Fraction = F(1_000_000)
    commission: Fraction = F(3, 10_000)
    slippage: Fraction = F(0)
    fill: str = "next_open"
    volume_part: Fraction | None = F(1, 4)
    carry: bool = False
    take_rights: bool = False
    taxed: bool = False


def stamp_duty(board: str, day: date) -> SlowCharge:
    if board == "hk":
        rate = F("0.0013") if date(2021, 8, 1) <= day < date(2023, 11, 17) else F("0.001")
        return SlowCharge(rate, rounding="dollar")
    if day < date(2008, 4, 24):
        return SlowCharge(F("0.003"))
    if day < date(2008, 9, 19):
        return SlowCharge(F("0.001"))
    return SlowCharge(F("0.001") if day < date(2023, 8, 28) else F("0.0005"), buys=False)


def transfer_fee(symbol: str, day: date) -> list[SlowCharge]:
    exchange = symbol[-2:]
    if exchange == "BJ":
        return [SlowCharge(F("0.000025") if day < date(2022, 4, 29) else F("0.00001"))]
    if day < date(2015, 8, 1):
        return [SlowCharge(F("0.0003"), par=F(1))] if exchange == "SH" else []
    return [SlowCharge(F("0.00002") if day < date(2022, 4, 29) else F("0.00001"))]


def hong_kong_fees(day: date) -> list[SlowCharge]:
    found = [SlowCharge(F("0.00003") if day < date(2014, 11, 1) else F("0.000027"))]
    if day >= date(2022, 1, 1):
        found.append(SlowCharge(F("0.0000015")))
    if day < date(2023, 1, 1):
        found += [SlowCharge(F("0.00005")), SlowCharge(F(0), fixed=F("0.5"))]
    else:
        found.append(SlowCharge(F("0.0000565")))
    if day < date(2025, 6, 30):
        found.append(SlowCharge(F("0.00002"), minimum=F(2), maximum=F(100)))
    else:
        found.append(SlowCharge(F("0.000042")))
    return found


def charges_of(asset: SlowAsset, day: date, options: SlowOptions) -> list[SlowCharge]:
    if options.rules is None:
        return [SlowCharge(options.commission, rounding="unit")]
    if options.rules == "hk":
        return [SlowCharge(options.commission), stamp_duty("hk", day), *hong_kong_fees(day)]
    least = F(5) if options.commission > 0 else F(0)
    return [
        SlowCharge(options.commission, minimum=least),
        stamp_duty(asset.board, day),
        *transfer_fee(asset.symbol, day),
    ]


def lots_of(asset: SlowAsset, options: SlowOptions) -> SlowLots:
    if options.rules is None:
        return SlowLots(1, 1, "any", 10**15)
    return {
        "main": SlowLots(100, 100, "whole", 1_000_000),
        "chinext": SlowLots(100, 100, "whole", 300_000),
        "star": SlowLots(200, 1, "position", 100_000),
        "bse": SlowLots(100, 1, "position", 1_000_000),
        "hk": SlowLots(asset.lot_size, asset.lot_size, "whole", 10**15),
    }[asset.board]


def percent_of(asset: SlowAsset, bar: SlowBar) -> tuple[int, int] | None:
    day, listed = bar.day, asset.list_date
    if listed is not None and asset.bars[0].day == listed:
        age = [one.day for one in asset.bars].index(day) + 1
        if asset.board == "star" and age <= 5:
            return None
        if asset.board == "bse" and age == 1:
            return None
        if asset.board == "chinext" and listed >= date(2020, 8, 24) and age <= 5:
            return None
        if asset.board == "main" and listed >= date(2023, 4, 10) and age <= 5:
            return None
        if age == 1 and date(2014, 1, 1) <= listed:
            return 44, 36
    if asset.board == "star":
        return 20, 20
    if asset.board == "bse":
        return 30, 30
    if asset.board == "chinext":
        return (20, 20) if day >= date(2020, 8, 24) else (10, 10)
    return (5, 5) if bar.is_st and day < date(2026, 7, 6) else (10, 10)


def limits_of(asset: SlowAsset, bar: SlowBar, options: SlowOptions) -> tuple[Fraction, Fraction] | None:
    if options.rules != "a_share":
        return None
    allowed = percent_of(asset, bar)
    if allowed is None:
        return None
    up, down = bar.pre_close * (100 + allowed[0]) / 100, bar.pre_close * (100 - allowed[1]) / 100
    if asset.board == "bse":
        up, down = floor(up / CENT) * CENT, ceil(down / CENT) * CENT
    else:
        up, down = half_up(up, CENT), half_up(down, CENT)
    return max(min(down, bar.pre_close - CENT), CENT), max(up, bar.pre_close + CENT)


HK_TICKS: list[tuple[Fraction | None, Fraction]] = [
    (F("0.25"), F("0.001")), (F("0.5"), F("0.005")), (F(10), F("0.01")), (F(20), F("0.02")), (F(100), F("0.05")),
    (F(200), F("0.1")), (F(500), F("0.2")), (F(1000), F("0.5")), (F(2000), F(1)), (F(5000), F(2)), (None, F(5)),
]  # fmt: skip
HK_TICKS_2025: list[tuple[Fraction | None, Fraction]] = [
    (F("0.25"), F("0.001")), (F("0.5"), F("0.005")), (F(20), F("0.01")), (F(50), F("0.02")), *HK_TICKS[4:],
]  # fmt: skip


def ticks_of(day: date, options: SlowOptions) -> list[tuple[Fraction | None, Fraction]]:
    if options.rules == "hk":
        return HK_TICKS_2025 if day >= date(2025, 8, 4) else HK_TICKS
    return [(None, CENT)]


@dataclass
class SlowHolding:
    asset: SlowAsset
    position: int = 0
    bought_on: dict[date, int] = field(default_factory=dict)
    lots: list[list[object]] = field(default_factory=list)
    queue: list[SlowOrder] = field(default_factory=list)
    orders: list[SlowOrder] = field(default_factory=list)
    last_close: Fraction = F(0)
    used: dict[date, int] = field(default_factory=dict)


class SlowEngine:
    """Shared cash, several assets, orders out of scripts by day."""

    def __init__(self, assets: list[SlowAsset], options: SlowOptions, open_days: list[date]) -> None:
        self.options = options
        self.open_days = sorted({*open_days, *(bar.day for asset in assets for bar in asset.bars)})
        self.holdings = [SlowHolding(asset) for asset in assets]
        self.cash = options.cash
        self.curve: list[tuple[date, Fraction, Fraction, list[int]]] = []

    def run(self) -> None:
        for day in sorted({bar.day for holding in self.holdings for bar in holding.asset.bars}):
            present = [holding for holding in self.holdings if day in holding.asset.by_day]
            for holding in present:
                self.events(holding, day)
            if self.options.fill == "next_open":
                self.settle(present, day, "open")
            for holding in present:
                holding.last_close = holding.asset.by_day[day].close
            for holding in present:
                for order in holding.asset.script.get(day, []):
                    order.symbol, order.placed = holding.asset.symbol, day
                    holding.queue.append(order)
                    holding.orders.append(order)
            if self.options.fill == "this_close":
                self.settle(present, day, "close")
            worth = sum((self.worth(one, one.last_close) for one in self.holdings), F(0))
            self.curve.append((day, self.cash + worth, self.cash, [one.position for one in self.holdings]))
        for holding in self.holdings:
            for order in holding.queue:
                order.reason = "no_next_bar"

    def worth(self, holding: SlowHolding, price: Fraction) -> Fraction:
        return half_up(holding.position * price, UNIT)

    def events(self, holding: SlowHolding, day: date) -> None:  # noqa: C901 - one sentence of the rules after the other
        days = [bar.day for bar in holding.asset.bars]
        at = days.index(day)
        previous = days[at - 1] if at else None
        for action in sorted(holding.asset.actions, key=lambda one: one.ex_date):
            if not (previous is not None and previous < action.ex_date <= day):
                continue
            held = holding.position
            if held == 0:
                continue
            if action.cash:
                self.cash += half_up(action.cash * held, CENT)
                withheld = F(0)
                for lot in holding.lots:
                    lot[2].append((action.ex_date, action.cash))  # type: ignore[attr-defined]
                    if action.ex_date < date(2015, 9, 8):
                        withheld += lot[0] * action.cash * F(5, 100)  # type: ignore[operator]
                if self.options.taxed:
                    self.cash -= half_up(withheld, CENT)
            more = floor(action.bonus * held)
            if self.options.take_rights and action.rights:
                # The dividend of the same day cannot pay for rights of that day.
                cash_before = self.cash - half_up(action.cash * held, CENT) if action.cash else self.cash
                rights = floor(action.rights * held)
                if action.rights_price:
                    rights = min(rights, floor(max(cash_before, F(0)) / action.rights_price))
                self.cash -= ceil(rights * action.rights_price / UNIT) * UNIT
                more += rights
            if more:
                holding.lots.append([more, day, []])
            holding.position += more

    def settle(self, present: list[SlowHolding], day: date, at: str) -> None:  # noqa: C901 - as above
        waiting: list[tuple[SlowHolding, SlowOrder]] = []
        for holding in present:
            queue, holding.queue = holding.queue, []
            for order in queue:
                if at == "open" and self.was_suspended(order, day) and not self.options.carry:
                    order.reason = "suspended"
                else:
                    waiting.append((holding, order))
        equity = self.cash
        for holding in self.holdings:
            equity += self.worth(holding, self.price(holding, day, at) if holding in present else holding.last_close)
        for holding, order in waiting:
            if order.kind != "target":
                order.side = order.kind
            elif not order.quantity:
                price = self.price(holding, day, at)
                budget = floor(equity * F(str(order.size)) / UNIT) * UNIT
                order.target = floor(budget / price)
                delta = order.target - holding.position
                order.side = None if delta == 0 else "buy" if delta > 0 else "sell"
                if delta == 0:
                    order.reason = "at_target"
        for side in ("sell", "buy"):
            for holding, order in waiting:
                if order.side == side:
                    self.execute(holding, order, day, at)

    def was_suspended(self, order: SlowOrder, day: date) -> bool:
        assert order.placed is not None
        if self.options.rules is None and len(self.holdings) == 1:
            return False
        if self.options.rules is None:
            days = sorted({bar.day for one in self.holdings for bar in one.asset.bars})
        else:
            days = self.open_days
        return days[days.index(order.placed) + 1] != day

    def execute(self, holding: SlowHolding, order: SlowOrder, day: date, at: str) -> None:
        options, bar = self.options, holding.asset.by_day[day]
        side, price = order.side, self.price(holding, day, at)
        assert side is not None
        order.reason = self.try_to(holding, order, day=day, price=price, side=side, bar=bar)
        if options.carry and order.reason in {"no_volume", "partial_volume", "no_depth"}:
            holding.queue.append(order)

    def price(self, holding: SlowHolding, day: date, at: str) -> Fraction:
        """What an order meets, and what sizes it."""
        price: Fraction = getattr(holding.asset.by_day[day], at)
        return price

    def volume(self, holding: SlowHolding, day: date) -> int | None:
        """What was traded where an order meets its price; None where there is no price."""
        return holding.asset.by_day[day].volume

    def moved(self, price: Fraction, side: str, day: date, limits: tuple[Fraction, Fraction] | None) -> Fraction:
        options = self.options
        if options.rules is None:
            return price * (1 + options.slippage if side == "buy" else 1 - options.slippage)
        unit = F(1, 1000) if options.rules == "hk" else CENT
        return slow_slipped(price, side, options.slippage, ticks=ticks_of(day, options), limits=limits, unit=unit)

    def try_to(  # noqa: C901 - as above
        self, holding: SlowHolding, order: SlowOrder, *, day: date, price: Fraction, side: str, bar: SlowBar
    ) -> str:
        asset, options = holding.asset, self.options
        lots, charges = lots_of(asset, options), charges_of(asset, day, options)
        is_rest = order.quantity > 0
        wanted, budget = self.wanted(holding, order, side)
        if side == "sell" and wanted <= 0 and holding.position > 0:
            return "at_target" if order.kind == "target" else "below_lot"
        if side == "buy" and order.kind == "target" and not is_rest and wanted <= 0:
            return "at_target"
        if side == "sell" and holding.position == 0:
            return "no_position"
        volume = self.volume(holding, day)
        if volume is None or (options.volume_part is not None and volume <= 0):
            return "no_volume"
        limits = limits_of(asset, bar, options)
        if limits is not None:
            if side == "buy" and price >= limits[1]:
                return "limit_up"
            if side == "sell" and price <= limits[0]:
                return "limit_down"
        paid = self.moved(price, side, day, limits)
        if order.limit is not None and (paid > order.limit if side == "buy" else paid < order.limit):
            return "limit_price"
        reason = "filled"
        if side == "buy":
            quantity, reason = self.size_buy(order, wanted, budget, paid, lots, charges, is_rest)
        else:
            quantity, reason = self.size_sell(holding, wanted, day, lots, is_rest)
        if quantity == 0:
            return reason
        order.quantity = order.quantity or quantity
        filled = quantity
        if options.volume_part is not None:
            cap = max(floor(volume * options.volume_part) - holding.used.get(day, 0), 0)
            if quantity > cap:
                filled, reason = cap // lots.step * lots.step, "partial_volume"
        if filled == 0:
            return reason
        amount = half_up(filled * paid, UNIT)
        fees = slow_fees(charges, amount, filled, side)
        return self.book(holding, order, day=day, side=side, filled=filled, amount=amount, fees=fees, reason=reason)

    def wanted(self, holding: SlowHolding, order: SlowOrder, side: str) -> tuple[int, Fraction]:
        if order.quantity:
            return order.quantity - order.filled, self.cash
        if order.kind == "target":
            return abs(order.target - holding.position) if (order.target > holding.position) == (
                side == "buy"
            ) else 0, (self.cash)
        if order.size == "all":
            return (10**15 if side == "buy" else holding.position), self.cash
        if isinstance(order.size, int):
            return order.size, self.cash
        part = F(str(order.size))
        if side == "buy":
            return 10**15, floor(self.cash * part / UNIT) * UNIT
        return floor(holding.position * part), self.cash

    def size_buy(
        self,
        order: SlowOrder,
        wanted: int,
        budget: Fraction,
        paid: Fraction,
        lots: SlowLots,
        charges: list[SlowCharge],
        is_rest: bool,
    ) -> tuple[int, str]:
        if is_rest:
            lots = SlowLots(lots.step, lots.step, "any", 10**15)
        valid = lots.largest_buy(min(wanted, lots.largest))
        if valid == 0:
            return 0, "below_lot"
        bought = slow_affordable(budget, valid, paid, lots, charges)
        is_fixed = isinstance(order.size, int) and order.kind == "buy" and not is_rest
        if bought == 0 or (is_fixed and bought < valid):
            return 0, "insufficient_cash"
        return bought, "above_largest" if wanted > lots.largest and bought == valid else "filled"

    def size_sell(self, holding: SlowHolding, wanted: int, day: date, lots: SlowLots, is_rest: bool) -> tuple[int, str]:
        locked = holding.bought_on.get(day, 0) if self.options.rules == "a_share" else 0
        free = holding.position - locked
        if is_rest:
            return min(wanted, free), "t_plus_one" if wanted > free else "filled"
        asked = min(wanted, holding.position)
        if free <= 0:
            return 0, "t_plus_one"
        quantity = lots.largest_sell(min(asked, free), holding.position)
        if asked > free:
            return quantity, "t_plus_one"
        if quantity == 0:
            return 0, "below_lot"
        return quantity, "above_largest" if asked > lots.largest else "filled"

    def book(
        self,
        holding: SlowHolding,
        order: SlowOrder,
        *,
        day: date,
        side: str,
        filled: int,
        amount: Fraction,
        fees: Fraction,
        reason: str,
    ) -> str:
        tax = F(0)
        if side == "buy":
            self.cash -= amount + fees
            holding.position += filled
            holding.bought_on[day] = holding.bought_on.get(day, 0) + filled
            holding.lots.append([filled, day, []])
        else:
            if self.options.taxed:
                tax = self.tax(holding, filled, day)
            if self.cash + amount - fees - tax < 0:
                return "insufficient_cash"
            self.take(holding, filled)
            self.cash += amount - fees - tax
            holding.position -= filled
        holding.used[day] = holding.used.get(day, 0) + filled
        order.filled += filled
        order.amount += amount
        order.fees += fees
        return reason

    def tax(self, holding: SlowHolding, shares: int, day: date) -> Fraction:
        due = F(0)
        for count, bought, dividends in holding.lots:
            taken = min(count, shares)  # type: ignore[type-var]
            shares -= taken  # type: ignore[operator]
            for ex_date, cash in dividends:  # type: ignore[attr-defined]
                due += taken * cash * self.tax_rate(bought, day, ex_date)  # type: ignore[arg-type]
            if shares == 0:
                break
        return half_up(due, CENT)

    def tax_rate(self, bought: date, sold: date, ex_date: date) -> Fraction:
        later = lambda months: (bought.year * 12 + bought.month - 1 + months, bought.day)  # noqa: E731
        here = (sold.year * 12 + sold.month - 1, sold.day)
        rate = 20 if here <= later(1) else 10 if here <= later(12) else 0
        if ex_date < date(2015, 9, 8):
            rate = max(rate - 5, 0)
        return F(rate, 100)

    def take(self, holding: SlowHolding, shares: int) -> None:
        while shares:
            lot = holding.lots[0]
            taken = min(lot[0], shares)  # type: ignore[type-var]
            lot[0] -= taken  # type: ignore[operator]
            shares -= taken  # type: ignore[operator]
            if lot[0] == 0:
                holding.lots.pop(0)


__all__ = ["SlowAction", "SlowAsset", "SlowBar", "SlowEngine", "SlowOptions", "SlowOrder", "slow_tick"]
