"""The world of a scenario in real time: processes, real sockets, and people who sign in with a password."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import httpx
import msgspec

from contract.conventions import EpochMs
from contract.messages import Quality, SampleBatch
from device_profiles.reading import Finding
from simulators.broken_network import BrokenNetwork
from simulators.control import Control
from simulators.demo_setup import Setup
from simulators.plant import Change, PlantServers, SimulatedPlant
from simulators.processes import program
from simulators.raw_reply import HEALTHY, Misbehaviour
from simulators.rows import opened
from simulators.run_stage import Process, Reply, Shown
from simulators.run_timeline import moved
from simulators.scenario_file import Person, Scenario, ScenarioWrong
from simulators.stack import Stack

_LOOK_S = 0.25
_RECENT = 200
"""So many records of samples are looked through for a value."""


class RunStack(Stack):
    """The product's processes; the plant lives in this one, so that every step acts on it at once."""

    def __init__(self, setup: Setup, seed: int, cloud_config: Path | None) -> None:
        super().__init__(setup, seed=seed, cloud_config=cloud_config)
        self.plant = SimulatedPlant(setup.site, self.clock, seed=seed)
        self.servers = PlantServers(self.plant, self.clock, folder=setup.folder)
        self._tasks: list[asyncio.Task[None]] = []
        self._hand: asyncio.Server | None = None

    async def start_plant(self) -> None:
        started, loop = asyncio.Event(), asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.servers.run(started), name="plant"))
        await started.wait()
        hand = Control(self.plant, self.servers).serve
        self._hand = await asyncio.start_server(hand, "127.0.0.1", self.setup.control_port)

    async def stop(self) -> None:
        if self._hand is not None:
            self._hand.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await super().stop()


