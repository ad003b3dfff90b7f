"""One world for all plays of a worker: the fixtures are prepared once."""

import asyncio

import pytest

from evals.runner import warm_up
from evals.world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(tmp_path_factory.mktemp("evals"))

    async def prepare() -> None:
        await warm_up()
        await made.prepared("demo")

    asyncio.run(prepare())
    return made
