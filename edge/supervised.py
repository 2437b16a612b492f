"""Beside the flow: tells systemd that the gateway is ready, and, as long as its cycle moves, that it lives (sd_notify).

A datagram to the socket that systemd names; without one nothing happens. A cycle that hangs goes unreported, so that
systemd's watchdog ends the process and starts it anew: what was saved goes on where it was.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge.cycle import STUCK_AFTER_MS

if TYPE_CHECKING:
    from edge.gateway import Parts

IDLE_S = 15.0
"""How often the state is told where no watchdog asks for it."""


class Supervisor:
    """The socket of systemd. ``tell`` never raises: a supervisor that is gone must stop no gateway."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.every_s = _half_of(environment.get("WATCHDOG_USEC", ""))

    def tell(self, *lines: str) -> bool:
        """Send lines such as ``READY=1``. True when they were taken."""
        if not self._address:
            return False
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
                door.setblocking(False)
                door.sendto("\n".join(lines).encode(), name)
        except OSError:
            return False
        return True

    async def run(self, parts: Parts) -> None:
        """Until cancelled; then systemd hears that the end is in order."""
        try:
            while parts.cycle.turned_at == 0:
                await parts.clock.sleep(0.05)
            self.tell("READY=1", f"STATUS={status(parts)}")
            while True:
                await parts.clock.sleep(self.every_s)
                if parts.clock.moment().steady_ms - parts.cycle.turned_at <= STUCK_AFTER_MS:
                    self.tell("WATCHDOG=1", f"STATUS={status(parts)}")
        finally:
            self.tell("STOPPING=1")


def _half_of(microseconds: str) -> float:
    """Half of what the watchdog allows, as systemd advises."""
    return max(int(microseconds) / 2_000_000, 0.05) if microseconds.isdigit() else IDLE_S


def status(parts: Parts) -> str:
    """One line for ``systemctl status``."""
    depths, alarms = parts.outbox.outbox.depths, len(parts.engine.active_alarms())
    cloud = "works alone" if parts.cloud is None else "cloud answers" if parts.link.is_up else "cloud does not answer"
    return f"{cloud}; {depths['events'].records} events wait; {alarms} active alarms"


def from_environment() -> Supervisor:
    """The supervisor that started this process, and no child of it."""
    found = Supervisor(os.environ)
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        os.environ.pop(name, None)
    return found
