"""The same moving-average crossing in other libraries, in an environment of their own: `./dev bench --peers`.

Never dependencies: they live in `.venv-peers`, which git ignores. This file is also the program that runs there, so it
imports nothing but the standard library until a function needs more.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ENVIRONMENT = ROOT / ".venv-peers"
PEERS = {"backtesting": "backtesting", "vectorbt": "vectorbt"}
CASH, SHARES, COMMISSION_BPS = 1_000_000.0, 1_000, 3
FAST, SLOW = 5, 20


def python() -> Path:
    return ENVIRONMENT / "bin" / "python"


def is_installed(peer: str) -> bool:
    return python().exists() and (ENVIRONMENT / f"{peer}.ok").exists()


def rows() -> dict[str, Callable[[], Any]]:
    return {f"peers_{peer}": (lambda peer=peer: beside(peer)) for peer in PEERS if is_installed(peer)}


def install() -> list[str]:
    """Put the peers into their environment; return what could not be done, in words."""
    if not python().exists():
        made = subprocess.run(
            [sys.executable, "-m", "venv", str(ENVIRONMENT)], check=False, capture_output=True, text=True
        )
        if made.returncode:
            return [f"no environment for the peers: {made.stderr.strip() or made.stdout.strip()}"]
    failures = []
    for peer, package in PEERS.items():
        if is_installed(peer):
            continue
        command = [str(python()), "-m", "pip", "install", "-q", "--disable-pip-version-check", package]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip() or "no word").splitlines()[-1]
            failures.append(f"{peer} is not compared: pip could not install it ({last})")
        else:
            (ENVIRONMENT / f"{peer}.ok").touch()
    return failures


def beside(peer: str) -> Any:
    """Measure ten years of days in both: the whole call here, the peer's own run there."""
    from benchmarks.engine_callback import daily_rows
    from benchmarks.harness import summarise, timed

    bars = daily_rows()
    told = run_peer(peer, bars, repeat=5)
    ours(bars)
    samples = [timed(lambda: ours(bars)) * 1000 for _ in range(9)]
    note = f"reference: {peer} {told['version']}, its own run of the same crossing"
    return summarise(f"peers_{peer}", samples, unit="ms", target=5.0, references=told["milliseconds"], note=note)


def ours(bars: list[dict[str, Any]]) -> Any:
    """Run the crossing here, with what all of them have: the next open and a commission."""
    from core.backtest.api import backtest

    def strategy(_bar: Any, ctx: Any) -> None:
        if len(ctx.history) <= SLOW:  # backtesting.py begins one bar after its indicators do
            return
        if ctx.sma(FAST) > ctx.sma(SLOW) and ctx.position == 0:
            ctx.buy(SHARES)
        elif ctx.sma(FAST) < ctx.sma(SLOW) and ctx.position > 0:
            ctx.sell("all")

    return backtest(strategy, bars=bars, initial_cash=CASH, commission_bps=COMMISSION_BPS)


def run_peer(peer: str, bars: list[dict[str, Any]], *, repeat: int = 1) -> dict[str, Any]:
    """Run the crossing over there; return its version, milliseconds and equity by bar."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.json"
        path.write_text(json.dumps(bars))
        command = [str(python()), "-W", "ignore", str(Path(__file__)), peer, str(path), str(repeat)]
        out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout
    told: dict[str, Any] = json.loads(out.splitlines()[-1])
    return told


def in_backtesting(frame: Any) -> tuple[Callable[[], Any], Callable[[Any], list[float]]]:
    from backtesting import Backtest, Strategy

    class Crossing(Strategy):
        def init(self) -> None:
            self.fast = self.I(lambda: frame["Close"].rolling(FAST).mean())
            self.slow = self.I(lambda: frame["Close"].rolling(SLOW).mean())

        def next(self) -> None:
            if self.fast[-1] > self.slow[-1] and not self.position:
                self.buy(size=SHARES)
            elif self.fast[-1] < self.slow[-1] and self.position:
                self.position.close()

    test = Backtest(frame, Crossing, cash=CASH, commission=COMMISSION_BPS / 10_000, trade_on_close=False)
    return test.run, lambda result: result["_equity_curve"]["Equity"].tolist()


def in_vectorbt(frame: Any) -> tuple[Callable[[], Any], Callable[[Any], list[float]]]:
    import vectorbt

    def run() -> Any:
        fast, slow = frame["Close"].rolling(FAST).mean(), frame["Close"].rolling(SLOW).mean()
        fast.iloc[:SLOW] = None
        above, below = (fast > slow).shift(1, fill_value=False), (fast < slow).shift(1, fill_value=False)
        return vectorbt.Portfolio.from_signals(
            frame["Close"],
            above,
            below,
            price=frame["Open"],
            size=SHARES,
            fees=COMMISSION_BPS / 10_000,
            init_cash=CASH,
            freq="1D",
        )

    return run, lambda portfolio: portfolio.value().tolist()


def main(peer: str, path: str, repeat: int) -> None:
    import importlib

    import pandas

    bars = json.loads(Path(path).read_text())
    names = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
    frame = pandas.DataFrame(bars).set_index(pandas.to_datetime([bar["trade_date"] for bar in bars]))
    frame = frame.rename(columns=names)[list(names.values())]
    run, equity = {"backtesting": in_backtesting, "vectorbt": in_vectorbt}[peer](frame)
    result = run()
    samples = []
    for _ in range(repeat):
        start = time.perf_counter()
        equity(run())
        samples.append((time.perf_counter() - start) * 1000)
    version = importlib.import_module(peer).__version__
    print(json.dumps({"version": version, "milliseconds": samples, "equity": equity(result)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
