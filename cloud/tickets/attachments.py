"""Tickets: photos and papers on a ticket. First the file, whole and durable, then the row that names it; never the reverse.

A kill in between leaves a file that nobody names (``attachments_sweep``). The same bytes sent again are the same attachment.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NoReturn

import structlog
from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid, not_found
from cloud.people.secrets import Tokens
from cloud.people.service import audit
from cloud.storage import tables as t
from cloud.storage.files import FileGone, Files, FilesAway, new_name
from cloud.storage.session import Database
from cloud.storage.sql import insert_new
from cloud.tickets import repository
from cloud.tickets.attachments_media import Media, read_media
from cloud.tickets.desk import Desk, record
from cloud.tickets.repository import Happening
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, ticket_name
from contract.conventions import EpochMs

log = structlog.get_logger("cloud")
Shows = Literal["fault", "repair", "other"]
SHOWS: Final[tuple[Shows, ...]] = ("fault", "repair", "other")
SMALL: Final = ".small"
MOST_A_TICKET: Final = 100
_attachment = t.proof.attachment


@dataclass(frozen=True, slots=True)
class Upload:
    """What somebody sent, and what they say it shows."""

    data: bytes
    name: str = ""
    shows: str = "fault"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """Where attachments go: the desk's rules, its database and its files; ``tokens`` make names that nobody else has."""

    desk: Desk
    database: Database
    files: Files
    tokens: Tokens
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    """A decoded photo may take 200 MB: never two at once in one process."""


async def add(room: Room, number: int, upload: Upload, actor: Actor, now: EpochMs) -> tuple[RowMapping, bool]:
    """Attach a file to a ticket. The row, and whether it is new: the same bytes on the same ticket are kept once.

    Raises Refused: 404 no such ticket, 403 not this role, 409 too many, 413, 415 and 422 as ``read_media``, 503 the store
    of files is away: then nothing is recorded, and the sender still has the file.
    """
    _check(upload, actor)
    original = await asyncio.to_thread(lambda: hashlib.sha256(upload.data).hexdigest())
    async with room.database.read() as connection:
        await repository.ticket(connection, number)
        if (known := await _same(connection, number, original)) is not None:
            return known, False
    async with room.turn:
        media = await asyncio.to_thread(read_media, upload.data)
    name = new_name(media.stored_hash, now, room.tokens())
    await _keep(room.files, name, media)
    async with room.database.write() as connection:
        row, is_new = await _enter(room.desk, connection, number, name, media, upload, actor, now)
    if not is_new:  # somebody sent the same a moment ago: this file has no row, and its name no other
        await _drop(room.files, name)
    return row, is_new


async def attached(connection: AsyncConnection, number: int) -> list[RowMapping]:
    """Every attachment of a ticket, oldest first; the removed ones too, which say by whom and why."""
    query = select(_attachment).where(_attachment.c.ticket_id == number).order_by(_attachment.c.id)
    return list((await connection.execute(query)).mappings())


async def one(connection: AsyncConnection, number: int, attachment: int) -> RowMapping:
    """One attachment that is there. Raises Refused: 404 never was, 410 was removed."""
    query = select(_attachment).where(_attachment.c.id == attachment, _attachment.c.ticket_id == number)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("attachment", f"{attachment} on {ticket_name(number)}")
    if row["removed_at"] is not None:
        raise Refused(410, "removed", f"it was removed by {row['removed_by']}: {row['removed_why']}")
    return row


async def content(files: Files, row: Mapping[Any, Any], *, is_small: bool = False) -> bytes:
    """The bytes of an attachment as they were kept. Raises Refused: 503 the store is away, 404 the file is lost or changed."""
    name = row["file"] + (SMALL if is_small else "")
    try:
        data = await files.read(name)
    except FilesAway as away:
        _unavailable(away)
    except FileGone as gone:
        raise _lost(row, "is not in the store of files") from gone
    if not is_small and hashlib.sha256(data).hexdigest() != row["stored_hash"]:
        raise _lost(row, "is not what was kept: its content was changed in the store")
    return data


