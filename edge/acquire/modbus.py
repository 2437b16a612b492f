"""acquire: a Modbus bus → samples. One connection, one schedule, a breaker for each device; it only ever reads.

Every bound point gets a sample at every due poll: its value, or why there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from contract.messages import Cause
from edge.acquire import read_plan
from edge.acquire.breaker import ProbeGate, Verdict
from edge.acquire.frames import ExceptionReply, Garbled, Read
from edge.acquire.health import HealthBoard
from edge.acquire.holes import HoleMemory, NoMemory
from edge.acquire.line import Answer, Line, NoResponse, NotConnected
from edge.acquire.read_plan import NOTHING_LEARNED, Learned, Request
from edge.acquire.reader import CompiledRequest, DeviceReader
from edge.acquire.schedule import Due, Schedule
from edge.acquire.serial_line import SerialLine
from edge.acquire.sink import Sink
from edge.clock import Clock
from edge.decode.sample import Moment, Sample
from edge.site import Bus, Device

RECONNECT_MS = (0, 500, 1_000, 2_000, 4_000, 8_000, 15_000)
"""Pause before the n-th attempt in a row to connect."""
SILENCES_BEFORE_RECONNECT = 2
"""Silences in a row on a bus after which the connection itself is suspected (half-open)."""
BUSY_PAUSE_S = 0.1
RECHECK_MS = 3_600_000
"""How often an address that a device refused is tried again."""
TELL_MS = 60_000
"""How often the log tells of the same device's skipped polls."""
BISECTED = (2, 3)
BUSY = (5, 6)
GATEWAY = {10: Cause.NOT_CONNECTED, 11: Cause.NO_RESPONSE}
"""A TCP gateway speaking for a unit behind it: the way is down, or the unit is silent."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that brought no values. ``is_final`` when asking this device more in this poll is useless."""

    cause: Cause
    text: str
    is_final: bool = False


class Found(msgspec.Struct, frozen=True, gc=False):
    """What one request, or the halves of a refused one, brought.

    ``is_read`` when the device gave any values, ``is_whole`` when it gave all of them in one answer.
    """

    samples: list[Sample]
    failure: Failure | None = None
    learned: Learned = NOTHING_LEARNED
    is_read: bool = False
    is_whole: bool = False


