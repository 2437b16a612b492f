"""HTTP → tickets: photos and papers."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from cloud.describing import needs, problem_answer
from cloud.errors import Refused, invalid
from cloud.people.access import RowId, SignedIn, require
from cloud.people.service import User
from cloud.tickets import attachments, repository
from cloud.tickets.attachments import Room
from cloud.tickets.attachments_form import form, uploads
from cloud.tickets.attachments_media import ACCEPTED, PDF
from cloud.tickets.listing import instant
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, parse_ticket

router = APIRouter(prefix="/api/v1", tags=["evidence"])
Technician = Annotated[User, Depends(require(Role.TECHNICIAN))]
_TOO_LARGE: Final[dict[int | str, dict[str, Any]]] = {413: problem_answer("Larger than a file or photo may be")}
_GONE: Final[dict[int | str, dict[str, Any]]] = {410: problem_answer("It was removed; its line says by whom and why")}
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": ACCEPTED},
                        "shows": {"type": "string", "enum": list(attachments.SHOWS), "default": "fault"},
                        "note": {"type": "string", "maxLength": 4000, "examples": ["contactor K5, coil burnt"]},
                    },
                }
            }
        },
    }
}


class AttachmentShown(BaseModel):
    """A photo or paper. ``sha256`` is of the bytes that were sent, ``stored_sha256`` of what is kept of them."""

    id: int = Field(examples=[7])
    name: str = Field(examples=["IMG_2041.jpg"])
    shows: str = Field(examples=["fault"])
    note: str = Field(examples=["fuse of stage 3"])
    media_type: str = Field(examples=["image/jpeg"])
    size_bytes: int = Field(examples=[482113])
    width: int = Field(examples=[3024])
    height: int = Field(examples=[4032])
    sha256: str
    stored_sha256: str
    device_time: str = Field(examples=["2026-11-21T15:40:12+08:00"], description="By the camera's own clock")
    added_at: str = Field(examples=["2026-11-21T07:40:20.123Z"])
    added_by: str = Field(examples=["electrician_a"])
    removed_at: str | None = Field(examples=[None])
    removed_by: str = Field(examples=[""])
    removed_why: str = Field(examples=[""])


class AttachmentList(BaseModel):
    """Every attachment of a ticket, oldest first; removed ones keep their line."""

    attachments: list[AttachmentShown]


class Removal(BaseModel):
    """Why an attachment is taken off."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=4000, examples=["shows a tenant's face"])


def ticket_number(name: str) -> int:
    """The number in an address. Raises Refused (404)."""
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise Refused(404, "not_found", str(error), "take the id from the list of tickets") from error


def room(request: Request) -> Room:
    """Where this process keeps attachments."""
    state = request.app.state
    if getattr(state, "room", None) is None:
        state.room = Room(state.desk, state.database, state.files, state.tokens)
    found: Room = state.room
    return found


def attachment_shown(row: RowMapping) -> AttachmentShown:
    """A row as API and pages tell it."""
    plain = ("id", "name", "shows", "note", "media_type", "size_bytes", "width", "height", "device_time")
    return AttachmentShown(
        **{name: row[name] for name in (*plain, "added_by", "removed_by", "removed_why")},
        sha256=row["original_hash"], stored_sha256=row["stored_hash"], added_at=instant(row["added_at"]) or "",
        removed_at=instant(row["removed_at"]),
    )  # fmt: skip


@router.get("/tickets/{ticket}/attachments", summary="Photos and papers of a ticket")
async def list_attachments(ticket: str, request: Request, _user: SignedIn) -> AttachmentList:
    number = ticket_number(ticket)
    async with request.app.state.database.read() as connection:
        await repository.ticket(connection, number)
        rows = await attachments.attached(connection, number)
    return AttachmentList(attachments=[attachment_shown(row) for row in rows])


@router.post(
    "/tickets/{ticket}/attachments",
    status_code=201,
    summary="Attach a photo or a PDF; the same bytes again are the same attachment (200)",
    openapi_extra=_FORM,
    responses={200: {"model": AttachmentShown, "description": "It was there already"}, **_TOO_LARGE,
               415: problem_answer(f"Not a kind that is kept; kept are {ACCEPTED}")},
)  # fmt: skip
async def add_attachment(ticket: str, request: Request, response: Response, user: Technician) -> AttachmentShown:
    number, state = ticket_number(ticket), request.app.state
    async with form(request, most_files=1) as found:
        chosen = await uploads(found, "file")
    if not chosen:
        raise invalid("file", "no file was sent", "send one as the field file of a multipart form")
    row, is_new = await attachments.add(
        room(request), number, chosen[0], Actor(user.name, user.role), state.clock.now_ms()
    )
    response.status_code = 201 if is_new else 200
    state.hub.publish("tickets")
    state.wake(("tickets",))
    return attachment_shown(row)


@router.get(
    "/tickets/{ticket}/attachments/{attachment}/content",
    summary="The photo or paper itself; location and camera are taken out of photos",
    response_class=Response,
    responses={
        200: {"content": {name: {} for name in ACCEPTED.split(", ")}},
        304: {"description": "As you have it"},
        **_GONE,
    },
)
async def attachment_content(
    ticket: str, attachment: RowId, request: Request, _user: SignedIn,
    size: Annotated[Literal["full", "small"], Query(description="small: a JPEG for lists")] = "full",
) -> Response:  # fmt: skip
    return await answer_content(request, ticket_number(ticket), attachment, is_small=size == "small")


@router.post(
    "/tickets/{ticket}/attachments/{attachment}/remove",
    summary="Take an attachment off; its line stays. Who added it may, and every engineer",
    responses={**needs(Role.TECHNICIAN), **_GONE},
)
async def remove_attachment(
    ticket: str, attachment: RowId, body: Removal, request: Request, user: Technician
) -> AttachmentList:
    number, state = ticket_number(ticket), request.app.state
    async with state.database.write() as connection:
        actor = Actor(user.name, user.role)
        await attachments.remove(state.desk, connection, number, attachment, actor, body.reason, state.clock.now_ms())
        rows = await attachments.attached(connection, number)
    state.hub.publish("tickets")
    return AttachmentList(attachments=[attachment_shown(row) for row in rows])


async def answer_content(request: Request, number: int, attachment: int, *, is_small: bool) -> Response:
    """A file as a browser may have it: of the type it was found to be, alone in its own sandbox, to no other site.

    Raises Refused as ``attachments.one`` and ``attachments.content``.
    """
    async with request.app.state.database.read() as connection:
        row = await attachments.one(connection, number, attachment)
    if is_small and row["media_type"] == PDF:
        raise Refused(404, "not_found", "a paper has no small picture", "ask for the full size")
    tag = f'"{row["stored_hash"]}{"-small" if is_small else ""}"'
    headers = {**_SEALED, "ETag": tag, "Content-Disposition": _disposition(row)}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    data = await attachments.content(request.app.state.files, row, is_small=is_small)
    return Response(data, media_type="image/jpeg" if is_small else row["media_type"], headers=headers)


_SEALED: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "same-origin",
    "Vary": "Cookie",
}


def _disposition(row: RowMapping) -> str:
    """Photos are shown, papers are saved; the name is told so that no letter of it can end the header (RFC 6266)."""
    how = "attachment" if row["media_type"] == PDF else "inline"
    ending = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", PDF: "pdf"}[row["media_type"]]
    plain = f"attachment-{row['id']}.{ending}"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(row['name'] or plain, safe='')}"
