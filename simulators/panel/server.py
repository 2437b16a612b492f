"""control panel → socket: on port 8082 or the next free one, on the loopback unless opened, for as long as the plant runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from simulators.control import Hand
from simulators.panel.app import Panel

PORT = 8082
TRIES = 100


class NoPort(RuntimeError):
    """No port could be opened. The text says which were tried."""


def open_socket(host: str, port: int, tries: int = TRIES) -> socket.socket:
    """Listen on the port, or on the next one that is free. Raises NoPort."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + tries, 65_536)):
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, candidate))
            sock.listen(64)
        except OSError:
            sock.close()
            continue
        return sock
    last = f" to {port + tries - 1}" if tries > 1 else ""
    raise NoPort(f"port {port}{last} on {host} cannot be opened; stop what listens there, or choose another")


@asynccontextmanager
async def panel(hand: Hand, host: str = "127.0.0.1", port: int = PORT) -> AsyncIterator[str]:
    """Serve the panel while the block runs; its address. Raises NoPort."""
    sock = open_socket(host, port)
    config = uvicorn.Config(Panel(hand, hand.plant.now_ms).app(), log_level="warning", lifespan="off", access_log=False)
    server = _Server(config)
    task = asyncio.get_running_loop().create_task(server.serve(sockets=[sock]), name="panel")
    try:
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not listened on
        yield f"http://{f'[{shown}]' if ':' in shown else shown}:{sock.getsockname()[1]}/"
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait([task])
        sock.close()


class _Server(uvicorn.Server):
    """The plant's own handlers of signals stay in force."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


__all__ = ["PORT", "NoPort", "panel"]
