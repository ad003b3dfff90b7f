"""Small skills that stand for every kind there is, and a desk to run them on."""

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, select

from core.access.audit_log import HEAD_FILE, AuditLog, load_or_create_key
from core.access.model import Caller, CallerKind, Role, User
from core.access.service import AccessService
from core.clock import FrozenClock
from core.errors import NotFound
from core.ids import IdSource, SeededIds
from core.market.model import Provenance
from core.settings import Settings
from core.storage.database import Database
from tools.context import Preview, SkillCall, SkillContext, SkillResult, Surface
from tools.dispatcher import Dispatcher
from tools.redaction import Secret
from tools.registry import Registry
from tools.risk import Effect, RiskTier
from tools.skill import skill

jars = Table(
    "sample_jars", MetaData(), Column("name", String, primary_key=True), Column("team_id", Integer, nullable=False)
)


class JarNotFound(NotFound):
    code = "jar_not_found"
    template = "No jar {name}."


@dataclass(frozen=True, slots=True, kw_only=True)
class JarList:
    jar_names: tuple[str, ...]
    total: int
    meta: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class JarDone:
    name: str
    run: int
    price: Decimal = Decimal("1.50")


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(slots=True)
class Outside:
    """What happened beyond the database, and how the next bodies shall behave."""

    runs: list[str] = field(default_factory=list)
    fail_with: Exception | None = None
    hang: bool = False
    started: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None


async def _names(ctx: SkillContext) -> tuple[str, ...]:
    rows = await ctx.uow.fetch_all(select(jars).where(jars.c.team_id == ctx.team_id).order_by(jars.c.name))
    return tuple(row.name for row in rows)


async def _behave(ctx: SkillContext, name: str) -> None:
    outside: Outside = ctx.services.outside  # type: ignore[attr-defined]
    outside.runs.append(name)
    outside.started.set()
    if outside.hang:
        await asyncio.Event().wait()
    if outside.gate is not None:
        await outside.gate.wait()
    if outside.fail_with is not None:
        raise outside.fail_with


@skill(
    "sample.jar.list", tier=RiskTier.GREEN, http="GET /api/jars", title="Jars", title_zh="罐子列表", unwrap="jar_names"
)
async def jar_list(ctx: SkillContext) -> JarList:
    """List the jars.

    Use it for "what is in the cupboard".
    """
    await _behave(ctx, "list")
    names = await _names(ctx)
    return JarList(jar_names=names, total=len(names), meta=Provenance(dataset="jars", as_of=None, simulated=True))


@skill(
    "sample.notice.get",
    tier=RiskTier.GREEN,
    http="GET /api/notices/{length}",
    title="Notice",
    title_zh="公告",
    anonymous=True,
)
async def notice_get(ctx: SkillContext, *, length: int) -> Text:
    """Read a notice of a given length."""
    return Text("x" * length)


@skill("sample.jar.peek", tier=RiskTier.GREEN, http="POST /api/jars/peek", title="Peek", title_zh="偷看")
async def jar_peek(ctx: SkillContext) -> Text:
    """A green skill that tries to write."""
    async with ctx.uow.write():
        await ctx.uow.execute(delete(jars))
    return Text("gone")


@skill("sample.jar.create", tier=RiskTier.YELLOW, http="POST /api/jars", title="New jar", title_zh="新建罐子")
async def jar_create(ctx: SkillContext, *, name: str, pin: Annotated[str, Secret()] = "") -> JarDone:
    """Add a jar."""
    await _behave(ctx, name)
    async with ctx.uow.write():
        await ctx.uow.execute(insert(jars).values(name=name, team_id=ctx.team_id))
    return JarDone(name=name, run=len(ctx.services.outside.runs))  # type: ignore[attr-defined]


@skill("sample.jar.check", tier=RiskTier.YELLOW, http="POST /api/jars/check", title="Check", title_zh="检查")
async def jar_check(ctx: SkillContext, *, name: str) -> JarDone:
    """A yellow skill that writes nothing itself."""
    await _behave(ctx, name)
    return JarDone(name=name, run=len(ctx.services.outside.runs))  # type: ignore[attr-defined]


@skill(
    "sample.jar.seal",
    tier=RiskTier.YELLOW,
    http="POST /api/jars/{name}/seal",
    title="Seal",
    title_zh="封罐",
    confirm_required=True,
    places_orders=True,
)
async def jar_seal(ctx: SkillContext, *, name: str) -> JarDone:
    """A yellow skill that asks first."""
    return JarDone(name=name, run=0)


async def preview_break(ctx: SkillContext, *, name: str, force: bool, weight: Decimal, count: int) -> Preview:
    if name not in await _names(ctx):
        raise JarNotFound(name=name)
    return Preview(summary=f"Breaks {name}.", changes=[{"jar": name, "to": None}])


@skill(
    "sample.jar.break",
    tier=RiskTier.RED,
    http="DELETE /api/jars/{name}",
    title="Break a jar",
    title_zh="打碎罐子",
    preview=preview_break,
)
async def jar_break(
    ctx: SkillContext,
    *,
    name: str,
    force: bool = False,
    weight: Annotated[Decimal, Field(gt=0)] = Decimal(1),
    count: int = 1,
) -> JarDone:
    """Break a jar."""
    async with ctx.uow.write():
        await _behave(ctx, name)
        gone = await ctx.uow.execute(delete(jars).where(jars.c.name == name, jars.c.team_id == ctx.team_id))
        if gone.rowcount == 0:
            raise JarNotFound(name=name)
    return JarDone(name=name, run=len(ctx.services.outside.runs))  # type: ignore[attr-defined]


