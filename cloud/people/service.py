"""Around every arrow: users, sessions, one-time sign-in and the audit trail."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid
from cloud.people.passwords import hash_password, is_password
from cloud.people.secrets import Tokens, hash_secret
from cloud.storage import tables as t
from cloud.tickets.ticket import Role
from contract.conventions import EpochMs

SESSION_MS = 14 * 86_400_000
"""How long a sign-in lasts."""
CODE_MS = 3_600_000
"""How long a one-time sign-in can be used."""


@dataclass(frozen=True, slots=True)
class User:
    """A person who is signed in."""

    id: int
    name: str
    display_name: str
    role: str
    language: str
    theme: str


async def audit(
    connection: AsyncConnection,
    actor: str,
    action: str,
    thing: str,
    now: EpochMs,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Note who did what to what; notes are never changed."""
    values = {"at": now, "actor": actor, "action": action, "object": thing, "data": dict(data or {})}
    await connection.execute(t.audit.insert().values(**values))


async def add_user(
    connection: AsyncConnection, name: str, role: str, password: str | None, now: EpochMs, actor: str = "console"
) -> int:
    """A new user; no default password exists. Raises Refused: 409 the name is taken, 422 unknown role or weak password."""
    if role not in set(Role):
        raise invalid("role", f"{role!r} is not a role", f"choose one of {', '.join(Role)}")
    if (await connection.execute(select(t.app_user.c.id).where(t.app_user.c.name == name))).first():
        raise conflict("name_taken", f"there is a user {name} already", "choose another name")
    hashed = await hash_password(password) if password is not None else None
    values = {"name": name, "display_name": name, "role": role, "password_hash": hashed}
    result = await connection.execute(t.app_user.insert().values(**values).returning(t.app_user.c.id))
    await audit(connection, actor, "user_added", name, now, {"role": role})
    return int(result.scalar_one())


async def check_password(connection: AsyncConnection, name: str, password: str) -> int:
    """The user's id. Raises Refused (401) without saying which of the two was wrong."""
    query = select(t.app_user).where(t.app_user.c.name == name, t.app_user.c.disabled_at.is_(None))
    row = (await connection.execute(query)).mappings().one_or_none()
    is_right = await is_password(password, row["password_hash"] if row is not None else None)
    if row is None or not is_right:
        raise Refused(401, "wrong_sign_in", "name or password is wrong", "try again, or ask for a one-time sign-in")
    return int(row["id"])


async def open_session(connection: AsyncConnection, user_id: int, now: EpochMs, tokens: Tokens) -> str:
    """A new session's token; the database keeps its hash. Sessions that ended are forgotten."""
    await connection.execute(delete(t.session).where(t.session.c.expires_at <= now))
    token = tokens()
    values = {"token_hash": hash_secret(token), "user_id": user_id, "created_at": now, "expires_at": now + SESSION_MS}
    await connection.execute(t.session.insert().values(**values))
    return token


async def new_sign_in_code(connection: AsyncConnection, user_id: int, now: EpochMs, tokens: Tokens) -> str:
    """A one-time sign-in for a user, good for an hour."""
    code = tokens()
    values = {"code_hash": hash_secret(code), "user_id": user_id, "expires_at": now + CODE_MS}
    await connection.execute(t.sign_in_code.insert().values(**values))
    return code


async def peek_code(connection: AsyncConnection, code: str, now: EpochMs) -> bool:
    """Whether a one-time sign-in can still be used; looking does not use it up."""
    return await _code(connection, code, now) is not None


async def sign_in_by_code(connection: AsyncConnection, code: str, now: EpochMs, tokens: Tokens) -> str:
    """Use up a one-time sign-in. Raises Refused (401) when it is unknown, used or too old."""
    row = await _code(connection, code, now)
    used = update(t.sign_in_code).where(
        t.sign_in_code.c.code_hash == hash_secret(code), t.sign_in_code.c.used_at.is_(None)
    )
    if row is None or (await connection.execute(used.values(used_at=now))).rowcount != 1:
        raise Refused(401, "code_used", "this one-time sign-in is used or too old", "ask for a new one")
    await audit(connection, str(row["user_id"]), "signed_in_by_code", str(row["user_id"]), now)
    return await open_session(connection, row["user_id"], now, tokens)


async def _code(connection: AsyncConnection, code: str, now: EpochMs) -> RowMapping | None:
    query = select(t.sign_in_code).where(
        t.sign_in_code.c.code_hash == hash_secret(code),
        t.sign_in_code.c.used_at.is_(None),
        t.sign_in_code.c.expires_at > now,
    )
    return (await connection.execute(query)).mappings().one_or_none()


async def user_of(connection: AsyncConnection, token: str, now: EpochMs) -> User | None:
    """Whose session this is; None for an unknown or ended one and for a disabled user."""
    return (await users_of(connection, [token], now)).get(token)


async def users_of(connection: AsyncConnection, tokens: Collection[str], now: EpochMs) -> dict[str, User]:
    """Whose sessions these are, by token; without unknown and ended ones and those of disabled users."""
    hashed = {hash_secret(token): token for token in tokens}
    query = (
        select(t.session.c.token_hash, t.app_user)
        .join(t.session, t.session.c.user_id == t.app_user.c.id)
        .where(
            t.session.c.token_hash.in_(hashed),
            t.session.c.expires_at > now,
            t.app_user.c.disabled_at.is_(None),
        )
    )
    rows = (await connection.execute(query)).mappings().all()
    names = ("id", "name", "display_name", "role", "language", "theme")
    return {hashed[row["token_hash"]]: User(*(row[name] for name in names)) for row in rows}


async def sign_out(connection: AsyncConnection, token: str) -> None:
    """End one session."""
    await connection.execute(delete(t.session).where(t.session.c.token_hash == hash_secret(token)))
