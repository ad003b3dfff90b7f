"""What is shipped, what it is locked to, and what a start imports."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["core", "tools", "skills", "agent_server", "evals"]
HEAVY = "openai anthropic numba pandas duckdb matplotlib exchange_calendars dbos pyarrow alembic argon2 python_calamine"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_wheel_lists_exactly_the_five_packages_and_is_never_uploaded() -> None:
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == PACKAGES
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


def test_packages_come_from_one_root() -> None:
    for package in PACKAGES:
        module = __import__(package)
        assert Path(module.__path__[0]).resolve() == ROOT / package


def test_no_other_distribution_provides_our_names() -> None:
    providers = metadata.packages_distributions()
    for package in PACKAGES:
        assert set(providers.get(package, [])) <= {"dingpan"}


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_locks_are_hashed_and_name_no_host(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"index-url|find-links|\b[\w-]+\.(com|org|io|net|cn)\b", text)
    pins = re.findall(r"^[A-Za-z0-9_.\[\]-]+==\S+", text, re.MULTILINE)
    assert pins
    assert len(pins) == len(re.findall(r"(?:\\\n\s+--hash=sha256:[0-9a-f]{64}\s*)+", text))


def test_start_imports_nothing_heavy() -> None:
    """A client starts the command line for every conversation, so what is heavy loads on first use."""
    program = "import sys, agent_server, agent_server.app, agent_server.__main__; print('\\n'.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    names = set(loaded.stdout.split())
    assert [module for module in HEAVY.split() if module in names] == []


def test_working_directory_cannot_replace_a_package(tmp_path: Path) -> None:
    """A `tools` folder where the command is run must not win."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("raise SystemExit('the wrong tools')")
    done = subprocess.run(
        [sys.executable, "-m", "agent_server", "--help"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr


def test_tracked_files_name_no_path_of_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    found = []
    for entry in listed:
        path = ROOT / entry
        if path.suffix in {".py", ".md", ".toml", ".sh", ".yaml", ".html", ""} and path.is_file():
            text = path.read_text(errors="replace")
            found += [entry for pattern in (str(ROOT.parent) + "/", "/root/", "/home/") if pattern in text]
    assert sorted(set(found) - {"tests/architecture/test_packaging.py"}) == []