async def preview_ring(ctx: SkillContext, *, tone: str) -> Preview:
    return Preview(summary=f"Rings {tone}.", changes=[])


@skill(
    "sample.bell.ring",
    tier=RiskTier.RED,
    http="POST /api/bell",
    title="Ring",
    title_zh="敲钟",
    preview=preview_ring,
    effect=Effect.EXTERNAL,
)
async def bell_ring(ctx: SkillContext, *, tone: str) -> JarDone:
    """Ring a bell: nobody can take that back."""
    await _behave(ctx, tone)
    return JarDone(name=tone, run=len(ctx.services.outside.runs))  # type: ignore[attr-defined]


def sample_registry() -> Registry:
    """Collect the skills above, as a module of the desk would be."""
    import tests.support.sample_skills as module

    return Registry.collect([module])


class SampleDesk:
    """A database with one team, its administrator and a token, and a dispatcher over the sample skills."""

    def __init__(
        self,
        database: Database,
        access: AccessService,
        audit: AuditLog,
        settings: Settings,
        clock: FrozenClock,
        registry: Registry,
    ) -> None:
        self.database, self.access, self.audit, self.settings, self.clock = database, access, audit, settings, clock
        self.ids: IdSource = SeededIds(7)
        self.outside = Outside()
        self.registry = registry
        self.dispatcher = self.new_dispatcher()
        self.user: User
        self.calls = 0

    def new_dispatcher(self, **settings: Any) -> Dispatcher:
        services: Any = SimpleNamespace(
            outside=self.outside,
            access=self.access,
            settings=replace(self.settings, **settings),
            clock=self.clock,
            database=self.database,
        )
        return Dispatcher(
            registry=self.registry,
            services=services,
            database=self.database,
            access=self.access,
            audit=self.audit,
            clock=self.clock,
            ids=self.ids,
            settings=services.settings,
        )

    async def new_user(self, username: str, team_name: str | None = None, role: Role | None = None) -> User:
        async with self.database.unit_of_work() as uow:
            user = await self.access.register_user(
                uow,
                username=username,
                password="correct horse battery",
                email=f"{username}@example.com",
                team_name=team_name,
                role=role,
            )
            await uow.commit()
        return user

    async def token(self, user: User | None = None, scopes: tuple[str, ...] | None = None) -> Caller:
        async with self.database.unit_of_work() as uow:
            minted = await self.access.mint_token(
                uow,
                user_id=(user or self.user).user_id,
                name="test",
                scopes=[item.scope for item in self.registry] if scopes is None else scopes,
                expires_in_days=None,
                minted_by="test",
            )
            await uow.commit()
        return self.access.token_caller(minted.token, user or self.user, address="203.0.113.5", client="pytest")

    def session(self, user: User | None = None) -> Caller:
        person = user or self.user
        return Caller(
            kind=CallerKind.SESSION,
            user_id=person.user_id,
            username=person.username,
            team_id=person.team_id,
            team_name=person.team_name,
            role=person.role,
            session_id="ses_1",
            all_scopes=True,
        )

    def call(
        self, skill_id: str, caller: Caller, *, approval: str | None = None, key: str | None = None, **params: Any
    ) -> SkillCall:
        self.calls += 1
        return SkillCall(
            skill_id=skill_id,
            params=params,
            caller=caller,
            surface=Surface.REST,
            trace_id=f"trc_{self.calls}",
            approval_id=approval,
            idempotency_key=key,
        )

    async def run(self, skill_id: str, caller: Caller, **more: Any) -> SkillResult:
        return await self.dispatcher.run(self.call(skill_id, caller, **more))

    async def decide(self, approval_id: str, *, approve: bool = True) -> None:
        async with self.database.unit_of_work() as uow:
            await self.access.decide(uow, approval_id=approval_id, caller=self.session(), approve=approve)
            await uow.commit()

    async def state(self, approval_id: str) -> str:
        async with self.database.unit_of_work(read_only=True) as uow:
            approval = await self.access.approval(uow, approval_id=approval_id, caller=self.session())
        return approval.state.value

    async def jars(self) -> list[str]:
        async with self.database.unit_of_work(read_only=True) as uow:
            return [row.name for row in await uow.fetch_all(select(jars).order_by(jars.c.name))]

    async def put_jar(self, name: str, team_id: int | None = None) -> None:
        async with self.database.unit_of_work() as uow:
            async with uow.write():
                await uow.execute(insert(jars).values(name=name, team_id=team_id or self.user.team_id))
            await uow.commit()

    async def audit_rows(self) -> list[tuple[str, str, dict[str, Any]]]:
        """The audit of calls, oldest first: event, skill, detail."""
        async with self.database.unit_of_work(read_only=True) as uow:
            rows = await self.audit.newest(uow, limit=1000)
            verification = await self.audit.verify(uow)
        assert verification.is_sound
        return [(row.event, row.skill_id, row.detail) for row in reversed(rows) if row.event.startswith("call.")]


async def new_desk(
    database: Database, clock: FrozenClock, ids: IdSource, home: Path, *, registry: Registry | None = None
) -> SampleDesk:
    """Make a desk with the user `anna`, administrator of `tenant_anna`."""
    await database.run(jars.create)
    settings = Settings(home=home, public_url="https://desk.example")
    keys = settings.keys_folder
    audit = AuditLog(load_or_create_key(keys, ids), keys / HEAD_FILE, clock)
    access = AccessService(ids, clock, settings)
    desk = SampleDesk(database, access, audit, settings, clock, registry or sample_registry())
    desk.user = await desk.new_user("anna")
    return desk
