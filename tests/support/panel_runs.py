"""Random markets of several boards as panels, the same for the panel driver, the callback driver and the slow one."""

from datetime import date
from random import Random
from typing import Any

import numpy as np

from core.backtest.panel import backtest_panel
from core.backtest.panel_decisions import Orders, PanelOrder
from core.backtest.panel_result import PanelResult
from core.market.panel import Panel
from tests.support.random_runs import CALENDARS, SYMBOLS, F, RandomRun, actions_of, listing, random_asset
from tests.support.slow_engine import SlowOptions

STARTS = [
    (2014, 7, 21), (2015, 7, 20), (2015, 8, 25), (2019, 7, 22), (2020, 8, 14), (2022, 4, 18), (2023, 8, 14),
    (2026, 6, 22), (2022, 1, 4),
]  # fmt: skip
HK_STARTS = [(2021, 7, 19), (2022, 12, 19), (2023, 11, 6), (2025, 6, 16), (2025, 7, 25)]
SINCE = {"main": date(1990, 1, 1), "chinext": date(2014, 1, 1), "star": date(2019, 7, 22), "bse": date(2021, 11, 15)}


def random_panel_run(seed: int) -> RandomRun:
    """Draw a market of three to seven shares over all boards that existed, with orders on most days."""
    dice = Random(seed)
    rules = dice.choices(["a_share", "hk", None], [8, 2, 2])[0]
    first = date(*dice.choice(HK_STARTS if rules == "hk" else STARTS))
    options = SlowOptions(
        rules=rules,
        cash=F(dice.choice([3_000, 50_000, 1_000_000, 20_000_000])),
        commission=F(dice.choice([0, 0, 3, 25, 8]), 10_000),
        slippage=F(dice.choice([0, 0, 1, 10, 37]), 10_000),
        fill=dice.choice(["next_open", "next_open", "this_close"]),
        volume_part=dice.choice([None, F(1, 4), F(1, 4), F(1, 10)]),
        carry=dice.random() < 0.4,
        take_rights=dice.random() < 0.5,
        taxed=dice.random() < 0.4 and rules == "a_share",
    )
    boards = ["hk"] if rules == "hk" else [board for board, since in SINCE.items() if since <= first]
    calendar = CALENDARS.hongkong if rules == "hk" else CALENDARS.shanghai
    days = [first] if calendar.is_trading_day(first) else [calendar.next(first)]
    for _ in range(dice.randint(15, 45)):
        days.append(calendar.next(days[-1]))
    known = [(symbol, board) for board in boards for symbol in SYMBOLS[board]]
    chosen = sorted(dice.sample(known, min(len(known), dice.randint(2, 7))))
    assets = [random_asset(dice, symbol, board, days, options) for symbol, board in chosen]
    return RandomRun(assets, options, [*days, calendar.next(days[-1])])


def panel_of(run: RandomRun) -> Panel:
    """Return the bars of a run as a panel."""
    days = sorted({bar.day for asset in run.assets for bar in asset.bars})
    at = {day: row for row, day in enumerate(days)}
    shape = (len(days), len(run.assets))
    columns: dict[str, Any] = {name: np.full(shape, np.nan) for name in ("open", "close", "pre_close")}
    columns |= {"volume": np.zeros(shape, dtype=np.int64), "is_st": np.zeros(shape, dtype=np.int64)}
    for place, asset in enumerate(run.assets):
        for bar in asset.bars:
            row = at[bar.day]
            for name in ("open", "close", "pre_close"):
                columns[name][row, place] = float(getattr(bar, name))
            columns["volume"][row, place], columns["is_st"][row, place] = bar.volume, bar.is_st
    return Panel(np.array(days, dtype="datetime64[D]"), tuple(asset.symbol for asset in run.assets), columns)


def orders_of(run: RandomRun) -> Orders:
    """Return the orders of a run's scripts that fall on a bar, as the callback driver would submit them."""
    found = []
    for asset in run.assets:
        traded = {bar.day for bar in asset.bars}
        for day, orders in asset.script.items():
            for order in orders:
                if day in traded:
                    limit = None if order.limit is None or order.kind == "target" else float(order.limit)
                    found.append(
                        PanelOrder(day=day, symbol=asset.symbol, side=order.kind, size=order.size, limit_price=limit)  # type: ignore[arg-type]
                    )
    return Orders(found)


def parameters_of(run: RandomRun) -> dict[str, Any]:
    options = run.options
    return {
        "initial_cash": float(options.cash),
        "commission_bps": float(options.commission * 10_000),
        "slippage_bps": float(options.slippage * 10_000),
        "fill": options.fill,
        "volume_limit": float("inf") if options.volume_part is None else float(options.volume_part),
        "carry_orders": options.carry,
        "take_rights": options.take_rights,
        "dividend_tax": "cn_individual" if options.taxed else None,
    }


def on_panel(run: RandomRun, **more: Any) -> PanelResult:
    """Run the orders of a random run through the panel driver."""
    return backtest_panel(
        panel_of(run),
        orders_of(run),
        market_rules=run.options.rules,
        listings={asset.symbol: listing(asset) for asset in run.assets},
        actions={asset.symbol: actions_of(asset) for asset in run.assets},
        **parameters_of(run) | more,
    )
