"""`dingpan backtest sweep` on a desk with the simulated market."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner, Result

from agent_server.cli.context import Invocation
from agent_server.cli.main import app
from agent_server.cli.sweep_command import values_of
from core.clock import CHINA
from core.market.bar_store import MarketStore
from core.market.demo import install

Run = Callable[..., Result]
OWN = """
class Strategy:
    def __init__(self, length=10):
        self.length = length
    def on_bar(self, bar, ctx):
        if not ctx.position and bar.close == ctx.highest(self.length):
            ctx.buy()
        elif ctx.position and bar.close < ctx.sma(self.length):
            ctx.sell()
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("sweeps")
    install(MarketStore(home / "market"), imported_at=datetime(2026, 11, 20, 16, tzinfo=CHINA))
    environment = {"DINGPAN_HOME": str(home), "DINGPAN_PORT": "1"}
    return lambda *arguments: CliRunner().invoke(app, ("backtest", *arguments), obj=Invocation(environment))


def test_a_built_in_strategy(run: Run) -> None:
    done = run("sweep", "dual_moving_average", "--symbol", "600011", "-p", "fast=5:15:5", "-p", "slow=10,30", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["trials"]["fast"] == [5, 5, 10, 15]
    assert told["trials"]["slow"] == [10, 30, 30, 30]
    assert [one["parameters"] for one in told["refused"]] == [{"fast": 10, "slow": 10}, {"fast": 15, "slow": 10}]
    assert told["best"]["metrics"]["sharpe"] == max(told["trials"]["sharpe"])
    assert told["verdict"]["trials"] == 4


def test_a_file_of_ones_own(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    done = run("sweep", str(path), "--symbol", "600011", "-p", "length=5,20", "--commission-bps", "2.5")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2 trials, 0 failed, 0 refused by the strategy\n")
    refused = run("sweep", str(path), "--symbol", "600011", "-p", "quick=1")
    assert (refused.exit_code, "unexpected keyword argument 'quick'" in refused.output) == (2, True)


def test_walking_forward(run: Run) -> None:
    given = ("sweep", "dual_moving_average", "--symbol", "600011", "-p", "fast=2,5", "-p", "slow=10,20")
    done = run(*given, "--train", "200", "--test", "150", "--json")
    assert done.exit_code == 0, done.output
    windows = json.loads(done.output)["windows"]
    assert len(windows) > 2
    assert all(one["train_end"] < one["test_start"] for one in windows)
    assert run(*given, "--train", "200").exit_code == 2


def test_a_rotation_over_the_whole_market(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "rotation.html"
    given = ("-p", "count:=3", "-p", "every:=10", "--start", "20250102", "--commission-bps", "2.5")
    done = run("panel", "small_cap_rotation", *given, "--report", str(page), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["orders"]["filled"] > 20
    assert told["metrics"]["exposure"] > 0.5
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    own = tmp_path / "own.py"
    own.write_text(
        "from core.backtest.panel_decisions import TopK\n"
        "def decide(market, count=5):\n"
        "    return TopK(rank_by='close', k=count, every=20)\n"
    )
    shown = run("panel", str(own), "-p", "count:=2")
    assert shown.exit_code == 0, shown.output
    assert "orders: " in shown.output
    assert run("panel", str(own), "-p", "number:=2").exit_code == 2
    assert run("panel", "large_cap").exit_code == 2


def test_the_usual_command_needs_no_name(run: Run) -> None:
    usual, named = (run(*first, "--symbol", "600011", "rsi_reversion") for first in ((), ("run",)))
    assert usual.exit_code == 0, usual.output
    assert usual.output == named.output


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("fast=5:20:5", [5, 10, 15, 20]),
        ("fast=3:5", [3, 4, 5]),
        ("level=0.1:0.3:0.1", [0.1, 0.2, 0.3]),
        ("fast=5,8", [5, 8]),
        ("size=all,0.5", ["all", 0.5]),
        ("flag=true", [True]),
    ],
)
def test_values(given: str, values: list[object]) -> None:
    name, found = values_of(given)
    assert name == given.partition("=")[0]
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


@pytest.mark.parametrize("given", ["fast", "fast=", "=5", "fast=5:1", "fast=1:5:0", "fast=a:b", "fast=1:2:1:1"])
def test_values_that_cannot_be_read(given: str) -> None:
    with pytest.raises((typer.Exit, click.exceptions.Exit, SystemExit)) as refused:
        values_of(given)
    assert getattr(refused.value, "exit_code", getattr(refused.value, "code", None)) == 2
