"""The whole desk in one story, as its parts are shipped: command line, server, exported client, browser, audit."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.chromium import browser_page, needs_chromium
from tests.support.real_desk import PASSWORD, RealDesk, real_desk
from tests.support.vendor_files import tushare, tushare_row

pytestmark = [pytest.mark.browser, needs_chromium]
DAYS = ("20261118", "20261119")
PNL = "investment.stock.portfolio.pnl.get"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RealDesk]:
    """A desk with two days of one stock, a person, and a running server."""
    file = tushare(tmp_path, "daily_raw.csv", tushare_row(DAYS[0], 10.0), tushare_row(DAYS[1], 10.5, pre_close=10.0))
    with real_desk(tmp_path / "desk") as opened:
        opened.add_user("mei")
        imported = json.loads(opened.command("import", str(file), "--json").stdout)
        assert imported["files"][0]["rowsAdded"] == 2
        opened.start()
        yield opened


class Client:
    """The script of the exported skill folder, with a token of the desk."""

    def __init__(self, desk: RealDesk, folder: Path) -> None:
        desk.command("skill", "export", str(folder))
        self.script = folder / "dingpan" / "scripts" / "dingpan.sh"
        self.environment = os.environ | {"LG_AGENT_BASE_URL": desk.url, "LG_AGENT_TOKEN": desk.token("mei")}

    def __call__(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = subprocess.run(
            ["sh", str(self.script), *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


def test_from_a_file_to_an_approved_deletion(desk: RealDesk, tmp_path: Path) -> None:
    client = Client(desk, tmp_path / "out")
    assert PNL in {entry["skillId"] for entry in client("list", "--granted")["data"]}
    bars = client("exec", "market.bars.get", "symbol=600000.SH", "start=2026-11-18", "end=2026-11-19")["data"]["bars"]
    assert [bar["close"] for bar in bars] == ["10.00", "10.50"]

    assert client("exec", PNL)["data"]["holdings"] == []
    trade = ["stock_num=600000", "market=SH", "trade_type=BUY", "qty:=300", "price=10.00", "fees=5.00"]
    client("exec", "investment.stock.trading.create", *trade, "trade_date=2026-11-18")
    (holding,) = client("exec", PNL, "as_of=2026-11-19")["data"]["holdings"]
    assert (holding["symbol"], holding["quantity"]) == ("600000.SH", 300)
    assert (holding["totalCost"], holding["marketValue"], holding["unrealizedPnl"]) == ("3005.00", "3150.00", "145.00")

    deletion = ["exec", "investment.stock.portfolio.delete", f"position_id:={holding['positionId']}"]
    asked = client(*deletion, code=3)
    assert asked["code"] == "approval_required"
    assert len(client("exec", PNL, "as_of=2026-11-19")["data"]["holdings"]) == 1
    approve(asked["approval"]["url"])
    assert client("approval", asked["approvalId"])["data"]["state"] == "approved"

    deletion.append(f"approvalId={asked['approvalId']}")
    client(*deletion)
    assert client("exec", PNL, "as_of=2026-11-19")["data"]["holdings"] == []
    assert client(*deletion, code=1)["code"] == "approval_consumed"

    desk.audit_is_whole()
    events = [entry["event"] for entry in json.loads(desk.command("audit", "list", "--json").stdout)]
    for event in ("session.opened", "approval.approved", "call.opened"):
        assert event in events, events


def approve(address: str) -> None:
    """Sign in at the address and press the button, as a person does."""
    with browser_page() as page:
        page.goto(address)
        page.get_by_label("User name").fill("mei")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        assert page.locator(".tier.red").is_visible()
        page.get_by_role("button", name="Approve").click()
        assert page.locator(".state.approved").is_visible()
