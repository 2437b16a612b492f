"""acquire → decode, for a person: what an MQTT device says, its payload beside what the mapping makes of it.

A running gateway knows what the device said last. Without one the broker is listened to here, as a client of our own that
keeps no session, so that nothing is taken away from anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contract.conventions import format_instant
from contract.messages import Cause, Quality
from edge.acquire.health import HealthBoard, Malformed, show_payload
from edge.acquire.mqtt_link import MqttLink
from edge.acquire.mqtt_routes import Routes
from edge.acquire.mqtt_speaker import make_speaker
from edge.clock import Clock
from edge.commission.asking import find_desk
from edge.commission.reading import Row
from edge.decode.payload import Publication
from edge.decode.sample import Sample
from edge.site import Binding, Device

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a device said: a row a point, and lines about the messages themselves."""

    rows: list[Row]
    notes: list[str]


async def hear(device: Device, data: Path, clock: Clock, wait_s: float, tell: Tell) -> Heard:
    """From the running gateway on ``data``, else from the broker within ``wait_s``. Raises Transient when it is away."""
    desk = await find_desk(data)
    if desk is None:
        return await listen(device, clock, wait_s, tell)
    answer = await desk.call({"latest": device.id})
    desk.writer.close()
    tell("as the running gateway heard it last")
    wanted = {one.device_point for one in device.bindings}
    rows = [
        Row(
            device.id, row["point"], row["equipment"], row["target"], f"said {row['at'] or 'nothing yet'}", (),
            row["value"], row["unit"], row["quality"], row["cause"], "", 0.0,
        )
        for row in answer["rows"]
        if row["point"] in wanted
    ]  # fmt: skip
    return Heard(rows, list(answer.get("notes", ())))


async def listen(device: Device, clock: Clock, wait_s: float, tell: Tell) -> Heard:
    """Listen until every point has a value or the time is over. Raises NotConnected saying why the broker is not."""
    board, moment = HealthBoard(), clock.moment()
    speaker = make_speaker(device, board, moment.steady_ms)
    routes = Routes([speaker], board, device.bus.id)
    inbox: asyncio.Queue[Publication] = asyncio.Queue()
    link = MqttLink(
        replace(device.bus, client_id=f"{device.bus.client_id}-read-{os.getpid()}"), clock, _into(inbox), session_s=0
    )
    told: dict[str, Sample] = {}
    last: list[str] = []
    try:
        refused = await link.connect(list(routes.subscriptions))
        tell(_begun(device, list(routes.subscriptions), refused, wait_s))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while sum(sample.value is not None for sample in told.values()) < len(device.bindings):
                    message = await inbox.get()
                    link.acknowledge(link.generation, [message.mid] if message.qos else [])
                    found = list(routes.hear(message, clock.moment()))
                    told |= {sample.point: sample for sample in found}
                    last = [message_line(clock.now_ms(), message)] if found else last
    finally:
        link.close()
    rows = [_row(device, binding, told.get(binding.point_id), speaker.codec.points) for binding in device.bindings]
    return Heard(rows, [*last, *malformed_lines(board.unreadable.get(device.id, ()))])


def _into(inbox: asyncio.Queue[Publication]) -> Callable[[list[Publication]], None]:
    def received(messages: list[Publication]) -> None:
        for message in messages:
            inbox.put_nowait(message)

    return received


def _begun(device: Device, topics: list[str], refused: list[str], wait_s: float) -> str:
    listening = f"listening on {device.bus.host}:{device.bus.port} for {wait_s:g} s to {', '.join(topics)}"
    return listening + (f"; the broker refuses {', '.join(refused)}" if refused else "")


def _row(device: Device, binding: Binding, sample: Sample | None, points: Mapping[str, Any]) -> Row:
    where = next((one.describe() for row in points.values() for one in row if one.name == binding.device_point), "")
    unit = binding.point.unit
    if sample is None:
        quality, cause, reason = str(Quality.BAD), str(Cause.NO_RESPONSE), "it said nothing of this in that time"
        return Row(
            device.id, binding.device_point, binding.equipment, binding.point_id, where, (), None, unit, quality, cause, reason, 0.0
        )  # fmt: skip
    return Row(
        device.id, binding.device_point, binding.equipment, binding.point_id, where, (), sample.value, unit,
        str(sample.quality), str(sample.cause), "", 0.0,
    )  # fmt: skip


def message_line(at_ms: int, message: Publication) -> str:
    """One message for a person."""
    kept = " (retained by the broker)" if message.retain else ""
    return f"last message, {format_instant(at_ms)}{kept}: {message.topic} {show_payload(message.payload)}"


def malformed_lines(kept: Iterable[Malformed]) -> list[str]:
    """Messages that could not be read, for a person."""
    return [
        f"could not be read, {format_instant(one.at_ms)}: {one.topic} {show_payload(one.payload)}: {one.reason}"
        for one in kept
    ]
