"""The gateway about itself, on its own port: status page, ``/healthz`` and ``/metrics``. Needs no cloud.

On loopback the page is open; opened to the site's network it asks for a password. Nothing can be changed here.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from device_profiles.library import Finding
from edge.cycle import STUCK_AFTER_MS
from edge.errors import Misconfigured
from edge.page import metrics, render
from edge.page.door import Door
from edge.page.words import Language
from edge.site import Site

if TYPE_CHECKING:
    from edge.gateway import Parts

MOST_FORM_BYTES = 4_096
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class _Guard:
    """Headers on everything that leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app(scope, receive, guarded)


class _Pages:
    """The handlers."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.door = Door(parts.site.gateway.status.password_file)
        self.figures = metrics.registry(parts)

    def may_look(self, request: Request) -> bool:
        return self.door.knows(request.cookies.get("session", ""), self.parts.clock.now_ms())

    async def page(self, request: Request) -> Response:
        if not self.may_look(request):
            return RedirectResponse("/sign-in", status_code=303)
        return HTMLResponse(render.page(view(self.parts), _language(request)))

    async def live(self, request: Request) -> Response:
        if not self.may_look(request):
            return Response(status_code=401)
        return HTMLResponse(render.live(view(self.parts), _language(request)))

    async def show_door(self, request: Request) -> Response:
        return HTMLResponse(render.sign_in(_language(request)))

    async def sign_in(self, request: Request) -> Response:
        now, language = self.parts.clock.now_ms(), _language(request)
        if self.door.is_tired(now):
            return HTMLResponse(render.sign_in(language, "too_often"), status_code=429)
        session = self.door.sign_in(await _password(request), now)
        if session is None:
            return HTMLResponse(render.sign_in(language, "wrong"), status_code=403)
        response = RedirectResponse("/", status_code=303)
        response.set_cookie("session", session, max_age=30 * 86_400, httponly=True, samesite="strict")
        return response

    async def language(self, request: Request) -> Response:
        response = RedirectResponse("/", status_code=303)
        wanted = "zh" if request.path_params["language"] == "zh" else "en"
        response.set_cookie("language", wanted, max_age=365 * 86_400, samesite="lax")
        return response

    async def healthz(self, _request: Request) -> Response:
        cycle = self.parts.cycle
        is_stuck = self.parts.clock.moment().steady_ms - cycle.turned_at > STUCK_AFTER_MS
        state = "stuck" if is_stuck else "ok" if self.parts.is_disk_well else "disk_failing"
        return JSONResponse({"status": state}, status_code=200 if state == "ok" else 503)

    async def metrics(self, request: Request) -> Response:
        if not self.may_look(request):
            return Response(status_code=401)
        return Response(metrics.exposition(self.figures), media_type="text/plain; version=0.0.4; charset=utf-8")


def app(parts: Parts) -> Starlette:
    """The page as an ASGI application."""
    pages = _Pages(parts)
    folder = resources.files("edge.page").joinpath("static")
    routes = [
        Route("/", pages.page), Route("/live", pages.live), Route("/healthz", pages.healthz),
        Route("/metrics", pages.metrics), Route("/sign-in", pages.show_door, methods=["GET"]),
        Route("/sign-in", pages.sign_in, methods=["POST"]), Route("/language/{language}", pages.language),
        Mount("/static", StaticFiles(directory=str(folder))),
    ]  # fmt: skip
    return Starlette(routes=routes, middleware=[Middleware(_Guard)])


def view(parts: Parts) -> render.View:
    """What the page shows now."""
    site, link, depths = parts.site, parts.link, parts.outbox.outbox.depths
    oldest = [depth.oldest_ms for depth in depths.values() if depth.oldest_ms is not None]
    return render.View(
        gateway=site.gateway.id, site=site.name, zone=site.zone, now_ms=parts.clock.now_ms(),
        names={one.id: (one.name.en, one.name.zh) for one in site.equipment}, alarms=parts.engine.active_alarms(),
        devices=parts.board.rows(parts.clock.moment()), cloud=site.gateway.cloud, is_up=link.is_up,
        link_reason=link.reason, last_receipt_ms=link.last_receipt_ms, events=depths["events"].records,
        samples=depths["samples"].records, oldest_ms=min(oldest, default=None),
        returned=parts.engine.returned_alarms(),
        storms=[(one.kind, one.began_ms, one.raises) for one in parts.engine.storms.running.values()],
        is_disk_well=parts.is_disk_well, mistakes=[str(one) for one in parts.mistakes],
        refused={name: known.points for name, known in parts.board.refused.items()},
        unreadable=parts.board.last_unreadable(), unreadable_total=parts.board.unreadable_total,
    )  # fmt: skip


def _language(request: Request) -> Language:
    chosen = request.cookies.get("language") or request.headers.get("accept-language", "")
    return "zh" if chosen.lower().startswith("zh") else "en"


async def _password(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            return ""
    return parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]


# --- serving ------------------------------------------------------------------------------------------------------


def listen(site: Site) -> socket.socket:
    """The page's socket. Raises Misconfigured when the port is taken or the address is not this machine's."""
    status = site.gateway.status
    try:
        return socket.create_server((status.host, status.port), reuse_port=False)
    except OSError as error:
        message = f"the status page cannot listen on {status.host} port {status.port}: {error.strerror}"
        remedy = "Stop what uses it, or write another status port (0 takes a free one)"
        raise Misconfigured([Finding(str(site.path), 0, "gateway.status.port", message, remedy)]) from error


class _Server(uvicorn.Server):
    """Leaves signals to the command that runs the gateway."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(parts: Parts) -> None:
    """Serve the page until cancelled; says ``ready`` with its address once it listens."""
    with listen(parts.site) as listener:
        host, port = listener.getsockname()[:2]
        config = uvicorn.Config(
            app(parts), log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )  # fmt: skip
        parts.log.info(
            "ready", gateway=parts.site.gateway.id, status=f"http://{host}:{port}/", cloud=parts.site.gateway.cloud,
            equipment=len(parts.site.equipment), devices=len(parts.site.devices), epoch=parts.outbox.outbox.epoch,
        )  # fmt: skip
        server = _Server(config)
        try:
            await server.serve(sockets=[listener])
        finally:
            server.should_exit = True
