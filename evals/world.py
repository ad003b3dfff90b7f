"""The desks cases are played on: each fixture is prepared once, and every case gets a copy of its own.

A copy is a database file and the keys; the market folder is shared and read once, since no skill writes to it. Clock,
ids and secrets are set anew for each case, which therefore always sees the same numbers. Cases run one after another.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from agent_server.desk import Desk
from core import bootstrap
from core.access.model import Caller, CallerKind, User
from core.access.passwords import Passwords
from core.access.service import AccessService
from core.clock import FrozenClock
from core.ids import SeededIds, new_id
from core.market.bar_store import MarketStore
from core.market.service import MarketService
from core.settings import Settings
from evals import state
from evals.answers import document_of_result, save_variables
from evals.desk_faults import planted
from evals.fixture import Fixture, FixtureBacktest, load_fixture
from evals.model import Seed
from evals.model_parts import Action, Patch
from evals.problems import ScriptProblem
from evals.substitution import substitute
from skills import modules
from tools.context import SkillCall, Surface
from tools.dispatcher import Dispatcher
from tools.registry import Registry

PASSWORD: Final = "correct horse battery"
DATABASE: Final = "desk.sqlite3"
KEYS: Final = "keys"
MARKET: Final = "market"
AUDIT_HEAD: Final = "audit.head"


@dataclass(slots=True)
class CaseDesk:
    """A desk of one case: `desk` as the doors see it, its database file, its clock, the variables of its scenario."""

    desk: Desk
    clock: FrozenClock
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        """The database file."""
        return self.desk.services.settings.home / DATABASE

    async def user(self, name: str) -> User:
        """Return a user of the fixture. Raises `ScriptProblem`."""
        async with self.desk.unit_of_work(read_only=True) as uow:
            users = await self.desk.services.access.users(uow, None)
        found = next((user for user in users if user.username == name), None)
        if found is None:
            known = ", ".join(sorted(user.username for user in users))
            raise ScriptProblem(reason=f"there is no user {name!r}; there are {known}")
        return found

    def patch(self, patches: tuple[Patch, ...]) -> None:
        """Change rows past every rule. Raises `ScriptProblem` for SQL the database refuses."""
        for item in patches:
            value = substitute(item.v, self.variables)
            sql = str(substitute(item.sql, self.variables))
            try:
                state.run_sql(self.database, sql, value)
            except sqlite3.Error as error:
                raise ScriptProblem(reason=f"patch: {error}: {sql}") from error

    async def act(self, actions: tuple[Action, ...]) -> None:
        """Run skills directly with every right; those that need a person are approved by the user's own session."""
        for action in actions:
            name, arguments = next(iter(action.call.items()))
            user = await self.user(action.by)
            wire = await self._run(name, substitute(arguments, self.variables), caller=_full_rights(user), user=user)
            save_variables(action.save, wire, self.variables)

    async def answer_of(self, skill: str, arguments: dict[str, Any], *, by: str) -> dict[str, Any]:
        """Run one skill directly with every right; return its answer as scenarios see it."""
        user = await self.user(by)
        return await self._run(skill, arguments, caller=_full_rights(user), user=user)

    async def _run(self, name: str, arguments: dict[str, Any], *, caller: Caller, user: User) -> dict[str, Any]:
        desk = self.desk
        call = SkillCall(
            skill_id=name,
            params=arguments,
            caller=caller,
            surface=Surface.CLI,
            trace_id=new_id(desk.services.ids, "trc"),
        )
        skill = desk.registry.find(name)
        if skill is not None and skill.needs_person:
            call = replace(call, approval_id=await self._approved(call, user))
        return document_of_result(await desk.dispatcher.run(call))

    async def _approved(self, call: SkillCall, user: User) -> str:
        from tools.errors import ApprovalRequired  # noqa: PLC0415 - beside its only use

        try:
            await self.desk.dispatcher.run(call)
        except ApprovalRequired as asked:
            approval_id = str(asked.data["approval_id"])
        else:
            raise ScriptProblem(reason=f"{call.skill_id} asked for no approval")
        person = replace(_full_rights(user), kind=CallerKind.SESSION, session_id="eval")
        async with self.desk.unit_of_work() as uow:
            await self.desk.services.access.decide(uow, approval_id=approval_id, caller=person, approve=True)
            await uow.commit()
        return approval_id

    def advance(self, span: timedelta) -> None:
        """Move the clock."""
        self.clock.advance(span)


def _full_rights(user: User) -> Caller:
    return Caller(
        kind=CallerKind.LOCAL,
        user_id=user.user_id,
        username=user.username,
        team_id=user.team_id,
        team_name=user.team_name,
        role=user.role,
        all_scopes=True,
        client="evals",
    )


