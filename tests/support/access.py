"""Builders for tests about people, tokens and approvals."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from core.access.model import Approval, ApprovalDraft, Caller, CallerKind, MintedToken, Role, User
from core.access.service import AccessService
from core.clock import FrozenClock
from core.storage.database import Database
from core.storage.unit_of_work import UnitOfWork

PASSWORD = "correct horse battery"


def person(user: User) -> Caller:
    """The user, signed in."""
    return Caller(
        kind=CallerKind.SESSION,
        user_id=user.user_id,
        username=user.username,
        team_id=user.team_id,
        team_name=user.team_name,
        role=user.role,
        session_id=f"ses_{user.user_id}",
        all_scopes=True,
    )


@dataclass
class AccessDesk:
    """One team of three (`ada` administers, `ben` approves, `cyd` is a member with a token) and `eve` alone."""

    database: Database
    access: AccessService
    clock: FrozenClock
    ada: User
    ben: User
    cyd: User
    eve: User
    minted: MintedToken

    @classmethod
    async def make(cls, database: Database, access: AccessService, clock: FrozenClock) -> "AccessDesk":
        async def register(uow: UnitOfWork, name: str, **more: Any) -> User:
            return await access.register_user(uow, username=name, password=PASSWORD, email=f"{name}@x.cn", **more)

        async with database.unit_of_work() as uow:
            ada = await register(uow, "ada", team_name="north")
            ben = await register(uow, "ben", team_name="north", role=Role.APPROVER)
            cyd = await register(uow, "cyd", team_name="north")
            eve = await register(uow, "eve")
            minted = await access.mint_token(
                uow, user_id=cyd.user_id, name="agent", scopes=["a.read"], expires_in_days=90, minted_by="operator"
            )
            await uow.commit()
        return cls(database, access, clock, ada, ben, cyd, eve, minted)

    @property
    def token_caller(self) -> Caller:
        return self.access.token_caller(self.minted.token, self.cyd)

    async def do(self, step: Callable[[UnitOfWork], Awaitable[Any]]) -> Any:
        """Run one step in a unit of work of its own and commit."""
        async with self.database.unit_of_work() as uow:
            result = await step(uow)
            await uow.commit()
        return result

    def draft(self, params_hash: str = "a" * 64, **changes: Any) -> ApprovalDraft:
        """What cyd's token asks for."""
        caller = self.token_caller
        draft = ApprovalDraft(
            team_id=self.cyd.team_id,
            skill_id="job.delete",
            skill_version="1",
            risk="red",
            params={"job_id": "job_1"},
            params_hash=params_hash,
            preview={"summary": "Deletes job_1", "changes": []},
            requester=caller.requester,
            requester_user_id=self.cyd.user_id,
            requester_name="cyd",
            client="curl",
        )
        return replace(draft, **changes)

    async def ask(self, params_hash: str = "a" * 64, **changes: Any) -> Approval:
        return await self.do(lambda uow: self.access.request_approval(uow, self.draft(params_hash, **changes)))

    async def decide(self, approval: Approval, caller: Caller, *, approve: bool = True, comment: str = "") -> Approval:
        return await self.do(
            lambda uow: self.access.decide(
                uow, approval_id=approval.approval_id, caller=caller, approve=approve, comment=comment
            )
        )

    async def look(self, approval: Approval, caller: Caller | None = None) -> Approval:
        return await self.do(
            lambda uow: self.access.approval(uow, approval_id=approval.approval_id, caller=caller or self.token_caller)
        )

    async def use(self, approval: Approval, *, external: bool = False, result_ref: str = "") -> None:
        async def step(uow: UnitOfWork) -> None:
            async with uow.write():
                await self.access.consume(
                    uow,
                    approval_id=approval.approval_id,
                    params_hash=approval.params_hash,
                    now=self.clock.now(),
                    external=external,
                    result_ref=result_ref,
                )

        await self.do(step)

    async def approved(self, params_hash: str = "a" * 64, **changes: Any) -> Approval:
        return await self.decide(await self.ask(params_hash, **changes), person(self.cyd if not changes else self.ben))

    def later(self, **delta: float) -> None:
        self.clock.advance(timedelta(**delta))
