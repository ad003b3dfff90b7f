"""Calling every operation of a desk's OpenAPI document with generated requests, and judging the answers."""

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import requests
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.openapi import from_dict
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.rest_desk import RestDesk

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KINDS = ("anonymous", "token", "session")
AWAY = "198.51.100.7"
"""Where generated calls come from: their failed sign-ins must not stop the honest ones."""


@dataclass
class Fuzzer:
    """Generated calls against one desk, which lives in the portal's event loop."""

    desk: RestDesk
    portal: BlockingPortal
    faults: list[str] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(
        self, kind: str, *, examples: int, start: int = 1, chosen: Callable[[int], bool] = lambda _: True
    ) -> dict[int, int]:
        """Call every chosen operation as one kind of caller; return how often each status was answered."""
        self.faults, seen = [], {}
        for place, operation in enumerate(self.operations()):
            if not chosen(place):
                continue
            client = self.portal.call(self._client, kind)
            modes = list(GenerationMode) if can_be_wrong(operation) else [GenerationMode.POSITIVE]
            for mode in modes:
                self._run_operation(operation, mode, client=client, examples=examples, number=start + place, seen=seen)
        return seen

    def operations(self) -> list[APIOperation]:
        document = self.portal.call(self._document)
        return [found.ok() for found in from_dict(document).get_all_operations()]

    def _run_operation(
        self,
        operation: APIOperation,
        mode: GenerationMode,
        *,
        client: httpx.AsyncClient,
        examples: int,
        number: int,
        seen: dict[int, int],
    ) -> None:
        def check(case: Case) -> None:
            answer = self.portal.call(self._send, client, case)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
            case.validate_response(answer, checks=CHECKS)

        test = given(operation.as_strategy(generation_mode=mode))(check)
        test = settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(seed(number)(test))
        try:
            with warnings.catch_warnings(action="ignore"):
                test()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, f"{operation.label}: nothing satisfies its schema"
        except AssertionError as error:
            self.faults.append(f"{operation.label}: {error}")
        except BaseExceptionGroup as group:
            self.faults.append(f"{operation.label}: " + "\n".join(str(error) for error in group.exceptions))

    async def _document(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.desk.client().get("/openapi.json")).json()
        return answer

    async def _client(self, kind: str) -> httpx.AsyncClient:
        """Return a fresh caller: an earlier one may have signed out, or revoked itself."""
        if kind == "anonymous":
            return self.desk.client()
        name = f"fuzz{next(self._names)}"
        if kind == "token":
            return await self.desk.agent(await self.desk.user(name))
        person = await self.desk.person(name)
        away = self.desk.client(address=AWAY, Origin=self.desk.settings.base_url, **{"X-CSRF-Token": person.csrf})
        away.cookies = person.browser.cookies
        return away

    async def _send(self, client: httpx.AsyncClient, case: Case) -> httpx.Response:
        """Send a generated request as it stands, with the caller's own credentials."""
        asked = case.as_transport_kwargs(base_url=self.desk.settings.base_url)
        names = ("method", "url", "headers", "params", "json", "data", "cookies")
        prepared = requests.Request(**{name: asked.get(name) for name in names}).prepare()
        kept = {
            name: value
            for name, value in prepared.headers.items()
            if name.lower() not in {"authorization", "cookie", "user-agent"}
        }
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        return await client.request(prepared.method or "GET", prepared.url or "", headers=kept, content=body)


def can_be_wrong(operation: APIOperation) -> bool:
    """Tell whether a request can break the schema: where every parameter is any text at all, none can."""
    raw = operation.definition.raw
    return "requestBody" in raw or any(each["schema"] != {"type": "string"} for each in raw.get("parameters", []))