async def remove(
    desk: Desk, connection: AsyncConnection, number: int, attachment: int, actor: Actor, why: str, now: EpochMs
) -> RowMapping:
    """Take an attachment off a ticket: its line stays, with who and why; its file goes with a later sweep.

    Who added it may, and every engineer. Raises Refused: 404, 410 removed already, 403, 422 no reason.
    """
    ticket = await repository.ticket(connection, number, is_locked=True)
    row = await one(connection, number, attachment)
    if row["added_by"] != actor.name and Role(actor.role).rank < Role.ENGINEER.rank:
        raise Refused(403, "role", "somebody else attached this", f"ask {row['added_by']} or an engineer")
    if not why.strip():
        raise invalid("reason", "a removal needs its reason", "say why")
    values = {"removed_at": now, "removed_by": actor.name, "removed_why": why.strip()}
    await connection.execute(update(_attachment).where(_attachment.c.id == attachment).values(**values))
    data = {"attachment": attachment, "reason": why.strip(), "note": row["name"], "sha256": row["original_hash"]}
    await record(desk, connection, ticket, Happening(now, "detached", actor.kind, actor.name, data), now)
    await audit(connection, actor.name, "attachment_removed", f"{ticket_name(number)}/{attachment}", now, data)
    return ticket


def _check(upload: Upload, actor: Actor) -> None:
    if Role(actor.role).rank < Role.TECHNICIAN.rank:
        raise Refused(403, "role", f"{actor.role} may not attach anything", f"ask a person with role {Role.TECHNICIAN}")
    if upload.shows not in SHOWS:
        raise invalid("shows", f"{upload.shows!r} is nothing that a photo shows here", f"choose {', '.join(SHOWS)}")


async def _same(connection: AsyncConnection, number: int, original_hash: str) -> RowMapping | None:
    a = _attachment.c
    query = select(_attachment).where(
        a.ticket_id == number, a.original_hash == original_hash, a.removed_at.is_(None)
    )  # fmt: skip
    return (await connection.execute(query)).mappings().one_or_none()


async def _keep(files: Files, name: str, media: Media) -> None:
    try:
        if media.small:
            await files.write(name + SMALL, media.small)
        await files.write(name, media.data)
    except (FilesAway, FileGone) as away:
        _unavailable(away)


async def _drop(files: Files, name: str) -> None:
    try:
        await files.remove((name, name + SMALL))
    except FilesAway as away:  # the sweep will find it
        log.warning("file_left_over", name=name, reason=str(away))


async def _enter(
    desk: Desk, connection: AsyncConnection, number: int, name: str, media: Media, upload: Upload, actor: Actor, now: EpochMs
) -> tuple[RowMapping, bool]:  # fmt: skip
    ticket = await repository.ticket(connection, number, is_locked=True)
    if (known := await _same(connection, number, media.original_hash)) is not None:
        return known, False
    count = select(func.count()).where(_attachment.c.ticket_id == number, _attachment.c.removed_at.is_(None))
    if (await connection.execute(count)).scalar_one() >= MOST_A_TICKET:
        raise conflict("too_many", f"{ticket_name(number)} has {MOST_A_TICKET} attachments", "remove one first")
    values = _values(number, name, media, upload, actor, now)
    is_new = await insert_new(connection, _attachment, values)
    row = await _same(connection, number, media.original_hash)
    assert row is not None  # noqa: S101  inserted now, or by whoever was faster
    if is_new:
        data = {"attachment": row["id"], "shows": row["shows"], "note": upload.note.strip() or row["name"]}
        data["sha256"] = row["original_hash"]
        await record(desk, connection, ticket, Happening(now, "attached", actor.kind, actor.name, data), now)
    return row, is_new


def _values(number: int, name: str, media: Media, upload: Upload, actor: Actor, now: EpochMs) -> dict[str, Any]:
    return {
        "ticket_id": number,
        "file": name,
        "original_hash": media.original_hash,
        "stored_hash": media.stored_hash,
        "media_type": media.media_type,
        "name": _plain(upload.name),
        "shows": upload.shows,
        "note": upload.note.strip(),
        "device_time": media.device_time,
        "size_bytes": len(media.data),
        "width": media.width,
        "height": media.height,
        "added_at": now,
        "added_by": actor.name,
    }


def _plain(name: str) -> str:
    """The last part of a path, without what a header or a page could stumble over."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable() and letter not in '"<>')[-120:].strip()


def _unavailable(error: Exception) -> NoReturn:
    log.warning("files_unavailable", reason=str(error))
    remedy = "nothing was recorded and nothing is lost: try again later; the ticket itself works"
    raise Refused(503, "files_unavailable", "the store of photos does not answer", remedy) from error


def _lost(row: Mapping[Any, Any], why: str) -> Refused:
    log.error("file_lost", name=row["file"], reason=why)
    remedy = "put it back from a backup of the files; its line and its hash stay"
    return Refused(404, "file_lost", f"attachment {row['id']} {why}", remedy)
