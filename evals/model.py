"""The scenario format `agent-eval/1`: one conversation, the desk it happens on, and what must be true afterwards.

`evals/README.md` explains it by example; `evals/agent-eval-1.schema.json` is the same as JSON Schema, for editors.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from evals.model_parts import Action, Part, Patch, PathCheck, Pattern, RowCheck, Span, ToolUse

SCHEMA: Final = "agent-eval/1"
IDENTIFIER: Final = r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+"
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]


class DeskFault(Part):
    """A failure of something the desk itself uses."""

    at: Annotated[str, Field(pattern=r"^[a-z_]+\.[a-z_]+(#[1-9][0-9]*)?$")]
    """`service.method#n`: the nth call (all, without `#n`) of that method of the desk's services: `market.bars#2`."""
    fail: Literal["timeout", "unavailable", "crash"] = Field(alias="raise")
    """`timeout` and `unavailable`: the desk is told so (503); `crash`: a defect, shown as a number (500)."""


class Seed(Part):
    """The desk before the conversation."""

    fixture: Name = "demo"
    """A prepared desk: a file of `evals/fixtures`."""
    patch: tuple[Patch, ...] = ()
    """Changes to the copy of its database."""
    actions: tuple[Action, ...] = ()
    """Skills run before the conversation begins."""
    clock: datetime | None = None
    """The frozen moment, with a zone; without it the fixture's."""
    random: int = 7
    """The seed of ids and secrets."""
    market: Literal["fixture", "empty"] = "fixture"
    """`empty`: a desk without any prices."""
    faults: tuple[DeskFault, ...] = ()
    """What fails inside the desk."""
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Settings of the desk that differ from their defaults, such as `turn_tool_calls`."""


class Limits(Part):
    """How much a caller may still do."""

    calls_left: Annotated[int, Field(ge=0, le=600)]
    """Calls the caller has left in this minute; the others count as made."""


class Principal(Part):
    """Who the agent acts as. The runner mints the token or opens the session; no secret is ever written down."""

    mode: Literal["token", "session", "anonymous"] = "token"
    """A minted token, a signed-in person, or nobody."""
    user: str = "ada"
    """A user of the fixture."""
    preset: str | None = None
    """A preset of scopes for the token."""
    scopes: tuple[str, ...] = ()
    """Scopes of the token; `*` and patterns such as `investment.stock.*` mean those that exist."""
    expires: Span | None = None
    """How long the token lives from the start; without it, 90 days."""
    limits: Limits | None = None

    @model_validator(mode="after")
    def _scopes_belong_to_tokens(self) -> Self:
        has_scopes = bool(self.scopes) or self.preset is not None
        if self.mode != "token" and (has_scopes or self.expires):
            raise ValueError("scopes, preset and expires belong to mode: token")
        if self.mode == "token" and not has_scopes:
            raise ValueError('a token needs scopes or a preset, such as preset: desk or scopes: ["*"]')
        return self


class ProviderFault(Part):
    """The model's provider fails instead of answering; the client's retry meets the next step."""

    http: Annotated[int, Field(ge=400, le=599)] | None = None
    """The status it answers."""
    retry_after: float | None = None
    """Seconds of the header Retry-After."""
    cut: bool = False
    """The stream breaks in the middle of the step given beside it (`say` or `call`)."""
    timeout: bool = False
    """It never answers."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.http is not None) + self.cut + self.timeout != 1:
            raise ValueError("a fault is one of http, cut or timeout")
        return self


class Reply(Part):
    """What a text must and must not have."""

    matches: Pattern | None = None
    not_matches: Pattern | None = None


class ScriptedCall(Part):
    """One call in a step of several."""

    call: ToolUse
    raw: str | None = None
    """What stands in place of the arguments, for arguments that are no JSON."""
    result: tuple[PathCheck, ...] = ()
    """What its answer must be."""
    save: dict[Name, str] = Field(default_factory=dict)
    """Variables taken from its answer by JSONPath."""


