"""plant → file: beside everything a simulated device sends, what was true at that instant and what its sensors showed.

One JSON object a line. Off unless asked for; the file and the one before it together keep within their size.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from contract.conventions import EpochMs
from contract.messages import Value

MOST_BYTES = 256_000_000

Points = Mapping[str, tuple[Value, Value]]
"""Device point → (true value, shown value), in the class's units."""


class TruthFile:
    """``path`` and, once it is half of ``most_bytes`` long, ``path.1`` with what came before.

    Raises OSError where it cannot be written.
    """

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self._path, self._half = path, most_bytes // 2
        self._file: TextIO = path.open("a", encoding="utf-8")
        self._size = path.stat().st_size

    def reply(
        self, at_ms: EpochMs, device: str, place: tuple[str, int], words: Sequence[int], fault: str, points: Points
    ) -> None:
        """A Modbus answer: ``words`` (or bits) of a table from an address on, as the device holds them.

        ``fault`` is what then happened to them on the wire, ``none`` as a rule.
        """
        table, first = place
        self._write(
            {"at_ms": at_ms, "device": device, "table": table, "first": first, "words": list(words), "fault": fault},
            points,
        )

    def message(self, at_ms: EpochMs, device: str, topic: str, payload: bytes, fault: str, points: Points) -> None:
        """An MQTT message as it was published."""
        text = payload.decode("utf-8", "replace")
        self._write({"at_ms": at_ms, "device": device, "topic": topic, "payload": text, "fault": fault}, points)

    def _write(self, row: dict[str, Any], points: Points) -> None:
        row["points"] = {name: {"true": _told(true), "shown": _told(shown)} for name, (true, shown) in points.items()}
        line = json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
        if self._size + len(line) > self._half:
            self._turn()
        self._file.write(line)
        self._size += len(line)

    def _turn(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_name(self._path.name + ".1"))
        self._file = self._path.open("a", encoding="utf-8")
        self._size = 0

    def flush(self) -> None:
        """Let readers see all of it."""
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _told(value: Value) -> Value:
    """JSON has no word for what is no number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def read_truth(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line, oldest first, the file before included."""
    for part in (path.with_name(path.name + ".1"), path):
        if part.exists():
            with part.open(encoding="utf-8") as lines:
                yield from (json.loads(line) for line in lines if line.endswith("\n"))
