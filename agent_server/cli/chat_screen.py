"""What a terminal shows of a chat: the answer on standard output, what the desk did for it on standard error.

Texts of models and tools may hold anything, so control characters never reach the terminal.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import typer

from core.conversation.model import Entry

LONGEST_LINE: Final = 200
KEPT: Final = frozenset("\n\t")


class Screen:
    """Shows entries of a conversation, each once."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._is_at_start = True

    def show(self, entry: Entry) -> None:
        """Show one entry; as JSON it is one line."""
        if self._as_json:
            shown = {"id": entry.sequence, "event": entry.kind, "data": dict(entry.payload)}
            typer.echo(json.dumps(shown, ensure_ascii=True))
        elif entry.kind == "text":
            self._say(plain(entry.payload["text"]))
        else:
            for line in _notices(entry.kind, entry.payload):
                self.notice(line)

    def notice(self, text: str) -> None:
        """Show a line of the desk's own on standard error."""
        if self._as_json:
            return
        self.end()
        typer.echo(typer.style(plain(text), dim=True), err=True)

    def end(self) -> None:
        """End the line that was begun."""
        if not self._is_at_start:
            typer.echo()
            self._is_at_start = True

    def _say(self, text: str) -> None:
        if text:
            typer.echo(text, nl=False)
            self._is_at_start = text.endswith("\n")


def plain(text: str) -> str:
    """Return a text without what could steer a terminal."""
    return "".join(character for character in text if character in KEPT or character.isprintable())


def _notices(kind: str, payload: Mapping[str, Any]) -> list[str]:
    """Return the lines that tell of an event; none for what needs no telling."""
    lines: list[str] = []
    match kind:
        case "tool_call":
            lines = [f"-> {payload['name']} {_short(payload.get('argumentsText') or '{}')}"]
        case "tool_result" if payload.get("isError"):
            problem = payload.get("problem") or {}
            lines = [f"<- {problem.get('code', 'error')}: {_short(str(problem.get('message', payload['content'])))}"]
        case "approval_required":
            summary = str((payload.get("preview") or {}).get("summary", ""))
            head = f"A person must approve {payload.get('skillId') or payload['name']}: {_short(summary)}"
            lines = [head, f"   open {payload['url']}", f"   until {payload['expiresAt']}"]
        case "approval_resolved":
            lines = [f"The call that waited: {payload['state']}"]
        case "retry":
            again = ", what was said is void" if payload.get("discardsText") else ""
            lines = [f"(again in {payload['waitSeconds']:g} s: {_short(payload['reason'])}{again})"]
        case "budget":
            lines = [f"The turn's budget is used up: {payload['used']} of {payload['allowed']} {payload['limit']}"]
        case "error":
            lines = [f"{payload['message']} ({payload['code']})"]
        case "done" if payload["stop"] == "cancelled":
            lines = ["(stopped)"]
    return lines


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "..."
