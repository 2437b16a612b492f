"""a site's replies and messages ↔ one file: gzip members of JSON lines, each written whole and synced.

The first line is the header; every other one is a Modbus exchange or an MQTT message, its instant in milliseconds since
the start. What a crash cut off at the end is passed over when the file is read.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contract.conventions import EpochMs

VERSION = 1
_CHUNK = 65_536

Outcome = Literal["words", "exception", "silent", "lost", "garbled"]
"""``lost``: the connection was down. ``garbled``: bytes came that were no answer; they are not kept."""


class RecordingError(ValueError):
    """The file is no recording, or cannot be written. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and what came of it: ``payload`` is the reply's values, or one byte of exception code."""

    at_ms: int
    bus: str
    unit: int
    function: int
    address: int
    count: int
    outcome: Outcome
    payload: bytes = b""

    @property
    def key(self) -> tuple[str, int, int, int, int]:
        """The same for the same question."""
        return self.bus, self.unit, self.function, self.address, self.count


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message as it arrived."""

    at_ms: int
    bus: str
    topic: str
    payload: bytes
    is_retained: bool


Entry = Exchange | Message


@dataclass(frozen=True, slots=True)
class Header:
    """What was recorded, and when it began. ``buses`` are the site file's entries."""

    site: str
    started_ms: EpochMs
    buses: tuple[Mapping[str, Any], ...]


class Recording:
    """A recording in the making. Nothing is on the disk before ``sync``. Raises RecordingError for a file that exists."""

    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        try:
            self._file = path.open("xb", buffering=0)
        except FileExistsError:
            raise RecordingError(f"{path}: is there already; choose another name or remove it") from None
        except OSError as error:
            raise RecordingError(f"{path}: cannot be written: {error.strerror}") from error
        self.entries = 0
        self.bytes = 0
        self._lines: list[str] = [
            _line({"plantroom_recording": VERSION, "site": header.site, "started_ms": header.started_ms,
                   "buses": [dict(bus) for bus in header.buses]})
        ]  # fmt: skip
        self.sync()

    def add(self, entry: Entry) -> None:
        """One more entry; kept in memory until ``sync``."""
        self._lines.append(_line(_row(entry)))
        self.entries += 1

    def sync(self) -> None:
        """Write what has gathered as one gzip member, and wait until the disk has it. Raises RecordingError."""
        if not self._lines:
            return
        member = gzip.compress("".join(self._lines).encode(), 6, mtime=0)
        self._lines.clear()
        try:
            left = memoryview(member)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RecordingError(f"{self._path}: cannot be written any more: {error.strerror}") from error
        self.bytes += len(member)

    def close(self) -> None:
        """Write the rest."""
        self.sync()
        self._file.close()


def _line(row: object) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _row(entry: Entry) -> list[Any]:
    if isinstance(entry, Message):
        payload = base64.b64encode(entry.payload).decode()
        return ["q", entry.at_ms, entry.bus, entry.topic, payload, int(entry.is_retained)]
    return [
        "m", entry.at_ms, entry.bus, entry.unit, entry.function, entry.address, entry.count, entry.outcome,
        entry.payload.hex(),
    ]  # fmt: skip


def _entry(row: list[Any]) -> Entry:
    if row[0] == "q":
        return Message(row[1], row[2], row[3], base64.b64decode(row[4]), bool(row[5]))
    at_ms, bus, unit, function, address, count, outcome, payload = row[1:]
    return Exchange(at_ms, bus, unit, function, address, count, outcome, bytes.fromhex(payload))


def open_recording(path: Path) -> tuple[Header, Iterator[Entry]]:
    """The header, and the entries in the order in which they were finished. Raises RecordingError."""
    lines = _lines(path)
    try:
        first = json.loads(next(lines, "null"))
        if first["plantroom_recording"] != VERSION:
            raise RecordingError(
                f"{path}: is a recording of version {first['plantroom_recording']}; this reads {VERSION}"
            )
        header = Header(first["site"], first["started_ms"], tuple(first["buses"]))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"{path}: is no recording; make one with `plantroom-sim record`") from error
    return header, (_entry(json.loads(line)) for line in lines)


def _lines(path: Path) -> Iterator[str]:
    """Every whole line of every gzip member that is whole enough to be read."""
    held = b""
    for piece in _inflated(path):
        *whole, held = (held + piece).split(b"\n")
        yield from (line.decode() for line in whole)


def _inflated(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            yield from _members(iter(lambda: file.read(_CHUNK), b""))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error


def _members(chunks: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    for chunk in chunks:
        left = chunk
        while left:
            if inflater.eof:
                inflater = zlib.decompressobj(wbits=31)
            try:
                piece = inflater.decompress(left)
            except zlib.error:
                return  # what a crash left here is no member
            left = inflater.unused_data
            if piece:
                yield piece
