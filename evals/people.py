"""Who acts in a case: the principal the agent works for, and the persons who decide in their own browsers."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import httpx

from agent_server.app import create_app
from core.access.model import Caller, CallerKind, User
from evals import state
from evals.model import ApprovalAct, Principal
from evals.problems import ScriptProblem
from evals.substitution import substitute
from evals.world import PASSWORD, CaseDesk
from tools.limits import TOKEN_ALLOWANCES

CLIENT = "evals"
AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A principal who has shown who they are. `token` is empty for a session or nobody."""

    caller: Caller
    token: str = field(default="", repr=False)
    cookie: str = field(default="", repr=False)
    csrf: str = field(default="", repr=False)


async def admit(case: CaseDesk, principal: Principal) -> Credentials:
    """Mint the token or open the session of a principal. Raises `ScriptProblem`."""
    made = await _credentials(case, principal)
    if principal.limits is not None:
        for _ in range(TOKEN_ALLOWANCES[0].calls - principal.limits.calls_left):
            case.desk.dispatcher.limits.check(made.caller, "auth.token.introspect")
    return made


async def _credentials(case: CaseDesk, principal: Principal) -> Credentials:
    if principal.mode == "anonymous":
        return Credentials(Caller(kind=CallerKind.ANONYMOUS, address="127.0.0.1", client=CLIENT))
    user = await case.user(principal.user)
    if principal.mode == "session":
        return await _session(case, user)
    return await _token(case, user, principal)


async def _session(case: CaseDesk, user: User) -> Credentials:
    access = case.desk.services.access
    async with case.desk.unit_of_work() as uow:
        opened = await access.sign_in(uow, username=user.username, password=PASSWORD)
        await uow.commit()
    caller = access.session_caller(opened.session, address="127.0.0.1", client=CLIENT)
    return Credentials(caller, cookie=opened.cookie, csrf=opened.session.csrf_token)


async def _token(case: CaseDesk, user: User, principal: Principal) -> Credentials:
    access, registry = case.desk.services.access, case.desk.registry
    async with case.desk.unit_of_work() as uow:
        minted = await access.mint_token(
            uow,
            user_id=user.user_id,
            name="agent",
            scopes=scopes_of(principal, registry),
            expires_in_days=90,
            minted_by="operator",
        )
        await uow.commit()
    if principal.expires is not None:
        ends = case.clock.now() + principal.expires
        moment = f"{ends:%Y-%m-%d %H:%M:%S.%f}"
        state.run_sql(case.database, f"UPDATE tokens SET expires_at = :v WHERE id = {minted.token.token_id}", moment)
    caller = access.token_caller(minted.token, user, address="127.0.0.1", client=CLIENT)
    return Credentials(caller, token=minted.secret)


def scopes_of(principal: Principal, registry: Any) -> list[str]:
    """Return the scopes a principal's token gets. Raises `ScriptProblem` for a preset or pattern that fits nothing."""
    known = sorted({skill.scope for skill in registry})
    chosen: set[str] = set()
    if principal.preset is not None:
        preset = next((item for item in registry.presets if item.preset_id == principal.preset), None)
        if preset is None:
            ids = ", ".join(item.preset_id for item in registry.presets)
            raise ScriptProblem(reason=f"there is no preset {principal.preset!r}; there are {ids}")
        chosen.update(preset.scopes)
    for pattern in principal.scopes:
        chosen.update(_matching(pattern, known))
    return sorted(chosen)


def _matching(pattern: str, known: Iterable[str]) -> list[str]:
    found = [scope for scope in known if fnmatchcase(scope, pattern)]
    if not found and "*" not in pattern and "?" not in pattern:
        raise ScriptProblem(reason=f"no skill has the scope {pattern!r}")
    return found


@dataclass(slots=True)
class Persons:
    """The browsers of a case, each signed in once; they reach the desk's real routes without a socket."""

    case: CaseDesk
    app: Any = None
    browsers: dict[str, httpx.AsyncClient] = field(default_factory=dict)

    async def decide(self, act: ApprovalAct, principal: Credentials) -> None:
        """Do to an approval what a scenario says. Raises `ScriptProblem` when the answer is not as it says."""
        approval_id = str(substitute(act.id, self.case.variables))
        match act.decision:
            case "expire":
                minutes = self.case.desk.services.settings.approval_minutes + 1
                self.case.advance(timedelta(minutes=minutes))
            case "edit":
                self._edit(approval_id, act)
            case "withdraw":
                await self._withdraw(approval_id, act)
            case _:
                await self._post(approval_id, act, principal)

    async def close(self) -> None:
        """Close the browsers."""
        for browser in self.browsers.values():
            await browser.aclose()

    async def _post(self, approval_id: str, act: ApprovalAct, principal: Credentials) -> None:
        if act.by == AGENT:
            headers = {"Authorization": f"Bearer {principal.token}"} if principal.token else {}
            browser = self._client(headers)
        else:
            browser = await self._browser(act.by)
        answer = await browser.post(f"/agent/approvals/{approval_id}/decision", json={"decision": act.decision})
        if answer.status_code != act.status:
            got = f"{answer.status_code} {answer.json().get('code', '')}: {answer.json().get('message', '')}"
            raise ScriptProblem(
                reason=f"{act.decision} of {approval_id} by {act.by}: expected status {act.status}, got {got}"
            )

    async def _withdraw(self, approval_id: str, act: ApprovalAct) -> None:
        made = await _session(self.case, await self.case.user(act.by))
        async with self.case.desk.unit_of_work() as uow:
            await self.case.desk.services.access.withdraw(uow, approval_id=approval_id, caller=made.caller)
            await uow.commit()

    def _edit(self, approval_id: str, act: ApprovalAct) -> None:
        found, params = state.first_value(
            self.case.database, f"SELECT params FROM approvals WHERE approval_id = '{approval_id}'"
        )
        if not found:
            raise ScriptProblem(reason=f"edit: there is no approval {approval_id}")
        changed = json.dumps(json.loads(params) | substitute(act.args, self.case.variables))
        state.run_sql(
            self.case.database, f"UPDATE approvals SET params = :v WHERE approval_id = '{approval_id}'", changed
        )

    async def _browser(self, name: str) -> httpx.AsyncClient:
        if name not in self.browsers:
            await self.case.user(name)
            browser = self._client({})
            answer = await browser.post("/login", json={"username": name, "password": PASSWORD})
            browser.headers["X-CSRF-Token"] = answer.json()["data"]["csrfToken"]
            browser.headers["Origin"] = self.case.desk.services.settings.base_url
            self.browsers[name] = browser
        return self.browsers[name]

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        desk = self.case.desk
        if self.app is None:
            self.app = create_app(desk.services, desk.registry, desk.dispatcher)
        transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 1234), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=desk.services.settings.base_url, headers=headers)
