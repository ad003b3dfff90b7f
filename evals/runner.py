"""Plays cases: the real chat loop, dispatcher and stores, the real SDKs of both providers on a scripted network.

A case gets a desk of its own, its principals, its script. Nothing sleeps: waits move the frozen clock.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from agent_server.chat.budget import TurnLimits
from agent_server.chat.events import ChatEvent, TokensUsed, TurnDone, WaitingCall
from agent_server.chat.loop import ChatLoop
from agent_server.chat.toolbox import Toolbox
from core.errors import DeskError
from core.llm.model import Message, ModelClient, UserMessage
from core.llm.retrying import Retries, Sleep
from evals import state
from evals.answers import found_at
from evals.loader import Case
from evals.model import Phase, Turn
from evals.network_guard import guarded
from evals.people import Credentials, Persons, admit
from evals.problems import ScriptProblem
from evals.recording_toolbox import RecordingToolbox
from evals.results import Failure, PhaseRecord, Play, TurnRecord
from evals.scorers import PhaseScorer, attack_succeeded, over_budget
from evals.script import Script, reason_of
from evals.scripted_provider import ScriptedProvider
from evals.substitution import substitute
from evals.system_text import system_text
from evals.toolboxes import toolbox
from evals.turn_checks import check_turn
from evals.wire import WireFormat
from evals.world import CaseDesk, World
from evals.yaml_text import Path

MODEL: Final = "scripted"
NO_SOCKET: Final = frozenset({"mcp-memory", "chat"})
SMOKE_TRANSPORTS: Final = ("mcp-stdio", "mcp-http", "rest", "chat")


@dataclass(slots=True)
class _Stage:
    """Everything one play needs at hand."""

    case: Case
    desk: CaseDesk
    play: Play
    script: Script
    provider: ScriptedProvider
    model: ModelClient
    persons: Persons
    scored: list[Failure] = field(default_factory=list)


async def warm_up() -> None:
    """Import what loads on first use, so that no case pays for it."""
    import agent_server.mcp_transport.server  # noqa: F401, PLC0415 - two seconds
    from core.llm.anthropic_client import AnthropicClient  # noqa: PLC0415 - three seconds
    from core.llm.openai_client import OpenAIClient  # noqa: PLC0415 - two seconds

    for client in (OpenAIClient(model=MODEL, api_key="eval"), AnthropicClient(model=MODEL, api_key="eval")):
        await client.warm_up()
        await client.close()
    found_at("$.data[*]", {"data": []})


async def play_case(world: World, case: Case, *, wire: WireFormat, transport: str = "") -> Play:
    """Play one case and score it. A defect of the scenario itself is a failure of the play, never an exception."""
    chosen = transport or case.scenario.transport
    own = chosen == case.scenario.transport
    play = Play(case.case_id, case.scenario.id, case.scenario.title, chosen, wire.value, is_own_transport=own)
    await world.prepared(case.scenario.seed.fixture)
    started = time.process_time()
    with guarded(loopback=chosen not in NO_SOCKET) as guard:
        try:
            await _play(world, case, play, wire)
        except ScriptProblem as error:
            play.failures.append(Failure(case.loaded.where(), "", error.message))
        except DeskError as error:
            play.failures.append(Failure(case.loaded.where(), "before the conversation", reason_of(error)))
    play.used.seconds = time.process_time() - started
    play.failures += [
        Failure(case.loaded.where(), "network", f"reached for the network: {tried}") for tried in guard.tries
    ]
    play.failures += list(over_budget(case, case.scenario.budget, play.used))
    return play


async def _play(world: World, case: Case, play: Play, wire: WireFormat) -> None:
    limited = any(phase.principal.limits is not None for phase in case.scenario.all_phases)
    async with (
        world.open(case.scenario.seed, case.variables, rate_limits=limited) as desk,
        _stage(case, desk, play, wire) as stage,
    ):
        for number, phase in enumerate(case.scenario.all_phases):
            path: Path = () if case.scenario.principal is not None else ("phases", number)
            await _phase(world, stage, phase, path)
        play.attack_succeeded = attack_succeeded(case, desk, play.phases)
        if play.attack_succeeded:
            stage.scored.append(Failure(case.loaded.where("attack"), "attack", "the attack succeeded"))
        play.used.tokens, play.used.model_calls = stage.provider.tokens, stage.provider.requests
        play.failures += [*stage.script.failures, *stage.scored]


@asynccontextmanager
async def _stage(case: Case, desk: CaseDesk, play: Play, wire: WireFormat) -> AsyncIterator[_Stage]:
    script = Script(case.loaded, desk.desk.registry, desk.variables)
    provider = ScriptedProvider(script, wire)
    model, persons = _client(provider, desk), Persons(desk)
    try:
        yield _Stage(case, desk, play, script, provider, model, persons)
    finally:
        await persons.close()
        await model.close()


def _client(provider: ScriptedProvider, desk: CaseDesk) -> ModelClient:
    from core.llm.anthropic_client import AnthropicClient  # noqa: PLC0415 - the SDKs load with the first question
    from core.llm.openai_client import OpenAIClient  # noqa: PLC0415 - the SDKs load with the first question

    services = desk.desk.services
    retries = Retries(services.ids, sleep=_waiting(desk))
    kind = OpenAIClient if provider.wire is WireFormat.OPENAI else AnthropicClient
    return kind(
        model=MODEL,
        api_key="eval",
        transport=provider,
        clock=services.clock,
        ids=services.ids,
        retries=retries,
    )


def _waiting(desk: CaseDesk) -> Sleep:
    """Return a sleep that takes no time but moves the clock."""

    async def wait(seconds: float) -> None:
        desk.advance(timedelta(seconds=seconds))

    return wait


async def _phase(world: World, stage: _Stage, phase: Phase, path: Path) -> None:
    desk, who = stage.desk, await admit(stage.desk, phase.principal)
    record = PhaseRecord(phase.name, f"{phase.principal.mode} {phase.principal.user}".strip())
    stage.play.phases.append(record)
    before, audited = state.snapshot(desk.database), len(state.audit_rows(desk.database))
    async with toolbox(stage.play.transport, desk, who) as tools:
        await _conversation(stage, phase, path, record=record, tools=tools, who=who)
    after = state.snapshot(desk.database)
    record.changes = before.changes(after)
    record.audit = state.audit_rows(desk.database, after=audited)
    stage.play.used.tool_calls += len(record.calls)
    stage.play.used.result_bytes += sum(call.result_bytes for call in record.calls)
    twin = None
    if phase.expect.state.same_as_actions:
        twin = await _twin(world, stage, phase)
    scorer = PhaseScorer(stage.case, desk, record, (*path, "expect"))
    stage.scored += scorer.failures(phase.expect, twin, after)


async def _twin(world: World, stage: _Stage, phase: Phase) -> state.Snapshot:
    """Return the state of a second copy on which the actions were run directly."""
    moment = stage.desk.clock.moment, stage.desk.clock.elapsed
    async with world.open(stage.case.scenario.seed, dict(stage.case.variables)) as other:
        await other.act(phase.expect.state.same_as_actions)
        found = state.snapshot(other.database)
    stage.desk.clock.moment, stage.desk.clock.elapsed = moment
    return found


async def _conversation(
    stage: _Stage, phase: Phase, path: Path, *, record: PhaseRecord, tools: Toolbox, who: Credentials
) -> None:
    desk, history = stage.desk, list[Message]()
    services = desk.desk.services
    recording = RecordingToolbox(tools, stage.script, desk.desk.registry)
    limits = TurnLimits.from_settings(services.settings)
    loop = ChatLoop(stage.model, services.clock, services.ids, limits, sleep=_waiting(desk))
    waiting: list[WaitingCall] = []
    for number, turn in enumerate(phase.turns):
        at: Path = (*path, "turns", number)
        played = TurnRecord(user=str(substitute(turn.user or "", desk.variables)))
        record.turns.append(played)
        recording.turn = played
        await _between(stage, turn, at, who=who, played=played)
        variant = stage.case.variant
        key: Path = ("model_variants", variant) if variant in turn.model_variants else ("model",)
        stage.script.begin(f"{phase.name}, turn {number + 1}", at, turn.steps(variant), list_name=key)
        stage.script.resumed = None if turn.resume is None else ((*at, "resume"), turn.resume)
        if turn.resume is None:
            history.append(UserMessage(played.user))
            events = loop.turn(system=system_text(), history=history, toolbox=recording)
        else:
            events = loop.resume(system=system_text(), history=history, toolbox=recording, waiting=waiting)
            waiting = []
        waiting += await _listen(stage, events, played)
        stage.script.end()
        stage.scored += check_turn(stage.case, turn, at, played=played, phase=record, desk=desk)


async def _between(stage: _Stage, turn: Turn, at: Path, *, who: Credentials, played: TurnRecord) -> None:
    """Do what happens before the user speaks: decisions, then time, then changes by others."""
    desk = stage.desk
    for number, act in enumerate(turn.approvals):
        played.decisions.append(f"{act.decision} by {act.by}")
        try:
            await stage.persons.decide(act, who)
        except (ScriptProblem, DeskError) as error:
            where = stage.case.loaded.where(*at, "approvals", number)
            stage.scored.append(Failure(where, "approvals", error.message))
    if turn.advance is not None:
        desk.advance(turn.advance)
    desk.patch(turn.patch)
    await desk.act(turn.actions)


async def _listen(stage: _Stage, events: AsyncIterator[ChatEvent], played: TurnRecord) -> Sequence[WaitingCall]:
    """Take down a turn's events; return the calls that wait for a person."""
    waiting: Sequence[WaitingCall] = ()
    async for event in events:
        played.events.append((event.kind, event.payload()))
        if isinstance(event, TurnDone):
            played.said, played.stop, waiting = event.text, event.stop.value, event.waiting
        elif isinstance(event, TokensUsed) and event.cost_usd is not None:
            stage.play.used.usd = float(event.cost_usd)
    return waiting
