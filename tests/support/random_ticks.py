"""Random markets whose orders meet averages, auctions, ticks and order books, for the engine and the slow reference."""

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

from core.backtest.outcome import BacktestResult
from tests.support.random_runs import RandomRun, random_run, rows_of
from tests.support.slow_engine import SlowAsset, SlowBar, SlowOptions, limits_of
from tests.support.slow_rules import CENT, half_up
from tests.support.slow_ticks import BOOKS, SlowBook, SlowMatching, SlowTickEngine, SlowTicks, SlowTrade

F = Fraction
KINDS = [
    "vwap", "open_auction", "next_tick_last", "next_tick_best_own", "next_tick_best_counterparty", "counterparty_offer",
]  # fmt: skip
AUCTION = 9 * 3600 + 25 * 60


@dataclass
class RandomTickRun(RandomRun):
    matching: SlowMatching
    ticks: dict[str, SlowTicks]

    def slow(self) -> SlowTickEngine:
        engine = SlowTickEngine(self.assets, self.options, self.open_days, matching=self.matching, ticks=self.ticks)
        engine.run()
        return engine

    def fast(self, **more: Any) -> BacktestResult:
        given = self.matching
        named: dict[str, Any] = {"matching": given.kind}
        if given.slippage != "price_ratio":
            named |= {"slippage": (given.slippage, given.steps), "slippage_bps": 0.0}
        if given.kind != "vwap" or given.by_trades:
            named["ticks"] = {symbol: self.told(ticks) for symbol, ticks in self.ticks.items()}
        return super().fast(**named | more)

    def rows(self, asset: SlowAsset) -> list[dict[str, Any]]:
        rows = rows_of(asset)
        if self.matching.kind == "vwap" and not self.matching.by_trades:
            amounts = self.ticks[asset.symbol].amounts
            return [row | {"amount": float(amounts[bar.day])} for row, bar in zip(rows, asset.bars, strict=True)]
        return rows

    def told(self, ticks: SlowTicks) -> list[dict[str, Any]]:
        if self.matching.kind not in BOOKS:
            return [
                {"ts": moment(day, one.second), "price": float(one.price), "qty": one.shares}
                for day, trades in sorted(ticks.trades.items())
                for one in trades
            ]
        return [
            {"ts": moment(day, book.second)} | side("bid", book.bids) | side("ask", book.asks)
            for day, books in sorted(ticks.books.items())
            for book in books
        ]


def moment(day: date, second: int) -> str:
    return f"{day} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def side(name: str, levels: list[tuple[Fraction, int]]) -> dict[str, Any]:
    shown = [*levels, *[(F(0), 0)] * 3][:3]
    prices = {f"{name}_px{place}": float(price) or None for place, (price, _) in enumerate(shown, 1)}
    return prices | {f"{name}_qty{place}": shares for place, (_, shares) in enumerate(shown, 1)}


def random_tick_run(seed: int) -> RandomTickRun:
    dice = Random(f"ticks {seed}")
    base = random_run(seed)
    models = ["price_ratio", "price_ratio"]
    if base.options.rules is not None:
        models.append("tick_size")
    if base.options.rules == "a_share":
        models.append("limit_price")
    slippage = dice.choice(models)
    steps = dice.choice([1, 2, 7]) if slippage == "tick_size" else 0
    matching = SlowMatching(KINDS[seed % len(KINDS)], slippage, steps, by_trades=dice.random() < 0.4)
    options = replace(base.options, fill="next_open")
    if options.volume_part is None and dice.random() < 0.5 and matching.kind in BOOKS:
        options = replace(options, volume_part=F(1))
    ticks = {asset.symbol: random_ticks(dice, asset, options) for asset in base.assets}
    return RandomTickRun(base.assets, options, base.open_days, matching, ticks)


def random_ticks(dice: Random, asset: SlowAsset, options: SlowOptions) -> SlowTicks:
    ticks = SlowTicks()
    for bar in asset.bars:
        low, high = min(bar.open, bar.close), max(bar.open, bar.close)
        between = low + (high - low) * F(dice.randint(-20, 120), 100)
        ticks.amounts[bar.day] = half_up(bar.volume * between, CENT) if dice.random() < 0.95 else F(0)
        if dice.random() < 0.9:
            ticks.trades[bar.day] = random_trades(dice, asset, bar, options)
            ticks.books[bar.day] = random_books(dice, asset, bar, options)
    return ticks


def random_price(dice: Random, asset: SlowAsset, bar: SlowBar, options: SlowOptions) -> Fraction:
    limits = limits_of(asset, bar, options)
    if limits is not None and dice.random() < 0.15:
        return dice.choice(limits)
    price = half_up(bar.open * F(dice.randint(970, 1_030), 1_000), CENT)
    return max(price if limits is None else min(max(price, limits[0]), limits[1]), CENT)


def random_trades(dice: Random, asset: SlowAsset, bar: SlowBar, options: SlowOptions) -> list[SlowTrade]:
    def shares() -> int:
        return dice.choice([1, 37, 400, 2_600, 90_000, 4_000_000])

    trades = []
    if dice.random() < 0.7:
        price = random_price(dice, asset, bar, options)
        trades = [SlowTrade(AUCTION, price, shares()) for _ in range(dice.randint(1, 3))]
    seconds = sorted(dice.sample(range(9 * 3600 + 1800, 15 * 3600), dice.randint(0, 3)))
    return [*trades, *(SlowTrade(second, random_price(dice, asset, bar, options), shares()) for second in seconds)]


def random_books(dice: Random, asset: SlowAsset, bar: SlowBar, options: SlowOptions) -> list[SlowBook]:
    return [
        random_book(dice, asset, bar, options, second) for second in sorted(dice.sample(SECONDS, dice.randint(1, 3)))
    ]


SECONDS = [
    9 * 3600 + 18 * 60,
    9 * 3600 + 26 * 60,
    9 * 3600 + 30 * 60,
    10 * 3600,
    12 * 3600,
    13 * 3600,
    14 * 3600 + 58 * 60,
]


def random_book(dice: Random, asset: SlowAsset, bar: SlowBar, options: SlowOptions, second: int) -> SlowBook:
    limits = limits_of(asset, bar, options)
    middle = random_price(dice, asset, bar, options)
    crossed = second < AUCTION and dice.random() < 0.7

    def levels(way: int) -> list[tuple[Fraction, int]]:
        price, found = middle + (0 if crossed or way < 0 else CENT), []
        for _ in range(dice.choice([0, 1, 2, 3, 3])):
            if price <= 0 or (limits is not None and not limits[0] <= price <= limits[1]):
                break
            found.append((price, dice.choice([1, 37, 250, 900, 12_300, 800_000])))
            price += way * CENT * dice.choice([1, 1, 2, 9])
        return found

    return SlowBook(second, levels(-1), levels(1))
