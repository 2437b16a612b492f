"""Connections without sockets, for virtual time: what one side writes the other has read when ``write`` returns.

Real servers and clients (``asyncio.start_server``, ``create_connection``) run on it unchanged, in the same order every
time. A port nobody listens on refuses, as a real one does.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from typing import Any

_FIRST_FREE_PORT = 49_152

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class MemoryTransport(asyncio.Transport):
    """One end of a connection. ``protocol`` is who hears on this end; ``peer`` is the other end."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any) -> None:  # noqa: ANN401 - asyncio's own duck type
        super().__init__({"peername": ("127.0.0.1", 0), "sockname": ("127.0.0.1", 0)})
        self._loop, self._protocol = loop, protocol
        self._is_closed = self._is_hearing = False
        self._arrived: deque[bytes] = deque()
        self.peer: MemoryTransport | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_closed and self.peer is not None and data:
            self.peer.hear(bytes(data))

    def hear(self, data: bytes) -> None:
        """Bytes of the other end arrive; what arrives while some are being heard waits its turn."""
        self._arrived.append(data)
        if self._is_hearing:
            return
        self._is_hearing = True
        try:
            while self._arrived and not self._is_closed:
                self._protocol.data_received(self._arrived.popleft())
        except Exception as error:  # noqa: BLE001 - the other end has no part in it, as with a socket
            self._loop.call_exception_handler({"message": "data_received failed", "exception": error})
            self.close()
        finally:
            self._is_hearing = False

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.call_soon(self._protocol.connection_lost, None)
        if self.peer is not None:
            self._loop.call_soon(self.peer.hang_up)

    def hang_up(self) -> None:
        """The other end closed."""
        if not self._is_closed:
            self._protocol.eof_received()
            self.close()

    abort = close

    def is_closing(self) -> bool:
        return self._is_closed

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""

    def pause_reading(self) -> None:
        """Readers here are never slower than the loop."""

    def resume_reading(self) -> None:
        """See ``pause_reading``."""

    def get_protocol(self) -> asyncio.BaseProtocol:
        found: asyncio.BaseProtocol = self._protocol
        return found

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol


class _Name:
    """What a server's socket is asked for: its name."""

    def __init__(self, port: int) -> None:
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", self._port


class MemoryServer:
    """A listening port. Closing it refuses new connections and leaves open ones to their owners."""

    def __init__(self, network: MemoryNetwork, port: int) -> None:
        self._network, self._port = network, port
        self.sockets = (_Name(port),)

    def close(self) -> None:
        self._network.ports.pop(self._port, None)

    async def wait_closed(self) -> None:
        return

    def is_serving(self) -> bool:
        return self._port in self._network.ports


class MemoryNetwork:
    """All ports of one virtual machine."""

    def __init__(self) -> None:
        self.ports: dict[int, ProtocolFactory] = {}
        self._next = _FIRST_FREE_PORT

    def listen(self, factory: ProtocolFactory, port: int) -> MemoryServer:
        """Open a port; 0 takes a free one. Raises OSError when it is in use."""
        if port == 0:
            port, self._next = self._next, self._next + 1
        if port in self.ports:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self.ports[port] = factory
        return MemoryServer(self, port)

    def connect(
        self, loop: asyncio.AbstractEventLoop, factory: ProtocolFactory, port: int
    ) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
        """Join a client to a listening port. Raises ConnectionRefusedError when nobody listens."""
        if port not in self.ports:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        near_protocol, far_protocol = factory(), self.ports[port]()
        near, far = MemoryTransport(loop, near_protocol), MemoryTransport(loop, far_protocol)
        near.peer, far.peer = far, near
        far_protocol.connection_made(far)
        near_protocol.connection_made(near)
        return near, near_protocol
