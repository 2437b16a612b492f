"""Site → what ``plantroom-edge check`` prints: the plan of each bus with its cost, and what is watched (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from edge.plans import BusPlan
from edge.rules.engine import Engine
from edge.rules.storm import describe
from edge.site import Site


def lines_of(site: Site, plans: Sequence[BusPlan], engine: Engine) -> Iterator[str]:
    """For a person, one line each."""
    for one in plans:
        yield f"bus {one.bus.id} ({one.bus.kind} {one.where})"
        for device, lines in one.devices:
            model = device.model.id + (", unverified" if device.model.status == "unverified" else "")
            yield f"  {device.id} ({model}, address {device.address}) serves {', '.join(device.equipment)}"
            if one.load is not None:
                limits = device.model.limits
                yield f"    turnaround {limits.turnaround} ms, time-out {limits.timeout} ms, at most {limits.max_registers} registers a request"
            yield from (f"    {line}" for line in lines)
        if one.load is not None:
            yield from (f"  {line}" for line in one.load.lines[-1:])
    for runtime in engine.runtimes():
        yield f"equipment {runtime.equipment.id}: {len(runtime.rules)} rules watched, {len(runtime.tests)} tests recognised"
        yield from (f"  not watched: {rule} ({why})" for rule, why in runtime.unwatched.items())
    yield f"storms: {describe(site.gateway.storms)}"
    yield f"{site.id}: {len(site.equipment)} equipment, {len(site.devices)} devices on {len(site.buses)} buses; it can run"


def as_object(site: Site, plans: Sequence[BusPlan], engine: Engine) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "site": site.id,
        "gateway": site.gateway.id,
        "buses": [
            {
                "id": one.bus.id, "kind": one.bus.kind, "where": one.where, "requests": one.requests, "registers": one.registers,
                "busy_ms_per_s": None if one.load is None else round(1000 * one.load.share, 1),
                "devices": [
                    {
                        "id": device.id, "model": device.model.id, "status": device.model.status,
                        "address": device.address, "plan": list(lines),
                    }
                    for device, lines in one.devices
                ],
            }
            for one in plans
        ],
        "equipment": [
            {
                "id": runtime.equipment.id, "class": runtime.equipment.equipment_class.id,
                "rules": list(runtime.rules), "not_watched": runtime.unwatched,
                "tests": [test.observation.test for test in runtime.tests],
            }
            for runtime in engine.runtimes()
        ],
        "storms": asdict(site.gateway.storms),
    }  # fmt: skip
