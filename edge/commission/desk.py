"""acquire, lent: the running gateway reads for a command on the same machine, between its own polls.

A Unix socket in the data folder, for its owner alone. A question is one JSON line, and so is its answer. Nothing but a
read can be asked: what is asked passes the same frame builder as every poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from edge.acquire.frames import Read, ReadOnlyViolation, build_read
from edge.acquire.modbus import ModbusBus
from edge.acquire.mqtt import MqttBus
from edge.commission.asking import SOCKET, find_desk, line_of, outcome_of, socket_path
from edge.commission.listening import malformed_lines, message_line
from edge.rules.engine import latest

if TYPE_CHECKING:
    from edge.gateway import Parts

LONGEST_QUESTION = 4_096


class _Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A read on a line that the gateway holds."""

    line: str
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)]
    function: int
    address: int
    count: int
    timeout_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)]


async def serve_desk(parts: Parts, data: Path) -> None:
    """Answer until cancelled. A desk that cannot be opened stops nothing: commands then open lines themselves."""
    if (other := await find_desk(data)) is not None:
        other.writer.close()
        parts.log.warning("desk_taken", data=str(data), remedy="another gateway runs on this data folder; stop one")
        return
    try:
        with socket_path(data) as path:
            _clear(Path(path))
            before = os.umask(0o177)
            try:
                server = await asyncio.start_unix_server(
                    lambda reader, writer: _visit(parts, reader, writer), path, limit=LONGEST_QUESTION
                )
            finally:
                os.umask(before)
    except OSError as error:
        parts.log.warning("desk_closed", reason=str(error), remedy="commands on this machine open lines themselves")
        return
    try:
        async with server:
            await server.serve_forever()
    finally:
        _clear(data / SOCKET)


def _clear(path: Path) -> None:
    """What a killed gateway left."""
    path.unlink(missing_ok=True)


async def _visit(parts: Parts, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One command's questions; a line that is too long ends the visit."""
    try:
        with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
            while line := await reader.readline():
                answer = await _answer(parts, line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
    finally:
        writer.close()


async def _answer(parts: Parts, line: bytes) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(line)
        if isinstance(asked, dict) and "hello" in asked:
            lines = [line_of(bus.bus) for bus in parts.buses.values() if isinstance(bus, ModbusBus)]
            return {"gateway": parts.site.gateway.id, "site": parts.site.id, "lines": lines}
        if isinstance(asked, dict) and "latest" in asked:
            return {"rows": _latest(parts, str(asked["latest"])), "notes": _spoken(parts, str(asked["latest"]))}
        return await _read(parts, msgspec.convert(asked, _Question))
    except (msgspec.MsgspecError, ReadOnlyViolation, ValueError, RecursionError) as error:
        return {"mistake": str(error)}


async def _read(parts: Parts, asked: _Question) -> dict[str, Any]:
    read = Read(asked.function, asked.address, asked.count)
    build_read(read)
    for bus in parts.buses.values():
        if isinstance(bus, ModbusBus) and line_of(bus.bus) == asked.line:
            found = await outcome_of(bus.ask_between, asked.unit, read, asked.timeout_ms, parts.clock)
            payload = None if found.payload is None else found.payload.hex()
            return {
                "payload": payload, "exception": found.exception, "cause": str(found.cause), "reason": found.reason,
                "ms": found.ms,
            }  # fmt: skip
    return {"mistake": f"this gateway holds no line {asked.line}"}


def _spoken(parts: Parts, device: str) -> list[str]:
    """What a device that speaks unasked said last, and what of it could not be read."""
    speakers = [
        bus.speakers[device] for bus in parts.buses.values() if isinstance(bus, MqttBus) and device in bus.speakers
    ]
    last = [message_line(one.last[0].wall_ms, one.last[1]) for one in speakers if one.last is not None]
    return [*last, *malformed_lines(parts.board.unreadable.get(device, ()))]


def _latest(parts: Parts, device: str) -> list[dict[str, Any]]:
    """The newest samples of one device, for those that speak unasked."""
    rows = []
    for runtime in parts.engine.runtimes():
        for name, value, quality, cause, at in latest(runtime):
            state = runtime.points[name]
            if state.device == device:
                rows.append(
                    {
                        "point": state.binding.device_point, "equipment": runtime.equipment.id, "target": name,
                        "value": value, "unit": state.binding.point.unit, "quality": str(quality),
                        "cause": str(cause), "at": at,
                    }
                )  # fmt: skip
    return rows
