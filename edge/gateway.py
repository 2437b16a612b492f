"""Composition root of the edge: builds every part, runs each as a named task of one group, and stops them in order."""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from contract.conventions import format_instant
from contract.messages import Record
from device_profiles.library import Finding
from edge import own
from edge.acquire.health import HealthBoard
from edge.announce import announcement
from edge.buses import Buses, Runs
from edge.clock import Clock
from edge.cycle import Cycle, Intake
from edge.errors import Transient
from edge.hooks import Call, Caller, LifeSafety
from edge.machine import Machine
from edge.outbox.sqlite import IN_MEMORY, LANES, Outbox
from edge.pace import USUAL, Pace
from edge.plans import device_plans, plan_site
from edge.routine import Routine
from edge.rules.engine import Engine
from edge.site import Bus, Device, Site
from edge.store import AsyncOutbox, Log
from edge.uplink.deliver import Delivery, Link
from edge.uplink.session import Outcome, Session

if TYPE_CHECKING:
    import httpx

    from edge.uplink.http import Cloud

BUDGET_EVERY_S = 60.0
FIRST_LOOK_S, FIRST_LOOKS = 0.02, 25


BusFactory = Callable[[Bus, Sequence[Device], Clock, Intake, HealthBoard], Runs]


@dataclass(slots=True)
class Parts:
    """What is running, for the status page and for tests."""

    site: Site
    clock: Clock
    engine: Engine
    outbox: AsyncOutbox
    cycle: Cycle
    board: HealthBoard
    link: Link
    log: Log
    caller: Caller
    routine: Routine
    plans: Mapping[str, Sequence[str]]
    """Read plan of each device, for the announcement."""
    buses: Buses = field(init=False)
    mistakes: Sequence[Finding] = ()
    """Why the site file as it is on the disk is not what runs; empty when it is."""
    deliveries: list[Delivery] = field(default_factory=list)
    cloud: Cloud | None = None
    look: Callable[[], Machine] | None = None
    """Looks at this machine, for the gateway's own points; None where it has none."""

    @property
    def is_disk_well(self) -> bool:
        """Whether what is judged outlives this process."""
        return self.cycle.is_disk_well and self.outbox.outbox.is_lasting

    def judged(self, site: Site) -> Site:
        """What the rules know: the site as written, and the gateway itself."""
        return site if self.look is None else own.joined(site, self.look())


Side = Callable[[Parts], Awaitable[None]]
"""Something that works on the running parts until it is cancelled."""


def later(module: str, name: str, **more: object) -> Side:
    """A side that is loaded once the first values are in, or soon, and beside the loop: no value waits for a web server."""

    async def side(parts: Parts) -> None:
        for _ in range(FIRST_LOOKS):
            if parts.cycle.taken:
                break
            await parts.clock.sleep(FIRST_LOOK_S)
        loaded = await asyncio.to_thread(importlib.import_module, module)
        await getattr(loaded, name)(parts, **more)

    return side


status_page = later("edge.health", "serve")


async def run_gateway(  # noqa: PLR0913 - what a run in virtual time replaces, each by its name
    site: Site,
    *,
    clock: Clock,
    data: Path,
    transport: httpx.AsyncBaseTransport | None = None,
    bus_factory: BusFactory | None = None,
    inline: bool = False,
    jitter: Callable[[], float] = random.random,
    page: Side | None = status_page,
    beside: Mapping[str, Side] | None = None,
    look: Callable[[], Machine] | None = None,
    pace: Pace = USUAL,
) -> None:
    """Run one gateway until cancelled; then everything read is judged and saved.

    ``transport``, ``bus_factory``, ``inline`` (database calls on the loop), ``jitter``, ``pace`` and ``page`` (given the running
    parts; None for no status page) are what a run in virtual time replaces. ``beside`` names what else works on the running
    parts: the reloader, the desk. With ``look`` the gateway is a piece of equipment of its own. Raises Misconfigured or Transient when it cannot start.
    """
    log: Log = structlog.get_logger("edge")
    parts = build(site, clock, data, inline=inline, log=log, transport=transport, jitter=jitter, look=look, pace=pace)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(parts.cycle.run(), name="cycle")
            group.create_task(parts.caller.run(), name="hooks")
            group.create_task(_keep_budget(parts), name="budget")
            group.create_task(_measure_itself(parts), name="own health")
            for delivery in parts.deliveries:
                group.create_task(delivery.run(), name=f"uplink {delivery.session.lane}")
            parts.buses = Buses(group, _maker(parts, bus_factory or partial(_bus, data)), clock, log)
            parts.buses.start(parts.buses.prepare(site))
            sides = {**({} if page is None else {"status page": page}), **(beside or {})}
            for name, side in sides.items():
                group.create_task(_serve(side, parts), name=name)
    finally:
        await _stop(parts)


async def _serve(side: Side, parts: Parts) -> None:
    await side(parts)


def _maker(parts: Parts, factory: BusFactory) -> Callable[[Bus, Sequence[Device]], Runs]:
    def make(bus: Bus, devices: Sequence[Device]) -> Runs:
        return factory(bus, devices, parts.clock, parts.cycle.intake, parts.board)

    return make


