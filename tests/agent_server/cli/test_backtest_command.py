"""`dingpan backtest` on a desk with the simulated market."""

import json
import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent_server.cli.backtest_command import RulesWord, market_rules
from agent_server.cli.context import Invocation
from agent_server.cli.main import app
from core.backtest.model import BarTable, listing_of
from core.clock import CHINA, SystemClock
from core.market.bar_store import MarketStore
from core.market.demo import install
from tests.support.rest_desk import cheap_passwords

Run = Callable[..., Result]
OWN = """
def my_strategy(bar, ctx):
    if ctx.position == 0:
        ctx.buy(size="all")
"""
CLASS = """
class Strategy:
    def on_bar(self, bar, ctx):
        ctx.order_target_pct(0.5)
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtests") / "market"
    install(MarketStore(folder), imported_at=datetime(2026, 11, 20, 16, tzinfo=CHINA))
    return folder


@pytest.fixture
def run(tmp_path: Path, market: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("core.access.account_service.Passwords", lambda _: cheap_passwords())
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2026, 11, 20, 9, 0, tzinfo=CHINA))
    shutil.copytree(market, tmp_path / "desk" / "market")
    environment = {"DINGPAN_HOME": str(tmp_path / "desk"), "DINGPAN_PORT": "1"}

    def call(*arguments: str, given: str | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=given, obj=Invocation(environment))

    assert call("user", "add", "mei", "--password-stdin", given="correct horse battery\n").exit_code == 0
    return call


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return str(path)


def test_a_file_of_ones_own_with_report_and_kept(run: Run, own: str, tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    options = ("--benchmark", "000300.SH", "--report", str(page), "--language", "zh", "--save", "first", "--tag", "t")
    costs = ("--cash", "500000", "--commission-bps", "2.5")
    done = run("backtest", own, "--symbol", "600011", "--start", "20240603", *costs, *options)
    assert done.exit_code == 0, done.output
    assert "total_return" in done.stdout
    assert "kept as backtest 1" in done.stdout
    html = page.read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in html
    assert "模拟行情" in html
    listed = json.loads(run("skill", "run", "investment.stock.backtest.list", "--json").stdout)["data"]
    assert [(item["name"], item["tags"], item["strategy"], item["simulated"]) for item in listed] == [
        ("first", ["t"], "mine", True)
    ]
    kept = json.loads(run("skill", "run", "investment.stock.backtest.get", "id:=1", "--json").stdout)["data"]
    assert [kept["parameters"][name] for name in ("start", "end", "benchmark_asset")] == [
        "2024-06-03",
        None,
        "000300.SH",
    ]
    assert "backtest.kept" in [row["event"] for row in json.loads(run("audit", "list", "--json").stdout)]
    assert run("audit", "verify").exit_code == 0


def test_files_of_a_kept_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("backtest", "breakout", "--symbol", "600011.SH", "--save", "kept").exit_code == 0
    done = run("results", "export", "1", "--table", "equity")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("backtest-1-equity.csv: ")
    assert Path("backtest-1-equity.csv").read_text().startswith('"dt","equity","cash","position","close"')
    assert run("results", "export", "1", "--format", "parquet", "--out", "t.parquet").exit_code == 0
    assert Path("t.parquet").read_bytes()[:4] == b"PAR1"
    assert run("results", "report", "1", "--language", "zh").exit_code == 0
    assert "<h1>kept</h1>" in Path("backtest-1.html").read_text(encoding="utf-8")
    if find_spec("matplotlib") is not None:
        assert run("results", "image", "1").exit_code == 0
        assert Path("backtest-1.png").read_bytes()[:4] == b"\x89PNG"
    missing = run("results", "report", "2")
    assert (missing.exit_code, "No backtest result 2." in missing.output) == (4, True)


def test_a_built_in_strategy_with_parameters_as_json(run: Run) -> None:
    arguments = ("--symbol", "600011.SH", "-p", "fast:=3", "-p", "slow:=9", "-p", "size:=0.5", "--json")
    done = run("backtest", "dual_moving_average", *arguments, "--start", "2025-01-01", "--end", "20251231")
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["id"] is None
    assert answer["metrics"]["num_trades"] > 5
    assert answer["orders"]["filled"] > 10
    assert json.loads(run("skill", "run", "investment.stock.backtest.list", "--json").stdout)["data"] == []


def test_the_price_that_orders_meet(run: Run, own: str, tmp_path: Path) -> None:
    """One purchase of all on the second day: the further its price, the fewer shares, and the other the return."""
    ticks = tmp_path / "ticks.csv"
    ticks.write_text("ts,price,qty\n2025-01-03 10:00:00,4.44,900000000\n")
    common = ("backtest", own, "--symbol", "600011.SH", "--start", "2025-01-02", "--end", "2025-06-30", "--json")
    returns = {}
    for options in (
        ("--matching", "next_bar_open"),
        ("--matching", "open_auction"),
        ("--matching", "vwap"),
        ("--matching", "next_tick_last", "--ticks", str(ticks)),
        ("--slippage", "tick_size:3"),
        ("--slippage", "limit_price"),
    ):
        done = run(*common, *options)
        assert done.exit_code == 0, done.output
        answer = json.loads(done.stdout)
        assert answer["orders"]["filled"] == 1
        returns[options[1]] = answer["metrics"]["total_return"]
    assert returns["next_bar_open"] == returns["open_auction"]
    assert returns["limit_price"] < returns["tick_size:3"] < returns["next_bar_open"]
    assert len(set(returns.values())) == 5


def test_a_class_is_made_into_an_object(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "kind.py"
    path.write_text(CLASS)
    done = run("backtest", str(path), "--symbol", "600011.SH", "--fill", "this_close", "--rules", "none", "--json")
    assert done.exit_code == 0, done.output
    assert 0.3 < json.loads(done.stdout)["metrics"]["exposure"] <= 1.0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nothing.py",), 4, "There is no file nothing.py"),
        (("brakeout",), 2, "there are dual_moving_average, breakout, rsi_reversion"),
        (("breakout", "-p", "entry:=0"), 2, "entry: 0 is not a whole number"),
        (("breakout", "--matching", "counterparty_offer"), 2, "The desk has none of 600011.SH on these days"),
        (("breakout", "--matching", "vwap", "--fill", "this_close"), 2, "contradicts"),
        (("breakout", "--slippage", "tick_size"), 2, "needs a size"),
        (("breakout", "--ticks", "x.csv"), 2, "say which matching="),
        (("breakout", "--matching", "vwap", "--ticks", "x.csv"), 2, "in x.csv cannot be used"),
        (("breakout", "-p", "fast:=3"), 2, "it has entry, leave, size"),
        (("breakout", "--start", "2030-01-01"), 2, "There are no bars"),
        (("breakout", "--symbol", "609999.SH"), 2, "609999.SH"),
        (("breakout", "--fill", "yesterday"), 2, "yesterday"),
    ],
)
def test_refusals_say_what_is_wrong(run: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    symbol = () if "--symbol" in arguments else ("--symbol", "600011.SH")
    done = run("backtest", *arguments, *symbol)
    assert (done.exit_code, said in done.output) == (code, True), done.output


@pytest.mark.parametrize(
    ("text", "more", "said"),
    [("x = 1", (), "defines none of strategy, my_strategy"), (OWN, ("-p", "a:=1"), "a file has its own numbers")],
)
def test_files_that_are_no_strategy(run: Run, tmp_path: Path, text: str, more: tuple[str, ...], said: str) -> None:
    path = tmp_path / "odd.py"
    path.write_text(text)
    done = run("backtest", str(path), "--symbol", "600011.SH", *more)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_a_strategy_that_raises_names_its_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text("def strategy(bar, ctx):\n    return 1 / 0\n")
    done = run("backtest", str(path), "--symbol", "600011.SH", "--save", "never")
    assert done.exit_code == 1
    assert "ZeroDivisionError" in done.output
    assert json.loads(run("skill", "run", "investment.stock.backtest.list", "--json").stdout)["data"] == []


MADE_WRONG = "class Strategy:\n    def __init__(self):\n        1 / 0\n"
BROKEN = [
    ("run", "def strategy(bar, ctx:\n", ("--symbol", "600011.SH"), "SyntaxError: '(' was never closed"),
    ("run", "import not_there\n", ("--symbol", "600011.SH"), "line 1, in <module>\n    import not_there\n"),
    ("run", MADE_WRONG, ("--symbol", "600011.SH"), "line 3, in __init__"),
    ("run", "def f():\n    1 / 0\nf()\n", (), "line 3, in <module>\n    f()\n"),
    ("panel", "def decide(market):\n    market.nothing\n", (), "line 2, in decide"),
    ("sweep", "import not_there\n", ("--symbol", "600011.SH", "-p", "n=1:3"), "line 1, in <module>"),
]


def test_errors_of_a_file_are_told_by_its_own_lines(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    for command, text, more, said in BROKEN:
        path.write_text(text)
        done = run("backtest", command, str(path), *more)
        assert (done.exit_code, said in done.output) == (1, True), done.output
        assert "agent_server" not in done.output


def test_files_beside_an_own_one_and_what_is_refused_before_the_run(run: Run, own: str, tmp_path: Path) -> None:
    path = tmp_path / "importing.py"
    path.write_text("from mine import my_strategy\n")
    done = run("backtest", str(path), "--symbol", "600011.SH")
    assert done.exit_code == 0, done.output
    silent = run("backtest", own)
    assert silent.exit_code == 2
    assert "defines my_strategy and runs no backtest. Say over which instrument with --symbol." in silent.output
    for arguments in (("run", own, "--symbol", "600011.SH", "--save", "never"), ("panel", own)):
        done = run("backtest", *arguments, "--report", "/not/there/out.html")
        assert (done.exit_code, "there is no folder /not/there" in done.output) == (2, True), done.output
    assert json.loads(run("skill", "run", "investment.stock.backtest.list", "--json").stdout)["data"] == []


@pytest.mark.parametrize(
    ("asked", "symbol", "rules"),
    [
        (RulesWord.AUTO, "600519.SH", "a_share"),
        (RulesWord.AUTO, "00700.HK", "hk"),
        (RulesWord.AUTO, "000300.SH", None),
        (RulesWord.AUTO, None, None),
        (RulesWord.NONE, "600519.SH", None),
        (RulesWord.HK, "600519.SH", "hk"),
    ],
)
def test_rules_follow_the_exchange(asked: RulesWord, symbol: str | None, rules: str | None) -> None:
    assert market_rules(asked, BarTable(listing=listing_of(symbol))) == rules


SCRIPT = """
from core.backtest.stock_day import get_trading_records, run_stock_day_backtest

def my_strategy(bar, ctx):
    if ctx.position == 0:
        ctx.buy(size="all")

result = run_stock_day_backtest(strategy=my_strategy, stock_num="CODE", persist=True, persist_name="own")
print("bars", len(result.equity_curve), "records", get_trading_records("CODE"))
"""


def test_a_script_that_calls_the_engine_itself_reaches_the_desk(run: Run, tmp_path: Path, market: Path) -> None:
    symbol = MarketStore(market).query("SELECT min(symbol) AS symbol FROM daily").to_pylist()[0]["symbol"]
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("CODE", symbol.partition(".")[0]))
    result = run("backtest", str(path))
    assert result.exit_code == 0, result.output
    kept = json.loads(run("skill", "run", "investment.stock.backtest.list").stdout)["items"]
    assert [(row["name"], row["dataset"]) for row in kept] == [("own", "stock_day")]
    assert result.stdout.strip() == f"bars {kept[0]['bars']} records []"
    assert run("backtest", "breakout").exit_code == 2
    assert run("backtest", str(tmp_path / "absent.py")).exit_code == 4
