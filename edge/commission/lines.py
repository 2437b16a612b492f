"""Point table → buses: which devices share a line, and how it is spoken to (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge.commission import cells
from edge.commission.noting import Notes, slug
from edge.commission.sheet import SheetRow

KINDS = {
    "tcp": "tcp", "modbus tcp": "tcp", "modbustcp": "tcp", "rtu": "rtu", "modbus rtu": "rtu", "modbusrtu": "rtu",
    "rtu_over_tcp": "rtu_over_tcp", "rtu over tcp": "rtu_over_tcp", "透传": "rtu_over_tcp", "udp": "udp", "485": "rtu",
    "rs485": "rtu", "rs 485": "rtu", "mqtt": "mqtt", "mqtts": "mqtts",
}  # fmt: skip
BUS_KEYS = ("bus", "protocol", "host", "port", "baud", "parity")


class Lines:
    """Every line by its host and port."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.made: list[dict[str, Any]] = []
        self._known: dict[tuple[str, ...], dict[str, Any]] = {}
        self._last: dict[str, Any] | None = None

    def of(self, group: Sequence[SheetRow]) -> dict[str, Any] | None:
        """The line; a device that says nothing about it stands on the line of the device above."""
        said = {key: self.notes.one(group, key) for key in BUS_KEYS}
        words = {key: text for key, (text, _) in said.items()}
        first = group[0]
        if not any(words.values()):
            if self._last is None:
                self.notes.wrong(
                    first, "host", "names no line", "Write host (or a serial port) and, on serial lines, baud"
                )
            return self._last
        named = next((bus for bus in self._known.values() if words["bus"] and bus["id"] == slug(words["bus"])), None)
        if named is not None and not (words["host"] or words["port"]):
            self._last = named
            return named
        bus = self._new_bus(words, {key: row for key, (_, row) in said.items()})
        self._last = bus or self._last
        return bus

    def _new_bus(self, words: Mapping[str, str], rows: Mapping[str, SheetRow]) -> dict[str, Any] | None:
        is_serial = not words["host"]
        kind = KINDS.get(words["protocol"].lower(), "rtu" if is_serial else "tcp" if not words["protocol"] else "")
        if not kind or (kind == "rtu") != is_serial:
            told = f"{words['protocol'] or kind} does not go with {'no host' if is_serial else 'a host'}"
            self.notes.wrong(
                rows["protocol"], "protocol", told, "Write tcp, rtu_over_tcp, udp or mqtt with a host, rtu with a port"
            )
            return None
        if kind in ("mqtt", "mqtts"):
            return self._broker(kind, words, rows)
        bus: dict[str, Any] = {"id": slug(words["bus"]), "modbus": kind}
        if is_serial:
            if not words["port"] or words["port"].isdecimal():
                self.notes.wrong(
                    rows["port"], "port", "names no serial port and no host", "Write /dev/ttyS1, or a host"
                )
                return None
            bus |= {"port": words["port"]}
        else:
            port = self.notes.attempt(rows["port"], "port", lambda: cells.whole_of(words["port"] or "502", 1, 65_535))
            bus |= {"host": words["host"]} | ({"port": port} if port not in (None, 502) else {})
        if kind in ("rtu", "rtu_over_tcp") and words["baud"]:
            bus["baud"] = self.notes.attempt(
                rows["baud"], "baud", lambda: cells.whole_of(words["baud"], 300, 4_000_000)
            )
        if kind == "rtu" and words["parity"]:
            bus["parity"] = self.notes.attempt(rows["parity"], "parity", lambda: _parity(words["parity"]))
        return self._same_line(bus, rows["baud"])

    def _broker(self, kind: str, words: Mapping[str, str], rows: Mapping[str, SheetRow]) -> dict[str, Any] | None:
        usual = {"mqtt": "1883", "mqtts": "8883"}[kind]
        port = self.notes.attempt(rows["port"], "port", lambda: cells.whole_of(words["port"] or usual, 1, 65_535))
        if port is None:
            return None
        address = f"{kind}://{words['host']}" + ("" if str(port) == usual else f":{port}")
        return self._known.get((address,)) or self._new((address,), {"id": slug(words["bus"]), "mqtt": address})

    def _new(self, key: tuple[str, ...], bus: dict[str, Any]) -> dict[str, Any]:
        taken = {one["id"] for one in self._known.values()}
        wished = bus["id"] or f"bus_{len(self._known) + 1}"
        bus["id"] = wished if wished not in taken else f"{wished}_{len(self._known) + 1}"
        self._known[key] = bus
        self.made.append(bus)
        return bus

    def _same_line(self, bus: dict[str, Any], row: SheetRow) -> dict[str, Any]:
        key = (str(bus.get("host", "")), str(bus.get("port", 502)))
        known = self._known.get(key)
        if known is None:
            return self._new(key, bus)
        for name in ("modbus", "baud", "parity"):
            if bus.get(name, known.get(name)) != known.get(name, bus.get(name)):
                told = f"{name} {bus[name]} contradicts {known[name]} of another device on the same line"
                self.notes.wrong(row, "protocol" if name == "modbus" else name, told, "Write the same for all of them")
        return known


def _parity(text: str) -> str:
    words = {"n": "N", "none": "N", "无": "N", "e": "E", "even": "E", "偶": "E", "o": "O", "odd": "O", "奇": "O"}
    if (found := words.get(text.strip().lower().removesuffix("校验"))) is None:
        raise ValueError(f"{text!r} is no parity; write N, E or O")
    return found
