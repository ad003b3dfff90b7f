"""From vendors' files and a broker's statement to figures that are right to the cent, as a newcomer would do it."""

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.support.real_desk import RealDesk, answered, real_desk, run

STATEMENTS = ["broker_statement_flat_utf8.csv", "broker_statement_flow_gbk.csv"]


@pytest.fixture(scope="module")
def desk(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealDesk]:
    """A desk with the real market and a running server."""
    with real_desk(tmp_path_factory.mktemp("desk")) as opened:
        opened.add_user("ada")
        files = ["security_master", "daily_bars", "dividends", "name_history", "index_daily"]
        done = opened.command(
            "import", *(str(shared_data / f"{name}.parquet") for name in files), "--json", check=False
        )
        assert done.returncode in {0, 1}, done.stderr
        opened.start()
        yield opened


@pytest.fixture(scope="module")
def agent(desk: RealDesk) -> Iterator[httpx.Client]:
    with desk.agent(desk.token("ada")) as client:
        yield client


@pytest.mark.parametrize("name", STATEMENTS)
def test_statement_gives_the_expected_figures_to_the_cent(agent: httpx.Client, shared_data: Path, name: str) -> None:
    expected = json.loads((shared_data / "vendor_csv" / "broker_statement_expected.json").read_text())[name]
    content = base64.b64encode((shared_data / "vendor_csv" / name).read_bytes()).decode()
    parameters = {
        "file_name": name,
        "content": content,
        "encoding": "base64",
        "account_id": name[:20],
        "opening_cash": expected["opening_cash"],
    }
    planned = answered(run(agent, "investment.stock.trading.import", **parameters, dry_run=True))
    assert answered(run(agent, "investment.stock.trading.list", account_id=name[:20])) == []
    first = answered(run(agent, "investment.stock.trading.import", **parameters))
    assert planned["added"] == first["added"]
    again = answered(run(agent, "investment.stock.trading.import", **parameters))
    assert again["added"] in (0, [])

    report = answered(run(agent, "investment.stock.portfolio.pnl.get", account_id=name[:20]))
    held = {row["symbol"]: row for row in report["holdings"] if row["quantity"]}
    assert {symbol: {"qty": row["quantity"], "cost": row["totalCost"]} for symbol, row in held.items()} == expected[
        "positions"
    ]
    realised = {row["symbol"]: row["realizedPnl"] for row in report["holdings"] if Decimal(row["realizedPnl"])}
    assert realised == expected["realised"]
