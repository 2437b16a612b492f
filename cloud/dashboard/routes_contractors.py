"""dashboard: making and revoking links for contractors, and ``/c/…``: the one page that opens without sign-in.

That page is narrow on purpose: no script, no other page to go to, nothing of the site that the job does not need, never kept
by a browser or a search engine, and a limit to how often anybody may try.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from starlette.datastructures import UploadFile

from cloud.dashboard import contractor_page, views, web, words
from cloud.dashboard.present import Here
from cloud.dashboard.routes_shell import PageRoute, SignInNeeded, opened
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, invalid, not_found
from cloud.people import access
from cloud.people.access import RowId
from cloud.tickets import attachments, contractors, work
from cloud.tickets.attachments_form import form as bounded_form
from cloud.tickets.attachments_form import uploads
from cloud.tickets.contractors import Said, Verb, Wanted
from cloud.tickets.contractors_gate import MOST_ACTS, MOST_WRONG, Gate
from cloud.tickets.contractors_routes import address_of, number_of
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, ticket_name
from cloud.tickets.work_proof import Reading

router = APIRouter(route_class=PageRoute, include_in_schema=False)
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    **web.HEADERS, "Content-Security-Policy": POLICY, "X-Robots-Tag": "noindex, nofollow, noarchive",
}  # fmt: skip
_EMPTY: Final = {"cause": "", "action": ""}


# --- our own people -----------------------------------------------------------------------------------------------


@router.post("/links/{name}/new")
async def make(request: Request, name: str) -> Response:
    """A new link; its address and its QR code are shown on the answer and nowhere else ever."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    number, given = number_of(name), await request.form()
    text = {key: str(given.get(key, "")).strip()[:200] for key in ("name", "contact", "days")}
    if not text["days"].isdigit():
        raise invalid("days", "the days are no number", "write 1 to 90")
    state = request.app.state
    now = state.clock.now_ms()
    async with state.database.write() as db:
        wanted = Wanted(text["name"], text["contact"], int(text["days"]), given.get("may_close") == "1")
        actor = Actor(user.name, user.role)
        link_id, token = await contractors.make(state.desk, db, number, wanted, actor, now, state.tokens)
        link = await contractors.link_of(db, link_id)
    state.hub.publish("tickets")
    url, w = address_of(request, token), web.words_of(request)
    crumbs = [Crumb(w("ticket.title"), "/tickets"), Crumb(name, f"/tickets/{name}"), Crumb(w("contractor.title"))]
    async with opened(request, "tickets", crumbs) as o:
        until = o.page.here.when(link["expires_at"])
        return web.render(
            "contractor_link.html", o.page, link_name=link["name"], number=ticket_name(number), until=until, url=url,
            qr=_qr(url),
        )  # fmt: skip


def _qr(url: str) -> Markup:
    """The address as SVG inside the page: drawn by attributes, which the content policy allows."""
    import segno

    drawn = segno.make(url, error="m").svg_inline(
        scale=4, svgclass=None, lineclass=None, omitsize=True, dark="#000", light="#fff"
    )
    return Markup(drawn)  # noqa: S704  made of the address's bits by the encoder, no text of anybody stands in it


@router.post("/links/{link}/revoke")
async def revoke(request: Request, link: RowId) -> Response:
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    state = request.app.state
    async with state.database.write() as db:
        actor = Actor(user.name, user.role)
        row = await contractors.revoke(state.desk, db, link, actor, state.clock.now_ms())
    state.hub.publish("tickets")
    return web.go(f"/tickets/{ticket_name(row['ticket_id'])}")


# --- through the link ---------------------------------------------------------------------------------------------


@router.get("/c/{token}")
async def show(request: Request, token: str) -> Response:
    if (slow := _slowed(request, token)) is not None:
        return slow
    state = request.app.state
    try:
        async with state.database.read() as db:
            link = await contractors.find(db, token)
    except Refused:
        return _unknown(request)
    if link["seen_at"] is None and link["revoked_at"] is None and request.method == "GET":
        async with state.database.write() as db:
            await contractors.note_seen(db, link, state.clock.now_ms())
    return await _page(request, token)