class Postbox:
    """A webhook on the loopback that takes every call. What was told stands in the cloud's own rows."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(
                (line.partition(":")[2] for line in head.split("\r\n") if line.startswith("content-length")), "0"
            )
            await reader.readexactly(int(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()


class RealStage:
    """The same things to do as on virtual time. Its instants are on the scenario's calendar."""

    def __init__(self, stack: RunStack, line: BrokenNetwork, start_ms: EpochMs) -> None:
        self.stack, self._line, self._start_ms = stack, line, start_ms
        self.site_id = stack.setup.site_id
        self.behind_ms = 0
        """How much earlier the scenario's calendar is than the wall clock."""
        self._people: dict[str, httpx.AsyncClient] = {}
        self._down: set[Process] = set()
        self._postbox: Postbox | None = None

    @property
    def database(self) -> Path:
        return self.stack.setup.folder / "cloud.db"

    @property
    def changes(self) -> Sequence[Change]:
        return moved(self.stack.plant.history, self.behind_ms)

    def begin(self) -> None:
        """Now is the start."""
        self.behind_ms = self.stack.clock.now_ms() - self._start_ms

    def now_ms(self) -> EpochMs:
        return self.stack.clock.now_ms() - self.behind_ms

    def instant(self, at_ms: EpochMs) -> EpochMs:
        """An instant of the scenario, as the product's clocks tell it."""
        return at_ms + self.behind_ms

    async def until(self, at_ms: EpochMs) -> None:
        while (left_ms := at_ms - self.now_ms()) > 0:
            self.stack.family.check()
            await self.stack.clock.sleep(min(left_ms / 1000, _LOOK_S))

    # --- people -------------------------------------------------------------------------------------------------

    async def add_people(self, scenario: Scenario) -> None:
        """Those who act or can be called. Raises ProcessFailed."""
        acting = {str(step.by) for step in scenario.steps if hasattr(step, "by")}
        for one in scenario.people:
            if one.name in acting or one.channel:
                await self._add(one)
        reachable = [one.name for one in scenario.people if one.channel]
        if reachable:
            await self._give_channels(reachable)

    async def _add(self, person: Person) -> None:
        setup, password = self.stack.setup, secrets.token_urlsafe(24)
        file = setup.folder / f"{person.name}.password"
        file.touch(mode=0o600)
        file.write_text(password, encoding="utf-8")
        command = [
            *program("plantroom-cloud"), "user", "add", person.name, "--role", person.role, "--password-file", str(file),
            "--data", str(setup.folder),
        ]  # fmt: skip
        await self.stack.family.run(f"registration of {person.name}", command)
        client = self._people[person.name] = httpx.AsyncClient(base_url=setup.address, timeout=10.0, trust_env=False)
        reply = await client.post("/api/v1/sign-in", json={"name": person.name, "password": password})
        reply.raise_for_status()

    async def _give_channels(self, names: list[str]) -> None:
        self._postbox = postbox = Postbox()
        await postbox.start()
        if "admin" not in self._people:
            await self._add(Person(name="admin", role="admin"))
        for name in names:
            body = {"owner": f"person:{name}", "url": f"json://127.0.0.1:{postbox.port}/{name}"}
            reply = await self.ask("admin", "POST", "/api/v1/calls/channels", body)
            assert reply.is_done, reply.body  # noqa: S101 - our own call

    async def ask(self, person: str, method: str, path: str, body: object = None, key: str = "") -> Reply:
        request: dict[str, Any] = {} if body is None else {"json": body}
        headers = {"Idempotency-Key": key} if key else {}
        try:
            reply = await self._people[person].request(method, path, headers=headers, **request)
        except httpx.TransportError as error:
            return Reply(0, str(error) or type(error).__name__)
        return Reply(reply.status_code, reply.json() if reply.content else None)

    # --- plant --------------------------------------------------------------------------------------------------

    async def change(self, do: Literal["inject", "clear"], equipment: str, fault: str, onset_s: float) -> None:
        if do == "inject":
            self.stack.plant.inject(equipment, fault, onset_s)
        else:
            self.stack.plant.clear(equipment, fault)

    async def lie(self, device: str, point: str, kind: str, figures: Mapping[str, Any]) -> None:
        self.stack.plant.lie(device, point, kind, **figures)

    async def truth(self, device: str, point: str, kind: str) -> None:
        self.stack.plant.truth(device, point, kind)

    async def misbehave(self, device: str, how: Misbehaviour) -> None:
        self.stack.servers.misbehave(device, how)

    async def shown(self, equipment: str, point: str) -> Shown | None:
        """The newest sample of a point that the gateway delivered."""
        decoder = msgspec.json.Decoder(SampleBatch)
        with opened(self.database) as connection:
            recent = connection.execute(
                "SELECT body FROM record WHERE type = 'SampleBatch' ORDER BY received_at DESC, seq DESC LIMIT ?",
                (_RECENT,),
            ).fetchall()
        for (body,) in recent:
            for series in decoder.decode(body).series:
                if (series.equipment, series.point) == (equipment, point):
                    return Shown(series.value[-1], str(series.quality[-1] if series.quality else Quality.GOOD))
        return None

    # --- processes and lines ------------------------------------------------------------------------------------

    async def cut(self, what: str, *, is_cut: bool) -> None:
        match what.split():
            case ["line"]:
                await (self._line.cut() if is_cut else self._mend_line())
            case ["cloud"]:
                await (self.stop("cloud") if is_cut else self.start("cloud"))
            case ["replies"]:
                raise _needs_virtual("replies cannot be lost alone")
            case ["broker"]:
                await self._cut_broker(is_cut=is_cut)
            case _:
                for device in self.stack.setup.site.on_bus(what.rsplit(maxsplit=1)[-1]):
                    self.stack.servers.misbehave(device.id, Misbehaviour("silent") if is_cut else HEALTHY)

    async def _mend_line(self) -> None:
        self._line.mend()

    async def _cut_broker(self, *, is_cut: bool) -> None:
        if is_cut:
            await self.stack.family.end("broker")
        else:
            await self.stack.family.start("broker", self.stack.setup.broker_command)
            await self.stack.listening("broker", self.stack.setup.ports.broker)

    async def kill(self, process: Process) -> None:
        if process not in self._down:
            self._down.add(process)
            await self.stack.family.kill(process)

    async def stop(self, process: Process) -> None:
        if process not in self._down:
            self._down.add(process)
            await self.stack.family.end(process)

    async def start(self, process: Process) -> None:
        if process in self._down:
            self._down.discard(process)
            await (self.stack.start_gateway() if process == "gateway" else self.stack.start_cloud())

    async def jump(self, process: Process, by_ms: int) -> None:
        raise _needs_virtual(f"the {process}'s clock cannot jump by {by_ms} ms")

    async def close(self) -> None:
        """Sign out everybody."""
        for client in self._people.values():
            await client.aclose()
        if self._postbox is not None:
            await self._postbox.stop()


def _needs_virtual(said: str) -> ScenarioWrong:
    """``virtual_only`` refuses such a file before anything starts; a step that comes another way is refused here."""
    return ScenarioWrong([Finding("--real-time", 0, "", f"{said} in real time", "Run it on virtual time")])
