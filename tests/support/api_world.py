"""The whole application and everybody who may stand before it, for requests that a machine makes up."""

import asyncio
from collections.abc import Iterator, MutableMapping, MutableSequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Any

import httpx
import requests
from structlog.testing import capture_logs

from cloud.people import service
from cloud.people.access import COOKIE
from cloud.tickets.ticket import Role
from tests.support.desk import MINUTE, START, Desk, Gateway, announcement, desk, raised, trapped

Logged = MutableSequence[MutableMapping[str, Any]]
ROLES = tuple(str(role) for role in Role)
BASE = "http://desk.test"
KNOWN: dict[str, Any] = {
    "ticket": "T-000001", "alarm": 1, "id": 1, "site": "riverside", "equipment": "fire_pump_1", "test": "half_year_care",
    "gateway": "gw_1", "rule": "pf_low", "before": "T-000002",
}  # fmt: skip
"""What is there to be found, by the name under which the document asks for it."""


class World:
    """One application in one event loop; each caller's credentials stay good whatever a request does."""

    def __init__(self, runner: asyncio.Runner, found: Desk, gateway: Gateway, logged: Logged) -> None:
        self._runner = runner
        self._desk = found
        self._gateway = gateway
        self._logged = logged
        self._tokens: dict[str, str] = {}

    @property
    def document(self) -> dict[str, Any]:
        """The application's OpenAPI document."""
        document: dict[str, Any] = self._desk.app.openapi()
        return document

    @property
    def failure(self) -> str:
        """What failed inside most recently, and where."""
        failed = [line["exc_info"] for line in self._logged if line["event"] == "request_failed"]
        if not failed:
            return ""
        frames = [frame for frame in extract_tb(failed[-1].__traceback__) if "/cloud/" in frame.filename]
        return f"{failed[-1]!r:.300} in {frames[-1] if frames else '?'}"

    def send(self, prepared: requests.PreparedRequest, caller: str) -> httpx.Response:
        """The answer to a request of ``nobody``, the ``gateway`` or a person of a role."""
        return self._runner.run(self._send(prepared, caller))

    async def _send(self, prepared: requests.PreparedRequest, caller: str) -> httpx.Response:
        answer = await self._once(prepared, caller)
        if answer.status_code == 401 and caller in ROLES:  # signed out by a call before
            await self._sign_in(caller)
            answer = await self._once(prepared, caller)
        return answer

    async def _once(self, prepared: requests.PreparedRequest, caller: str) -> httpx.Response:
        headers = [(name, str(value)) for name, value in prepared.headers.items() if name.lower() != "cookie"]
        if caller in ROLES:
            headers.append(("Cookie", f"{COOKIE}={self._tokens.get(caller, '')}"))
        if caller == "gateway":
            headers.append(("Authorization", f"Bearer {self._gateway.credential}"))
        assert prepared.method is not None
        assert prepared.url is not None
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        assert body is None or isinstance(body, bytes)
        request = httpx.Request(prepared.method, prepared.url, headers=headers, content=body)
        self._desk.http.cookies.clear()
        return await self._desk.http.send(request)

    async def _sign_in(self, role: str) -> None:
        database, now, tokens = self._desk.database, self._desk.clock.ms, self._desk.app.state.tokens
        async with database.write() as connection:
            user = await service.add_user(connection, f"{role}_{tokens()}", role, None, now)
            self._tokens[role] = await service.open_session(connection, user, now, tokens)


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """A desk with a gateway, equipment, alarms, tickets and a periodic test."""
    with capture_logs() as logged, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner.run(_furnish(stack, folder, runner, logged))
        finally:
            runner.run(stack.aclose())


async def _furnish(stack: AsyncExitStack, folder: Path, runner: asyncio.Runner, logged: Logged) -> World:
    found = await stack.enter_async_context(desk(folder))
    gateway = await found.gateway()
    await gateway.tell(announcement(), raised(START), trapped(START), raised(START + MINUTE, "phase_loss"))
    return World(runner, found, gateway, logged)
