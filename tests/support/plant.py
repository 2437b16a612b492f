"""A site for tests of the rules: one small class, written in the test, every point bound to one device."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.messages import Cause, Quality, Record, Value
from device_profiles.library import Library
from device_profiles.schema import EquipmentClass, RegisterMapping
from edge.decode.sample import Moment, Sample
from edge.figures import limits_of, rules_of
from edge.rules.engine import Engine
from edge.site import Binding, Bus, Device, Equipment, GatewayConfig, Hooks, Site, StatusPage
from tests.support.devices import modbus_model

NAME = {"en": "name", "zh": "名称"}
MAPPING = RegisterMapping.model_validate({"table": "holding", "address": 0})
START = Moment(wall_ms=1_795_000_000_000, steady_ms=1_795_000_000_000)


def rule(when: str, **keys: Any) -> dict[str, Any]:
    """A rule of major severity without delays."""
    return {"name": NAME, "when": when, "severity": "major", "clause": "e-no-overload", **keys}


def make_class(**sections: Any) -> EquipmentClass:
    """A class with the points ``load`` (kW), ``running`` and ``mode`` and the limit ``load_max`` (100 kW)."""
    points = {
        "load": {"name": NAME, "kind": "gauge", "unit": "kW"},
        "running": {"name": NAME, "kind": "bit"},
        "mode": {"name": NAME, "kind": "state", "states": {"auto": NAME, "manual": NAME}},
        "starts": {"name": NAME, "kind": "counter"},
        **sections.pop("points", {}),
    }
    limits = {
        "load_max": {"name": NAME, "value": 100, "unit": "kW", "unverified": True},
        "hold": {"name": NAME, "value": 10, "unit": "s", "unverified": True},
        "window": {"name": NAME, "value": 1, "unit": "min", "unverified": True},
        **sections.pop("limits", {}),
    }
    ratings = {"rated_kw": {"name": NAME, "unit": "kW", "default": 200}}
    return EquipmentClass.model_validate(
        {"id": "pump", "name": NAME, "system": "water", "points": points, "limits": limits, "ratings": ratings, **sections}
    )  # fmt: skip


def make_site(of: EquipmentClass, *, stale_after_ms: int = 15_000, devices: Sequence[str] = ("device_1",)) -> Site:
    """``pump_1`` of the class; with several devices the points go round among them."""
    bus = Bus("lan", "tcp", host="127.0.0.1", port=502)
    model = modbus_model({"load": {"address": 0}})
    thing = _equipment(of)
    bindings = [
        Binding(name, "pump_1", name, point, MAPPING, 1000, point.stale_after or stale_after_ms)
        for name, point in of.points.items()
    ]
    made = tuple(
        Device(device, model, bus, index + 1, 1000, tuple(bindings[index :: len(devices)]))
        for index, device in enumerate(devices)
    )
    return Site(
        "demo", "Demo", "Asia/Shanghai", make_gateway(), (thing,), (bus,), made, Library({}, {}, {}), Path("site.yaml")
    )


def make_gateway(**keys: Any) -> GatewayConfig:
    """A gateway that works alone."""
    values: dict[str, Any] = {
        "id": "gw_1", "cloud": None, "credential_file": Path("credential"), "ca_file": None, "cert_file": None,
        "key_file": None, "interval_ms": 10_000, "status": StatusPage("127.0.0.1", 0, None),
        "hooks": Hooks((), None, 10_000), "budget_bytes": 10**9, "budget_days": 30, **keys,
    }  # fmt: skip
    return GatewayConfig(**values)


def _equipment(of: EquipmentClass) -> Equipment:
    ratings = {name: one.default for name, one in of.ratings.items() if one.default is not None}
    return Equipment(
        id="pump_1", equipment_class=of, name=of.name, roles=(), ratings=ratings, limits=limits_of(of, {}),
        rules=rules_of(of, set(), []), tests=dict(of.tests), serves="", place="",
    )  # fmt: skip


class Bench:
    """An engine with a hand on its clock. ``at`` sets seconds since the start; values are good unless said otherwise."""

    def __init__(self, of: EquipmentClass, saved: Mapping[str, bytes] | None = None, **keys: Any) -> None:
        self.site = make_site(of, **keys)
        self.now = START
        self.engine = Engine(self.site, self.now, saved)
        self.records: list[Record] = []

    def at(self, seconds: float, wall_jump_s: float = 0.0, **values: Value) -> list[Record]:
        """Time goes to ``seconds``, then these values are read; what happened since the last call."""
        steady = START.steady_ms + round(seconds * 1000)
        self.now = Moment(wall_ms=steady + round(wall_jump_s * 1000), steady_ms=steady)
        samples = [self.sample(name, value) for name, value in values.items()]
        found = self.engine.evaluate(samples, self.now)
        self.records += found
        return found

    def lose(self, seconds: float, *points: str, cause: Cause = Cause.NO_RESPONSE) -> list[Record]:
        """At ``seconds`` these points are read badly."""
        steady = START.steady_ms + round(seconds * 1000)
        self.now = Moment(wall_ms=steady, steady_ms=steady)
        samples = [self.sample(name, None, Quality.BAD, cause) for name in points]
        found = self.engine.evaluate(samples, self.now)
        self.records += found
        return found

    def sample(
        self, point: str, value: Value, quality: Quality = Quality.GOOD, cause: Cause = Cause.NONE
    ) -> Sample:  # fmt: skip
        device = next(one.id for one in self.site.devices for binding in one.bindings if binding.point_id == point)
        return Sample(device, "pump_1", point, value, quality, cause, self.now.wall_ms, self.now.steady_ms)

    def restart(self, of: EquipmentClass, seconds: float, *, everything: bool = False, **keys: Any) -> "Bench":
        """A new process at ``seconds``, from what was saved. Its steady clock starts anew at its wall clock."""
        saved = dict(self.engine.take_dirty(self.now, everything=everything))
        self.saved = {**getattr(self, "saved", {}), **saved}
        after = Bench(of, self.saved, **keys)
        steady = START.steady_ms + round(seconds * 1000)
        after.now = Moment(wall_ms=steady, steady_ms=steady)
        after.engine = Engine(after.site, after.now, self.saved)
        return after


def kinds(records: Sequence[Record]) -> list[str]:
    """The records' types, in order."""
    return [type(record).__name__ for record in records]