class ModbusBus:
    """All devices of one line or address. ``run`` lasts until it is cancelled and outlives every error of the wire."""

    def __init__(
        self,
        bus: Bus,
        devices: Sequence[Device],
        clock: Clock,
        sink: Sink,
        health: HealthBoard,
        log: Any = None,  # noqa: ANN401 - structlog's loggers share no type
        holes: HoleMemory | None = None,
        *,
        is_staggered: bool = True,
    ) -> None:
        self.bus, self._is_staggered = bus, is_staggered
        self._clock = clock
        self._sink = sink
        self._health = health
        self._log = (log or structlog.get_logger()).bind(bus=bus.id)
        self._holes = holes or NoMemory()
        self._readers = {one.id: DeviceReader(one, self._holes.load(one.id, one.model.id)) for one in devices}
        for one in devices:
            health.register(one.id)
            self._tell_refused(self._readers[one.id])
        self._line = open_line(bus, clock)
        self._turn = asyncio.Lock()
        self._gate = ProbeGate()
        self._attempts = 0
        self._answered_at = clock.moment()
        self._next_attempt_ms = 0
        self._silences = 0
        self._told_ms: dict[str, int] = {}
        self._recheck_ms = clock.moment().steady_ms + RECHECK_MS

    @property
    def plans(self) -> list[read_plan.ReadPlan]:
        """What the bus asks its devices now, what they refused left out."""
        return [reader.plan for reader in self._readers.values()]

    @property
    def late_answers(self) -> int:
        """Answers that came after their time and were thrown away, since the start."""
        return self._line.late

    async def run(self) -> None:
        """Poll for ever."""
        polls = [poll for reader in self._readers.values() for poll in reader.polls]
        schedule = Schedule(polls, self._clock.moment().steady_ms, is_staggered=self._is_staggered)
        try:
            while (next_ms := schedule.next_ms) is not None:
                now_ms = self._clock.moment().steady_ms
                due = schedule.take(now_ms)
                if due is None:
                    await self._clock.sleep(max(0, next_ms - now_ms) / 1000)
                else:
                    await self.poll(due)
        finally:
            self._line.close()

    async def poll(self, due: Due) -> None:
        """Run one due poll and hand its samples on."""
        reader = self._readers[due.poll.device]
        if due.skipped:
            self._skipped(due)
        self._recheck()
        async with self._turn:
            samples = await self._read(reader, due.poll.every_ms)
        if samples:
            await self._sink.put(samples)

    async def ask_between(self, unit: int, read: Read, timeout_ms: int) -> Answer:
        """A person's own question, between two polls; it counts for no device's health.

        Raises NotConnected, NoResponse, or Garbled.
        """
        async with self._turn:
            if not self._line.is_open and (failure := await self._connect()) is not None:
                raise NotConnected(failure.text)
            return await self._line.exchange(unit, read, timeout_ms)

    def _skipped(self, due: Due) -> None:
        """Count every skipped poll, and tell of it now and then."""
        self._health.skipped(due.poll.device, due.skipped)
        now_ms = self._clock.moment().steady_ms
        if now_ms - self._told_ms.get(due.poll.device, -TELL_MS) >= TELL_MS:
            self._told_ms[due.poll.device] = now_ms
            total = self._health.skips(due.poll.device)
            self._log.warning("polls_skipped", device=due.poll.device, skipped=due.skipped, since_start=total)

    def _recheck(self) -> None:
        now_ms = self._clock.moment().steady_ms
        if now_ms < self._recheck_ms:
            return
        self._recheck_ms = now_ms + RECHECK_MS
        for reader in self._readers.values():
            if reader.learned:
                reader.relearn(NOTHING_LEARNED)

    # --- one poll of one device ---------------------------------------------------------------------------------

    async def _read(self, reader: DeviceReader, every_ms: int) -> list[Sample]:
        now = self._clock.moment()
        requests = reader.requests(every_ms)
        samples = reader.refused(every_ms, now)
        verdict = reader.breaker.verdict(now.steady_ms)
        is_probe = verdict is Verdict.PROBE
        if verdict is Verdict.SKIP or (is_probe and not self._gate.allows(now.steady_ms)):
            return samples + reader.failed(requests, Cause.NO_RESPONSE, now)
        failure = await self._resync(reader, every_ms)
        taught = NOTHING_LEARNED
        for at, compiled in enumerate(requests):
            if failure is None or not failure.is_final:
                found = await self._serve(reader, compiled)
                failure = found.failure
                if found.learned is not NOTHING_LEARNED:
                    taught |= found.learned
                samples += found.samples
            if failure is not None:
                lost = requests[at:] if failure.is_final else [compiled]
                samples += reader.failed(lost, failure.cause, self._clock.moment())
                if failure.is_final:
                    break
        self._after(reader, is_probe=is_probe)
        self._learn(reader, every_ms, taught)
        if failure is None and not taught and self._health.refused:
            self._forgive(reader, every_ms)
        return samples

    def _after(self, reader: DeviceReader, *, is_probe: bool) -> None:
        """A probe that found nobody gives way to the devices that answer."""
        if is_probe and reader.breaker.is_open:
            healthy = [poll.every_ms for one in self._readers.values() if not one.breaker.is_open for poll in one.polls]
            self._gate = self._gate.after(self._clock.moment().steady_ms, min(healthy, default=None))

    async def _serve(self, reader: DeviceReader, compiled: CompiledRequest) -> Found:
        """One request of the plan: samples, or why there are none, and what was learned on the way."""
        answer = await self._ask(reader, compiled.read)
        if isinstance(answer, ExceptionReply) and answer.code in BUSY:
            await self._clock.sleep(BUSY_PAUSE_S)
            answer = await self._ask(reader, compiled.read)
        if isinstance(answer, bytes):
            return Found(reader.samples(compiled, answer, self._answered_at), is_read=True)
        if isinstance(answer, Failure):
            return Found([], answer)
        halves = read_plan.bisect(compiled.request, reader.limits) if answer.code in BISECTED else None
        if halves is None:
            return Found([], Failure(Cause.EXCEPTION, str(answer), is_final=answer.code in BUSY))
        found = await self._hunt(reader, halves)
        return found if found.is_read else Found(found.samples)

    async def _hunt(self, reader: DeviceReader, halves: tuple[Request, Request]) -> Found:
        """Halve a refused request until the readable values flow and the guilty ones are known.

        A device that refuses everything teaches nothing: it may just have started.
        """
        first = await self._half(reader, halves[0])
        failure = first.failure
        if failure is None and reader.breaker.is_open:
            failure = Failure(Cause.NO_RESPONSE, "fell silent", is_final=True)
        second = Found([], failure) if failure is not None else await self._half(reader, halves[1])
        if second.failure is not None:
            lost = [reader.compile(half) for half, found in zip(halves, (first, second), strict=True) if found.failure]
            return Found(first.samples + reader.failed(lost, second.failure.cause, self._clock.moment()))
        learned = first.learned | second.learned
        if first.is_whole and second.is_whole:
            learned = read_plan.barrier_of(halves[1])
        return Found(first.samples + second.samples, None, learned, is_read=first.is_read or second.is_read)

    async def _half(self, reader: DeviceReader, half: Request) -> Found:
        compiled = reader.compile(half)
        answer = await self._ask(reader, compiled.read)
        if isinstance(answer, bytes):
            samples = reader.samples(compiled, answer, self._answered_at)
            return Found(samples, is_read=True, is_whole=True)
        if isinstance(answer, Failure):
            return Found([], answer)
        if answer.code not in BISECTED:
            return Found([], Failure(Cause.EXCEPTION, str(answer)))
        smaller = read_plan.bisect(half, reader.limits)
        if smaller is not None:
            return await self._hunt(reader, smaller)
        samples = reader.failed([compiled], Cause.EXCEPTION, self._clock.moment())
        return Found(samples, None, read_plan.hole_of(half))

    def _learn(self, reader: DeviceReader, every_ms: int, taught: Learned) -> None:
        """Believe what two polls in a row found: a device that is just starting refuses what it will soon give."""
        suspected = reader.suspected.pop(every_ms, NOTHING_LEARNED)
        if not taught:
            return
        reader.suspected[every_ms] = taught
        if not (confirmed := taught & suspected):
            return
        reader.relearn(reader.learned | confirmed)
        self._holes.save(reader.device.id, reader.device.model.id, reader.learned)
        guilty = ", ".join(reader.plan.names[point] for point in reader.plan.refused)
        self._log.warning("addresses_refused", device=reader.device.id, points=guilty, plan=reader.plan.lines())
        self._tell_refused(reader)

    def _tell_refused(self, reader: DeviceReader) -> None:
        """Name the guilty points where people look."""
        plan = reader.plan
        self._health.refuses(reader.device.id, [plan.names[point] for point in plan.refused], plan.lines())

    def _forgive(self, reader: DeviceReader, every_ms: int) -> None:
        """A device that after the hourly try gives what it refused is no longer blamed."""
        known = self._health.refused.get(reader.device.id)
        if known is None or reader.learned:
            return
        if any(one.device_point in known.points for one in reader.device.bindings if one.every_ms == every_ms):
            self._health.refuses(reader.device.id, (), ())
            self._holes.save(reader.device.id, reader.device.model.id, NOTHING_LEARNED)
            self._log.info("addresses_readable", device=reader.device.id, points=", ".join(known.points))

    # --- one question -------------------------------------------------------------------------------------------

    async def _resync(self, reader: DeviceReader, every_ms: int) -> Failure | None:
        """On a serial line, after a silence: ask something of another length first, so that answers can be told apart."""
        requests = reader.requests(every_ms)
        if not requests or not self._line.is_in_doubt(reader.unit):
            return None
        for read in reader.resync_reads(every_ms):
            if not self._line.is_ambiguous(reader.unit, read):
                answer = await self._ask(reader, read)
                if isinstance(answer, Failure):
                    return Failure(answer.cause, answer.text, is_final=True)
                return None
        return Failure(Cause.NO_RESPONSE, "waiting for the line to drain", is_final=True)

    async def _ask(self, reader: DeviceReader, read: Read) -> Answer | Failure:
        """One question and what came of it, counted for the breaker and for health."""
        if not self._line.is_open and (failure := await self._connect()) is not None:
            return self._failed(reader, failure)
        asked = self._clock.moment()
        timeout_ms = reader.breaker.timeout_ms(reader.timeout_ms)
        try:
            answer = await self._line.exchange(reader.unit, read, timeout_ms)
        except NoResponse as error:
            return self._silent(reader, Failure(Cause.NO_RESPONSE, f"{read}: {error}", is_final=True))
        except NotConnected as error:
            return await self._ask_again(reader, read, Failure(Cause.NOT_CONNECTED, str(error), is_final=True))
        except Garbled as error:
            return self._failed(reader, Failure(Cause.UNDECODABLE, f"{read}: {error}"))
        return self._answered(reader, read, answer, asked)

    async def _ask_again(self, reader: DeviceReader, read: Read, failure: Failure) -> Answer | Failure:
        """A connection that was closed while idle is opened and asked once more; one that never worked is not."""
        if self._attempts > 0:
            return self._failed(reader, failure)
        self._attempts = 1
        return await self._ask(reader, read)

    def _answered(self, reader: DeviceReader, read: Read, answer: Answer, asked: Moment) -> Answer | Failure:
        self._answered_at = now = self._clock.moment()
        self._attempts = self._silences = self._next_attempt_ms = 0
        if isinstance(answer, ExceptionReply):
            if answer.code in GATEWAY:
                return self._silent(reader, Failure(GATEWAY[answer.code], f"{read}: {answer}", is_final=True))
            self._health.failed(reader.device.id, now, Cause.EXCEPTION, f"{read}: {answer}")
        else:
            self._health.answered(reader.device.id, now, now.steady_ms - asked.steady_ms)
            self._health.heard(reader.device.id, now, read, answer)
        if reader.breaker.is_open:
            self._log.info("device_answers", device=reader.device.id)
        reader.breaker = reader.breaker.answered(now.steady_ms - asked.steady_ms)
        return answer

    def _silent(self, reader: DeviceReader, failure: Failure) -> Failure:
        if not reader.breaker.is_open:
            self._log.warning("device_silent", device=reader.device.id, error=failure.text)
        shortest_ms = min(binding.every_ms for binding in reader.device.bindings)
        reader.breaker = reader.breaker.silent(self._clock.moment().steady_ms, shortest_ms)
        self._silences += 1
        if self._silences >= SILENCES_BEFORE_RECONNECT and self.bus.kind in ("tcp", "tls", "rtu_over_tcp"):
            self._line.close()
        if not self._line.is_open:
            self._next_attempt_ms = 0  # closed on a suspicion of ours: the next device need not wait for it
        return self._failed(reader, failure)

    def _failed(self, reader: DeviceReader, failure: Failure) -> Failure:
        self._health.failed(reader.device.id, self._clock.moment(), failure.cause, failure.text)
        return failure

    # --- the connection -----------------------------------------------------------------------------------------

    async def _connect(self) -> Failure | None:
        """Open the line if its time has come; otherwise why it stays closed."""
        now_ms = self._clock.moment().steady_ms
        if now_ms < self._next_attempt_ms:
            return Failure(Cause.NOT_CONNECTED, "not connected; waiting before the next attempt", is_final=True)
        self._attempts += 1
        pause_ms = RECONNECT_MS[min(self._attempts, len(RECONNECT_MS) - 1)]
        try:
            await self._line.connect()
        except NotConnected as error:
            self._next_attempt_ms = self._clock.moment().steady_ms + pause_ms
            if self._attempts == 1:
                self._log.warning("bus_not_connected", error=str(error))
            return Failure(Cause.NOT_CONNECTED, str(error), is_final=True)
        self._next_attempt_ms = now_ms + pause_ms
        self._silences = 0
        self._log.info("bus_connected")
        return None


def open_line(bus: Bus, clock: Clock) -> Line:
    """The line of a bus, not yet connected. Serial ports are imported only where there is one."""
    if bus.kind not in ("rtu", "rtu_over_tcp"):
        return Line(bus, clock)
    from edge.acquire.serial_port import open_port

    silence_ms = max(read_plan.SILENCE_CHARACTERS * read_plan.character_ms(bus), read_plan.LEAST_SILENCE_MS)
    return SerialLine(bus, clock, open_port, silence_ms / 1000 if bus.kind == "rtu" else 0.0)
