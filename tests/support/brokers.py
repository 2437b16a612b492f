"""A real Mosquitto on a free loopback port, started and stopped by the test."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.system_packages import require


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Mosquitto:
    """One broker; what it holds survives ``stop`` and ``start``."""

    folder: Path
    extra: str = ""
    port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        settings = self.folder / "mosquitto.conf"
        access = "" if "allow_anonymous" in self.extra else "allow_anonymous true\n"
        settings.write_text(
            f"listener {self.port} {self.host}\n{access}persistence true\npersistence_location {self.folder}/\n"
            f"autosave_interval 1\n{'user root' if os.geteuid() == 0 else ''}\n{self.extra}"
        )
        program = require("mosquitto")
        self.process = await asyncio.create_subprocess_exec(
            program, "-c", str(settings), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(self.host, self.port)
                    writer.close()
                    return
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, extra: str = "") -> AsyncIterator[Mosquitto]:
    broker = Mosquitto(folder, extra)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()
