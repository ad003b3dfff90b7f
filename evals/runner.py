"""Plays cases: the real chat loop, dispatcher and stores, with a scripted network under the real SDKs, or a real model.

A case gets a desk of its own, its principals, its script. Nothing sleeps in a replay: waits move the frozen clock.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from agent_server.chat.budget import TurnLimits
from agent_server.chat.events import ChatEvent, TokensUsed, TurnDone, WaitingCall
from agent_server.chat.loop import ChatLoop
from agent_server.chat.prompts import system_prompt
from agent_server.chat.toolbox import Toolbox
from core.clock import china_today
from core.errors import DeskError
from core.llm.model import Message, ModelClient, UserMessage
from core.llm.retrying import Retries, Sleep
from evals import state
from evals.answers import found_at
from evals.loader import Case
from evals.model import Phase, Turn
from evals.network_guard import Guard, guarded
from evals.people import Credentials, Persons, admit
from evals.problems import ScriptProblem
from evals.recording_toolbox import RecordingToolbox
from evals.results import Failure, PhaseRecord, Play, TurnRecord
from evals.scorers import PhaseScorer, attack_succeeded, over_budget
from evals.script import Script, reason_of
from evals.scripted_provider import ScriptedProvider
from evals.substitution import substitute
from evals.toolboxes import toolbox
from evals.turn_checks import check_turn
from evals.wire import WireFormat
from evals.world import CaseDesk, World
from evals.yaml_text import Path

MODEL: Final = "scripted"
NO_SOCKET: Final = frozenset({"mcp-memory", "chat"})
SMOKE_TRANSPORTS: Final = ("mcp-stdio", "mcp-http", "rest", "chat")

MakeModel = Callable[[Script, CaseDesk], ModelClient]
Speaker = Callable[[str, PhaseRecord], Awaitable[str]]
"""Says in a simulated user's own words what the scenario has the user say, given the conversation so far."""


@dataclass(slots=True)
class _Stage:
    """Everything one play needs at hand."""

    case: Case
    desk: CaseDesk
    play: Play
    script: Script
    model: ModelClient
    persons: Persons
    speaker: Speaker | None = None
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
    """Play one case by its script. A defect of the scenario is a failure of the play, never an exception."""
    chosen = transport or case.scenario.transport
    own = chosen == case.scenario.transport
    play = Play(case.case_id, case.scenario.id, case.scenario.title, chosen, wire.value, is_own_transport=own)
    await world.prepared(case.scenario.seed.fixture)
    guard = Guard(loopback=chosen not in NO_SOCKET)
    with ExitStack() as watching:
        watching.enter_context(guarded(guard))
        started = time.process_time()
        await _play(world, case, play, lambda script, desk: _scripted(script, desk, wire))
        play.used.seconds = time.process_time() - started
    where = case.loaded.where()
    play.failures += [Failure(where, "network", f"reached for the network: {tried}") for tried in guard.tries]
    play.failures += list(over_budget(case, case.scenario.budget, play.used))
    return play


async def play_live(world: World, case: Case, *, model: ModelClient, speaker: Speaker | None = None) -> Play:
    """Play one case with a real model: its script is left aside, all expectations about the desk stay.

    With a `speaker` the user's words are its, not the scenario's.
    """
    play = Play(case.case_id, case.scenario.id, case.scenario.title, case.scenario.transport, model.name)
    await _play(world, case, play, lambda _script, _desk: model, speaker=speaker)
    budget = case.scenario.budget.model_copy(update={"seconds": None})
    play.failures += list(over_budget(case, budget, play.used))
    return play


async def _play(world: World, case: Case, play: Play, make_model: MakeModel, *, speaker: Speaker | None = None) -> None:
    limited = any(phase.principal.limits is not None for phase in case.scenario.all_phases)
    try:
        async with (
            world.open(case.scenario.seed, case.variables, rate_limits=limited) as desk,
            _stage(case, desk, play, make_model) as stage,
        ):
            stage.speaker = speaker
            try:
                await _phases(world, stage)
            finally:
                play.failures += [*stage.script.failures, *stage.scored]
    except ScriptProblem as error:
        play.failures.append(Failure(case.loaded.where(), "", error.message))
    except DeskError as error:
        play.failures.append(Failure(case.loaded.where(), "outside of a turn", reason_of(error)))


@asynccontextmanager
async def _stage(case: Case, desk: CaseDesk, play: Play, make_model: MakeModel) -> AsyncIterator[_Stage]:
    script = Script(case.loaded, desk.desk.registry, desk.variables)
    model, persons = make_model(script, desk), Persons(desk)
    script.is_live = model.name.rpartition(":")[2] != MODEL
    try:
        yield _Stage(case, desk, play, script, model, persons)
    finally:
        await persons.close()
        if not script.is_live:
            await model.close()


