"""dashboard: what changes on an open page is pushed to it: made once for everybody who sees the same, and sent as it stands.

One stream a page (server-sent events). ``beat`` every two seconds tells silence from a lost line; ``work`` (alarms, tickets, gateways) and
``data`` (samples) say what changed; an event with the id of an element carries that element's new content. A stream knows no history:
what it tells is how things are, so a reader who was away is told all of it when the stream begins, and one who reads slowly is
told the newest when they have read, and nothing waits for them. ``over`` says that the reader's session ended, and the page asks anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from fastapi import FastAPI, Request

from cloud.dashboard import web
from cloud.dashboard.shared import Readers, SharedParts
from cloud.errors import invalid
from cloud.hub import Listener
from cloud.people import access
from cloud.people.service import User
from contract.conventions import EpochMs

BEAT_MS: Final = 2_000
CALM_MS: Final = 300
"""Between two times that work is told: what comes closer together travels together."""
DATA_MS: Final = 1_000
"""Samples are told at full seconds, to all pages at the same moment, so that one part made serves them all."""
QUIET_MS: Final = 5_000
"""A stream that told nothing for so long looks by itself: values grow old, and another replica may have written."""
STREAM_MS: Final = 900_000
"""A stream ends after a quarter of an hour; the browser asks again."""
MOST_PARTS: Final = 8
_WORK: Final = frozenset({"tickets", "alarms", "gateways", "equipment"})
_OWN: Final = frozenset({"beat", "work", "data", "over"})
_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")
_LINE: Final = re.compile(r"\r\n|\r|\n")
_TOLD_ON: Final = (b"host", b"cookie", b"accept-language")
_SCOPE: Final = ("asgi", "http_version", "server", "client", "scheme")


class PartFailed(Exception):
    """A part could not be made: its page is not called live, and asks again."""


@dataclass(frozen=True, slots=True)
class Part:
    """An element of a page, and the address of its content."""

    id: str
    address: str
    has_data: bool = False
    """Whether it shows samples; otherwise only work changes it."""


@dataclass(slots=True)
class Live:
    """What all streams of this process share."""

    parts: SharedParts
    readers: Readers


def live_of(app: FastAPI) -> Live:
    """Of this process."""
    state = app.state
    if getattr(state, "live", None) is None:
        state.live = Live(SharedParts(state.clock), Readers(state.database, state.clock))
    found: Live = state.live
    return found


def parts_of(query: Mapping[str, Sequence[str]]) -> tuple[Part, ...]:
    """The parts that a page asks for: ``live=ID ADDRESS`` for those with samples, ``part=ID ADDRESS`` for others. Raises Refused (422)."""
    asked = [(name == "live", *text.partition(" ")[::2]) for name in ("live", "part") for text in query.get(name, ())]
    for _, id, address in asked[: MOST_PARTS + 1]:
        is_own = (
            id in _OWN or unquote(urlsplit(address).path) == "/events"
        )  # a stream within a stream would never be whole
        if not _ID.fullmatch(id) or is_own or not address.startswith("/") or address[1:2] in "/\\":
            raise invalid("part", f"{id!r} and {address!r} are no part of a page", "reload the page")
    if len(asked) > MOST_PARTS:
        raise invalid("part", f"a page has at most {MOST_PARTS} parts", "reload the page")
    return tuple(Part(id, address, has_data) for has_data, id, address in asked)


# --- when -------------------------------------------------------------------------------------------------------


def due(topics: Collection[str], heard_at: EpochMs, told_at: EpochMs, spoke_at: EpochMs) -> EpochMs:
    """When a stream speaks next, which told something last at ``told_at``, and has heard of ``topics`` since ``heard_at``."""
    if _is_work(topics):
        return told_at + CALM_MS
    if topics:
        return (heard_at // DATA_MS + 1) * DATA_MS
    return spoke_at + BEAT_MS


@dataclass(frozen=True, slots=True)
class News:
    """What changed; nothing for a beat. Whatever was made since then shows it as well as others who are told now see it."""

    topics: tuple[str, ...]
    since: EpochMs


async def _news(news: Listener, clock: Any, told_at: EpochMs) -> News:  # noqa: ANN401  a Clock
    """What changed, when it is time to tell."""
    spoke_at, heard_at = clock.now_ms(), 0
    while True:
        now = clock.now_ms()
        heard_at = heard_at or (now if news.topics else 0)
        at = due(news.topics, heard_at, told_at, spoke_at)
        if at <= now:
            return News(news.take(), max(at, heard_at))
        news.is_news.clear()
        try:
            async with asyncio.timeout((at - now) / 1000):
                await news.is_news.wait()
        except TimeoutError:
            return News(news.take(), max(at, heard_at))


# --- what -------------------------------------------------------------------------------------------------------


async def stream(request: Request, parts: Sequence[Part], page: str) -> AsyncIterator[bytes]:
    """Events for one open page until its session or a quarter of an hour is over."""
    state, live = request.app.state, live_of(request.app)
    clock, token = state.clock, request.cookies.get(access.COOKIE, "")
    ends, told_at, told = clock.now_ms() + STREAM_MS, 0, dict[str, int]()
    head = b"retry: 2000\n"
    what = News(("tickets", "samples"), clock.now_ms())  # all that changed while nobody listened here
    with state.hub.listening() as news:
        while (now := clock.now_ms()) < ends:
            if (user := await live.readers.who(token)) is None:
                yield head + b"event: over\ndata:\n\n"
                return
            said = _said(what.topics, now)
            if what.topics or now - told_at >= QUIET_MS:
                told_at = now
                wanted = [part for part in parts if part.has_data or not what.topics or _is_work(what.topics)]
                try:
                    said += await _pushed(_Page(request, user, page, told, news), wanted, what)
                except PartFailed:
                    return
            yield head + said
            head, what = b"", await _news(news, clock, told_at)


@dataclass(frozen=True, slots=True)
class _Page:
    """An open page: who looks at what, what they were told, and what they hear."""

    request: Request
    user: User
    address: str
    told: MutableMapping[str, int]
    news: Listener


def _is_work(topics: Collection[str]) -> bool:
    return not _WORK.isdisjoint(topics)


def _said(topics: Collection[str], now: EpochMs) -> bytes:
    kinds = [kind for kind, is_told in (("work", _is_work(topics)), ("data", "samples" in topics)) if is_told]
    return "".join(f"event: {kind}\ndata: {now}\n\n" for kind in kinds or ["beat"]).encode()


async def _pushed(page: _Page, parts: Sequence[Part], what: News) -> bytes:
    """The parts that are not as this reader was told before. What changed while they were made is told the next time."""
    request, said = page.request, b""
    version, language = request.app.state.hub.version, web.words_of(request, page.user).language
    for part in parts:
        key = (part.id, part.address, page.address, language, page.user.role)
        make = partial(made, request, part, page.address)
        event, made_for = await live_of(request.app).parts.get(key, version, what.since, make)
        if event is not None and page.told.get(part.id) != hash(event):
            page.told[part.id] = hash(event)
            said += event
        if made_for < version:
            page.news.add(what.topics)
    return said


async def made(request: Request, part: Part, page: str) -> bytes | None:
    """One part as an event, asked of the application as the page itself would; None where there is no such part for many.

    Raises PartFailed when it cannot be made now.
    """
    scope, body, status = _scope(request, part.address, page), bytearray(), 0

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    await request.app(scope, receive, send)
    if status >= 500:
        raise PartFailed(part.address)
    if status != 200 or not getattr(scope.get("endpoint"), "is_shared", False):
        return None  # what is not for many is nobody's here: it may be about the one who asked
    lines = "\n".join(f"data: {line}" for line in _LINE.split(body.decode()))
    return f"event: {part.id}\n{lines}\n\n".encode()


def _scope(request: Request, address: str, page: str) -> dict[str, Any]:
    """A request of the same reader for another address, from the page that they look at."""
    at = urlsplit(address)
    told = [(name, value) for name, value in request.scope["headers"] if name in _TOLD_ON]
    current = f"http://{request.headers.get('host', '')}{page}".encode()
    return {
        **{name: request.scope[name] for name in _SCOPE if name in request.scope},
        "type": "http", "method": "GET", "root_path": "", "path": unquote(at.path), "raw_path": at.path.encode(),
        "query_string": at.query.encode(), "headers": [*told, (b"hx-request", b"true"), (b"hx-current-url", current)],
    }  # fmt: skip
