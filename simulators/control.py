"""A hand on the simulated plant: one JSON object a line over a loopback port, one object back.

``{"do": "inject", "equipment": "incomer_1", "fault": "low_power_factor"}`` → ``{"ok": true, "at_ms": 1795…}``
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from simulators.modbus_device import Misbehaviour
from simulators.plant import PlantServers, SimulatedPlant, UnknownFault

_LINE_BYTES = 65_536


class ControlError(RuntimeError):
    """The plant did not do it. The text says why."""


class Control:
    """Answers commands for one plant."""

    def __init__(self, plant: SimulatedPlant, servers: PlantServers) -> None:
        self._plant, self._servers = plant, servers
        self._commands: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "inject": self._inject,
            "clear": self._clear,
            "misbehave": self._misbehave,
            "list": self._list,
            "history": self._history,
        }

    def answer(self, line: bytes) -> dict[str, Any]:
        """One command to its answer; never raises for a wrong command."""
        try:
            wish = json.loads(line)
            return {"ok": True, **self._commands[wish["do"]](wish)}
        except (UnknownFault, ValueError) as error:
            return {"ok": False, "error": str(error)}
        except (KeyError, TypeError) as error:
            return {"ok": False, "error": f"not understood: {error}; do is one of {', '.join(self._commands)}"}

    def _inject(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        return {"at_ms": self._plant.inject(wish["equipment"], wish["fault"])}

    def _clear(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        return {"at_ms": self._plant.clear(wish["equipment"], wish["fault"])}

    def _misbehave(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        how = Misbehaviour(wish["fault"], float(wish.get("delay_s", 0.0)), int(wish.get("every", 1)))
        self._servers.misbehave(wish["device"], how)
        return {}

    def _list(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        of = self._plant.site.equipment
        chosen = {wish["equipment"]: of[wish["equipment"]]} if "equipment" in wish else of
        return {"faults": {name: list(one.equipment_class.faults) for name, one in chosen.items()}}

    def _history(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        return {"history": [asdict(one) for one in self._plant.history[int(wish.get("after", 0)) :]]}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while line := await reader.readline():
                    writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                    await writer.drain()
        finally:
            writer.close()


async def command(port: int, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the plant behind a control port. Raises ControlError when it refuses or is not there."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LINE_BYTES)
    except OSError as error:
        raise ControlError(f"no simulated plant answers on port {port}; start one with `plantroom-sim demo`") from error
    try:
        writer.write(json.dumps(wish).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline() or b"{}")
    finally:
        writer.close()
    if not answer.get("ok"):
        raise ControlError(answer.get("error", "the plant went away"))
    return answer
