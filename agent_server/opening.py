"""Opening a desk for the time of a `with` block: services, registry, dispatcher. Imports what is heavy only then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent_server.desk import Desk
from core.settings import Settings


def import_domain() -> None:
    """Import what opening a desk needs, so that a server can do that beside its event loop."""
    import core.bootstrap  # noqa: F401, PLC0415 - the whole domain and its libraries
    import tools.dispatcher  # noqa: F401, PLC0415 - pydantic
    from skills import modules  # noqa: PLC0415 - every skill

    modules()


@asynccontextmanager
async def open_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Open the desk of these settings, bring its schema up to date, and close it at the end.

    Raises `DatabaseNewer`, `DatabaseUnreachable`.
    """
    from core import bootstrap  # noqa: PLC0415 - the whole domain and its libraries
    from skills import modules  # noqa: PLC0415 - every skill
    from tools.dispatcher import Dispatcher  # noqa: PLC0415 - pydantic
    from tools.registry import Registry  # noqa: PLC0415 - pydantic

    services = await bootstrap.build(settings)
    try:
        registry = Registry.collect(modules())
        dispatcher = Dispatcher(
            registry=registry,
            services=services,
            database=services.database,
            access=services.access,
            audit=services.audit,
            clock=services.clock,
            ids=services.ids,
            settings=settings,
        )
        yield Desk(services, registry, dispatcher)
    finally:
        await services.close()
