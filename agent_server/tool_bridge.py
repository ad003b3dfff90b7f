"""One way from a tool call of a model to the dispatcher, for every door that offers tools: MCP and the chat.

A failure is an answer too: the problem body REST would send, so that a model reads one shape everywhere. Whatever is
called, directly or through `skills_call`, runs in the dispatcher with the caller's own rights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from agent_server.desk import Desk
from agent_server.errors import problem_body
from agent_server.json_text import checked, encode
from core.access.model import Caller
from core.errors import DeskError
from tools.context import ProgressSink, SkillCall, SkillResult, Surface
from tools.envelope import read_params
from tools.errors import MissingScope, SkillNotFound
from tools.exports.meta_tools import (
    CALL,
    DESCRIBE,
    SEARCH,
    SkillAnswer,
    SkillLine,
    SkillManual,
    SkillMatches,
    meta_tools,
)
from tools.exports.tool_list import ToolEntry, ToolList
from tools.names import wire_name
from tools.skill import Skill
from tools.wire import to_wire

SKILL_ID_KEY: Final = "dingpan/skillId"
TIER_KEY: Final = "dingpan/riskTier"
TRACE_KEY: Final = "dingpan/traceId"
NOT_DECIDED: Final = frozenset({"approval_required", "approval_pending"})
REPLAYED_KEY: Final = "dingpan/replayed"


class ToolNotFound(SkillNotFound):
    """No tool of that name for this caller; one it may not see is as absent as one that does not exist."""

    template = "There is no tool {skill_id!r}. skills_search finds what there is."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    """What a tool call came to.

    Either `structured` (the whole result in wire form) or `problem` (the body of a failure) is set; `text` is the same
    as JSON, but for the data of an image. `skill_id` names the skill that was meant, if one was found. `meta` holds
    skill, tier and trace under the names MCP shows them by.
    """

    name: str
    skill_id: str | None
    is_error: bool
    structured: dict[str, Any] | None
    problem: dict[str, Any] | None
    meta: dict[str, Any]
    text: str

    @property
    def code(self) -> str:
        """The code of the failure; empty for a success."""
        return str(self.problem["code"]) if self.problem is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One tool call as it came in, and what was found out about it for the answer."""

    caller: Caller
    name: str
    arguments: dict[str, Any]
    surface: Surface
    trace_id: str
    progress: ProgressSink | None
    meta: dict[str, Any] = field(default_factory=dict)


