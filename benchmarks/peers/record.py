"""Write down what other libraries make of simulated bars: `python -m benchmarks.peers.record [backtesting] [qlib]`.

The tables are `tests/golden/peers/*.tsv`; `tests/core/backtest/test_against_peers.py` holds the engine against them.
The libraries live in environments of their own below `.venv-peers` and are never dependencies. qlib is installed
without most of its own dependencies: its `Exchange` needs few of them, and some of the rest does not build any more.
"""

import json
import random
import subprocess
import sys
import tempfile
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from benchmarks import engine_peers
from benchmarks.engine_callback import daily_rows

TABLES = engine_peers.ROOT / "tests" / "golden" / "peers"
QLIB = engine_peers.ENVIRONMENT / "qlib"
QLIB_NEEDS = (
    "numpy", "pandas", "pyyaml", "redis", "python-redis-lock", "dill", "ruamel.yaml", "tqdm", "pymongo", "loguru",
    "joblib", "filelock", "pydantic-settings", "setuptools", "packaging", "requests", "scipy",
)  # fmt: skip
BARS = 500
PRICES = ("open", "high", "low", "close")
SHARE = {"symbol": "000001.SZ", "cash": 9_000_000.0, "least": 100_000.0, "open_cost": 0.00026, "close_cost": 0.00076}
FUND = {"symbol": "510300.SH", "cash": 60_000.0, "least": 0.0, "open_cost": 0.00025, "close_cost": 0.00025}
MINIMUM = 5.0
"""Commission 0.025 %. A share's costs hold its transfer fee of 0.001 % and stamp duty of 0.05 % too, so its deals are
too large (`least`) for the minimum, which dingpan takes of the commission alone. A fund pays the commission only."""
CENT, RISE = Decimal("0.01"), Decimal("0.1")


def main(names: list[str]) -> None:
    for name in names or ["backtesting", "qlib"]:
        path = TABLES / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text({"backtesting": backtesting, "qlib": qlib}[name](), encoding="utf-8")
        print(path)


def table(head: str, rows: list[dict[str, Any]], name: str) -> str:
    """Return a table whose first line says what made it."""
    lines = [f"# {head}; python -m benchmarks.peers.record {name}", "\t".join(rows[0])]
    return "\n".join([*lines, *("\t".join(map(str, row.values())) for row in rows)]) + "\n"


def backtesting() -> str:
    """A moving-average crossing with a commission, filled at the next open."""
    if not engine_peers.is_installed("backtesting"):
        engine_peers.install()
    bars = daily_rows()[:BARS]
    told = engine_peers.run_peer("backtesting", bars)
    names = ("trade_date", *PRICES, "volume")
    rows = [
        {name: bar[name] for name in names} | {"equity": equity}
        for bar, equity in zip(bars, told["equity"], strict=True)
    ]
    return table(f"backtesting.py {told['version']}", rows, "backtesting")


def qlib() -> str:
    """Orders of mainland days through qlib's Exchange: limits, lots, volume, suspensions, costs with a minimum."""
    if not QLIB.exists():
        subprocess.run([sys.executable, "-m", "venv", str(QLIB)], check=True)
        pip = [str(QLIB / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "pyqlib"], check=True)
        subprocess.run([*pip, *QLIB_NEEDS], check=True)
    cases = [case | {"min_cost": MINIMUM, "days": days_of(is_fund=case is FUND)} for case in (SHARE, FUND)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.json"
        path.write_text(json.dumps({"cases": cases}))
        command = [str(QLIB / "bin" / "python"), "-W", "ignore", str(Path(__file__).parent / "qlib_exchange.py")]
        out = subprocess.run([*command, str(path)], check=True, stdout=subprocess.PIPE, text=True, cwd=folder).stdout
    told = json.loads(out.splitlines()[-1])
    names = ("date", *PRICES, "pre_close", "volume", "limit_up", "limit_down")
    rows = [
        {"symbol": case["symbol"]} | {name: day.get(name, "") for name in names} | deal
        for case, deals in zip(cases, told["deals"], strict=True)
        for day, deal in zip(case["days"], deals, strict=True)
    ]
    return table(f"qlib {told['version']}, backtest.exchange.Exchange", rows, "qlib")


def days_of(*, is_fund: bool) -> list[dict[str, Any]]:
    """Return simulated days after the last change of the costs: some locked at a limit, thin or without trading."""
    from core.market.trading_calendar import TradingCalendars

    dice = random.Random(2 if is_fund else 1)
    calendar = TradingCalendars.load().shanghai
    dates = [one.isoformat() for one in calendar.between(date(2023, 9, 1), date(2024, 12, 31))]
    before, scale, out = Decimal("4.00") if is_fund else Decimal("60.00"), 1 if is_fund else 10, []
    for day_id in dates:
        order = order_of(dice, 1 if is_fund else 5)
        if not out or "open" not in out[-1]:
            order = ("", "")  # nobody is there to give it: a strategy is called on bars
        up, down = (((1 + sign * RISE) * before).quantize(CENT, ROUND_HALF_UP) for sign in (1, -1))
        kind = dice.random()
        if kind < 0.03 and out and "open" in out[-1]:
            out.append({"date": day_id, "order": order})
            continue
        opened = up if kind < 0.10 else down if kind < 0.17 else moved(before, dice, down, up)
        close = moved(opened, dice, down, up)
        thin = dice.random() < 0.15
        day = {"open": opened, "high": max(opened, close), "low": min(opened, close), "close": close}
        day |= {"pre_close": before, "limit_up": up, "limit_down": down}
        out.append({"date": day_id} | {name: float(price) for name, price in day.items()})
        out[-1] |= {"volume": dice.randint(2_000, 90_000) * scale if thin else dice.randint(2, 9) * 1_000_000}
        out[-1] |= {"no_buy": int(opened >= up), "no_sale": int(opened <= down), "order": order}
        before = close
    return out


def order_of(dice: random.Random, scale: int) -> tuple[str, Any]:
    """Return side and size of the order given before a day: nothing, everything, or shares that are no whole lots."""
    kind = dice.random()
    if kind < 0.25:
        return "", ""
    if kind < 0.40:
        return "sell", dice.randint(400, 4_000) * scale + dice.randint(0, 99)
    if kind < 0.55:
        return "sell", "all"
    if kind < 0.80:
        return "buy", "all"
    return "buy", dice.randint(400, 1_500) * scale + dice.randint(0, 99)


def moved(price: Decimal, dice: random.Random, down: Decimal, up: Decimal) -> Decimal:
    """Return a price nearby, between the limits, in cents."""
    near = (price * Decimal(str(round(1 + dice.gauss(0, 0.02), 6)))).quantize(CENT, ROUND_HALF_UP)
    return min(max(near, down + CENT), up - CENT)


if __name__ == "__main__":
    main(sys.argv[1:])