@dataclass(slots=True)
class World:
    """Everything cases share: the registry of skills, and the prepared fixtures under `folder`."""

    folder: Path
    registry: Registry = field(default_factory=lambda: Registry.collect(modules()))
    clock: FrozenClock = field(default_factory=lambda: FrozenClock(datetime(2026, 1, 1, tzinfo=UTC)))
    markets: dict[Path, MarketService] = field(default_factory=dict)
    copies: int = 0

    async def prepared(self, name: str) -> Path:
        """Return the folder of a prepared fixture; made on first use."""
        home = self.folder / "fixtures" / name
        if not (home / "ready").exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            await self._prepare(load_fixture(name), home)
            (home / "ready").touch()
        return home

    @asynccontextmanager
    async def open(
        self, seed: Seed, variables: dict[str, Any], *, rate_limits: bool = False
    ) -> AsyncIterator[CaseDesk]:
        """Open a fresh copy of a fixture with the seed's changes made; deleted at the end."""
        source, fixture = await self.prepared(seed.fixture), load_fixture(seed.fixture)
        self.copies += 1
        home = self.folder / "cases" / str(self.copies)
        _copy(source, home, with_market=seed.market == "fixture")
        moment = seed.clock or fixture.clock
        try:
            async with self.desk_at(home, moment, seed=seed.random, rate_limits=rate_limits, **seed.settings) as case:
                case.variables.update(variables)
                case.patch(seed.patch)
                await case.act(seed.actions)
                with ExitStack() as faults:
                    faults.enter_context(planted(case.desk.services, seed.faults))
                    yield case
        finally:
            shutil.rmtree(home, ignore_errors=True)

    @asynccontextmanager
    async def desk_at(
        self, home: Path, moment: datetime, *, seed: int, rate_limits: bool = False, **settings: Any
    ) -> AsyncIterator[CaseDesk]:
        """Open the desk that lies in a folder, at a frozen moment and with seeded ids."""
        clock, ids = self.clock, SeededIds(seed)
        clock.moment, clock.elapsed = moment, 0.0
        given: dict[str, Any] = {"home": home, "rate_limits": rate_limits, "worker": False}
        chosen = Settings(**(given | settings))
        services = await bootstrap.build(chosen, clock=clock, ids=ids, market=self._shared_market(home / MARKET))
        try:
            access = AccessService(ids, clock, chosen, passwords=cheap_passwords(ids))
            services = replace(services, access=access)
            dispatcher = Dispatcher(
                registry=self.registry,
                services=services,
                database=services.database,
                access=access,
                audit=services.audit,
                clock=clock,
                ids=ids,
                settings=chosen,
            )
            yield CaseDesk(Desk(services, self.registry, dispatcher), clock)
        finally:
            await services.close()

    async def _prepare(self, fixture: Fixture, home: Path) -> None:
        if fixture.market == "simulated":
            (home / MARKET).symlink_to(await asyncio.to_thread(self._market, fixture.clock))
        async with self.desk_at(home, fixture.clock, seed=1) as case:
            for item in fixture.users:
                async with case.desk.unit_of_work() as uow:
                    await case.desk.services.access.register_user(
                        uow, username=item.name, password=PASSWORD, email="", team_name=item.team, role=_role(item.role)
                    )
                    await uow.commit()
            await case.act(fixture.actions)
            for run in fixture.backtests:
                await _keep_backtest(case, run)
            case.patch(fixture.patch)

    def _shared_market(self, link: Path) -> MarketService | None:
        """Return the one service of a market folder that every case reads; None for a desk without prices."""
        if not link.exists():
            return None
        folder = link.resolve()
        if folder not in self.markets:
            self.markets[folder] = MarketService(MarketStore(folder), self.clock)
        return self.markets[folder]

    def _market(self, moment: datetime) -> Path:
        from core.market.demo import install  # noqa: PLC0415 - only the preparation draws prices

        folder = self.folder / MARKET
        if not (folder / "manifest.json").exists():
            install(MarketStore(folder), imported_at=moment)
        return folder.resolve()


def cheap_passwords(ids: SeededIds) -> Passwords:
    """Return argon2id with the least work: signing in must not cost a case its time."""
    return Passwords(ids, passes=1, memory_kib=8, lanes=1)


def _copy(source: Path, home: Path, *, with_market: bool) -> None:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for name in (DATABASE, AUDIT_HEAD):
        if (source / name).exists():
            shutil.copyfile(source / name, home / name)
    shutil.copytree(source / KEYS, home / KEYS)
    if with_market and (source / MARKET).exists():
        (home / MARKET).symlink_to((source / MARKET).resolve())


def _role(name: str) -> Any:
    from core.access.model import Role  # noqa: PLC0415 - beside its only use

    return Role(name)


async def _keep_backtest(case: CaseDesk, wish: FixtureBacktest) -> None:
    from core.backtest.api import backtest  # noqa: PLC0415 - only the preparation runs strategies
    from core.backtest.desk_bars import desk_bars  # noqa: PLC0415 - only the preparation runs strategies
    from core.backtest.results_draft import draft_of  # noqa: PLC0415 - only the preparation runs strategies
    from core.backtest.strategies.built_in import built_in  # noqa: PLC0415 - only the preparation runs strategies

    services, user = case.desk.services, await case.user(wish.by)
    bars = await desk_bars(services.market, wish.symbol, start=wish.start, end=wish.end)
    result = backtest(built_in(wish.strategy, wish.parameters), bars=bars, market_rules="a_share")
    draft = draft_of(result.to_dict(), name=wish.name, tags=list(wish.tags), strategy=wish.strategy)
    async with case.desk.unit_of_work() as uow:
        await services.backtest.save(uow, user.team_id, draft=draft, created_by=user.username)
        await uow.commit()
