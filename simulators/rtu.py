"""plant → wire bytes on a serial line: a pseudo terminal whose far end the gateway opens like any port.

Nothing is paced: a line of bytes at any speed is the same to whoever opens it, only quicker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Mapping
from pathlib import Path

from simulators.clock import Clock
from simulators.modbus_device import Bank, Conversation, Registers
from simulators.raw_frames import RTU

_CHUNK = 4096


class _Port:
    """Our end of the line, in the shape of a transport."""

    def __init__(self, descriptor: int, conversation: Conversation) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._receiver = conversation
        self._is_open = True
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._readable)
        conversation.connection_made(self)

    def _readable(self) -> None:
        with contextlib.suppress(OSError):  # nobody has opened the other end yet, or they have just left
            self._receiver.data_received(os.read(self._descriptor, _CHUNK))

    def write(self, data: bytes) -> None:
        """What nobody reads is lost, as on a line."""
        with contextlib.suppress(OSError):
            os.write(self._descriptor, data)

    def is_closing(self) -> bool:
        return not self._is_open

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._descriptor)


class SerialServer(Bank):
    """One serial line. ``link`` is the name under which the gateway finds it, made when it starts."""

    def __init__(
        self, clock: Clock, devices: Mapping[int, Registers] | None = None, *, link: Path, seed: int = 0
    ) -> None:
        super().__init__(devices, RTU, seed=seed)
        self.link = link
        self._clock = clock
        self._ends: tuple[int, int] | None = None
        self._conversation: Conversation | None = None

    async def start(self) -> None:
        """Make the line and its name. Raises OSError when the name is taken by something that is no link."""
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._ends = ours, theirs  # theirs stays open, so that a gateway that leaves does not end the line
        self._conversation = Conversation(self)
        _Port(ours, self._conversation)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        if self.link.is_symlink():
            self.link.unlink()
        self.link.symlink_to(os.ttyname(theirs))

    async def stop(self) -> None:
        """Take the line away, as if the adapter were pulled out."""
        if self._conversation is not None and self._ends is not None:
            self._conversation.stop()
            self.link.unlink(missing_ok=True)
            for descriptor in self._ends:
                os.close(descriptor)
            self._ends = None

    async def restart(self, dark_s: float) -> None:
        """Pull the adapter out and put it back ``dark_s`` seconds later under the same name."""
        await self.stop()
        await self._clock.sleep(dark_s)
        await self.start()
