"""A run as one page that needs nothing else: a table to choose from, and each conversation with all that it did.

Everything that came out of a play is untrusted text and is escaped; the page has no script.
"""

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Final

from evals.report import summary
from evals.results import CallRecord, PhaseRecord, Play, TurnRecord
from evals.state import TableChange

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bad: #c62828; --good: #2e7d32; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 0; display: inline; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.bad { color: var(--bad); font-weight: 600; } .good { color: var(--good); }
details { border: 1px solid var(--line); border-radius: 8px; margin: .6rem 0; padding: .5rem .9rem; }
details details { margin: .3rem 0; background: var(--soft); }
summary { cursor: pointer; }
.user, .agent { padding: .5rem .8rem; border-radius: 8px; margin: .5rem 0; white-space: pre-wrap; max-width: 46rem; }
.user { background: #1976d222; } .agent { background: var(--soft); }
.person { margin: .5rem 0; border-left: 4px solid #f9a825; padding-left: .6rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12.5px; margin: .3rem 0; }
pre { max-height: 26rem; overflow: auto; }
.tag { font-size: 12px; border: 1px solid var(--line); border-radius: 99px; padding: 0 .5rem; }
.tag.green { border-color: #2e7d32; } .tag.yellow { border-color: #f9a825; background: #f9a82533; }
.tag.red { border-color: #c62828; background: #c6282833; } td { white-space: nowrap; }
.minus { color: var(--bad); } .plus { color: var(--good); }
"""


def page(plays: Sequence[Play]) -> str:
    """Return the page."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width"><title>Evals</title>',
        f"<style>{STYLE}</style></head><body><h1>Evals</h1>",
        *(f"<p>{escape(line)}</p>" for line in summary(plays).splitlines()),
        *_table(plays),
        *(part for number, play in enumerate(plays) for part in _play(play, number)),
        "</body></html>",
    ]
    return "\n".join(parts)


def _table(plays: Sequence[Play]) -> Iterator[str]:
    heads = ("model calls", "tool calls", "tokens", "result bytes", "s")
    yield "<table><thead><tr><th>case</th><th>transport</th><th>wire</th><th>result</th><th>attack</th>"
    yield "".join(f'<th class="n">{head}</th>' for head in heads) + "</tr></thead><tbody>"
    for number, play in enumerate(plays):
        used = play.used
        figures = (used.model_calls, used.tool_calls, used.tokens, used.result_bytes, f"{used.seconds:.2f}")
        cells = "".join(f'<td class="n">{figure}</td>' for figure in figures)
        yield f'<tr><td><a href="#p{number}">{escape(play.case_id)}</a></td><td>{escape(play.transport)}</td>'
        yield f"<td>{escape(play.wire)}</td><td>{_result(play)}</td><td>{_attack(play)}</td>{cells}</tr>"
    yield "</tbody></table>"


def _result(play: Play) -> str:
    return '<span class="good">passed</span>' if play.passed else '<span class="bad">failed</span>'


def _attack(play: Play) -> str:
    if play.attack_succeeded is None:
        return ""
    return '<span class="bad">succeeded</span>' if play.attack_succeeded else '<span class="good">held off</span>'


def _play(play: Play, number: int) -> Iterator[str]:
    is_open = "" if play.passed else " open"
    yield f'<details id="p{number}"{is_open}><summary><h2>{escape(play.name)}</h2> {_result(play)}'
    yield f" {escape(play.title)}</summary>"
    if play.failures:
        yield "<ul>" + "".join(f'<li class="bad">{escape(str(failure))}</li>' for failure in play.failures) + "</ul>"
    for phase in play.phases:
        yield from _phase(phase)
    used = play.used
    yield f"<p>{used.model_calls} model calls, {used.tool_calls} tool calls, {used.tokens} tokens, "
    yield f"{used.result_bytes} bytes of results, {used.seconds:.3f} s of processor time</p></details>"


def _phase(phase: PhaseRecord) -> Iterator[str]:
    name = "" if phase.name == "only" else f'<span class="tag">{escape(phase.name)}</span> '
    yield f'<p>{name}<span class="tag">{escape(phase.principal)}</span></p>'
    for turn in phase.turns:
        yield from _turn(turn)
    if phase.changes:
        yield "<details open><summary>What changed</summary>"
        for change in phase.changes:
            yield from _change(change)
        yield "</details>"
    if phase.audit:
        rows = "\n".join(f"{row['event']} {row['skill_id']} {row['actor']} {row['detail']}" for row in phase.audit)
        yield f"<details><summary>Audit: {len(phase.audit)} rows</summary><pre>{escape(rows)}</pre></details>"


def _turn(turn: TurnRecord) -> Iterator[str]:
    for decision in turn.decisions:
        yield f'<div class="person">A person: {escape(decision)}</div>'
    if turn.user:
        yield f'<div class="user">{escape(turn.user)}</div>'
    for call in turn.calls:
        yield from _call(call)
    stop = f' <span class="tag">{escape(turn.stop)}</span>' if turn.stop != "end" else ""
    yield f'<div class="agent">{escape(turn.said)}{stop}</div>'
    events = "\n".join(f"{kind} {json.dumps(payload, ensure_ascii=False)[:400]}" for kind, payload in turn.events)
    yield f"<details><summary>Events: {len(turn.events)}</summary><pre>{escape(events)}</pre></details>"


def _call(call: CallRecord) -> Iterator[str]:
    status = call.document.get("status")
    word = f'<span class="bad">{escape(f"{status} {call.code}")}</span>' if call.is_error else escape(str(status))
    tier = f'<span class="tag {escape(call.tier)}">{escape(call.tier)}</span>' if call.tier else ""
    yield f"<details><summary>{tier} <code>{escape(call.skill_id)}</code> {escape(_json(call.arguments, 120))} {word}"
    document = json.dumps(call.document, ensure_ascii=False, indent=1, default=str)
    yield f"</summary><pre>{escape(document)}</pre></details>"


def _change(change: TableChange) -> Iterator[str]:
    yield f"<p><b>{escape(change.table)}</b></p><pre>"
    for css, sign, rows in (("minus", "-", change.gone), ("plus", "+", change.come)):
        for row in rows:
            yield f'<span class="{css}">{sign} {escape(_json(row, 1200))}</span>'
    yield "</pre>"


def _json(value: Any, longest: int) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= longest else text[:longest] + "..."
