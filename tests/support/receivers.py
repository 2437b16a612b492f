"""Those who are told, on loopback: a webhook and a mail server that take, refuse, fail and hang as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True, slots=True)
class Got:
    """One delivery at the webhook."""

    path: str
    key: str
    is_marked: bool
    """Whether it said that it may be a repeat."""
    content: dict[str, Any]


@dataclass
class Hook:
    """A webhook. ``answers`` holds, by path, what the next requests get: a status, or 0 for an answer that never comes."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, name: str) -> str:
        return f"json://127.0.0.1:{self.port}/{name}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            path = first.split(" ")[1].partition("?")[0].lstrip("/")
            status = self.answers[path].pop(0) if self.answers.get(path) else 200
            if status == 0:
                await self.hanging.wait()
            if status == 200:
                marked = headers.get("x-plantroom-possible-repeat") == "yes"
                self.got.append(Got(path, headers.get("idempotency-key", ""), marked, json.loads(body)))
            writer.write(f"HTTP/1.1 {status or 503} so\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    """A webhook that listens."""
    made = Hook()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        made.hanging.set()
        server.close()
        await server.wait_closed()


@dataclass
class Mailbox:
    """What a mail server took, and the recipients that it refuses."""

    letters: list[Message] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    port: int = 0

    async def handle_RCPT(  # noqa: N802  aiosmtpd's own names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.letters.append(message_from_bytes(bytes(envelope.original_content or b"")))
        return "250 taken"

    def url(self, to: str) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=desk@plant.example&to={to}&mode=insecure"


@contextlib.contextmanager
def mail_server(port: int) -> Iterator[Mailbox]:
    """A real SMTP server on loopback."""
    box = Mailbox(port=port)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
