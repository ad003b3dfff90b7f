"""The README is true: its commands run as printed on a demo desk, and print what it shows."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_desk import PASSWORD, RealDesk, real_desk

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
APPROVES = "<!-- the person approves here -->"
END = "<<end of output>>"


def commands() -> list[tuple[str, list[str]]]:
    """Return each command of the console blocks with the lines it should print, and the approval where it stands."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(rf"```console\n(.*?)```|({APPROVES})", README, re.DOTALL):
        if block[1]:
            found.append((APPROVES, []))
        for line in block[0].splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("> "):
                found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
            else:
                found[-1][1].append(line)
    return found


def matches(expected: list[str], printed: str) -> bool:
    """Compare text in which `...` stands for anything; a line that ends in `...` may go on."""
    pattern = ".*?".join(re.escape(part) for part in "\n".join(expected).split("..."))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


class Shell:
    """One shell for the whole walk, as a reader would have."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            ["sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def run(self, command: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\necho '{END}'\n")
        self.process.stdin.flush()
        lines = iter(self.process.stdout.readline, f"{END}\n")
        return "".join(lines)

    def close(self) -> None:
        self.process.communicate("exit\n")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RealDesk]:
    with real_desk(tmp_path / "demo") as opened:
        opened.command("demo")
        opened.command("user", "password", "demo", "--password-stdin", stdin=PASSWORD)
        opened.start()
        yield opened


def test_commands_print_what_the_readme_shows(desk: RealDesk, tmp_path: Path) -> None:
    ours = {"LG_AGENT_BASE_URL": desk.url, "LG_AGENT_TOKEN": desk.token("demo"), "FOLDER": str(tmp_path)}
    shell = Shell(desk.environment | ours)
    try:
        for command, expected in commands():
            if command == APPROVES:
                approval = shell.run('echo "$APPROVAL"').strip()
                assert desk.person("demo").decide(approval).status_code == 200
                continue
            printed = shell.run(command)
            assert matches(expected, printed), f"$ {command}\nexpected:\n{chr(10).join(expected)}\ngot:\n{printed}"
    finally:
        shell.close()


def test_readme_names_every_setting() -> None:
    from dataclasses import fields

    from core.settings import Settings

    missing = [item.name for item in fields(Settings) if f"DINGPAN_{item.name.upper()}" not in README]
    assert missing == []


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
