"""One port before several replicas: every request goes to all of them at the same moment, and the first good answer counts.

That is what an impatient load balancer does at worst: each batch arrives everywhere, at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

_END = b"\r\n\r\n"
_BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


class Tee:
    """HTTP/1.1 with lengths, no more than the gateway speaks."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._server: asyncio.Server | None = None
        self._asking: set[asyncio.Task[bytes]] = set()
        self.port = 0
        self.answered = dict.fromkeys(ports, 0)
        """Good answers of each replica."""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_BROKEN):
            while answer := await self._ask_all(await _message(reader)):
                writer.write(answer)
                await writer.drain()
        writer.transport.abort()

    async def _ask_all(self, request: bytes) -> bytes:
        """The first receipt, or whatever came last when nobody gave one. Who is slower goes on all the same."""
        tasks = [asyncio.ensure_future(self._ask(port, request)) for port in self._ports]
        self._asking |= set(tasks)
        for task in tasks:
            task.add_done_callback(self._asking.discard)
        answer = b""
        for done in asyncio.as_completed(tasks):
            answer = await done or answer
            if answer.startswith(b"HTTP/1.1 200"):
                break
        return answer

    async def _ask(self, port: int, request: bytes) -> bytes:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return b""
        try:
            writer.write(request)
            answer = await _message(reader)
        except _BROKEN:
            return b""
        finally:
            writer.transport.abort()
        self.answered[port] += answer.startswith(b"HTTP/1.1 200")
        return answer


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(_END)
    fields = dict(line.lower().split(b":", 1) for line in head.removesuffix(_END).split(b"\r\n")[1:])
    return head + await reader.readexactly(int(fields.get(b"content-length", b"0")))
