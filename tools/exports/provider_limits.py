"""Whether every skill can be offered to a model's provider: checked when a client is made, not in somebody's chat.

A provider refuses a whole request for one tool that breaks a limit. The limits stand with each provider's compiler.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from core.access.model import Caller, CallerKind
from core.errors import DeskError
from tools.exports import anthropic_tools, openai_tools
from tools.exports.meta_tools import meta_tools
from tools.exports.tool_faults import ToolFault, over
from tools.exports.tool_list import MOST_SKILLS, ToolEntry, ToolList
from tools.registry import Registry

FAULTS: Final[Mapping[str, Callable[[ToolEntry], Iterator[ToolFault]]]] = {
    "openai": openai_tools.faults,
    "anthropic": anthropic_tools.faults,
}
"""By the first part of a client's name."""


class ToolsUnfit(DeskError):
    """A skill breaks a limit of the model's provider, who would refuse every request."""

    code = "tools_unfit"
    template = "The provider of {model} would refuse these tools: {faults}"


def check_tools(registry: Registry, client_name: str) -> None:
    """Check every skill, listed or not, for the provider of a client such as `openai:NAME`; others have no limits.

    Raises `ToolsUnfit` with every fault.
    """
    faults_of = FAULTS.get(client_name.partition(":")[0])
    if faults_of is None:
        return
    longest_list = MOST_SKILLS + len(meta_tools())
    found = list(over("the list", "tools", longest_list, openai_tools.MOST_TOOLS))
    found += [fault for entry in tool_entries(registry) for fault in faults_of(entry)]
    if found:
        raise ToolsUnfit(model=client_name, faults="; ".join(map(str, found)))


def tool_entries(registry: Registry) -> list[ToolEntry]:
    """Return every skill of a registry and the three meta tools, as tools."""
    tools = ToolList(registry)
    nobody = Caller(kind=CallerKind.ANONYMOUS)
    metas = [entry for name in meta_tools() if (entry := tools.find(nobody, name)) is not None]
    return [*map(tools.entry, registry.skills), *metas]
