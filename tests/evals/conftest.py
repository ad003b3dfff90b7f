"""One world for all plays of a worker: the fixtures are prepared once."""

import asyncio
import logging

import pytest
import structlog

from evals.runner import warm_up
from evals.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    made = World(tmp_path_factory.mktemp("evals"))

    async def prepare() -> None:
        await warm_up()
        await made.prepared("demo")

    asyncio.run(prepare())
    return made
