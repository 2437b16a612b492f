"""One living piece of equipment of any shipped class, every point bound, judged by the real engine in virtual time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contract.messages import AlarmRaised, Cause, Quality, Record, RuleUnknown
from device_profiles import library
from edge.config import load_site
from edge.decode.sample import Moment, Sample
from edge.rules.engine import Engine
from edge.site import Site
from simulators.physics import Plant, create

LIBRARY = library.load()
RATINGS: Mapping[str, Mapping[str, float | str]] = {
    "lv_switchgear": {"rated_a": 1600, "nominal_v": 220, "nominal_hz": 50, "capacitor_stages": 8, "dc_nominal_v": 220},
    "transformer": {"rated_kva": 1000, "insulation": "dry"},
    "lift": {"rated_speed": 1.75, "rated_load": 1000, "floors": 20},
    "pump": {"rated_kw": 7.5, "rated_a": 14.2, "setpoint_mpa": 0.55, "rated_rpm": 2900, "rated_flow": 20},
    "fire_pump": {"main_start_mpa": 0.7, "jockey_start_mpa": 0.8, "jockey_stop_mpa": 0.9, "rated_a": 100},
    "fire_alarm_panel": {"battery_nominal_v": 24},
    "generator": {"rated_kw": 400},
    "ats": {"nominal_v": 220},
    "dc_panel": {"nominal_v": 220, "cells": 104},
    "tank": {"height": 2.5},
    "room": {},
    "lighting": {"rated_kw": 6},
    "gateway": {},
    "emergency_light": {"battery_nominal_v": 36, "lamps": 100},
}
START_S = 1_795_000_000
CLASSES = tuple(RATINGS)
FAULTS = tuple((name, fault) for name in CLASSES for fault in LIBRARY.classes[name].faults)


def make_plant(class_id: str, seed: int = 7) -> Plant:
    """A plant with the class's own limits."""
    limits = {name: limit.value for name, limit in LIBRARY.classes[class_id].limits.items()}
    return create(class_id, seed, RATINGS[class_id], limits)


@dataclass(frozen=True, slots=True)
class Living:
    """The plant, and the site of a gateway that sees every point of it."""

    class_id: str
    site: Site

    def records(self, fault: str | None, seconds: int, step: int, start_s: int = START_S) -> Iterator[Record]:
        """What the gateway would report, in order; the fault comes after ten seconds."""
        plant = make_plant(self.class_id)
        engine = Engine(self.site, _moment(start_s, 0))
        for at in range(0, seconds, step):
            if fault and at >= 10:
                plant.inject(fault, start_s + at)
            yield from engine.evaluate(_samples(plant, start_s, at), _moment(start_s, at))


def alarms_and_doubts(records: Iterator[Record]) -> list[str]:
    """Rules that a person would hear of: raised and not suppressed, or not judged."""
    heard = []
    for record in records:
        if isinstance(record, AlarmRaised) and not record.suppressed_by:
            heard.append(record.rule)
        elif isinstance(record, RuleUnknown):
            heard.append(f"{record.rule} unknown")
    return heard


def live(class_id: str, folder: Path) -> Living:
    """Writes a library with a model that tells every point, and a site file with one piece of equipment."""
    of = LIBRARY.classes[class_id]
    model = {
        "id": "everything", "equipment_class": class_id, "name": "all points", "maker": "test", "status": "verified",
        "sources": ["this test"], "protocol": "mqtt", "mqtt": {"topic": "{address}/all"},
        "payload": {name: {"path": name} for name in of.points},
    }  # fmt: skip
    site: dict[str, Any] = {
        "site": {"id": "riverside", "name": "Riverside", "zone": "Asia/Shanghai"},
        "gateway": {"id": "gw_1"},
        "library": "library",
        "equipment": [{"id": "one", "class": class_id, "roles": list(of.roles), "ratings": dict(RATINGS[class_id])}],
        "buses": [{"id": "broker", "mqtt": "mqtt://127.0.0.1"}],
        "devices": [
            {"id": "all", "model": "everything", "bus": "broker", "address": "one", "equipment": "one", "every": "1s"}
        ],
    }
    models = folder / "library" / "models" / class_id
    models.mkdir(parents=True)
    (models / "everything.yaml").write_text(yaml.safe_dump(model), encoding="utf-8")
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    return Living(class_id, load_site(folder / "site.yaml"))


def _moment(start_s: int, at: int) -> Moment:
    return Moment(wall_ms=(start_s + at) * 1000, steady_ms=at * 1000)


def _samples(plant: Plant, start_s: int, at: int) -> list[Sample]:
    return [
        Sample("all", "one", name, value, Quality.GOOD, Cause.NONE, (start_s + at) * 1000, at * 1000)
        for name, value in plant.values(start_s + at).items()
    ]
