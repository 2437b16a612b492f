"""acquire, memory: which addresses devices refused, kept over a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from edge.acquire.read_plan import NOTHING_LEARNED, Learned


class HoleMemory(Protocol):
    """Where a bus keeps what it learned about its devices."""

    def load(self, device: str, model: str) -> Learned:
        """What is known of a device, as long as it is still of this model."""

    def save(self, device: str, model: str, learned: Learned) -> None:
        """Replace what is known of a device."""


class _Known(msgspec.Struct, frozen=True):
    model: str
    holes: list[tuple[str, int, int]] = []
    barriers: list[tuple[str, int]] = []


class NoMemory:
    """Learns again after each start."""

    def load(self, device: str, model: str) -> Learned:  # noqa: ARG002 - HoleMemory
        return NOTHING_LEARNED

    def save(self, device: str, model: str, learned: Learned) -> None:
        """Nothing is kept."""


class HoleFile:
    """One small JSON file. A file that cannot be read is worth no more than relearning: it counts as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known = msgspec.json.decode(path.read_bytes(), type=dict[str, _Known])
        except (OSError, msgspec.MsgspecError):
            self._known = {}

    def load(self, device: str, model: str) -> Learned:
        known = self._known.get(device)
        if known is None or known.model != model:
            return NOTHING_LEARNED
        return Learned(frozenset(known.holes), frozenset(known.barriers))

    def save(self, device: str, model: str, learned: Learned) -> None:
        self._known[device] = _Known(model, sorted(learned.holes), sorted(learned.barriers))
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._known, order="sorted"))
        fresh.replace(self._path)
