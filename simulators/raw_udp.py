"""plant → wire bytes in datagrams: Modbus over UDP, one frame in each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from simulators.clock import Clock
from simulators.modbus_device import Bank, Conversation, Registers


class _Back:
    """The way back to whoever sent a datagram, in the shape of a transport."""

    def __init__(self, transport: asyncio.DatagramTransport, to: Any) -> None:  # noqa: ANN401 - a socket address
        self._transport, self._to = transport, to

    def write(self, data: bytes) -> None:
        self._transport.sendto(data, self._to)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        """A datagram leaves nothing open."""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ANN401 - a socket address
        if self._transport is not None:
            conversation = Conversation(self._bank)
            conversation.connection_made(_Back(self._transport, addr))
            conversation.data_received(data)


class UdpServer(Bank):
    """One UDP port."""

    def __init__(self, clock: Clock, devices: Mapping[int, Registers] | None = None, *, seed: int = 0) -> None:
        super().__init__(devices, seed=seed)
        self._clock = clock
        self._transport: asyncio.DatagramTransport | None = None
        self._at = ("127.0.0.1", 0)

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._at[1]

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Port 0 takes a free one. Raises OSError when the port is in use."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(host, port))
        self._at = (host, self._transport.get_extra_info("sockname")[1])

    async def stop(self) -> None:
        """Close the port."""
        if self._transport is not None:
            self._transport.close()
            await self._clock.sleep(0)

    async def restart(self, dark_s: float) -> None:
        """Vanish for ``dark_s`` seconds and come back on the same port."""
        await self.stop()
        await self._clock.sleep(dark_s)
        await self.start(*self._at)
