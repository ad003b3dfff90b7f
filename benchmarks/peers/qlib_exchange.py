"""The program that runs in qlib's environment: orders of a mainland day through its `Exchange`, deal by deal.

It reads `{"cases": [{"symbol", "cash", "least", "open_cost", "close_cost", "min_cost", "days": [...]}]}` and prints the
days with what was ordered, dealt and paid. A day without prices is a suspension. An order is given before its day and
deals at the day's open. Two kinds of orders are not given: numbers of shares that the cash does not pay for, where the
two differ (qlib buys fewer, dingpan refuses the order), and buying everything with less than `least` in cash.
"""

import json
import sys
from pathlib import Path
from typing import Any

SIDES = {"buy": 1, "sell": 0}


def exchange(case: dict[str, Any]) -> Any:
    import pandas
    from qlib.backtest.exchange import Exchange
    from qlib.config import C

    C.set_region("cn")
    days = case["days"]
    index = pandas.MultiIndex.from_product(
        [[case["symbol"]], pandas.to_datetime([day["date"] for day in days])], names=["instrument", "datetime"]
    )
    missing = float("nan")
    columns = {f"${name}": [day.get(name, missing) for day in days] for name in ("open", "close", "volume")}
    columns |= {"$change": 0.0, "$factor": 1.0}
    columns |= {name: [float(day.get(name, 1)) for day in days] for name in ("no_buy", "no_sale")}
    columns["cap"] = [day.get("volume", 0) * 0.25 for day in days]

    class Recorded(Exchange):
        """An exchange whose quotes are given, not read from a store of qlib."""

        def get_quote_from_qlib(self) -> None:
            self.quote_df = pandas.DataFrame(columns, index=index)
            self.trade_w_adj_price = False
            self._update_limit(self.limit_threshold)

    return Recorded(
        codes=[case["symbol"]],
        deal_price="$open",
        limit_threshold=("no_buy", "no_sale"),
        volume_threshold=("current", "cap"),
        open_cost=case["open_cost"],
        close_cost=case["close_cost"],
        min_cost=case["min_cost"],
        trade_unit=100,
    )


def deals(case: dict[str, Any]) -> list[dict[str, Any]]:
    import pandas
    from qlib.backtest.decision import Order
    from qlib.backtest.position import Position

    market, position, symbol = exchange(case), Position(cash=case["cash"]), case["symbol"]
    out = []
    for day in case["days"]:
        start = pandas.Timestamp(day["date"])
        end = start + pandas.Timedelta(hours=23)
        held = position.get_stock_amount(symbol) if position.check_stock(symbol) else 0
        side, size = day["order"]
        if side == "buy":
            needed = case["least"] if size == "all" else size * day.get("open", 0) * 1.01
            if position.get_cash() < needed:
                side, size = "", ""
        dealt = value = cost = 0.0
        if side and (side == "buy" or held):
            most = position.get_cash() // day.get("open", 1) if side == "buy" else held
            wanted = most if size == "all" else size
            order = Order(symbol, amount=wanted, direction=SIDES[side], start_time=start, end_time=end)
            value, cost, _ = market.deal_order(order, position=position)
            dealt = order.deal_amount
        told = {"side": side, "size": size, "dealt": int(dealt), "value": float(value), "cost": float(cost)}
        out.append(told | {"cash": float(position.get_cash())})
    return out


def main(path: str) -> None:
    import qlib

    cases = json.loads(Path(path).read_text())["cases"]
    print(json.dumps({"version": qlib.__version__, "deals": [deals(case) for case in cases]}))


if __name__ == "__main__":
    main(sys.argv[1])
