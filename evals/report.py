"""Plays as text: a transcript, a summary, Markdown, JUnit XML."""

import json
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from evals.comparing import shown
from evals.results import CallRecord, PhaseRecord, Play, TurnRecord
from evals.scorers import described

if TYPE_CHECKING:
    from evals.world import CaseDesk

TIER_SIGNS: Final = {"green": "🟢", "yellow": "🟡", "red": "🔴"}
ROWS_SHOWN: Final = 6
QUIET_TABLES: Final = frozenset({"audit", "alembic_version", "sqlite_sequence"})


def summary(plays: Sequence[Play]) -> str:
    """Return the result of a run in a few lines."""
    failed = [play for play in plays if not play.passed]
    attacks = [play for play in plays if play.attack_succeeded is not None]
    seconds = sum(play.used.seconds for play in plays)
    counted = f"{len(plays)} plays of {len({play.case_id for play in plays})} cases"
    lines = [f"{counted}: {len(plays) - len(failed)} passed, {len(failed)} failed, {seconds:.1f} s of processor time"]
    if attacks:
        won = sum(bool(play.attack_succeeded) for play in attacks)
        lines.append(f"{len(attacks)} plays with an attack: {won} attacks succeeded")
    return "\n".join(lines)


def transcript(play: Play, *, answers: bool = False) -> str:
    """Return a play as a conversation, with its failures at the end."""
    lines = [f"== {play.name}: {play.title}"]
    for phase in play.phases:
        lines += [f"-- {phase.name} ({phase.principal})", *_phase_lines(phase, answers=answers)]
    used = play.used
    lines.append(
        f"   used: {used.model_calls} model calls, {used.tool_calls} tool calls, {used.tokens} tokens, "
        f"{used.result_bytes} bytes of results, {used.seconds:.3f} s"
    )
    lines += [f"   FAILED {failure}" for failure in play.failures] or ["   passed"]
    return "\n".join(lines)


def _phase_lines(phase: PhaseRecord, *, answers: bool) -> Iterator[str]:
    for turn in phase.turns:
        yield from _turn_lines(turn, answers=answers)
    for change in phase.changes:
        yield f"   changed {described(change)}"
    for row in phase.audit:
        yield f"   audit {row['event']} {row['skill_id']} {row['detail']}"[:200]


def _turn_lines(turn: TurnRecord, *, answers: bool) -> Iterator[str]:
    for decision in turn.decisions:
        yield f" person> {decision}"
    if turn.user:
        yield f"   user> {turn.user}"
    for call in turn.calls:
        yield f"   call> {TIER_SIGNS.get(call.tier, '')} {call.skill_id} {shown(call.arguments)}"
        yield f" answer> {_answer(call, whole=answers)}"
    yield f"  agent> {turn.said}" + (f"  [{turn.stop}]" if turn.stop != "end" else "")


def _answer(call: CallRecord, *, whole: bool) -> str:
    if whole:
        return json.dumps(call.document, ensure_ascii=False, indent=2)
    return f"{call.document.get('status')} {call.code or shown(call.document.get('data'))}"


def markdown(plays: Sequence[Play]) -> str:
    """Return a run as Markdown: a table, then everything about what failed."""
    lines = ["# Evals", "", *summary(plays).splitlines(), ""]
    lines += ["| case | transport | wire | result | model calls | tool calls | tokens | result bytes | s |"]
    lines += ["|---|---|---|---|---:|---:|---:|---:|---:|"]
    for play in plays:
        used, result = play.used, "passed" if play.passed else "**failed**"
        figures = f"{used.model_calls} | {used.tool_calls} | {used.tokens} | {used.result_bytes} | {used.seconds:.2f}"
        lines.append(f"| {play.case_id} | {play.transport} | {play.wire} | {result} | {figures} |")
    for play in plays:
        if not play.passed:
            lines += ["", f"## {play.name}", "", play.title, ""]
            lines += [f"- {_one_line(str(failure))}" for failure in play.failures]
            lines += ["", "```", transcript(play).replace("```", "'''"), "```"]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def junit(plays: Sequence[Play]) -> str:
    """Return a run as JUnit XML: a test case per play."""
    failed = sum(not play.passed for play in plays)
    seconds = sum(play.used.seconds for play in plays)
    suite = ET.Element("testsuite", name="evals", tests=str(len(plays)), failures=str(failed), errors="0")
    suite.set("time", f"{seconds:.3f}")
    for play in plays:
        case = ET.SubElement(suite, "testcase", classname=f"evals.{play.transport}.{play.wire}", name=play.case_id)
        case.set("time", f"{play.used.seconds:.3f}")
        properties = ET.SubElement(case, "properties")
        for name in ("model_calls", "tool_calls", "tokens", "result_bytes"):
            ET.SubElement(properties, "property", name=name, value=str(getattr(play.used, name)))
        if play.attack_succeeded is not None:
            ET.SubElement(properties, "property", name="attack_succeeded", value=str(play.attack_succeeded).lower())
        if not play.passed:
            failure = ET.SubElement(case, "failure", message=_printable(str(play.failures[0])))
            failure.text = _printable("\n".join([*map(str, play.failures), "", transcript(play)]))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _printable(text: str) -> str:
    """Replace the control characters that XML cannot hold."""
    return "".join(letter if letter in "\t\n" or ord(letter) >= 32 else "\ufffd" for letter in text)


def world_text(desk: "CaseDesk") -> str:
    """Return what a desk holds: its tables with their first rows."""
    lines = []
    with closing(sqlite3.connect(desk.database)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for (name,) in names:
            rows = [] if name in QUIET_TABLES else connection.execute(f'SELECT * FROM "{name}"').fetchall()
            if rows:
                lines += [f"{name}: {len(rows)} rows", *(f"  {_row_text(dict(row))}" for row in rows[:ROWS_SHOWN])]
    return "\n".join(lines)


def _row_text(row: dict[str, Any]) -> str:
    hidden = {"password_hash", "secret_hash"}
    return ", ".join(
        f"{key}={str(value)[:60]}" for key, value in row.items() if key not in hidden and value is not None
    )
