"""`dingpan import`: exit codes, words for people, JSON for programs."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from agent_server.cli.context import Invocation
from agent_server.cli.import_command import import_market
from tests.support.vendor_files import january, tushare, write


@pytest.fixture
def dingpan(tmp_path: Path):
    app = typer.Typer()
    app.command("import")(import_market)
    app.command("other")(lambda: None)

    def run(*arguments: object):
        environment = Invocation({"DINGPAN_HOME": str(tmp_path / "home")})
        return CliRunner().invoke(app, ["import", *map(str, arguments)], obj=environment)

    return run


def test_good_files_end_with_0_some_refused_with_1_none_usable_with_2(dingpan, tmp_path: Path) -> None:
    good = tushare(tmp_path, "a_raw.csv", *january(2))
    bad = write(tmp_path, "b.csv", "a,b\n1,2\n")
    assert dingpan(good).exit_code == 0
    mixed = dingpan(good, bad)
    assert mixed.exit_code == 1
    assert "b.csv: refused: no known layout" in mixed.output
    assert "Nothing new" in mixed.output
    assert dingpan(bad).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert dingpan(tmp_path / "empty").exit_code == 2


def test_json_holds_the_whole_report(dingpan, tmp_path: Path) -> None:
    answer = json.loads(dingpan(tushare(tmp_path, "a_raw.csv", *january(2), "broken"), "--json").output)
    (file,) = answer["files"]
    assert (file["layout"], file["rowsAdded"], file["rowsQuarantined"]) == ("tushare_daily", 2, 1)
    assert Path(answer["quarantinePath"]).exists()
    assert answer["committed"] is True


def test_a_symbol_that_is_none_is_wrong_usage(dingpan, tmp_path: Path) -> None:
    assert dingpan(tushare(tmp_path, "a.csv"), "--symbol", "AAPL").exit_code == 2
