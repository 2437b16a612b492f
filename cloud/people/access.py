"""Before every page and API call: who is signed in, and may they. FastAPI dependencies over ``people.service``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Path, Request
from starlette.responses import Response

from cloud.errors import Refused
from cloud.people import service
from cloud.people.door import Door
from cloud.people.service import SESSION_MS, User
from cloud.tickets.ticket import Role

COOKIE = "plantroom_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


async def current_user(request: Request) -> User | None:
    """The person whose session cookie came with the request; None for nobody."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    state = request.app.state
    async with state.database.read() as connection:
        return await service.user_of(connection, token, state.clock.now_ms())


def door(request: Request) -> Door:
    """The way in of this process."""
    state = request.app.state
    if getattr(state, "door", None) is None:
        state.door = Door(state.database, state.clock, state.tokens)
    found: Door = state.door
    return found


def check_origin(request: Request) -> None:
    """Refuse a change that another site's page sent with our cookie. Raises Refused (403)."""
    origin = request.headers.get("origin")
    if request.method in _SAFE or origin is None:
        return  # scripts send none; browsers send it with every change
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise Refused(403, "other_origin", "this change came from another site's page", "use Plantroom's own pages")


async def signed_in(request: Request) -> User:
    """The person who is signed in. Raises Refused: 401 for nobody, 403 for a change from another site's page."""
    check_origin(request)
    user = await current_user(request)
    if user is None:
        raise Refused(401, "not_signed_in", "nobody is signed in", "sign in: POST /api/v1/sign-in")
    return user


def require(role: Role) -> Callable[[User], Awaitable[User]]:
    """A dependency that lets only this role and later ones pass. Its call raises Refused (403)."""

    async def has_role(user: Annotated[User, Depends(signed_in)]) -> User:
        if Role(user.role).rank < role.rank:
            raise Refused(403, "role", f"{user.role} may not do this", f"ask a person with role {role}")
        return user

    has_role.role = role  # type: ignore[attr-defined]  # for the API's document
    return has_role


RowId = Annotated[int, Path(ge=0, lt=2**63)]
"""A row's number in an address; beyond 64 bits there are no rows."""
SignedIn = Annotated[User, Depends(signed_in)]
"""Anybody who is signed in."""


def set_session(response: Response, token: str, *, is_secure: bool) -> None:
    """Give the browser a session; scripts on pages cannot read it, other sites' forms do not send it."""
    response.set_cookie(
        COOKIE, token, max_age=SESSION_MS // 1000, httponly=True, samesite="lax", secure=is_secure, path="/"
    )


def clear_session(response: Response) -> None:
    """Take the session away."""
    response.delete_cookie(COOKIE, path="/")
