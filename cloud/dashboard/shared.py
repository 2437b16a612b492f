"""dashboard: one part of a page for everybody who looks at it. Two hundred walls cost one wall after each change.

A part is made anew after every change that the hub tells, and once a second, because it says how old its values are. It is
the same for all readers of one role and language; who may not see it is turned away before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.responses import Response

from cloud.clock import Clock
from cloud.dashboard import web
from cloud.hub import Hub
from cloud.people import access
from cloud.people.service import User

OLDEST_MS: Final = 1_000
MOST: Final = 400
"""Parts kept at once; where more are looked at, the oldest are made anew."""

Made = tuple[int, bytes, dict[str, str]]
_Route = TypeVar("_Route", bound=Callable[..., Any])


def shared(endpoint: _Route) -> _Route:
    """Mark a part that is the same for all readers of one role and language."""
    endpoint.is_shared = True  # type: ignore[attr-defined]  # read by the route's class
    return endpoint


class SharedParts:
    """Parts of pages by who asks for what, each made once at a time."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub, self._clock = hub, clock
        self._version = -1
        self._parts: dict[tuple[str, ...], tuple[int, asyncio.Task[Made]]] = {}
        self._readers: dict[str, tuple[int, User]] = {}

    async def reader(self, request: Request) -> User | None:
        """Who asks. A session is looked up once a second, however many parts its pages ask for."""
        now, token = self._clock.now_ms(), request.cookies.get(access.COOKIE, "")
        known = self._readers.get(token)
        if known is not None and 0 <= now - known[0] < OLDEST_MS:
            return known[1]
        user = await access.current_user(request)
        self._readers.pop(token, None)
        if user is not None:
            while len(self._readers) >= MOST:
                del self._readers[next(iter(self._readers))]
            self._readers[token] = now, user
        return user

    async def get(self, request: Request, user: User, make: Callable[[], Awaitable[Response]]) -> Response:
        """The part as somebody else got it a moment ago, or made now. What failed is told to who asked first, and not kept."""
        if self._version != self._hub.version:
            self._version, self._parts = self._hub.version, {}
        now, key = self._clock.now_ms(), _key(request, user)
        self._drop_old(now)
        if (known := self._parts.get(key)) is not None:
            with contextlib.suppress(Exception):  # it may be about who asked first, say a session that just ended
                return _response(await asyncio.shield(known[1]))
            return await make()
        task = asyncio.create_task(_made(make), name="dashboard_part")
        self._parts[key] = now, task
        task.add_done_callback(lambda done: self._forget(key, done))
        return _response(await asyncio.shield(task))

    def _drop_old(self, now: int) -> None:
        """Those of more than a second ago, so that nothing large is kept for nobody; they stand oldest first."""
        while self._parts and (
            len(self._parts) >= MOST or not 0 <= now - next(iter(self._parts.values()))[0] < OLDEST_MS
        ):
            del self._parts[next(iter(self._parts))]

    def _forget(self, key: tuple[str, ...], task: asyncio.Task[Made]) -> None:
        failed = task.cancelled() or task.exception() is not None or task.result()[0] != 200
        if failed and (known := self._parts.get(key)) is not None and known[1] is task:
            del self._parts[key]


def _response(made: Made) -> Response:
    status, body, headers = made
    return Response(body, status, headers)


async def _made(make: Callable[[], Awaitable[Response]]) -> Made:
    response = await make()
    kept = {name: value for name, value in response.headers.items() if name != "content-length"}
    return response.status_code, bytes(response.body), kept


def _key(request: Request, user: User) -> tuple[str, ...]:
    """What a part may depend on: where, in which language, and what this reader's role may do."""
    url = request.url
    return url.path, url.query, web.path_of(request), web.words_of(request, user).language, user.role
