"""`./dev conformance`: the official checks of the MCP door, scenario by scenario.

Exits with 1 where one fails that is required of every server, or that ours must pass with its own skills.
"""

import sys
import tempfile
from pathlib import Path

from tests.support.conformance import programs, suite
from tests.support.conformance.profile_desk import profile_of
from tests.support.real_desk import real_desk

PATH = "/mcp"


def main() -> int:
    """Run everything, print what the suite says, return the exit code."""
    try:
        official = programs.installed()
    except programs.ProgramsMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, real_desk(Path(folder), DINGPAN_WORKER="false") as shipped:
        token = shipped.demo()
        shipped.start()
        with profile_of(shipped) as profile:
            good = every_check(official, shipped.url + PATH, profile.url + PATH, token)
    return 0 if all(good) else 1


def every_check(official: programs.Programs, shipped: str, profile: str, token: str) -> list[bool]:
    """Run everything in turn and print it."""
    return [
        *(required(official, profile, token, revision) for revision in suite.REVISIONS),
        *(generic(official, shipped, token, revision) for revision in suite.REVISIONS),
        *(inspected(official, shipped, token, era) for era in suite.ERAS),
    ]


def required(official: programs.Programs, url: str, token: str, revision: str) -> bool:
    """Run one requirement set against the server with the fixtures."""
    report = suite.run(official, url, token, revision)
    scenarios = suite.required(official, revision)
    show(f"{revision}, required of every server", report, scenarios)
    others = {name: verdict for name, verdict in report.verdicts.items() if name not in scenarios}
    print(
        "  run and not required (tasks-* is an extension the desk does not offer): "
        + ", ".join(f"{mark(verdict)} {name}" for name, verdict in others.items())
    )
    return report.code == 0 and not report.bad(scenarios)


def generic(official: programs.Programs, url: str, token: str, revision: str) -> bool:
    """Run what needs no fixture against the shipped server and its own skills."""
    report = suite.run(official, url, token, revision)
    show(f"{revision}, the shipped server and its own skills", report, suite.GENERIC[revision])
    return not report.bad(suite.GENERIC[revision])


def inspected(official: programs.Programs, url: str, token: str, era: str) -> bool:
    """Let the inspector check every schema of the shipped list."""
    done = suite.list_strictly(official, url, token, era)
    last = (done.stderr or done.stdout).strip().splitlines()[-1:]
    print(f"\ninspector --strict, {era} wire: exit code {done.returncode}. {' '.join(last)}")
    return done.returncode == 0


def show(title: str, report: suite.Report, scenarios: tuple[str, ...]) -> None:
    """Print one line a scenario."""
    print(f"\n{title}")
    for name in scenarios:
        verdict = report.verdicts.get(name, suite.Verdict(0, 0))
        print(f"  {mark(verdict)} {name}: {verdict.passed} passed, {verdict.failed} failed")


def mark(verdict: suite.Verdict) -> str:
    return "✓" if verdict.is_good else "✗"


if __name__ == "__main__":
    sys.exit(main())
