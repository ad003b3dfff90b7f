"""`dingpan evals`: play conversations against a desk, look at them, write new ones."""

import asyncio
import json
import logging
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from core.errors import DeskError

if TYPE_CHECKING:
    from evals.results import Play
    from evals.suite import Run
    from evals.world import World

T = TypeVar("T")

FAILED: Final = 1
USAGE: Final = 2
HELP: Final = """Play conversations against a real desk with scripted models, and score what happened.

Scenarios are YAML files; evals/README.md in the source shows how to write one in five minutes.

Example: dingpan evals run portfolio
"""

app = typer.Typer(name="evals", help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
Filter = Annotated[list[str] | None, typer.Argument(help="Words of the id, the title, or tag:NAME; all must fit.")]


@app.command("run")
def run_scenarios(  # noqa: PLR0913, PLR0917 - the options are the interface
    words: Filter = None,
    wire: Annotated[str, typer.Option(help="both, openai, anthropic or one (each case in one of them).")] = "both",
    transport: Annotated[str, typer.Option(help="Play over this instead of what the scenario says.")] = "",
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a Markdown report to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report for the browser to this file.")] = None,
    results: Annotated[Path | None, typer.Option(help="Keep the plays as JSON, for `evals report`.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes to play in; 0: one for each processor.")] = 0,
    update_baselines: Annotated[bool, typer.Option(help="Write what each scenario uses to its baseline.")] = False,
    live: Annotated[str, typer.Option(help="Play with a real model, such as anthropic:NAME or openai:NAME.")] = "",
    epochs: Annotated[int | None, typer.Option(help="With --live: how often each case is played.")] = None,
    cost_limit: Annotated[float | None, typer.Option(help="With --live: dollars at most for one play.")] = None,
) -> None:
    """Play scenarios and fail when one of them fails.

    Example: dingpan evals run tag:safety --html report.html
    """
    if live:
        _run_live(words, live, epochs=epochs, cost_limit=cost_limit)
        return
    from evals.suite import runs  # noqa: PLC0415 - keeps --help fast

    wires = () if wire == "one" else _wires(wire)
    planned = [run for case in _selected(words) for run in runs([case], wires=wires, transport=transport)]
    plays = _played(planned, workers)
    notes = _baselines(plays, update=update_baselines, whole=not words)
    _write_reports(plays, junit=junit, markdown=markdown, html=html, results=results)
    _summarise(plays, notes)


@app.command("list")
def list_scenarios(
    words: Filter = None, as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False
) -> None:
    """List the scenarios and their cases.

    Example: dingpan evals list tag:smoke
    """
    selected = _selected(words)
    if as_json:
        shown = [{"id": c.case_id, "title": c.scenario.title, "tags": list(c.scenario.tags)} for c in selected]
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    width = max((len(case.case_id) for case in selected), default=0)
    for case in selected:
        typer.echo(f"{case.case_id:<{width}}  {case.scenario.title}  ({', '.join(case.scenario.tags)})")
    typer.echo(f"{len(selected)} cases of {len({case.scenario.id for case in selected})} scenarios")


@app.command("show")
def show(
    case_id: Annotated[str, typer.Argument(help="A case or scenario.")],
    answers: Annotated[bool, typer.Option(help="Print every tool's whole answer.")] = False,
    wire: Annotated[str, typer.Option(help="openai or anthropic.")] = "openai",
) -> None:
    """Play one scenario and print the conversation: what was said, called and answered, and what changed.

    Example: dingpan evals show portfolio.pnl.read --answers
    """
    from evals.report import transcript  # noqa: PLC0415 - keeps --help fast
    from evals.suite import chosen, play_all, runs  # noqa: PLC0415 - keeps --help fast

    name = case_id.partition("[")[0]
    found = [case for case in chosen(name) if case_id in {case.case_id, case.scenario.id}]
    if not found:
        _fail(f"There is no scenario {case_id}. `dingpan evals list` shows all.", USAGE)
    planned = [run for run in runs(found, wires=_wires(wire)) if run.transport == run.case.scenario.transport]

    def tell(play: "Play") -> None:
        typer.echo(transcript(play, answers=answers))

    plays = _in_world(lambda world: play_all(world, planned, tell))
    if not all(play.passed for play in plays):
        raise typer.Exit(FAILED)


@app.command("call")
def call_skill(
    skill: Annotated[str, typer.Argument(help="A skill id.")],
    arguments: Annotated[str, typer.Argument(help="Its arguments as JSON.")] = "{}",
    by: Annotated[str, typer.Option(help="The user of the fixture who calls.")] = "ada",
    fixture: Annotated[str, typer.Option(help="The prepared desk.")] = "demo",
) -> None:
    """Call a skill on a fixture and print its answer as scenarios see it: for finding the JSONPaths to expect.

    Example: dingpan evals call market.quote.get '{"symbols": ["600050.SH"]}'
    """

    async def work(world: "World") -> dict[str, Any]:
        from evals.model import Seed  # noqa: PLC0415 - keeps --help fast

        async with world.open(Seed(fixture=fixture), {}) as desk:
            return await desk.answer_of(skill, json.loads(arguments), by=by)

    typer.echo(json.dumps(_in_world(work), ensure_ascii=False, indent=2))


@app.command("world")
def show_world(fixture: Annotated[str, typer.Argument(help="The prepared desk.")] = "demo") -> None:
    """Print what a fixture holds: its users and the rows of its tables.

    Example: dingpan evals world demo
    """

    async def work(world: "World") -> str:
        from evals.model import Seed  # noqa: PLC0415 - keeps --help fast
        from evals.report import world_text  # noqa: PLC0415 - keeps --help fast

        async with world.open(Seed(fixture=fixture), {}) as desk:
            return world_text(desk)

    typer.echo(_in_world(work))


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of scenarios.

    Example: dingpan evals schema
    """
    from evals.schema import scenario_schema  # noqa: PLC0415 - keeps --help fast

    typer.echo(json.dumps(scenario_schema(), ensure_ascii=False, indent=2))


@app.command("record")
def record(
    ctx: typer.Context,
    conversation: Annotated[str, typer.Argument(help="A conversation of the desk, or a case with --results.")],
    scenario_id: Annotated[str, typer.Option("--id", help="The id of the new scenario.")] = "recorded.conversation",
    results: Annotated[Path | None, typer.Option(help="Take it from a file of `evals run --results`.")] = None,
) -> None:
    """Print a conversation that was had as a scenario to start from.

    Conversations are read from the desk of DINGPAN_HOME, plays of a run from its results.

    Example: dingpan evals record cnv_... --id portfolio.pnl.mine > evals/scenarios/portfolio/pnl.mine.yaml
    """
    from evals.record import events_of, scenario_of  # noqa: PLC0415 - keeps --help fast
    from evals.results import events_of_play  # noqa: PLC0415 - keeps --help fast
    from skills import modules  # noqa: PLC0415 - keeps --help fast
    from tools.registry import Registry  # noqa: PLC0415 - keeps --help fast

    try:
        if results is not None:
            events = events_of_play(results.read_text(encoding="utf-8"), conversation)
        else:
            from agent_server.cli.context import run  # noqa: PLC0415 - keeps --help fast

            events = list(run(ctx, lambda desk: events_of(desk, conversation)))
        principal = {"mode": "session", "user": "ada"}
        registry = Registry.collect(modules())
        typer.echo(scenario_of(events, identity=scenario_id, registry=registry, principal=principal), nl=False)
    except DeskError as error:
        _fail(error.message, USAGE)


@app.command("report")
def report(
    results: Annotated[Path, typer.Argument(help="What `evals run --results` wrote.")],
    html: Annotated[Path | None, typer.Option(help="Write a report for the browser to this file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a Markdown report to this file.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
) -> None:
    """Write reports of a run that was kept.

    Example: dingpan evals report plays.json --html report.html
    """
    from evals.results import plays_from_json  # noqa: PLC0415 - keeps --help fast

    plays = plays_from_json(results.read_text(encoding="utf-8"))
    _write_reports(plays, junit=junit, markdown=markdown, html=html, results=None)
    _summarise(plays, [])


def _played(planned: "list[Run]", workers: int) -> "list[Play]":
    """Play here, or in several processes where there is enough to play."""
    from evals.spread import play_spread, processes_for  # noqa: PLC0415 - keeps --help fast
    from evals.suite import play_all  # noqa: PLC0415 - keeps --help fast

    processes = processes_for(len(planned), asked=workers)
    if processes == 1:
        return _in_world(lambda world: play_all(world, planned, _tell))
    with tempfile.TemporaryDirectory(prefix="dingpan-evals-") as folder:
        try:
            return play_spread(planned, Path(folder), _tell, processes=processes)
        except DeskError as error:
            _fail(str(error), USAGE)


def _in_world(work: "Callable[[World], Awaitable[T]]") -> T:
    """Run something in a world of its own; a mistake in a file ends the program with where it is."""
    import structlog  # noqa: PLC0415 - keeps --help fast

    from evals.world import World  # noqa: PLC0415 - keeps --help fast

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="dingpan-evals-") as folder:

        async def main() -> T:
            return await work(World(Path(folder)))

        try:
            return asyncio.run(main())
        except (DeskError, json.JSONDecodeError) as error:
            _fail(str(error), USAGE)


def _selected(words: list[str] | None) -> list[Any]:
    from evals.suite import chosen  # noqa: PLC0415 - keeps --help fast

    try:
        found = chosen(" ".join(words or []))
    except DeskError as error:
        _fail(error.message, USAGE)
    if not found:
        _fail("No scenario fits. `dingpan evals list` shows all.", USAGE)
    return found


def _wires(wire: str) -> tuple[Any, ...]:
    from evals.wire import WireFormat  # noqa: PLC0415 - keeps --help fast

    if wire == "both":
        return tuple(WireFormat)
    if wire not in list(WireFormat):
        _fail(f"--wire is both, one, {' or '.join(WireFormat)}, not {wire!r}", USAGE)
    return (WireFormat(wire),)


def _tell(play: "Play") -> None:
    if play.passed:
        return
    typer.echo(f"FAILED {play.name}")
    for failure in play.failures:
        typer.echo(f"  {failure}")


def _baselines(plays: "list[Play]", *, update: bool, whole: bool) -> list[str]:
    from evals.baselines import differences, missing, write  # noqa: PLC0415 - keeps --help fast

    if update:
        return write(plays, whole=whole)
    return [*missing(plays), *(note for play in plays for note in differences(play))]


def _write_reports(
    plays: "list[Play]", *, junit: Path | None, markdown: Path | None, html: Path | None, results: Path | None
) -> None:
    from evals import report, report_html  # noqa: PLC0415 - keeps --help fast
    from evals.results import plays_to_json  # noqa: PLC0415 - keeps --help fast

    for path, text in ((junit, report.junit), (markdown, report.markdown), (html, report_html.page)):
        if path is not None:
            path.write_text(text(plays), encoding="utf-8")
    if results is not None:
        results.write_text(plays_to_json(plays), encoding="utf-8")


def _summarise(plays: "list[Play]", notes: list[str]) -> None:
    from evals.report import summary  # noqa: PLC0415 - keeps --help fast

    for note in notes:
        typer.echo(note)
    typer.echo(summary(plays))
    if not all(play.passed for play in plays) or any(note.startswith("baseline:") for note in notes):
        raise typer.Exit(FAILED)


def _run_live(words: list[str] | None, model: str, *, epochs: int | None, cost_limit: float | None) -> None:
    from evals.live import run_live  # noqa: PLC0415 - needs the extra

    try:
        passed = run_live(_selected(words), model=model, epochs=epochs, cost_limit=cost_limit, say=typer.echo)
    except DeskError as error:
        _fail(error.message, USAGE)
    if not passed:
        raise typer.Exit(FAILED)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