def build(  # noqa: PLR0913 - as run_gateway
    site: Site,
    clock: Clock,
    data: Path,
    *,
    inline: bool,
    log: Log,
    transport: httpx.AsyncBaseTransport | None = None,
    jitter: Callable[[], float] = random.random,
    look: Callable[[], Machine] | None = None,
    pace: Pace = USUAL,
) -> Parts:
    """Open the outbox, restore the rules and connect the parts; nothing runs yet."""
    now = clock.moment()
    outbox = _open_outbox(data, now.wall_ms, log)
    if outbox.set_aside is not None:
        log.warning(
            "outbox_set_aside", file=str(outbox.set_aside), remedy="it was damaged; what it held is in that file"
        )
    engine = Engine(site if look is None else own.joined(site, look()), now, outbox.load_state(), pace=pace)
    plans = device_plans(plan_site(site))

    def tell() -> Sequence[Record]:
        return announcement(parts.site, parts.engine, parts.board.plans(parts.plans), version())

    store = AsyncOutbox(outbox, clock, tell, inline=inline)
    link, board, intake = Link(), HealthBoard([device.id for device in site.devices]), Intake()
    caller, life_safety = Caller(site.gateway.hooks, log), LifeSafety()
    routine = Routine(site, outbox, engine, board, link, version(), tell)
    deliveries: list[Delivery] = []
    cycle = Cycle(
        intake, engine, store, clock, log, tell, routine.records,
        told=lambda records: caller.ring(life_safety.calls(records)),
        wake=lambda: _wake(deliveries),
        answered=outbox.answered(),
    )  # fmt: skip
    parts = Parts(
        site, clock, engine, store, cycle, board, link, log, caller, routine, plans, deliveries=deliveries, look=look
    )  # fmt: skip
    caller.ring(_still_active(engine, life_safety))
    if site.gateway.cloud is not None:
        _connect(parts, transport, jitter)
    return parts


def _connect(parts: Parts, transport: httpx.AsyncBaseTransport | None, jitter: Callable[[], float]) -> None:
    """One delivery a lane, over one client."""
    from edge.uplink.http import Cloud

    config, cycle = parts.site.gateway, parts.cycle
    parts.cloud = Cloud.open(config, transport)
    parts.deliveries += [
        Delivery(
            Session(config.id, lane), parts.cloud.ingest, parts.outbox, parts.clock, parts.link, cycle.take_directives,
            jitter, parts.log, config.interval_ms,
        )
        for lane in LANES
    ]  # fmt: skip


def _open_outbox(data: Path, now_ms: int, log: Log) -> Outbox:
    """The outbox on disk; in memory when the disk cannot take one, because judging the plant must go on."""
    try:
        return Outbox(data / "edge.db", now_ms)
    except Transient as error:
        remedy = (
            "alarms are judged and delivered, but nothing outlives a restart; free or replace the disk, then restart"
        )
        log.warning("disk_failing", reason=str(error), remedy=remedy)
        return Outbox(Path(IN_MEMORY), now_ms)


def _wake(deliveries: Sequence[Delivery]) -> None:
    for delivery in deliveries:
        delivery.wake.set()


def _still_active(engine: Engine, life_safety: LifeSafety) -> list[Call]:
    """After a restart the people on site are told again of what still endangers life."""
    calls = []
    for alarm in engine.active_alarms():
        at = format_instant(alarm.raised_ms)
        calls += life_safety.begin((alarm.equipment, alarm.rule), alarm.severity, alarm.silenced_by, at)
    return calls


def _bus(data: Path, bus: Bus, devices: Sequence[Device], clock: Clock, intake: Intake, board: HealthBoard) -> Runs:
    """The real adapters. What devices refuse is remembered beside the outbox, one small file a bus."""
    log = structlog.get_logger("edge").bind(bus=bus.id)
    if bus.kind == "mqtt":
        from edge.acquire.mqtt import MqttBus

        return MqttBus(bus, devices, clock, intake, board, log)
    from edge.acquire.holes import HoleFile
    from edge.acquire.modbus import ModbusBus

    return ModbusBus(bus, devices, clock, intake, board, log, HoleFile(data / f"refused_{bus.id}.json"))


async def _keep_budget(parts: Parts) -> None:
    """Now and then, thin samples when the outbox takes more than its share of the disk."""
    pause_s = max(BUDGET_EVERY_S, parts.engine.pace.tick_ms / 1000)
    while True:
        await parts.clock.sleep(pause_s)
        config = parts.site.gateway
        try:
            steps = await parts.outbox.keep_within(config.budget_bytes, config.budget_days)
        except Transient:
            continue  # the cycle tells of a disk that fails
        if steps:
            parts.log.warning("samples_thinned", steps=steps, budget_bytes=config.budget_bytes)


async def _measure_itself(parts: Parts) -> None:
    """The gateway's own points, as samples among the others."""
    started_ms = parts.clock.now_ms()
    await parts.clock.sleep(own.FIRST_S)
    while parts.look is not None:
        device = next((one for one in parts.engine.site.devices if one.id == parts.site.gateway.id), None)
        if device is not None:
            now, depths = parts.clock.moment(), parts.outbox.outbox.depths
            link, is_refused = parts.link, parts.link.outcome == Outcome.UNAUTHORISED
            state = own.State(
                link.is_up, is_refused, link.last_receipt_ms, started_ms, link.clock_offset_ms, depths["events"],
                depths["samples"], parts.is_disk_well, tuple(parts.board.rows(now)),
            )  # fmt: skip
            await parts.cycle.intake.put(own.samples(device, parts.look(), state, now))
        await parts.clock.sleep(own.EVERY_MS / 1000)


async def _stop(parts: Parts) -> None:
    """Buses and uplink have stopped; what was read is judged and saved, then the database closes."""
    await parts.cycle.finish()
    if parts.cloud is not None:
        await parts.cloud.close()
    await parts.outbox.close()


def version() -> str:
    """Version of the installed product."""
    try:
        return metadata.version("plantroom")
    except metadata.PackageNotFoundError:
        return "0"
