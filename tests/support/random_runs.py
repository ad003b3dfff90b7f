"""Random markets and random orders, the same for the engine and for the slow reference."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

from core.backtest.api import backtest, backtest_portfolio
from core.backtest.model import Listing
from core.backtest.outcome import BacktestResult
from core.market.model import Board, CorporateAction, Exchange
from core.market.trading_calendar import TradingCalendars
from tests.support.slow_engine import SlowAction, SlowAsset, SlowBar, SlowEngine, SlowOptions, SlowOrder, limits_of
from tests.support.slow_rules import CENT, half_up

F = Fraction
CALENDARS = TradingCalendars.load()
SYMBOLS = {
    "main": ("600001.SH", "000002.SZ", "601003.SH"),
    "chinext": ("300001.SZ", "301002.SZ"),
    "star": ("688001.SH", "689002.SH"),
    "bse": ("830001.BJ", "920002.BJ"),
    "hk": ("00700.HK", "00005.HK"),
}
BOARDS = {
    "main": Board.MAIN,
    "chinext": Board.CHINEXT,
    "star": Board.STAR,
    "bse": Board.BSE,
    "hk": Board.HK_MAIN,
}
TURNS = {
    "main": (2014, 7, 21), "chinext": (2020, 8, 14), "star": (2019, 7, 22), "bse": (2022, 4, 18), "hk": (2021, 7, 19),
}  # fmt: skip
MORE_TURNS = [
    (2015, 7, 20), (2015, 8, 25), (2022, 4, 18),
    (2023, 8, 14), (2026, 6, 22), (2023, 11, 6), (2025, 6, 16), (2025, 7, 25),
    (2022, 12, 19), (2024, 1, 2), (2016, 3, 1),
]  # fmt: skip


@dataclass
class RandomRun:
    assets: list[SlowAsset]
    options: SlowOptions
    open_days: list[date]

    def slow(self) -> SlowEngine:
        engine = SlowEngine(self.assets, self.options, self.open_days)
        engine.run()
        return engine

    def rows(self, asset: SlowAsset) -> list[dict[str, Any]]:
        return rows_of(asset)

    def fast(self, **more: Any) -> BacktestResult:
        named: dict[str, Any] = {
            "initial_cash": float(self.options.cash),
            "commission_bps": float(self.options.commission * 10_000),
            "slippage_bps": float(self.options.slippage * 10_000),
            "fill": self.options.fill,
            "market_rules": self.options.rules,
            "volume_limit": float("inf") if self.options.volume_part is None else float(self.options.volume_part),
            "carry_orders": self.options.carry,
            "take_rights": self.options.take_rights,
            "dividend_tax": "cn_individual" if self.options.taxed else None,
        } | more
        strategies = {asset.symbol: scripted(asset) for asset in self.assets}
        if len(self.assets) == 1 and "force_portfolio" not in named:
            asset = self.assets[0]
            return backtest(
                strategies[asset.symbol],
                bars=self.rows(asset),
                listing=listing(asset),
                actions=actions_of(asset),
                **named,
            )
        named.pop("force_portfolio", None)
        return backtest_portfolio(
            strategies,
            bars={asset.symbol: self.rows(asset) for asset in self.assets},
            listings={asset.symbol: listing(asset) for asset in self.assets},
            actions={asset.symbol: actions_of(asset) for asset in self.assets},
            **named,
        )


def scripted(asset: SlowAsset) -> Callable[[Any, Any], None]:
    def strategy(bar: Any, ctx: Any) -> None:
        for order in asset.script.get(date.fromisoformat(bar.dt), []):
            limit = None if order.limit is None else float(order.limit)
            if order.kind == "target":
                ctx.order_target_pct(order.size)
            elif order.kind == "buy":
                ctx.buy(order.size, limit_price=limit)
            else:
                ctx.sell(order.size, limit_price=limit)

    return strategy


def rows_of(asset: SlowAsset) -> list[dict[str, Any]]:
    return [
        {
            "trade_date": bar.day.isoformat(),
            "open": float(bar.open),
            "high": float(max(bar.open, bar.close)),
            "low": float(min(bar.open, bar.close)),
            "close": float(bar.close),
            "volume": bar.volume,
            "pre_close": float(bar.pre_close),
            "is_st": bar.is_st,
        }
        for bar in asset.bars
    ]


def listing(asset: SlowAsset) -> Listing:
    return Listing(
        symbol=asset.symbol,
        exchange=Exchange(asset.symbol[-2:]),
        board=BOARDS[asset.board],
        lot_size=asset.lot_size,
        list_date=asset.list_date,
    )


def actions_of(asset: SlowAsset) -> list[CorporateAction]:
    def decimal(value: Fraction) -> Decimal:
        return Decimal(value.numerator) / Decimal(value.denominator)

    return [
        CorporateAction(
            symbol=asset.symbol,
            ex_date=action.ex_date,
            cash_per_share=decimal(action.cash),
            bonus_per_share=decimal(action.bonus),
            rights_per_share=decimal(action.rights),
            rights_price=decimal(action.rights_price),
        )
        for action in asset.actions
    ]


def random_run(seed: int, *, symbol: str = "", first: date | None = None) -> RandomRun:
    """With `symbol` and `first`: one main-board or Hong Kong stock from that day on, listed long before."""
    dice = Random(seed)
    rules = dice.choices(["a_share", "hk", None], [8, 2, 2])[0]
    board = "hk" if rules == "hk" else dice.choice(["main", "main", "chinext", "star", "bse"])
    if symbol:
        rules, board = ("hk", "hk") if symbol.endswith(".HK") else ("a_share", "main")
    options = SlowOptions(
        rules=rules,
        cash=F(dice.choice([3_000, 50_000, 1_000_000, 20_000_000])),
        commission=F(dice.choice([0, 0, 3, 25, 8]), 10_000),
        slippage=F(dice.choice([0, 0, 1, 10, 37]), 10_000),
        fill=dice.choice(["next_open", "next_open", "this_close"]),
        volume_part=dice.choice([None, F(1, 4), F(1, 4), F(1, 10)]),
        carry=dice.random() < 0.4,
        take_rights=dice.random() < 0.5,
        taxed=dice.random() < 0.4 and rules == "a_share" and not symbol,
    )
    first = first or date(*dice.choice([TURNS[board], *[turn for turn in MORE_TURNS if turn > TURNS[board]]]))
    calendar = CALENDARS.hongkong if board == "hk" else CALENDARS.shanghai
    days = [first] if calendar.is_trading_day(first) else [calendar.next(first)]
    for _ in range(dice.randint(15, 45)):
        days.append(calendar.next(days[-1]))
    symbols = dice.sample(SYMBOLS[board], dice.choice([1, 1, 2]))
    assets = [random_asset(dice, name, board, days, options) for name in ([symbol] if symbol else symbols)]
    if symbol:
        assets[0].list_date = None
    return RandomRun(assets, options, [*days, calendar.next(days[-1])])


def random_asset(dice: Random, symbol: str, board: str, days: list[date], options: SlowOptions) -> SlowAsset:
    asset = SlowAsset(symbol, board, [], {}, lot_size=dice.choice([100, 500, 1000]))
    asset.list_date = days[0] if dice.random() < 0.3 else None
    price = F(dice.randint(150, 9_000), 100)
    is_st = board == "main" and dice.random() < 0.3
    traded = [day for day in days if dice.random() < 0.92 or day == days[0]]
    for place, day in enumerate(traded):
        if place and dice.random() < 0.08:
            asset.actions.append(random_action(dice, day, price))
            price = reference(price, asset.actions[-1])
        if dice.random() < 0.05:
            is_st = board == "main" and not is_st
        bar = random_bar(dice, asset, day, price, is_st=is_st, options=options)
        asset.bars.append(bar)
        price = bar.close
        if dice.random() < 0.6:
            asset.script[day] = [random_order(dice, price) for _ in range(dice.choice([1, 1, 1, 2, 3]))]
    return asset


def random_action(dice: Random, day: date, price: Fraction) -> SlowAction:
    has_rights = dice.random() < 0.3
    return SlowAction(
        day,
        cash=F(dice.choice([0, 1, 25, 133]), 1000) if price > 1 else F(0),
        bonus=F(dice.choice([0, 0, 3, 10, 5]), 10),
        rights=F(dice.choice([1, 3]), 10) if has_rights else F(0),
        rights_price=half_up(price * F(7, 10), CENT) if has_rights else F(0),
    )


def reference(close: Fraction, action: SlowAction) -> Fraction:
    exact = (close - action.cash + action.rights_price * action.rights) / (1 + action.bonus + action.rights)
    return max(half_up(exact, CENT), CENT)


def random_bar(
    dice: Random, asset: SlowAsset, day: date, price: Fraction, *, is_st: bool, options: SlowOptions
) -> SlowBar:
    volume = dice.choice([0, 37, 900, 12_345, 400_000, 50_000_000]) if dice.random() < 0.4 else 8_000_000
    draft = SlowBar(day, price, price, volume, price, is_st)
    asset.bars.append(draft)
    limits = limits_of(asset, draft, options)
    asset.bars.pop()

    def near() -> Fraction:
        if limits is not None and dice.random() < 0.2:
            return dice.choice(limits)
        moved = half_up(price * F(dice.randint(940, 1_060), 1_000), CENT)
        return max(moved if limits is None else min(max(moved, limits[0]), limits[1]), CENT)

    return SlowBar(day, near(), near(), volume, price, is_st)


def random_order(dice: Random, price: Fraction) -> SlowOrder:
    kind = dice.choice(["buy", "buy", "sell", "sell", "target"])
    if kind == "target":
        return SlowOrder(kind, dice.choice([0, 0.0, 0.1, 0.333, 0.5, 0.95, 1]))
    size: object = dice.choice(["all", "all", 0.5, 0.123, 1.0, 1, 100, 150, 230, 3_700, 200_000, 1_200_000])
    limit = half_up(price * F(dice.randint(97, 103), 100), CENT) if dice.random() < 0.25 else None
    return SlowOrder(kind, size, limit)
