"""Before the ingest arrow: which gateway is speaking. Enrolled by a one-time code, known by its own credential, hashed."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, not_found
from cloud.people.secrets import Tokens, hash_secret
from cloud.people.service import audit
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared
from cloud.storage.sql import insert_new
from contract.conventions import EpochMs

ENROL_MS = 86_400_000
"""How long an enrolment code can be used."""


async def add(
    connection: AsyncConnection, gateway_id: str, site_id: str, code: str, now: EpochMs, actor: str = "console"
) -> EpochMs:
    """Register a gateway, or let a known one enrol again; returns when the code ends.

    Its data stays and its old credential works until the code is used. Raises Refused (409): it belongs to another site.
    """
    await insert_new(connection, t.site, {"id": site_id, "name": site_id})
    await insert_new(connection, t.gateway, {"id": gateway_id, "site_id": site_id, "created_at": now})
    row = await find(connection, gateway_id)
    if row["site_id"] != site_id:
        message = f"gateway {gateway_id} belongs to site {row['site_id']}"
        raise Refused(409, "other_site", message, "choose another id for the gateway of this site")
    await audit(connection, actor, "gateway_added", gateway_id, now, {"site": site_id})
    return await _offer(connection, gateway_id, code, now)


async def rotate(
    connection: AsyncConnection, gateway_id: str, code: str, now: EpochMs, actor: str = "console"
) -> EpochMs:
    """Let a gateway exchange its credential for a new one; returns when the code ends.

    The old one works until the code is used, so that nothing stops meanwhile. Raises Refused: 404, 409 for a revoked one.
    """
    row = await find(connection, gateway_id)
    if row["revoked_at"] is not None:
        remedy = f"let it in again: plantroom-cloud gateway add {gateway_id} --site {row['site_id']}"
        raise Refused(409, "revoked", f"gateway {gateway_id} was revoked", remedy)
    await audit(connection, actor, "gateway_rotated", gateway_id, now)
    return await _offer(connection, gateway_id, code, now)


async def _offer(connection: AsyncConnection, gateway_id: str, code: str, now: EpochMs) -> EpochMs:
    values = {"enrol_hash": hash_secret(code), "enrol_expires_at": now + ENROL_MS}
    await connection.execute(update(t.gateway).where(t.gateway.c.id == gateway_id).values(**values))
    return now + ENROL_MS


async def enrol(connection: AsyncConnection, gateway_id: str, code: str, now: EpochMs, tokens: Tokens) -> str:
    """Exchange a one-time code for the gateway's own credential. Raises Refused (401)."""
    query = select(t.gateway).where(t.gateway.c.id == gateway_id).with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none()
    is_right = row is not None and row["enrol_hash"] and hmac.compare_digest(row["enrol_hash"], hash_secret(code))
    if row is None or not is_right or row["enrol_expires_at"] <= now:
        remedy = f"make a new one: plantroom-cloud gateway add {gateway_id} --site SITE"
        raise Refused(401, "enrolment", "the enrolment code is wrong, used or too old", remedy)
    credential = tokens()
    values = {
        "credential_hash": hash_secret(credential),
        "enrol_hash": None,
        "enrol_expires_at": None,
        "revoked_at": None,
    }
    await connection.execute(update(t.gateway).where(t.gateway.c.id == gateway_id).values(**values))
    await audit(connection, gateway_id, "gateway_enrolled", gateway_id, now)
    return credential


async def revoke(connection: AsyncConnection, gateway_id: str, now: EpochMs, actor: str = "console") -> None:
    """Refuse a gateway from now on; what it delivered stays. Raises Refused (404)."""
    await find(connection, gateway_id)
    values = {"revoked_at": now, "enrol_hash": None, "enrol_expires_at": None}
    await connection.execute(update(t.gateway).where(t.gateway.c.id == gateway_id).values(**values))
    await audit(connection, actor, "gateway_revoked", gateway_id, now)


async def find(connection: AsyncConnection, gateway_id: str) -> RowMapping:
    """One gateway. Raises Refused (404)."""
    found = await connection.execute(select(t.gateway).where(t.gateway.c.id == gateway_id))
    row = found.mappings().one_or_none()
    if row is None:
        raise not_found("gateway", gateway_id)
    return row


_LISTENS = t.gateway.c
_HEAR = Prepared(
    update(t.gateway)
    .where(
        _LISTENS.credential_hash == bindparam("hash"), _LISTENS.id == bindparam("name"), _LISTENS.revoked_at.is_(None)
    )
    .values(last_seen_at=bindparam("now"), clock_offset_ms=bindparam("offset"))
    .returning(_LISTENS.id, _LISTENS.site_id, _LISTENS.interval_ms, _LISTENS.announced_hash, _LISTENS.offline_since)
)


async def hear(
    connection: AsyncConnection, authorization: str, gateway_id: str, now: EpochMs, clock_offset_ms: int | None
) -> Mapping[Any, Any]:
    """``authenticate`` a gateway and note that it spoke: what ingest needs to know of it. Raises Refused as that does."""
    scheme, _, credential = authorization.partition(" ")
    which = {"hash": hash_secret(credential), "name": gateway_id, "now": now, "offset": clock_offset_ms}
    rows = await _HEAR.rows(connection, which) if scheme.lower() == "bearer" else []
    return rows[0] if rows else await authenticate(connection, authorization, gateway_id)


async def authenticate(connection: AsyncConnection, authorization: str, gateway_id: str) -> RowMapping:
    """The gateway that an ``Authorization`` header belongs to, locked for this transaction.

    Raises Refused: 401 for a missing, unknown or revoked credential, 403 for another gateway's name on the envelope.
    """
    scheme, _, credential = authorization.partition(" ")
    query = select(t.gateway).where(t.gateway.c.credential_hash == hash_secret(credential)).with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none() if scheme.lower() == "bearer" else None
    if row is None or row["revoked_at"] is not None:
        remedy = (
            f"enrol it: plantroom-cloud gateway add {gateway_id} --site SITE, then plantroom-edge enrol site.yaml CODE"
        )
        raise Refused(401, "credential", "no gateway has this credential, or it was revoked", remedy)
    if row["id"] != gateway_id:
        raise Refused(
            403, "other_gateway", f"this credential belongs to {row['id']}", "a gateway writes only as itself"
        )
    return row
