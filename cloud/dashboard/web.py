"""dashboard: the shell around every page: templates, the reader's language and theme, the content policy, who may ask."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from cloud.dashboard import present, views, words
from cloud.dashboard.present import Here
from cloud.dashboard.rows import SiteRow
from cloud.dashboard.wall import Band
from cloud.dashboard.words import Words
from cloud.tickets.search_pages import Count
from cloud.tickets.ticket import Role

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
LANGUAGE_COOKIE: Final = "plantroom_language"
THEME_COOKIE: Final = "plantroom_theme"
THEMES: Final = ("auto", "light", "dark")
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Cookie, Accept-Language",
}
"""On every page: our own origin only, nothing inline, no frame."""


@dataclass(frozen=True, slots=True)
class NavItem:
    id: str
    href: str
    note: str = ""
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Crumb:
    text: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    alarms: int = 0
    tickets: str = ""
    mine: str = ""
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """What the shell needs besides the page's own values."""

    here: Here
    path: str
    query: str
    section: str
    theme: str
    zone_name: str
    site_name: str
    user_name: str
    role: str
    counts: Counts = Counts()
    bands: tuple[Band, ...] = ()
    crumbs: tuple[Crumb, ...] = ()
    notice: str = ""
    unreached: str = ""
    """How many open tickets there are of which nobody could be told, in words; empty for none."""
    wanted: str = ""
    sites: tuple[SiteRow, ...] = field(default_factory=tuple)

    @property
    def has_figures(self) -> bool:
        """Whether this reader's role may see figures."""
        return bool(self.role) and Role(self.role).rank >= Role.ENGINEER.rank

    @property
    def nav(self) -> tuple[NavItem, ...]:
        missed = self.here.words("tests.missed_count", n=self.counts.missed) if self.counts.missed else ""
        return (
            NavItem("wall", "/wall"), NavItem("equipment", "/equipment"), NavItem("trends", "/trends"), NavItem("power", "/power"),
            NavItem("alarms", "/alarms", str(self.counts.alarms or "")),
            NavItem("tickets", "/tickets", self.counts.tickets), NavItem("my", "/my", self.counts.mine),
            NavItem("tests", "/tests", missed), NavItem("permits", "/permits", is_last=True),
            *([NavItem("figures", "/figures")] if self.has_figures else []), NavItem("gateways", "/gateways"), NavItem("settings", "/settings/calls"),
        )  # fmt: skip

    @property
    def forms(self) -> str:
        """The chip's duration forms, for the script that lets clocks tick."""
        forms = ("s", "min", "min_s", "h", "h_min", "d", "d_h")
        return json.dumps(
            {form: self.here.words.entries[f"duration.chip.{form}"] for form in forms}, ensure_ascii=False
        )


def some(count: Count) -> str:
    """A number beside a link: nothing for none, and a plus where there are more than were counted."""
    return f"{present.number(count.n, 0)}{'+' if count.is_more else ''}" if count.n else ""


# --- templates --------------------------------------------------------------------------------------------------


@cache
def environment() -> Environment:
    """Jinja with escaping always on; a name that is not given is an error, not an empty place."""
    found = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found.filters["css"] = present.css
    found.globals["asset"] = asset
    return found


@cache
def asset(name: str) -> str:
    """A static file's address with its content's mark, so that a new version is never served from an old cache."""
    path = STATIC / name
    mark = hashlib.blake2s(path.read_bytes(), digest_size=4).hexdigest() if path.is_file() else "0"
    return f"/static/{name}?v={mark}"


def render(name: str, page: Page, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - a template's own
    text = environment().get_template(name).render(page=page, w=page.here.words, **values)
    return HTMLResponse(text, status_code=status, headers=dict(HEADERS))


def go(path: str) -> Response:
    """See other: after a form was done, or to sign in."""
    return RedirectResponse(path, status_code=303, headers=dict(HEADERS))


def local_path(path: str, otherwise: str = "/wall") -> str:
    """A path of ours to return to; anything that could lead elsewhere becomes ``otherwise``."""
    parts = urlsplit(path)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.netloc and "\\" not in path
    return path if is_ours and path.isprintable() else otherwise


# --- who reads, where, in which language ------------------------------------------------------------------------


def words_of(request: Request, user: Any = None) -> Words:  # noqa: ANN401 - people's User
    cookie = request.cookies.get(LANGUAGE_COOKIE, "")
    accept = request.headers.get("accept-language", "")
    return words.load(words.negotiate(cookie, getattr(user, "language", "") or "", accept))


def theme_of(request: Request, user: Any = None) -> str:  # noqa: ANN401
    chosen = request.cookies.get(THEME_COOKIE) or getattr(user, "theme", "") or ""
    return chosen if chosen in THEMES else ""


def is_same_origin(request: Request) -> bool:
    """Whether a form came from a page of ours: browsers send Origin with every POST, and the session cookie is SameSite."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
    return urlsplit(origin).netloc == request.headers.get("host", "")


def zone_of(sites: Sequence[SiteRow]) -> ZoneInfo:
    return _zone(sites[0].zone if sites else "UTC")


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def path_of(request: Request) -> str:
    """The page that the reader looks at, also when a part of it is asked for."""
    current = urlsplit(request.headers.get("hx-current-url", ""))
    if current.netloc == request.headers.get("host", "") and current.path:
        return local_path(current.path + (f"?{current.query}" if current.query else ""))
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def at_site(page: Page, site: str) -> Page:
    """The page in this site's own zone; as it is where there is no such site."""
    own = [one for one in page.sites if one.id == site]
    if not own:
        return page
    zone = zone_of(own)
    return replace(page, here=replace(page.here, zone=zone), zone_name=zone.key)


async def plain_page(request: Request, section: str, **values: Any) -> Page:  # noqa: ANN401
    """The shell of a page for somebody who has not signed in."""
    async with request.app.state.database.read() as db:
        sites = await views.sites(db)
    return page_of(request, None, sites, section, **values)


def page_of(request: Request, user: Any, sites: Sequence[SiteRow], section: str, **values: Any) -> Page:  # noqa: ANN401
    zone = zone_of(sites)
    here = Here(words_of(request, user), zone, request.app.state.clock.now_ms())
    return Page(
        here=here, path=path_of(request), query=request.url.query, section=section, theme=theme_of(request, user),
        zone_name=zone.key, site_name=", ".join(site.name for site in sites) or here.words("product"),
        user_name=(user.display_name or user.name) if user else "", role=user.role if user else "",
        sites=tuple(sites), **values,
    )  # fmt: skip
