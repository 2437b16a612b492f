"""wire → recording: the gateway's own acquisition reads the devices of a site file, and all it hears is kept.

It reads as a gateway does, schedule, plan, breaker and all, so that a replay is asked what was asked here; it judges
nothing and tells nobody. Real devices hear one more client: many allow only one, so stop the gateway meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge.acquire.frames import ExceptionReply, Garbled, Read
from edge.acquire.health import HealthBoard
from edge.acquire.line import Answer, Line, NoResponse, NotConnected
from edge.acquire.modbus import ModbusBus
from edge.acquire.mqtt import MqttBus
from edge.clock import Clock
from edge.decode.payload import Publication
from edge.decode.sample import Sample
from edge.site import Bus, Device, Site
from simulators.recording import Exchange, Message, Outcome, Recording, RecordingError

SYNC_S = 5.0
"""How much a power cut may take."""
OWN_CLIENT = "-recorder"
"""A broker throws out the older of two clients of one name: the recorder has its own."""


@dataclass(slots=True)
class Heard:
    """Counts what comes in, and lets a broker have its acknowledgements."""

    samples: int = 0
    good: int = 0

    async def put(self, samples: Sequence[Sample], committed: Callable[[], None] | None = None) -> None:
        self.samples += len(samples)
        self.good += sum(sample.value is not None for sample in samples)
        if committed is not None:
            committed()


class Tape:
    """The recording, and what its instants are counted from: the moment it was made. ``log`` hears of lines that come and go."""

    def __init__(self, recording: Recording, clock: Clock, log: Any = None) -> None:  # noqa: ANN401 - structlog's loggers share no type
        self.recording, self.clock, self.log = recording, clock, log
        self._started = clock.moment()

    def now_ms(self) -> int:
        """Milliseconds since the start, on the axis that nobody sets."""
        return self.clock.moment().steady_ms - self._started.steady_ms

    def exchange(self, at_ms: int, bus: str, unit: int, read: Read, outcome: Outcome, payload: bytes = b"") -> None:
        asked = (read.function, read.address, read.count)
        self.recording.add(Exchange(at_ms, bus, unit, *asked, outcome, payload))


NOTHING = Read(0, 0, 0)
"""What a bus is asked that cannot even be connected."""


class RecordedModbus(ModbusBus):
    """A Modbus bus whose exchanges are kept."""

    def __init__(self, bus: Bus, devices: Sequence[Device], sink: Heard, tape: Tape) -> None:
        super().__init__(bus, devices, tape.clock, sink, HealthBoard(), tape.log)
        _tap(self._line, tape)


def _tap(line: Line, tape: Tape) -> None:
    """Keep what comes of every connection and every exchange of this line."""
    connect, exchange, bus = line.connect, line.exchange, line.bus.id

    async def tapped_connect() -> None:
        try:
            await connect()
        except NotConnected:
            tape.exchange(tape.now_ms(), bus, 0, NOTHING, "lost")
            raise

    async def tapped_exchange(unit: int, read: Read, timeout_ms: int) -> Answer:
        asked_ms = tape.now_ms()
        try:
            answer = await exchange(unit, read, timeout_ms)
        except (NoResponse, NotConnected, Garbled) as error:
            tape.exchange(asked_ms, bus, unit, read, _failed(error))
            raise
        if isinstance(answer, ExceptionReply):
            tape.exchange(asked_ms, bus, unit, read, "exception", bytes((answer.code,)))
        else:
            tape.exchange(asked_ms, bus, unit, read, "words", answer)
        return answer

    line.connect = tapped_connect  # type: ignore[method-assign]
    line.exchange = tapped_exchange  # type: ignore[method-assign]


def _failed(error: Exception) -> Outcome:
    if isinstance(error, NoResponse):
        return "silent"
    return "lost" if isinstance(error, NotConnected) else "garbled"


class RecordedMqtt(MqttBus):
    """An MQTT bus whose messages are kept."""

    def __init__(self, bus: Bus, devices: Sequence[Device], sink: Heard, tape: Tape) -> None:
        self._tape = tape
        client = bus.client_id + OWN_CLIENT if bus.client_id else ""
        super().__init__(replace(bus, client_id=client), devices, tape.clock, sink, HealthBoard(), tape.log)

    def _receive(self, messages: Sequence[Publication]) -> None:
        at_ms = self._tape.now_ms()
        for one in messages:
            self._tape.recording.add(Message(at_ms, self.bus.id, one.topic, bytes(one.payload), bool(one.retain)))
        super()._receive(messages)


def tapped(bus: Bus, devices: Sequence[Device], sink: Heard, tape: Tape) -> RecordedModbus | RecordedMqtt:
    """The bus as a gateway would run it, with the tape running."""
    make = RecordedMqtt if bus.kind == "mqtt" else RecordedModbus
    return make(bus, devices, sink, tape)


Make = Callable[[Bus, Sequence[Device], Heard, Tape], RecordedModbus | RecordedMqtt]


async def record(site: Site, tape: Tape, seconds: float | None, heard: Heard, make: Make = tapped) -> None:
    """Read every device of the site for so many seconds, or until cancelled; the recording is whole at the end.

    Raises RecordingError when it cannot be written any more.
    """
    devices = site.devices_by_bus()
    buses = [make(bus, devices[bus.id], heard, tape) for bus in site.buses if bus.id in devices]
    wrong = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bus.run(), name=f"record {bus.bus.id}") for bus in buses]
            await _keep(tape, seconds)
            for task in tasks:
                task.cancel()
    except* RecordingError as errors:
        wrong = errors.exceptions[0]
    finally:
        tape.recording.close()
    if wrong is not None:  # raised here: what is raised within except* becomes a group
        raise wrong


async def _keep(tape: Tape, seconds: float | None) -> None:
    left_s = float("inf") if seconds is None else seconds
    while left_s > 0:
        await tape.clock.sleep(min(SYNC_S, left_s))
        left_s -= SYNC_S
        tape.recording.sync()
