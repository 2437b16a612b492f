"""control panel over HTTP: pages and forms for one plant, and who may press its buttons.

It has no sign-in: it listens on the loopback unless opened, and switches nothing real. A page of another site may not
press its buttons: every form carries a token of this process, the browser's word on where a request comes from is
heard (``Sec-Fetch-Site``, ``Origin``), and a ``Host`` that is a name somebody else could point here is refused.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from contract.conventions import EpochMs
from simulators.control import Hand
from simulators.panel import render
from simulators.panel.view import Reader
from simulators.panel.words import Language, word

STATIC = Path(__file__).parent / "static"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
}  # fmt: skip
_MOST_BYTES = 10_000
_YEAR_S = 31_536_000
_LANGUAGE, _THEME = "plantroom_panel_language", "plantroom_panel_theme"


@dataclass(slots=True)
class Panel:
    """The pages of one plant."""

    hand: Hand
    now_ms: Callable[[], EpochMs]
    token: str = ""

    def __post_init__(self) -> None:
        self.token = self.token or secrets.token_urlsafe(24)

    def app(self) -> Starlette:
        """The application. A request from elsewhere is refused before anything is done."""
        return Starlette(routes=[
            Route("/", self._index), Route("/equipment/{id}", self._equipment),
            Route("/cause", self._cause, methods=["POST"]), Route("/repair", self._repair, methods=["POST"]),
            Route("/repair-all", self._repair_all, methods=["POST"]),
            Route("/language/{value}", self._language), Route("/theme/{value}", self._theme),
            Mount("/static", _Static(directory=STATIC)), Route("/{path:path}", self._nothing),
        ])  # fmt: skip

    # --- pages ----------------------------------------------------------------------------------------------------

    async def _index(self, request: Request) -> Response:
        reader = self._reader(request)
        if request.query_params.get("part"):
            return self._page(request, render.live_index(self.hand, reader))
        return self._page(request, render.index(self.hand, reader))

    async def _equipment(self, request: Request) -> Response:
        one = self.hand.plant.site.equipment.get(request.path_params["id"])
        if one is None:
            return await self._nothing(request)
        reader = self._reader(request)
        if request.query_params.get("part"):
            return self._page(request, render.live(self.hand, one, reader))
        return self._page(request, render.equipment(self.hand, one, reader))

    async def _nothing(self, request: Request) -> Response:
        reader = self._reader(request)
        return self._page(request, render.message("404", word("not_found", reader.language), reader), 404)

    def _page(self, request: Request, html: str, status: int = 200) -> Response:
        if not is_our_host(request.headers.get("host", "")):
            return Response("not the address of this panel", 421, HEADERS, "text/plain")
        return HTMLResponse(html, status, HEADERS)

    def _reader(self, request: Request, problem: str = "") -> Reader:
        zone = self.hand.plant.site.zone or "UTC"
        theme = request.cookies.get(_THEME, "")
        query = request.query_params.get("q", "")[:80]
        return Reader(_language_of(request), theme, self.token, self.now_ms(), zone, problem, query)

    # --- buttons --------------------------------------------------------------------------------------------------

    async def _cause(self, request: Request) -> Response:
        def act(form: dict[str, str]) -> None:
            for_s = float(form["for_s"]) if form.get("for_s") else None
            self.hand.cause(form["target"], form["fault"], for_s=for_s, onset_s=float(form.get("onset_s") or 0))

        return await self._press(request, act)

    async def _repair(self, request: Request) -> Response:
        return await self._press(request, lambda form: self.hand.put_right(form["target"], form["fault"]))

    async def _repair_all(self, request: Request) -> Response:
        def act(_form: dict[str, str]) -> None:
            for one in self.hand.wrong():
                self.hand.put_right(one.target, one.fault)

        return await self._press(request, act)

    async def _press(self, request: Request, act: Callable[[dict[str, str]], object]) -> Response:
        reader = self._reader(request)
        form = await _form(request)
        if form is None or not self._is_from_here(request, form):
            text = word("stranger", reader.language)
            return self._page(request, render.message(word("problem", reader.language), text, reader), 403)
        try:
            act(form)
        except (ValueError, KeyError) as error:
            wrong = self._reader(request, str(error))
            return self._page(request, render.index(self.hand, wrong), 422)
        return RedirectResponse(_back(request), 303, HEADERS)

    def _is_from_here(self, request: Request, form: dict[str, str]) -> bool:
        headers = request.headers
        origin = headers.get("origin")
        is_same = origin is None or urlsplit(origin).netloc == headers.get("host")
        is_told_so = headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
        has_token = hmac.compare_digest(form.get("token", "").encode(), self.token.encode())
        return is_same and is_told_so and has_token and is_our_host(headers.get("host", ""))

    # --- how it is shown ------------------------------------------------------------------------------------------

    async def _language(self, request: Request) -> Response:
        return _remember(request, _LANGUAGE, ("en", "zh"))

    async def _theme(self, request: Request) -> Response:
        return _remember(request, _THEME, ("light", "dark"))


class _Static(StaticFiles):
    """The panel's own files, with the headers of its pages."""

    def file_response(self, *args: object, **options: object) -> Response:
        answer = super().file_response(*args, **options)  # type: ignore[arg-type]
        answer.headers.update({**HEADERS, "Cache-Control": "no-cache"})
        return answer


def is_our_host(host: str) -> bool:
    """Whether this may be how somebody reached the panel: localhost or an address in figures, not a foreign name."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


def _language_of(request: Request) -> Language:
    chosen = request.cookies.get(_LANGUAGE)
    if chosen not in ("en", "zh"):
        chosen = "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
    return "zh" if chosen == "zh" else "en"


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None for one that is too long or no form."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return None
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _back(request: Request) -> str:
    """The page whose button was pressed, when it is one of ours."""
    return _inside(urlsplit(request.headers.get("referer", "")).path)


def _inside(path: str) -> str:
    return path if path.startswith("/equipment/") and "\\" not in path and "//" not in path else "/"


def _remember(request: Request, cookie: str, known: tuple[str, ...]) -> Response:
    answer = RedirectResponse(_inside(request.query_params.get("to", "")), 303, HEADERS)
    if (value := request.path_params["value"]) in known:
        answer.set_cookie(cookie, value, max_age=_YEAR_S, samesite="lax", httponly=True)
    return answer