class ToolBridge:
    """Runs tools for models. One per desk; holds no state of any caller."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.tools = ToolList(desk.registry)

    async def call(
        self,
        caller: Caller,
        name: str,
        arguments: Mapping[str, Any],
        *,
        surface: Surface,
        trace_id: str,
        progress: ProgressSink | None = None,
    ) -> ToolAnswer:
        """Run one tool to its end. Raises no `DeskError`: a refusal is an answer with `problem`."""
        asked = _Call(
            caller=caller,
            name=name,
            arguments=dict(arguments),
            surface=surface,
            trace_id=trace_id,
            progress=progress,
            meta={TRACE_KEY: trace_id},
        )
        try:
            asked.arguments.update(checked(asked.arguments))
            structured = await self._run(asked)
        except DeskError as error:
            return self._refused(asked, error)
        return ToolAnswer(
            name=name,
            skill_id=asked.meta.get(SKILL_ID_KEY),
            is_error=False,
            structured=structured,
            problem=None,
            meta=asked.meta,
            text=encode(without_picture(structured)).decode(),
        )

    async def _run(self, asked: _Call) -> dict[str, Any]:
        if asked.name not in meta_tools():
            result = await self._run_skill(asked, asked.name, asked.arguments)
            value: dict[str, Any] = result.value
            return value
        self.desk.dispatcher.limits.check(asked.caller, asked.name)
        bound = meta_tools()[asked.name].bind(asked.arguments)
        if asked.name == SEARCH:
            return _wire(self._search(asked.caller, bound["text"], limit=bound["limit"]))
        if asked.name == DESCRIBE:
            return _wire(self._describe(asked.caller, bound["name"]))
        inner = bound["arguments"] if bound["arguments"] is not None else {}
        called = await self._run_skill(asked, bound["name"], inner)
        return _wire(SkillAnswer(skill_id=called.skill_id, result=called.value))

    async def _run_skill(self, asked: _Call, name: str, arguments: Mapping[str, Any]) -> SkillResult:
        """Run a skill through the dispatcher, which also counts and records the calls that go nowhere."""
        found = self.tools.find(asked.caller, name)
        if found is not None and found.skill is not None:
            asked.meta.update({SKILL_ID_KEY: found.skill.skill_id, TIER_KEY: found.tier.value})
        params = read_params(arguments)
        call = SkillCall(
            skill_id=name,
            params=params.flat,
            caller=asked.caller,
            surface=asked.surface,
            trace_id=asked.trace_id,
            approval_id=params.approval_id,
            idempotency_key=params.idempotency_key,
            progress=asked.progress,
        )
        try:
            result = await self.desk.dispatcher.run(call)
        except (MissingScope, SkillNotFound):
            raise self._not_found(asked.caller, name) from None
        if result.replayed:
            asked.meta[REPLAYED_KEY] = True
        return result

    def _search(self, caller: Caller, text: str, *, limit: int) -> SkillMatches:
        registry = self.desk.registry
        found = registry.search(text) if text.strip() else list(registry.skills)
        allowed = {item.skill_id for item in self.tools.granted(caller)}
        mine = [item for item in found if item.skill_id in allowed]
        return SkillMatches(skills=tuple(_line(item) for item in mine[:limit]), total=len(mine))

    def _describe(self, caller: Caller, name: str) -> SkillManual:
        entry = self.tools.find(caller, name)
        if entry is None or entry.skill is None:
            raise self._not_found(caller, name)
        return _manual(entry, entry.skill)

    def _not_found(self, caller: Caller, name: str) -> ToolNotFound:
        return ToolNotFound(skill_id=name[:200], did_you_mean=self.tools.suggest(caller, name[:200]))

    def _refused(self, asked: _Call, error: DeskError) -> ToolAnswer:
        body = problem_body(error, trace_id=asked.trace_id, instance=f"urn:dingpan:call:{asked.trace_id}")
        if error.code in NOT_DECIDED:
            self._lead_on(body, asked)
        return ToolAnswer(
            name=asked.name,
            skill_id=asked.meta.get(SKILL_ID_KEY),
            is_error=True,
            structured=None,
            problem=body,
            meta=asked.meta,
            text=encode(body).decode(),
        )

    def _lead_on(self, body: dict[str, Any], asked: _Call) -> None:
        """Say where a person decides, and which call to send then: nothing else of the refusal has to be read."""
        approval_id = str(body["approvalId"])
        base_url = self.desk.services.settings.base_url
        body.setdefault("approval", {"id": approval_id, "url": f"{base_url}/approvals/{approval_id}"})
        body["nextToolCall"] = {"name": asked.name, "arguments": _with_approval(asked, approval_id)}
        for name in ("message", "detail"):  # a tool has arguments, no params
            body[name] = str(body[name]).replace("with params.approvalId", "with the argument approvalId")


def picture_of(structured: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the data (base64) and media type of a result that is an image, also inside `skills_call`'s answer."""
    inner = structured.get("result", structured)
    kind, data = (inner.get("mediaType"), inner.get("dataBase64")) if isinstance(inner, Mapping) else (None, None)
    return (data, kind) if isinstance(data, str) and isinstance(kind, str) and kind.startswith("image/") else None


def without_picture(structured: dict[str, Any]) -> dict[str, Any]:
    """Return a result whose image, if it is one, travels beside it: no model reads base64."""
    if picture_of(structured) is None:
        return structured
    if "result" in structured:
        return structured | {"result": structured["result"] | {"dataBase64": ""}}
    return structured | {"dataBase64": ""}


def with_approval(name: str, arguments: Mapping[str, Any], approval_id: str) -> dict[str, Any]:
    """Return the arguments of the same call under an approval."""
    if name != CALL:
        return dict(arguments) | {"approvalId": approval_id}
    inner = arguments.get("arguments")
    return dict(arguments) | {"arguments": dict(inner or {}) | {"approvalId": approval_id}}


def _with_approval(asked: _Call, approval_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = to_wire(with_approval(asked.name, asked.arguments, approval_id))
    return shown


def _wire(value: Any) -> dict[str, Any]:
    shown: dict[str, Any] = to_wire(value)
    return shown


def _line(item: Skill) -> SkillLine:
    return SkillLine(
        name=wire_name(item.skill_id),
        skill_id=item.skill_id,
        title=item.title,
        title_zh=item.title_zh,
        summary=item.summary,
        risk=item.tier.value,
    )


def _manual(entry: ToolEntry, item: Skill) -> SkillManual:
    return SkillManual(
        name=entry.name,
        skill_id=item.skill_id,
        title=entry.title,
        title_zh=entry.title_zh,
        description=entry.description,
        risk=entry.tier.value,
        needs_approval=item.needs_person,
        scope=item.scope,
        input_schema=entry.input_schema,
        example=entry.example,
    )
