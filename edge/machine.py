"""Beside acquire: what this machine says of itself, read from the kernel. The only file that touches ``/proc`` and ``/sys``."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """One look. A figure that this machine does not offer is None."""

    disk_free: float | None = None
    """Per cent of the file system that holds the data, for a user without privileges."""
    cpu_load: float | None = None
    """Per cent of all processors since the look before; None for the first look."""
    memory_used: float | None = None
    """Per cent that new programs could not have."""
    temperature: float | None = None
    """The warmest sensor, °C."""


class Look:
    """Looks at the machine that holds ``data``. ``root`` stands in for ``/`` in tests."""

    def __init__(self, data: Path, root: Path = Path("/")) -> None:
        self._data, self._root = data, root
        self._cpu: tuple[int, int] | None = None

    def __call__(self) -> Machine:
        """A few short reads of kernel files; never raises."""
        return Machine(self._disk(), self._load(), self._memory(), self._warmest())

    def _disk(self) -> float | None:
        try:
            told = os.statvfs(self._data)
        except OSError:
            return None
        return round(100 * told.f_bavail / max(told.f_blocks, 1), 1)

    def _load(self) -> float | None:
        try:
            ticks = [int(word) for word in self._text("proc/stat").splitlines()[0].split()[1:9]]
        except (OSError, ValueError, IndexError):
            return None
        if len(ticks) < 5:
            return None
        total, idle = sum(ticks), ticks[3] + ticks[4]
        before, self._cpu = self._cpu, (total, idle)
        if before is None or total <= before[0]:
            return None
        return round(100 * (1 - (idle - before[1]) / (total - before[0])), 1)

    def _memory(self) -> float | None:
        try:
            words = dict(line.split(":", 1) for line in self._text("proc/meminfo").splitlines())
            total, free = (int(words[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        except (OSError, ValueError, KeyError, IndexError):
            return None
        return round(100 * (1 - free / total), 1) if total else None

    def _warmest(self) -> float | None:
        found = []
        for sensor in sorted(self._root.glob("sys/class/thermal/thermal_zone*/temp")):
            with suppress(OSError, ValueError):
                found.append(int(sensor.read_text()) / 1000)
        return round(max(found), 1) if found else None

    def _text(self, name: str) -> str:
        return (self._root / name).read_text(encoding="ascii", errors="replace")
