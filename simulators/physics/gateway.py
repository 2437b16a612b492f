"""physics of a gateway's own machine: a full disk, a clock that runs away, a fan that stops (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("disk_fills", "clock_drifts", "overheats")


def values(now: Circumstances) -> Values:
    """Every point of ``gateway``."""
    return {
        "cloud_reached": True,
        "credential_taken": True,
        "receipt_age": 5 + now.noise("receipt", 4, 3),
        "outbox_events": 0.0,
        "outbox_samples": 1.0,
        "outbox_age": 1 + now.noise("outbox", 1, 3),
        "disk_well": True,
        "disk_free": 0.4 * now.limit("disk_free_min", 10) if now.has("disk_fills") else 70.0,
        "cpu_load": 12 + now.noise("cpu", 6),
        "memory_used": 35 + now.noise("memory", 1, 60),
        "clock_offset": 3 * now.limit("offset_max", 30) if now.has("clock_drifts") else now.noise("clock", 0.02),
        "temperature": now.limit("hot_max", 80) + 8 if now.has("overheats") else 48 + now.noise("warmth", 2, 60),
        "devices_answering": 100.0,
    }