@router.post("/c/{token}/{verb}")
async def do(request: Request, token: str, verb: str) -> Response:
    """One act of a contractor. What is refused stands on the page, with what was written kept."""
    if (slow := _slowed(request, token)) is not None:
        return slow
    if verb not in set(Verb):
        raise not_found("act", verb)
    given = dict(_EMPTY)
    try:
        async with bounded_form(request, 1) as form:
            given = {key: str(form.get(key, "")).strip()[:4000] for key in _EMPTY}
            chosen = isinstance(form.get("photo"), UploadFile)
            sent = await uploads(form, "photo") if chosen else []
        await _act(request, token, Verb(verb), Said(given["cause"], given["action"]), sent)
    except Refused as refused:
        if refused.status == 404:
            return _unknown(request)
        return await _page(request, token, refused, given)
    state = request.app.state
    state.hub.publish("tickets", "alarms")
    state.wake(("tickets", "permits"))
    return _go(f"/c/{token}?lang={_words(request).language}")


async def _act(request: Request, token: str, verb: Verb, said: Said, sent: list[attachments.Upload]) -> None:
    """The photo first, so that it counts as the proof which the job may ask for; then the act itself."""
    state = request.app.state
    now = state.clock.now_ms()
    async with state.database.read() as db:
        link, is_new = await contractors.may(db, token, verb, now)
    if not is_new:
        return
    seen: Sequence[Reading] = ()
    actor = Actor(link["name"], Role.TECHNICIAN, "contractor")
    if verb is Verb.DONE:
        for upload in sent:
            await attachments.add(_room(state), link["ticket_id"], replace(upload, shows="repair"), actor, now)
        seen = await work.readings(state.database, state.store, link["ticket_id"], now)
    async with state.database.write() as db:
        await contractors.do(state.desk, db, token, verb, said, now, seen)


def _room(state: Any) -> attachments.Room:  # noqa: ANN401  the application's own
    return attachments.Room(state.desk, state.database, state.files, state.tokens)


async def _page(
    request: Request, token: str, refused: Refused | None = None, given: dict[str, str] | None = None
) -> Response:
    state = request.app.state
    async with state.database.read() as db:
        link = await contractors.find(db, token)
        here = Here(_words(request), web.zone_of(await views.sites(db)), state.clock.now_ms())
        has_files = getattr(state, "files", None) is not None
        job = await contractor_page.job(db, link, here, f"/c/{token}", has_files=has_files)
    return _render(request, refused.status if refused else 200, job, _notice(refused, here), given)


def _notice(refused: Refused | None, here: Here) -> str:
    if refused is None or refused.status == 410:
        return ""
    if refused.code == "evidence":
        return here.words("contractor.page.evidence", what=refused.message)
    if refused.status == 422 and any(one.path in {"cause", "action"} for one in refused.errors):
        return here.words("contractor.page.missing")
    if refused.status in {403, 409}:
        return here.words("contractor.page.not_now")
    return here.words("contractor.page.photo_bad", why=refused.message)


def _render(
    request: Request, status: int, job: dict[str, Any] | None, notice: str, given: dict[str, str] | None = None
) -> Response:
    text = web.environment().get_template("contractor_page.html")
    shown = text.render(w=_words(request), job=job, notice=notice, given=given or _EMPTY)
    return HTMLResponse(shown, status, headers=dict(HEADERS))


def _words(request: Request) -> words.Words:
    """The language of the link's own switch, else the browser's."""
    chosen = request.query_params.get("lang", "")
    return words.load(words.negotiate(chosen, "", request.headers.get("accept-language", "")))


def _go(path: str) -> Response:
    return Response(status_code=303, headers={**HEADERS, "Location": path})


# --- limits -------------------------------------------------------------------------------------------------------


def _gate(request: Request) -> Gate:
    state = request.app.state
    if getattr(state, "contractors_gate", None) is None:
        state.contractors_gate = Gate()
    found: Gate = state.contractors_gate
    return found


def _from(request: Request) -> str:
    return f"from:{request.client.host if request.client else ''}"


def _slowed(request: Request, token: str) -> Response | None:
    """429 for who guesses links, or presses without end."""
    gate, now = _gate(request), request.app.state.clock.now_ms()
    through = f"link:{hashlib.sha256(token.encode(errors='replace')).hexdigest()}"
    is_over = gate.is_over(_from(request), MOST_WRONG, now)
    if request.method == "POST":
        is_over = is_over or gate.is_over(through, MOST_ACTS, now)
        gate.note(through, now)
    if not is_over:
        return None
    answer = _render(request, 429, None, _words(request)("contractor.page.slow"))
    answer.headers["Retry-After"] = "60"
    return answer


def _unknown(request: Request) -> Response:
    _gate(request).note(_from(request), request.app.state.clock.now_ms())
    return _render(request, 404, None, _words(request)("contractor.page.unknown"))