def _scripted(script: Script, desk: CaseDesk, wire: WireFormat) -> ModelClient:
    from core.llm.anthropic_client import AnthropicClient  # noqa: PLC0415 - the SDKs load with the first question
    from core.llm.openai_client import OpenAIClient  # noqa: PLC0415 - the SDKs load with the first question

    services = desk.desk.services
    retries = Retries(services.ids, sleep=_waiting(desk))
    transport = ScriptedProvider(script, wire)
    kind = OpenAIClient if wire is WireFormat.OPENAI else AnthropicClient
    return kind(
        model=MODEL, api_key="eval", transport=transport, clock=services.clock, ids=services.ids, retries=retries
    )


def _waiting(desk: CaseDesk) -> Sleep:
    """Return a sleep that takes no time but moves the clock."""

    async def wait(seconds: float) -> None:
        desk.advance(timedelta(seconds=seconds))

    return wait


async def _phases(world: World, stage: _Stage) -> None:
    for number, phase in enumerate(stage.case.scenario.all_phases):
        path: Path = () if stage.case.scenario.principal is not None else ("phases", number)
        await _phase(world, stage, phase, path)
    stage.play.attack_succeeded = attack_succeeded(stage.case, stage.desk, stage.play.phases)
    if stage.play.attack_succeeded:
        stage.scored.append(Failure(stage.case.loaded.where("attack"), "attack", "the attack succeeded"))


async def _phase(world: World, stage: _Stage, phase: Phase, path: Path) -> None:
    desk, who = stage.desk, await admit(stage.desk, phase.principal)
    record = PhaseRecord(phase.name, f"{phase.principal.mode} {phase.principal.user}".strip())
    stage.play.phases.append(record)
    before, audited = state.snapshot(desk.database), len(state.audit_rows(desk.database))
    async with toolbox(stage.play.transport, desk, who) as tools:
        try:
            await _conversation(stage, phase, path, record=record, tools=tools, who=who)
        except (ScriptProblem, DeskError) as error:  # here: a task group would wrap it
            stage.scored.append(Failure(stage.script.where(), stage.script.place, reason_of(error)))
    after = state.snapshot(desk.database)
    record.changes = before.changes(after)
    record.audit = state.audit_rows(desk.database, after=audited)
    stage.play.used.tool_calls += len(record.calls)
    stage.play.used.result_bytes += sum(call.result_bytes for call in record.calls)
    twin = await _twin(world, stage, phase) if phase.expect.state.same_as_actions else None
    scorer = PhaseScorer(stage.case, desk, record, (*path, "expect"), live=stage.script.is_live)
    try:
        stage.scored += scorer.failures(phase.expect, twin, after)
    except ScriptProblem as error:
        stage.scored.append(Failure(stage.case.loaded.where(*path, "expect"), phase.name, error.message))


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
        words = str(substitute(turn.user or "", desk.variables))
        played = TurnRecord(user=await stage.speaker(words, record) if stage.speaker and words else words)
        record.turns.append(played)
        recording.turn = played
        await _between(stage, turn, at, who=who, played=played)
        stage.script.begin(f"{phase.name}, turn {number + 1}", at, turn, stage.case.variant)
        system = _system(desk, who)
        if turn.resume is None:
            history.append(UserMessage(played.user))
            events = loop.turn(system=system, history=history, toolbox=recording)
        else:
            events = loop.resume(system=system, history=history, toolbox=recording, waiting=waiting)
            waiting = []
        waiting += await _listen(stage, events, played)
        played.put_in_order()
        stage.script.end()
        stage.scored += check_turn(stage.case, turn, at, played=played, phase=record, desk=desk)


def _system(desk: CaseDesk, who: Credentials) -> str:
    """Return the system text the desk's chat gives a model."""
    services = desk.desk.services
    return system_prompt(
        username=who.caller.username or "nobody",
        team=who.caller.team_name or "none",
        today=china_today(services.clock),
        is_simulated=services.market.is_simulated,
    )


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
    """Take down a turn's events and what they cost; return the calls that wait for a person."""
    waiting: Sequence[WaitingCall] = ()
    used, cost = stage.play.used, 0.0
    async for event in events:
        played.events.append((event.kind, event.payload()))
        if isinstance(event, TurnDone):
            played.said, played.stop, waiting = event.text, event.stop.value, event.waiting
        elif isinstance(event, TokensUsed):
            used.model_calls += 1
            used.tokens += event.usage.input_tokens + event.usage.output_tokens
            cost = float(event.cost_usd or 0)
    used.usd = (used.usd or 0.0) + cost if cost else used.usd
    return waiting
