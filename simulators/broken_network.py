"""wire bytes → worse wire bytes: a TCP proxy that cuts, delays, trickles, garbles, repeats or goes half-open.

Put it between any two parts (gateway and device, gateway and broker, gateway and cloud) and call its methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, replace

from simulators.clock import Clock

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Weather:
    """What the line does to bytes, in both directions."""

    delay_s: float = 0.0
    """Each chunk waits this long."""
    trickle: int = 0
    """Send at most this many bytes at once, with ``trickle_s`` between; 0 sends all."""
    trickle_s: float = 0.01
    garble: float = 0.0
    """Share of bytes of which one bit flips, 0 to 1."""
    duplicate: bool = False
    """Send each chunk twice."""
    half_open: bool = False
    """Swallow everything; the connection stays up."""


class BrokenNetwork:
    """A loopback port in front of ``host:port``. Fair weather until told otherwise; changes act on open connections."""

    def __init__(self, clock: Clock, host: str, port: int, *, seed: int = 0) -> None:
        self._clock, self._target = clock, (host, port)
        self._noise = random.Random(seed)
        self._weather = Weather()
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0
        self.connections = 0
        self.carried = 0
        """Bytes passed on in either direction."""

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback. Port 0 takes a free one. Raises OSError when the port is in use."""
        self._server = await asyncio.start_server(self._link, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._drop()

    async def cut(self) -> None:
        """Break every connection and refuse new ones until ``mend``."""
        self._is_cut = True
        await self._drop()

    async def drop(self) -> None:
        """Break every connection once; new ones are welcome."""
        await self._drop()

    def delay(self, seconds: float) -> None:
        """Let each chunk wait."""
        self._weather = replace(self._weather, delay_s=seconds)

    def trickle(self, size: int, pause_s: float = 0.01) -> None:
        """Pass on at most ``size`` bytes at once."""
        self._weather = replace(self._weather, trickle=size, trickle_s=pause_s)

    def garble(self, share: float) -> None:
        """Flip one bit of this share of all bytes: a digit may become another digit."""
        self._weather = replace(self._weather, garble=share)

    def duplicate(self) -> None:
        """Send each chunk twice."""
        self._weather = replace(self._weather, duplicate=True)

    def half_open(self) -> None:
        """Swallow everything while connections stay up."""
        self._weather = replace(self._weather, half_open=True)

    def mend(self) -> None:
        """Fair weather again."""
        self._weather, self._is_cut = Weather(), False

    async def _drop(self) -> None:
        tasks = list(self._links)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._is_cut:
            writer.transport.abort()
            return
        self._links[task] = writer
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            del self._links[task]
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ways = [
            asyncio.ensure_future(self._pump(reader, far_writer)),
            asyncio.ensure_future(self._pump(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(_CHUNK):
            weather = self._weather
            if weather.delay_s:
                await self._clock.sleep(weather.delay_s)
            if self._weather.half_open:
                continue
            await self._pass_on(chunk * 2 if weather.duplicate else chunk, weather, target)

    async def _pass_on(self, chunk: bytes, weather: Weather, target: asyncio.StreamWriter) -> None:
        data = self._garbled(chunk, weather.garble)
        step = weather.trickle or len(data)
        for start in range(0, len(data), step):
            target.write(data[start : start + step])
            await target.drain()
            self.carried += min(step, len(data) - start)
            if weather.trickle:
                await self._clock.sleep(weather.trickle_s)

    def _garbled(self, chunk: bytes, share: float) -> bytes:
        if not share:
            return chunk
        noise = self._noise
        return bytes(byte ^ 1 << noise.randrange(8) if noise.random() < share else byte for byte in chunk)
