"""The official suite and the inspector against a real server, and many clients at once.

The suite's two requirement sets need fixtures; they are laid over the shipped server by a start that only tests have.
What a server must do whatever its tools are is asked of the shipped server and its own list. All of it carries a token.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.mcp_sessions import META, STATELESS, against_new_server, drive
from core.settings import SettingInvalid, Settings
from tests.support.conformance import programs, suite
from tests.support.conformance.profile_desk import ProfileDesk, profile_of
from tests.support.real_desk import ROOT, RealDesk

ONLY_WITH_FIXTURES = 4
"""Checks of `server-stateless` that need a diagnostic tool of the suite; on our own list they cannot be made."""


@dataclass
class Desks:
    """The two servers, the token for both, and the official programs."""

    shipped: RealDesk
    profile: ProfileDesk
    token: str

    def profile_answer(self, call: dict[str, Any], headers: dict[str, str]) -> str:
        with self.profile.agent(self.token) as agent:
            answer: str = agent.post("/mcp", json=call, headers=headers).json()["result"]["content"][0]["text"]
        return answer


@pytest.fixture(scope="module")
def official() -> programs.Programs:
    """The suite and the inspector, installed by their hashes."""
    try:
        return programs.installed()
    except programs.ProgramsMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def desks(demo_server: tuple[RealDesk, str]) -> Iterator[Desks]:
    shipped, token = demo_server
    with profile_of(shipped) as profile:
        yield Desks(shipped, profile, token)


def test_programs_are_locked_by_hash_and_name_no_host() -> None:
    manifest, lock = (json.loads((programs.HERE / name).read_text()) for name in ("package.json", "package-lock.json"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert "://" not in json.dumps(lock)
    wanted = manifest["dependencies"]
    assert wanted == {name: packages[f"node_modules/{name}"]["version"] for name in wanted}


def test_both_requirement_sets_pass(official: programs.Programs, desks: Desks) -> None:
    reports = suite.run_both(official, f"{desks.profile.url}/mcp", desks.token)
    for revision, count in (("2025-11-25", 30), ("2026-07-28", 37)):
        required = suite.required(official, revision)
        assert len(required) == count
        assert reports[revision].bad(required) == {}, reports[revision].text
        assert reports[revision].code == 0


def test_shipped_server_passes_what_needs_no_fixture(official: programs.Programs, desks: Desks) -> None:
    reports = suite.run_both(official, f"{desks.shipped.url}/mcp", desks.token)
    for revision, scenarios in suite.GENERIC.items():
        assert reports[revision].bad(scenarios) == {}, reports[revision].text
    assert reports["2026-07-28"].verdicts["server-stateless"].failed == ONLY_WITH_FIXTURES


def test_inspector_finds_no_schema_that_clients_cannot_read(official: programs.Programs, desks: Desks) -> None:
    done = suite.list_strictly(official, f"{desks.shipped.url}/mcp", desks.token, "modern")
    assert done.returncode == 0, done.stderr
    names = {tool["name"] for tool in json.loads(done.stdout)["tools"]}
    assert {"skills_search", "skills_call", "investment_stock_portfolio_pnl_get"} <= names
    assert '"format": "decimal"' not in done.stdout
    assert not [name for name in names if name.startswith("test_") or name == "json_schema_2020_12_tool"]


def test_suite_notices_a_server_that_refuses_it(official: programs.Programs, desks: Desks) -> None:
    """The bar can be missed: without a valid token not even a ping passes."""
    assert suite.run_one(official, f"{desks.shipped.url}/mcp", "lgatk_wrong", "ping") == 1


def test_twenty_clients_meet_no_error(desks: Desks) -> None:
    process = desks.shipped.process
    assert process is not None
    figures = asyncio.run(drive(desks.shipped.url, desks.token, pid=process.pid, clients=20, seconds=3))
    assert figures.errors == []
    assert figures.sessions >= 20
    assert len(figures.waits) >= 20
    written = re.findall(r"path=/mcp .*status=(\S+)", desks.shipped.last_words())
    assert written
    assert set(written) <= {"200", "202"}


@pytest.mark.soak
def test_two_hundred_clients_for_a_minute_meet_no_error_and_grow_no_memory() -> None:
    figures = asyncio.run(against_new_server(clients=200, seconds=60))
    assert figures.errors == []
    assert figures.growth < 1.1, figures.summary()
    assert len(figures.waits) >= 200, figures.summary()


def test_shipped_server_answers_no_fixture_and_nobody_without_a_token(desks: Desks) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "test_simple_text", "arguments": {}}}
    call["params"] |= {"_meta": {f"{META}protocolVersion": STATELESS, f"{META}clientCapabilities": {}}}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": STATELESS}
    headers |= {"Mcp-Method": "tools/call", "Mcp-Name": "test_simple_text"}
    with desks.shipped.agent(desks.token) as agent:
        answer = agent.post("/mcp", json=call, headers=headers)
        assert answer.json()["error"]["message"] == "Unknown tool: test_simple_text"
        assert desks.profile_answer(call, headers) == "This is a simple text response for testing."
    for desk in (desks.shipped, desks.profile):
        assert httpx.post(f"{desk.url}/mcp", json=call, headers=headers).status_code == 401


def test_nothing_shipped_can_pass_the_fixtures() -> None:
    """Only a keyword of the server's factory carries an extension, and no shipped module uses it or imports tests."""
    giving = re.compile(r"\bextension=|^\s*(?:from|import) tests\b", re.MULTILINE)
    packages = [ROOT / package for package in ("core", "tools", "skills", "agent_server", "evals")]
    found = [path.name for package in packages for path in package.rglob("*.py") if giving.search(path.read_text())]
    assert found == []


@pytest.mark.parametrize("name", ["CONFORMANCE", "MCP_PROFILE", "MCP_AUTH", "FIXTURES"])
def test_no_setting_opens_the_fixtures(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid):
        Settings.from_env({"DINGPAN_HOME": str(tmp_path), f"DINGPAN_{name}": "1"})