class Step(Part):
    """One answer of the scripted model: text, calls, or both. The answer that has no call ends the turn."""

    say: str | None = None
    call: ToolUse | None = None
    """One call: `{skill id: {argument: value}}`. Skills outside the list go through `skills_call` by themselves."""
    raw: str | None = None
    result: tuple[PathCheck, ...] = ()
    save: dict[Name, str] = Field(default_factory=dict)
    calls: tuple[ScriptedCall, ...] = ()
    """Several calls at once, instead of `call`."""
    sees: Reply = Reply()
    """What the request before this step must and must not hold: all texts the model is given, one per line."""
    stop: Literal["length", "refusal"] | None = None
    """Why the model stopped, where that is not the usual reason."""
    fault: ProviderFault | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.call is not None and self.calls:
            raise ValueError("write call or calls, not both")
        if self.call is None and (self.result or self.save or self.raw is not None):
            raise ValueError("result, save and raw belong to a call")
        speaks = self.say is not None or self.call is not None or bool(self.calls)
        needs_words = self.fault is None or self.fault.cut
        if speaks != needs_words:
            raise ValueError("a step needs say, call, calls or fault; only a fault with cut stands beside them")
        return self

    @property
    def scripted_calls(self) -> tuple[ScriptedCall, ...]:
        """The calls of the step, however they are written."""
        if self.call is None:
            return self.calls
        return (ScriptedCall(call=self.call, raw=self.raw, result=self.result, save=self.save),)


class ApprovalAct(Part):
    """What happens to a pending approval before the user speaks."""

    id: str
    """Usually `${aid}`, saved from `$.approvalId` of the refusal."""
    decision: Literal["approve", "deny", "withdraw", "expire", "edit"]
    """`expire` moves the clock past its end; `edit` changes the stored parameters behind the desk's back."""
    by: str = "ada"
    """The person who decides, in their own signed-in session. `agent`: the principal's own credentials."""
    args: dict[str, Any] = Field(default_factory=dict)
    """For `edit`: parameters to overwrite."""
    status: int = 200
    """The HTTP status the decision must get."""


class EventCheck(Part):
    """An event of the chat's stream."""

    kind: str
    """`text`, `tool_call`, `tool_result`, `approval_required`, `approval_resolved`, `usage`, `budget`, `retry` ..."""
    has: dict[str, Any] = Field(default_factory=dict)
    """Fields of its payload; numbers and texts must be equal, mappings may have more."""
    absent: bool = False
    """True: no such event may come."""
    when: str | None = None


class Resume(Part):
    """The desk goes on by itself with calls that waited for a person; their answers are checked here."""

    result: tuple[PathCheck, ...] = ()
    save: dict[Name, str] = Field(default_factory=dict)


class Turn(Part):
    """What the user says, and what the model answers, step by step.

    A red call parks the turn: it ends there, without another step. The next turn decides (`approvals`) and has `resume`
    instead of `user`: the desk runs the same call under its approval, and the model's steps go on from its answer.
    """

    user: str | None = None
    resume: Resume | None = None
    advance: Span | None = None
    """How far the clock moves before, after the decisions of `approvals`."""
    approvals: tuple[ApprovalAct, ...] = ()
    patch: tuple[Patch, ...] = ()
    actions: tuple[Action, ...] = ()
    model: tuple[Step, ...] = ()
    """The model's script. It must be used up exactly; it may be missing where the desk does not ask the model."""
    model_variants: dict[Name, list[Step]] = Field(default_factory=dict)
    """Instead of `model`: the same turn played by different models, such as `resists` and `obeys`."""
    no_calls: bool = False
    """No tool may be called in this turn."""
    reply: Reply = Reply()
    events: tuple[EventCheck, ...] = ()

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if (self.user is None) == (self.resume is None):
            raise ValueError("a turn has user (what the person says) or resume (the desk goes on), not both")
        if self.model and self.model_variants:
            raise ValueError("write model or model_variants, not both")
        return self

    def steps(self, variant: str) -> tuple[Step, ...]:
        """Return the script of a variant; a turn without that variant has one script for all."""
        return tuple(self.model_variants.get(variant, self.model))


class CallList(Part):
    """Which calls are made."""

    mode: Literal["exact", "ordered", "unordered"] = "ordered"
    """`exact`: these and no others, with these arguments; `ordered`: these in this order, others between them."""
    calls: tuple[ToolUse, ...] = Field(alias="list")
    """Skill ids with the arguments that matter; the others are free unless the mode is exact."""
    when: str | None = None


class State(Part):
    """The desk's database after the phase, compared with before it. The audit is left out; `audit` looks at that."""

    unchanged: bool = False
    """No row of any table differs."""
    only_changed: tuple[str, ...] | None = None
    """These tables may differ, no other."""
    rows: tuple[RowCheck, ...] = ()
    same_as_actions: tuple[Action, ...] = ()
    """The domain's tables are the same as after these skills, run directly on a second copy."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.unchanged and (self.only_changed is not None or self.same_as_actions):
            raise ValueError("unchanged excludes only_changed and same_as_actions")
        return self


class AuditCheck(Part):
    """A row of the audit, written during the phase."""

    event: str
    """Such as `call.opened`, `call.closed`, `call.refused`, `approval.approved`."""
    tool: str | None = None
    """The skill."""
    detail: dict[str, Any] = Field(default_factory=dict)
    """Fields of the row's detail, such as `code: missing_scope`."""
    absent: bool = False
    """True: there may be no such row."""
    when: str | None = None


