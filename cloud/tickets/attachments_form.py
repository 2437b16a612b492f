"""HTTP → tickets: a form with files in it, read with an end: nobody can fill the disk with one request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from cloud.errors import Refused
from cloud.tickets.attachments import Upload
from cloud.tickets.attachments_media import MOST_BYTES, too_large

MOST_FILES: Final = 10
_REST: Final = 64 * 1024
"""What a form holds besides its files."""


@asynccontextmanager
async def form(request: Request, most_files: int = MOST_FILES) -> AsyncIterator[FormData]:
    """The fields and files of a form. Raises Refused: 413 too large, 422 not such a form."""
    most = most_files * MOST_BYTES + _REST
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise too_large()
    seen = 0

    async def receive() -> Any:  # noqa: ANN401  ASGI's own
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise too_large()
        return message

    limited = Request(request.scope, receive)
    try:
        found = await limited.form(max_files=most_files, max_fields=20)
    except HTTPException as error:
        raise Refused(422, "invalid", f"the form cannot be read: {error.detail}", "send multipart/form-data") from error
    try:
        yield found
    finally:
        await found.close()


async def uploads(found: FormData, *fields: str) -> list[Upload]:
    """The files that were chosen in these fields, with what the form says of them. Raises Refused (413)."""
    shows, note = str(found.get("shows") or "fault"), str(found.get("note") or "")
    chosen = [one for field in fields for one in found.getlist(field) if isinstance(one, UploadFile)]
    read = [(await one.read(MOST_BYTES + 1), one.filename or "") for one in chosen]
    if any(len(data) > MOST_BYTES for data, _ in read):
        raise too_large()
    return [Upload(data, name, shows, note[:4000]) for data, name in read if data or name]
