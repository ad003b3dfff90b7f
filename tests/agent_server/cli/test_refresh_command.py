"""`dingpan refresh` on a desk of its own, with the providers' answers played."""

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import respx
from typer.testing import CliRunner, Result

from agent_server.cli.context import Invocation
from agent_server.cli.main import app
from core.clock import CHINA, SystemClock
from core.market.bar_store import MarketStore, TableChange
from core.market.datasets import DATASETS
from tests.support.rest_desk import cheap_passwords

Run = Callable[..., Result]
BARS = {"url__regex": r"https://([0-9]+\.)?push2his\.eastmoney\.com/.*"}
LINES = ["2026-11-18,10.00,10.00,10.10,9.90,1000,1000000", "2026-11-19,10.20,10.20,10.30,10.10,1000,1020000"]


@pytest.fixture(autouse=True)
def _afternoon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: datetime(2026, 11, 20, 9, 0, tzinfo=CHINA))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("core.access.account_service.Passwords", lambda _: cheap_passwords())
    environment = {"DINGPAN_HOME": str(tmp_path / "desk"), "DINGPAN_PORT": "1", "DINGPAN_LIVE_MARKET": "true"}

    def call(*arguments: str, given: str | None = None, **more: str) -> Result:
        return CliRunner().invoke(app, arguments, input=given, obj=Invocation(environment | more))

    result = call("user", "add", "mei", "--password-stdin", given="correct horse battery\n")
    assert result.exit_code == 0, result.output
    return call


@pytest.fixture
def mocked():
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
def store(tmp_path: Path) -> MarketStore:
    return MarketStore(tmp_path / "desk" / "market")


def commit(store: MarketStore, symbols: list[str], **more) -> None:
    prices = {"open": 10.0, "high": 10.1, "low": 9.9, "close": 10.0}
    rows = [
        {"symbol": symbol, "trade_date": date(2026, 11, 18), **prices, "volume": 100_000, "source": "file"}
        for symbol in symbols
    ]
    table = pa.Table.from_pylist(rows, DATASETS["daily"].schema())
    store.commit({"daily": TableChange(table)}, imported_at=datetime(2026, 11, 18, tzinfo=CHINA), **more)


def test_named_symbols_and_those_held_are_fetched(run: Run, mocked: respx.MockRouter, store: MarketStore) -> None:
    commit(store, ["600519.SH", "600000.SH", "000001.SZ"])
    position = ("stock_num=600519", "market=SH", "qty:=100", "cost=10.00", "opened_on=2026-11-18")
    bought = run("skill", "run", "investment.stock.portfolio.create", *position, DINGPAN_LIVE_MARKET="false")
    assert bought.exit_code == 0, bought.output
    mocked.get(**BARS).respond(json={"data": {"klines": LINES}})
    result = run("refresh", "sh600000", "--json")
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert [(item["what"], item["rowsAdded"], item["newest"]) for item in shown["items"]] == [
        ("600000.SH", 1, "2026-11-19"),
        ("600519.SH", 1, "2026-11-19"),
    ]
    assert (shown["committed"], shown["quarantinePath"]) == (True, None)


def test_what_failed_is_listed_and_ends_with_1(run: Run, mocked: respx.MockRouter) -> None:
    mocked.route().respond(403)
    result = run("refresh", "600519", "--since", "2026-11-01", "--master")
    assert result.exit_code == 1
    assert "600519.SH" in result.output
    assert "FAILED" in result.output


def test_the_table_names_where_refused_rows_are(run: Run, mocked: respx.MockRouter, store: MarketStore) -> None:
    commit(store, ["600519.SH"])
    lines = ["2026-11-18,9.00,9.00,9.10,8.90,1000,900000", LINES[1]]
    mocked.get(**BARS).respond(json={"data": {"klines": lines}})
    result = run("refresh", "600519")
    assert result.exit_code == 0, result.output
    assert "Refused rows, with reasons: " in result.output


def test_nothing_to_refresh(run: Run) -> None:
    result = run("refresh")
    assert (result.exit_code, result.output[:21]) == (0, "Nothing to refresh: n")


@pytest.mark.parametrize(
    ("arguments", "settings", "simulated", "code", "said"),
    [
        (("600519",), {"DINGPAN_LIVE_MARKET": "false"}, False, 1, "DINGPAN_LIVE_MARKET=true"),
        (("600519",), {}, True, 1, "simulated"),
        (("moutai",), {}, False, 2, "'moutai' is no instrument"),
        (("600519", "--since", "yesterday"), {}, False, 2, "yesterday"),
    ],
)
def test_refusals(run: Run, store: MarketStore, arguments, settings, simulated, code, said) -> None:
    commit(store, ["600519.SH"], simulated=simulated)
    result = run("refresh", *arguments, **settings)
    assert result.exit_code == code, result.output
    assert said in result.output
    assert "Traceback" not in result.output
