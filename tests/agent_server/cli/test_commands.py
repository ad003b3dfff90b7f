"""The command line: every command, its JSON, its exit codes."""

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from agent_server.cli.context import Invocation
from agent_server.cli.main import app
from agent_server.cli.skill_command import parse_pairs

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "correct horse battery\n"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command on a desk of its own; passwords are hashed cheaply."""
    from tests.support.rest_desk import cheap_passwords

    monkeypatch.setattr("core.access.account_service.Passwords", lambda _: cheap_passwords())
    environment = {"DINGPAN_HOME": str(tmp_path / "desk"), "DINGPAN_PORT": "1"}

    def call(*arguments: str, given: str | None = None, **more: str) -> Result:
        return CliRunner().invoke(app, arguments, input=given, obj=Invocation(environment | more))

    return call


@pytest.fixture
def mei(run: Run) -> dict[str, Any]:
    result = run("user", "add", "mei", "--email", "mei@example.com", "--password-stdin", "--json", given=PASSWORD)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)[0]


def test_people(run: Run, mei: dict[str, Any]) -> None:
    assert (mei["username"], mei["teamName"], mei["role"]) == ("mei", "tenant_mei", "administrator")
    added = run("user", "add", "li.wei", "--team", "tenant_mei", "--password-stdin", given=PASSWORD)
    assert added.exit_code == 0, added.output
    assert json.loads(run("user", "role", "li.wei", "approver", "--json").stdout)[0]["role"] == "approver"
    assert run("user", "password", "li.wei", "--password-stdin", given="another password\n").exit_code == 0
    assert json.loads(run("user", "deactivate", "li.wei", "--json").stdout)[0]["isActive"] is False
    assert [user["username"] for user in json.loads(run("user", "list", "--json").stdout)] == ["li.wei", "mei"]
    assert "mei@example.com" in run("user", "list").stdout
    events = [row["event"] for row in json.loads(run("audit", "list", "--json").stdout)]
    assert events == ["user.deactivated", "user.password_set", "user.role_changed", "user.added", "user.added"]


@pytest.mark.parametrize(
    ("arguments", "given", "code", "said"),
    [
        (("user", "add", "mei", "--password-stdin"), PASSWORD, 1, "taken"),
        (("user", "add", "x", "--password-stdin"), PASSWORD, 2, "cannot be a name"),
        (("user", "add", "wang", "--password-stdin"), "short\n", 2, "password"),
        (("user", "add", "wang"), None, 2, "--password-stdin"),
        (("user", "role", "nobody", "member"), None, 4, "nobody"),
        (("user", "role", "mei", "king"), None, 2, "king"),
        (("user", "deactivate", "mei"), None, 1, "only active administrator"),
        (
            ("token", "create", "a", "--preset", "all"),
            None,
            2,
            "no preset 'all'; the presets are read-data, portfolio, ",
        ),
        (("token", "create", "a", "--scope", "paper.orders.write"), None, 1, "reserved"),
        (("token", "create", "a", "--user", "nobody"), None, 4, "nobody"),
        (("token", "revoke", "99"), None, 4, "No token 99"),
        (("skill", "run", "nope"), None, 2, "no skill"),
        (("skill", "run", "feedback.list", "page"), None, 2, "neither"),
        (("skill", "run", "feedback.list", "pge=1"), None, 2, "pge"),
        (("skill", "describe", "nope"), None, 2, "no skill"),
        (("nonsense",), None, 2, "nonsense"),
    ],
)
def test_refusals(
    run: Run, mei: dict[str, Any], arguments: tuple[str, ...], given: str | None, code: int, said: str
) -> None:
    result = run(*arguments, given=given)
    assert result.exit_code == code, result.output
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_desk_that_is_not_there_is_not_made_by_looking(run: Run, tmp_path: Path) -> None:
    for arguments in (("user", "list"), ("token", "list"), ("audit", "verify"), ("skill", "run", "feedback.list")):
        result = run(*arguments)
        assert (result.exit_code, "no desk" in result.output) == (4, True), arguments
    assert not (tmp_path / "desk").exists()


def test_a_setting_that_cannot_be_used_is_named(run: Run) -> None:
    result = run("user", "list", DINGPAN_PROT="1")
    assert (result.exit_code, "DINGPAN_PROT" in result.output) == (2, True)


def test_tokens(run: Run, mei: dict[str, Any]) -> None:
    made = run("token", "create", "agent", "--preset", "portfolio", "--scope", "feedback.list", "--days", "7", "--json")
    shown = json.loads(made.stdout)
    assert shown["secret"].startswith("lgatk_")
    assert "feedback.list" in shown["token"]["scopes"]
    plain = run("token", "create", "plain", "--days", "0")
    assert plain.stdout.splitlines()[0].startswith("lgatk_")
    listed = json.loads(run("token", "list", "--json").stdout)
    assert {token["tokenName"]: token["expiresAt"] is None for token in listed} == {"plain": True, "agent": False}
    assert shown["secret"] not in run("token", "list").stdout
    assert run("token", "revoke", str(shown["token"]["tokenId"])).exit_code == 0
    assert json.loads(run("token", "list", "--json").stdout)[-1]["status"] == "revoked"
    reset = run("user", "password", "mei", "--password-stdin", given="another password\n")
    assert "1 access tokens of mei still work; --revoke-tokens ends them." in reset.stderr
    reset = run("user", "password", "mei", "--password-stdin", "--revoke-tokens", given="another password\n")
    assert (reset.exit_code, reset.stderr) == (0, "")
    assert {token["status"] for token in json.loads(run("token", "list", "--json").stdout)} == {"revoked"}
    rows = json.loads(run("audit", "list", "--json").stdout)
    assert [(row["event"], row["actor"]) for row in rows][:4] == [
        ("user.password_set", "operator"),
        ("user.password_set", "operator"),
        ("token.revoked", "operator"),
        ("token.minted", "operator"),
    ]


def test_skills(run: Run, mei: dict[str, Any], tmp_path: Path) -> None:
    listed = json.loads(run("skill", "list", "--json").stdout)
    assert {"skillId": "subscription.token.revoke", "risk": "red"}.items() <= {
        entry["skillId"]: entry for entry in listed
    }["subscription.token.revoke"].items()
    assert "investment.stock.portfolio.list" in run("skill", "list", "持仓").stdout
    described = run("skill", "describe", "feedback.submit")
    assert "category" in described.stdout
    sent = run("skill", "run", "feedback.submit", "category=general", "subject=000001", "message=hi", "--json")
    assert json.loads(sent.stdout)["data"]["subject"] == "000001"
    assert run("skill", "export", str(tmp_path / "out")).exit_code == 0
    assert (tmp_path / "out" / "dingpan" / "SKILL.md").exists()


def test_a_red_skill_prints_where_to_approve_and_ends_with_3(run: Run, mei: dict[str, Any]) -> None:
    run("token", "create", "agent")
    result = run("skill", "run", "subscription.token.revoke", "token_id:=1")
    assert result.exit_code == 3
    assert "http://127.0.0.1:1/approvals/apr_" in result.output
    assert json.loads(run("token", "list", "--json").stdout)[0]["status"] == "active"


def test_audit_verify_finds_an_edited_row(run: Run, mei: dict[str, Any], tmp_path: Path) -> None:
    import sqlite3

    assert run("audit", "verify").exit_code == 0
    with sqlite3.connect(tmp_path / "desk" / "desk.sqlite3") as connection:
        connection.execute("UPDATE audit SET actor = 'somebody'")
    connection.close()
    result = run("audit", "verify")
    assert (result.exit_code, "NOT SOUND" in result.output) == (1, True)
    assert json.loads(run("audit", "verify", "--json").stdout)["finding"] is not None


def test_status(run: Run, mei: dict[str, Any]) -> None:
    shown = json.loads(run("status", "--json").stdout)
    assert (shown["server"], shown["users"]) == ("down", 1)
    assert run("status", "--wait", "0", "--quiet").exit_code == 1
    assert run("status", "--wait", "0", "--quiet").output == ""


def test_pairs_keep_their_zeros() -> None:
    given = ["code=000001", "n:=1", "x:=[1.10]", "empty=", "a=b=c"]
    assert parse_pairs(given) == {"code": "000001", "n": 1, "x": [Decimal("1.10")], "empty": "", "a": "b=c"}
    for bad in (["code"], ["n:=x"], ["a=1", "a=2"], ["=x"]):
        with pytest.raises(typer.Exit) as caught:
            parse_pairs(bad)
        assert caught.value.exit_code == 2


def test_every_command_has_an_example() -> None:
    command = typer.main.get_command(app)
    leaves = [sub for top in command.commands.values() for sub in getattr(top, "commands", {"": top}).values()]
    assert len(leaves) >= 17
    assert [leaf.name for leaf in leaves if "Example: dingpan" not in (leaf.help or "")] == []


def test_commands_of_other_packages_are_found(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    class Entry:
        name = "extra"

        def load(self) -> typer.Typer:
            other = typer.Typer(help="From elsewhere.")
            other.command("hello")(lambda: typer.echo("hello from elsewhere"))
            other.callback()(lambda: None)
            return other

    monkeypatch.setattr("agent_server.cli.main._plugins", lambda: {"extra": Entry(), "user": Entry()})
    assert "extra" in run("--help").output
    assert run("extra", "hello").output == "hello from elsewhere\n"
    assert "People" in run("user", "--help").output


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['dingpan', '--help']\n"
        "from agent_server.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'fastapi', 'duckdb', 'pyarrow', 'numpy', 'pydantic', 'structlog', 'uvicorn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_named_tools_in_the_working_directory_does_not_win(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("raise SystemExit('the wrong tools')")
    script = f"import sys; sys.path[:0] = ['', {str(ROOT)!r}]; from agent_server.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, "skill", "list", "--json"],
        cwd=tmp_path,
        env={"DINGPAN_HOME": str(tmp_path / "desk"), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "market.quote.get" in done.stdout


def test_the_demo_desk_is_made_once(run: Run) -> None:
    first = json.loads(run("demo", "--json").stdout)
    again = json.loads(run("demo", "--json").stdout)
    assert (first["market"], first["trades"], first["username"]) == ("simulated", 5, "demo")
    assert first["token"].startswith("lgatk_")
    assert len(first["password"]) == 16
    assert (again["token"], again["password"], again["trades"]) == ("", "", 0)
    pnl = json.loads(run("skill", "run", "investment.stock.portfolio.pnl.get").stdout)
    assert len(pnl["holdings"]) == 4
    assert pnl["meta"]["simulated"] is True
    kept = json.loads(run("skill", "run", "investment.stock.backtest.get", "id=1").stdout)
    assert (kept["strategy"], kept["tags"], kept["simulated"]) == ("dual_moving_average", ["demo"], True)
    runs = json.loads(run("skill", "run", "investment.stock.backtest.run.list").stdout)
    assert [(row["state"], row["result"]["resultId"]) for row in runs["items"]] == [("succeeded", 1)]
