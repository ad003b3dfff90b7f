"""Running the official suite against an address, and reading what it says."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.conformance.programs import Programs

REVISIONS = ("2025-11-25", "2026-07-28")
ERAS = ("legacy", "modern")
AUTHORIZATION = Path(__file__).with_name("authorization.cjs")
# What a server must do whatever its tools are, and the revision whose wire it is asked on.
GENERIC: dict[str, tuple[str, ...]] = {
    "2025-11-25": (
        "server-initialize",
        "ping",
        "completion-complete",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
    ),
    "2026-07-28": (
        "completion-complete",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
        "server-sse-multiple-streams",
        "sep-2164-resource-not-found",
        "caching",
        "http-header-validation",
        "input-required-result-unsupported-methods",
    ),
}


@dataclass(frozen=True)
class Verdict:
    """What the suite says about one scenario."""

    passed: int
    failed: int

    @property
    def is_good(self) -> bool:
        return self.passed > 0 and self.failed == 0


@dataclass(frozen=True)
class Report:
    """One run of the suite: its exit code, its verdicts by scenario, its whole text."""

    code: int
    verdicts: dict[str, Verdict]
    text: str

    def bad(self, scenarios: tuple[str, ...]) -> dict[str, Verdict | None]:
        """Return those of the scenarios that failed, checked nothing or were not run."""
        found = {name: self.verdicts.get(name) for name in scenarios}
        return {name: verdict for name, verdict in found.items() if verdict is None or not verdict.is_good}


def run(programs: Programs, url: str, token: str, revision: str) -> Report:
    """Run the scenarios that a revision requires, and those it knows besides, on that revision's wire.

    The suite knows no tokens; a module loaded before it puts this one into every request.
    """
    done = _server_checks(programs, url, token, "--requirements", revision)
    return Report(done.returncode, _verdicts(done.stdout), done.stdout + done.stderr)


def run_one(programs: Programs, url: str, token: str, scenario: str) -> int:
    """Run one scenario and return the suite's exit code."""
    return _server_checks(programs, url, token, "--scenario", scenario).returncode


def _server_checks(programs: Programs, url: str, token: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {"NODE_OPTIONS": f"--require {AUTHORIZATION}", "CONFORMANCE_TOKEN": token}
    return programs.run("conformance", "server", "--url", url, *options, environment=environment)


def run_both(programs: Programs, url: str, token: str) -> dict[str, Report]:
    """Run both revisions' scenarios side by side; most of their time is waiting."""
    with ThreadPoolExecutor() as pool:
        reports = pool.map(lambda revision: run(programs, url, token, revision), REVISIONS)
        return dict(zip(REVISIONS, reports, strict=True))


def list_strictly(programs: Programs, url: str, token: str, era: str) -> subprocess.CompletedProcess[str]:
    """Let the inspector fetch the tools and check their schemas for what clients cannot read: exit code 6."""
    return programs.run(
        "mcp-inspector", "--cli", url, "--transport", "http", "--header", f"Authorization: Bearer {token}",
        "--protocol-era", era, "--method", "tools/list", "--strict",
    )  # fmt: skip


def required(programs: Programs, revision: str) -> tuple[str, ...]:
    """Return the server scenarios a revision requires, as the suite ships them."""
    shipped = programs.folder / "node_modules/@modelcontextprotocol/conformance/requirements" / f"{revision}.yaml"
    return tuple(yaml.safe_load(shipped.read_text())["server"])


def _verdicts(text: str) -> dict[str, Verdict]:
    summary = text.partition("=== SUMMARY ===")[2]
    found = re.findall(r"^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed", summary, re.MULTILINE)
    return {name: Verdict(int(passed), int(failed)) for name, passed, failed in found}