class Expect(Part):
    """What must be true after a phase."""

    calls: CallList | None = None
    forbid: tuple[str, ...] = ()
    """Patterns of skills that may not be called, by a script or by a live model."""
    forbid_live: tuple[str, ...] = ()
    """Patterns that a live model may not even try; a scripted `obeys` does."""
    state: State = State()
    audit: tuple[AuditCheck, ...] = ()
    events: tuple[EventCheck, ...] = ()


class Budget(Part):
    """The most that the whole case may use."""

    model_calls: int | None = None
    tool_calls: int | None = None
    tokens: int | None = None
    """Tokens of all requests and answers, at four bytes each in a replay."""
    seconds: float | None = None
    """Seconds of the processor in a replay, so that a busy machine fails nothing; not looked at in live runs."""
    usd: float | None = None
    """Live runs only."""
    result_bytes: int | None = None
    """Bytes of all tool results as the model gets them."""


class Attack(Part):
    """Somebody else's text tries to make the agent do something. Each template is a case of its own."""

    goal: str
    templates: Annotated[dict[Name, str], Field(min_length=1)]
    """Texts that carry the attack; `${goal}` stands for the goal. `${inject}` in the seed puts them in place."""
    succeeded_if: tuple[RowCheck, ...] = ()
    """The attack has succeeded when all of these hold. Counted apart from whether the task was done."""
    succeeded_calls: tuple[str, ...] = ()
    """The attack has succeeded when a call of one of these patterns was carried out."""

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if not self.succeeded_if and not self.succeeded_calls:
            raise ValueError("say when the attack has succeeded: succeeded_if or succeeded_calls")
        return self


class Live(Part):
    """How the scenario is played with a real model."""

    epochs: Annotated[int, Field(ge=1)] = 4
    pass_hat_k: Annotated[int, Field(ge=1)] = 4
    """The scenario passes when this many plays in a row do."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of plays that must pass."""
    user: Literal["scripted", "simulated"] = "scripted"
    """`simulated`: a model speaks for the user, as `persona`."""
    persona: str | None = None
    skip: str | None = None
    """Why it cannot be played live: what only a script can do, such as a fault of the provider."""

    @model_validator(mode="after")
    def _persona_for_the_simulated(self) -> Self:
        if (self.user == "simulated") != (self.persona is not None):
            raise ValueError("user: simulated and persona belong together")
        return self


class Phase(Part):
    """A conversation by one principal."""

    name: Name
    principal: Principal
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]
    expect: Expect = Expect()


class Scenario(Part):
    """One file."""

    schema_name: Literal["agent-eval/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=f"^{IDENTIFIER}$")]
    """`domain.object.case`; the file is `scenarios/domain/object.case.yaml`."""
    title: Annotated[str, Field(min_length=8, max_length=120)]
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")], ...] = ()
    """`smoke` also plays it over every other transport."""
    seed: Seed = Seed()
    transport: Literal["mcp-memory", "mcp-stdio", "mcp-http", "rest", "chat"] = "mcp-memory"
    """How tools are reached: over MCP in memory, as a process, over HTTP; over REST; or as the desk's chat does."""
    principal: Principal | None = None
    turns: tuple[Turn, ...] = ()
    phases: tuple[Phase, ...] = ()
    """Instead of `principal` and `turns`: several conversations on the same desk."""
    attack: Attack | None = None
    expect: Expect = Expect()
    budget: Budget = Budget()
    live: Live = Live()

    @model_validator(mode="after")
    def _has_turns_once(self) -> Self:
        if bool(self.turns) == bool(self.phases):
            raise ValueError("a scenario needs turns or phases")
        if self.turns and self.principal is None:
            raise ValueError("turns need a principal beside them")
        if self.phases and (self.principal is not None or self.expect.model_fields_set):
            raise ValueError("with phases, principal and expect stand in each phase")
        return self

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases; a scenario without them is one."""
        if self.principal is None:
            return self.phases
        return (Phase(name="only", principal=self.principal, turns=self.turns, expect=self.expect),)

    @property
    def variants(self) -> list[str]:
        """Names of the variants, in the order of their first appearance; one empty name without any."""
        names = {name: None for phase in self.all_phases for turn in phase.turns for name in turn.model_variants}
        return list(names) or [""]
