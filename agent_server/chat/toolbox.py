"""What a model can call: the tools of a caller, offered and run with that caller's own rights."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from agent_server.desk import Desk
from agent_server.json_text import encode
from agent_server.shortening import shortened_text
from agent_server.tool_bridge import ToolAnswer, ToolBridge
from core.access.model import Caller
from core.ids import new_id
from core.llm.model import ToolCall, ToolDefinition
from tools.context import Surface
from tools.exports.meta_tools import CALL
from tools.exports.tool_list import ToolEntry

CONTENT_TOKENS: Final = 2000
"""A longer result is cut for the model; who reads the stream gets the whole."""

ENDED: Final = {
    "success": False,
    "code": "unauthenticated",
    "kind": "unauthenticated",
    "message": "Not run: the token that asked has ended, or its person was locked out. Nothing more can be called.",
}
Renew = Callable[[], Awaitable[Caller | None]]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to. `content` is for the model, `structured` or `problem` the whole answer, `meta` beside it."""

    content: str
    is_error: bool = False
    problem: Mapping[str, Any] | None = None
    structured: Mapping[str, Any] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The code of the failure; empty for a success."""
        return str(self.problem.get("code", "")) if self.problem is not None else ""


class Toolbox(Protocol):
    """Tools, wherever they run."""

    async def definitions(self) -> tuple[ToolDefinition, ...]:
        """Return what is offered to the model."""
        ...

    async def call(self, call: ToolCall) -> ToolOutcome:
        """Run one call, whose arguments are a JSON object. A refusal is an outcome, never an exception."""
        ...


class DeskToolbox:
    """The desk's own tools, called by the model as `caller`. The dispatcher decides what that may do.

    Without `shortens` the model's text is the whole result: for the stand-in that reads it as JSON. A `bridge` that is
    shared remembers the tools it has described before. `renew` reads the caller's rights anew before every call and
    returns None when they have none any more: a turn outlives the request that began it.
    """

    def __init__(
        self,
        desk: Desk,
        caller: Caller,
        *,
        shortens: bool = True,
        bridge: ToolBridge | None = None,
        renew: Renew | None = None,
    ) -> None:
        self._renew = renew
        self._desk, self._caller, self._shortens = desk, caller, shortens
        self._bridge = bridge or ToolBridge(desk)

    async def definitions(self) -> tuple[ToolDefinition, ...]:
        """Return the caller's list."""
        return tuple(definition(entry) for entry in self._bridge.tools.for_caller(self._caller))

    async def call(self, call: ToolCall) -> ToolOutcome:
        """Run one call through the dispatcher.

        A call under an approval gets a key made of it: should the desk stop between the effect and the note of its
        answer, the repeated call is given the stored answer and runs nothing.
        """
        caller = await self._current()
        if caller is None:
            return ToolOutcome(encode(ENDED).decode(), is_error=True, problem=ENDED)
        answer = await self._bridge.call(
            caller,
            call.name,
            _keyed(call.name, dict(call.arguments or {})),
            surface=Surface.CHAT,
            trace_id=new_id(self._desk.services.ids, "trc"),
        )
        return ToolOutcome(self._content(answer), answer.is_error, answer.problem, answer.structured, answer.meta)

    async def _current(self) -> Caller | None:
        """Return the caller with the rights of this moment."""
        if self._renew is None:
            return self._caller
        caller = await self._renew()
        return None if caller is None else replace(caller, address=self._caller.address, client=self._caller.client)

    def _content(self, answer: ToolAnswer) -> str:
        if not self._shortens or answer.structured is None:
            return answer.text
        return shortened_text(answer.structured, text=answer.text, most_tokens=CONTENT_TOKENS)


def definition(entry: ToolEntry) -> ToolDefinition:
    """Return a tool as a model is told of it. The approval of a call is given by the loop, never by the model."""
    parameters = dict(entry.input_schema)
    offered = {name: shape for name, shape in parameters.get("properties", {}).items() if name != "approvalId"}
    return ToolDefinition(
        name=entry.name,
        description=entry.description,
        parameters=parameters | {"properties": offered},
        title=entry.title,
        title_zh=entry.title_zh,
        tier=entry.tier.value,
        example=entry.example,
    )


def _keyed(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments with the key of their approval, where they have one."""
    if name == CALL:
        inner = arguments.get("arguments")
        return arguments | {"arguments": _keyed("", dict(inner))} if isinstance(inner, Mapping) else arguments
    approval_id = arguments.get("approvalId")
    return arguments | {"idempotencyKey": f"chat:{approval_id}"} if isinstance(approval_id, str) else arguments
