"""The root of the command line. Other packages add groups by the entry point `dingpan.commands`."""

from collections.abc import Mapping
from typing import Any, Final

import typer
from typer.core import TyperGroup

from agent_server.cli import (
    audit_command,
    backtest_command,
    chat_command,
    demo_command,
    import_command,
    mcp_command,
    notify_command,
    panel_command,
    refresh_command,
    results_command,
    serve_command,
    skill_command,
    skill_md_command,
    status_command,
    sweep_command,
    token_command,
    user_command,
    warm_up_command,
    worker_command,
)
from agent_server.cli.context import Invocation

GROUP: Final = "dingpan.commands"
HELP: Final = """A trading desk that an AI agent can operate and a person keeps the keys of.

Everything a desk owns is in one folder, DINGPAN_HOME. Copying it moves the desk.

Exit codes: 0 done; 1 failed or refused; 2 wrong usage; 3 a person must approve first; 4 not found, or no desk set up.

Example: dingpan demo && dingpan serve
"""


class DeskCommands(TyperGroup):
    """The commands, with those of other packages; each of those is imported only when it is used or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [*super().list_commands(ctx), *sorted(set(_plugins()) - set(self.commands))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; ours win over those of other packages."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        plugin = _plugins().get(cmd_name)
        return typer.main.get_command(plugin.load()) if plugin is not None else None


def _plugins() -> dict[str, Any]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - most runs never need it

    return {entry.name: entry for entry in entry_points(group=GROUP)}


app = typer.Typer(
    name="dingpan", cls=DeskCommands, help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
app.command("serve")(serve_command.serve)
app.command("worker")(worker_command.worker)
app.command("status")(status_command.status)
app.command("import")(import_command.import_market)
app.command("refresh")(refresh_command.refresh)
app.command("chat")(chat_command.chat)
app.command("mcp")(mcp_command.mcp)
app.command("demo")(demo_command.demo)
app.command("skill-md")(skill_md_command.skill_md)
sweep_command.app.command("run")(backtest_command.backtest)
sweep_command.app.command("panel")(panel_command.panel)
sweep_command.app.command("warm-up")(warm_up_command.warm_up)
app.add_typer(
    sweep_command.app,
    name="backtest",
    help="Run a strategy over the desk's market: once (run, the usual), often (sweep), over all shares (panel).",
)
app.add_typer(user_command.app, name="user")
app.add_typer(token_command.app, name="token")
app.add_typer(skill_command.app, name="skill")
app.add_typer(audit_command.app, name="audit")
app.add_typer(notify_command.app, name="notify")
app.add_typer(results_command.app, name="results")


def run(environment: Mapping[str, str]) -> None:
    """Run the command that the process was started with."""
    app(obj=Invocation(environment), prog_name="dingpan")
