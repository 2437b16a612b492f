"""The whole product as processes on one machine: broker, plant, cloud and gateway, each started by its own command."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from contract.conventions import EpochMs
from simulators.clock import SystemClock
from simulators.control import ControlError, command
from simulators.demo_cloud import WATCHER, CloudUnreachable, DemoCloud, add_watcher, find_link, gateway_code
from simulators.demo_setup import Setup
from simulators.plant import Change
from simulators.processes import Family, ProcessFailed, last_lines, program

START_LIMIT_S = 60.0
_LOOK_S = 0.05
_SPEAK_LIMIT_S = 5.0


class Stack:
    """Everything that runs for one ``Setup``. Whatever happens, ``stop`` leaves nothing behind."""

    def __init__(
        self, setup: Setup, *, seed: int = 0, cloud_config: Path | None = None, watcher_role: str = "viewer"
    ) -> None:
        self.setup = setup
        self.clock = SystemClock()
        self.family = Family(setup.logs)
        self.cloud = DemoCloud(setup.address)
        self.link = ""
        """The visitor's one-time sign-in address, once the cloud runs."""
        self.panel = ""
        """The address of the plant's control panel, once it runs."""
        self._seed, self._watcher_role = seed, watcher_role
        self._cloud_options = ["--config", str(cloud_config)] if cloud_config else []

    async def start(self) -> None:
        """Start everything and wait until the gateway's news has arrived. Raises ProcessFailed."""
        await self.family.start("broker", self.setup.broker_command)
        code = await gateway_code(self.family, self.setup)
        password = await add_watcher(self.family, self.setup, self._watcher_role)
        await self.listening("broker", self.setup.ports.broker)
        await self.start_plant()
        await self.start_cloud()
        await self.cloud.sign_in(WATCHER, password)
        await self._enrol(code)
        await self.listening("plant", self.setup.control_port)
        self.panel = (await self._ask({"do": "state"}))["panel"]
        await self.start_gateway()
        await self.heard()

    async def stop(self) -> None:
        """End every process."""
        await self.cloud.close()
        await self.family.stop()

    async def start_plant(self) -> None:
        setup = self.setup
        await self.family.start(
            "plant",
            [
                *program("plantroom-sim"), "plant", str(setup.site_file), "--control", str(setup.control_port),
                "--seed", str(self._seed),
            ],
        )  # fmt: skip

    async def start_cloud(self) -> None:
        setup = self.setup
        log = setup.logs / "cloud.log"
        said_before = log.stat().st_size if log.exists() else 0
        await self.family.start(
            "cloud",
            [
                *program("plantroom-cloud"), "serve", "--port", str(setup.ports.cloud), "--data", str(setup.folder),
                "--sign-in-link", *self._cloud_options,
            ],
        )  # fmt: skip
        await self.listening("cloud", setup.ports.cloud)
        self.link = await self._printed_link(log, said_before)

    async def _printed_link(self, log: Path, said_before: int) -> str:
        try:
            async with asyncio.timeout(_SPEAK_LIMIT_S):
                while (link := find_link(_said(log, said_before))) is None:
                    await self.clock.sleep(_LOOK_S)
                return link
        except TimeoutError:
            raise ProcessFailed(f"the cloud printed no sign-in address:\n{last_lines(log)}") from None

    async def _enrol(self, code: str) -> None:
        await self.family.run("enrolment", [*program("plantroom-edge"), "enrol", str(self.setup.site_file), code])

    async def start_gateway(self) -> None:
        setup = self.setup
        await self.family.start(
            "gateway", [*program("plantroom-edge"), "run", str(setup.site_file), "--data", str(setup.folder)]
        )
        await self.listening("gateway", setup.ports.status)

    async def change(self, do: Literal["inject", "clear"], equipment: str, fault: str) -> EpochMs:
        """A fault comes or goes; the instant it did. Raises ProcessFailed."""
        at_ms: EpochMs = (await self._ask({"do": do, "equipment": equipment, "fault": fault}))["at_ms"]
        return at_ms

    async def history(self, after: int) -> list[Change]:
        """Every fault that came or went since the first ``after`` of them, whoever caused it. Raises ProcessFailed."""
        return [Change(**one) for one in (await self._ask({"do": "history", "after": after}))["history"]]

    async def _ask(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return await command(self.setup.control_port, wish)
        except ControlError as error:
            self.family.check()
            raise ProcessFailed(f"the simulated plant refused: {error}") from error

    async def listening(self, name: str, port: int) -> None:
        """Wait until something listens on the port. Raises ProcessFailed when nothing does in time."""
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while not await answers(port):
                    self.family.check()
                    await self.clock.sleep(_LOOK_S)
        except TimeoutError as error:
            raise ProcessFailed(f"{name} did not open port {port} within {START_LIMIT_S:.0f} s") from error

    async def heard(self) -> None:
        """Wait until the cloud has heard of the gateway. Raises ProcessFailed when it does not in time."""
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while not await self._has_news():
                    self.family.check()
                    await self.clock.sleep(_LOOK_S)
        except TimeoutError as error:
            raise ProcessFailed(f"the cloud heard nothing of the gateway within {START_LIMIT_S:.0f} s") from error

    async def _has_news(self) -> bool:
        try:
            return any(one["last_seen_at"] for one in await self.cloud.gateways())
        except CloudUnreachable:
            return False


def _said(log: Path, before: int) -> str:
    return log.read_bytes()[before:].decode(errors="replace")


async def answers(port: int) -> bool:
    """Whether something listens on this port of the loopback."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
