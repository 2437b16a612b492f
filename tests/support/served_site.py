"""Every shipped device model at one site: the simulated plant serves them, the real gateway reads them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contract.messages import Quality, Value
from device_profiles.schema import DeviceModel, Point, RegisterMapping
from device_profiles.units import factor
from edge.config import load_site
from edge.decode.sample import Sample
from edge.site import Binding, Site
from simulators.clock import SystemClock
from simulators.plant import SimulatedPlant
from simulators.site import build_site, load_file
from tests.support.living_equipment import LIBRARY, RATINGS, START_S

DUMPS = Path(__file__).parents[1] / "device_profiles" / "dumps"
MODBUS = tuple(model for model in LIBRARY.models.values() if model.protocol == "modbus")
MQTT = tuple(model for model in LIBRARY.models.values() if model.protocol == "mqtt")


class StillClock(SystemClock):
    """For plant that does not move, so that what it shows can be compared; its servers have the real clock."""

    def __init__(self, at_ms: int = START_S * 1000) -> None:
        self._at_ms = at_ms

    def now_ms(self) -> int:
        return self._at_ms


def write_site(folder: Path, models: Iterable[DeviceModel], bus: Mapping[str, Any], every: str = "1s") -> Path:
    """A site file with one device of each model on one bus, each with equipment of its own."""
    equipment: list[dict[str, Any]] = []
    devices: list[dict[str, Any]] = []
    for number, model in enumerate(models, start=1):
        address = model.id if model.protocol == "mqtt" else number
        device: dict[str, Any] = {"id": model.id, "model": model.id, "bus": "bus", "address": address, "every": every}
        if model.ratios:
            device["ratios"] = dict.fromkeys(model.ratios, 40)
        if model.channels:
            device["channels"] = _channels(model, equipment)
        else:
            device["equipment"] = f"of_{model.id}"
            equipment.append(_equipment(f"of_{model.id}", str(model.equipment_class)))
        devices.append(device)
    data = {
        "site": {"id": "everything", "name": "Everything", "zone": "Asia/Shanghai"}, "gateway": {"id": "gw_1"},
        "equipment": equipment, "buses": [{"id": "bus", **bus}], "devices": devices,
    }  # fmt: skip
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


def _equipment(name: str, of: str) -> dict[str, Any]:
    return {"id": name, "class": of, "ratings": dict(RATINGS[of])}


def _channels(model: DeviceModel, equipment: list[dict[str, Any]]) -> dict[str, Any]:
    """What the model's dump connects its channels to, each with equipment of its own."""
    settings = yaml.safe_load((DUMPS / f"{model.id}.yaml").read_text(encoding="utf-8"))["channels"]
    for name, setting in settings.items():
        of, point = setting["point"].split("/")
        owner = f"{name}_of_{model.id}"
        equipment.append(_equipment(owner, of))
        setting["point"] = f"{owner}/{point}"
    return dict(settings)


@dataclass(frozen=True, slots=True)
class Served:
    """Both sides of one site file."""

    site: Site
    plant: SimulatedPlant

    @classmethod
    def load(cls, path: Path, clock: StillClock) -> "Served":
        site = load_site(path, LIBRARY)
        return cls(site, SimulatedPlant(build_site(load_file(path), LIBRARY), clock))

    def bindings(self) -> dict[tuple[str, str, str], tuple[str, Binding]]:
        """Device, equipment and point of a sample → its device and binding."""
        return {
            (device.id, one.equipment, one.point_id): (device.id, one)
            for device in self.site.devices
            for one in device.bindings
        }

    def wrong(self, samples: Iterable[Sample]) -> list[str]:
        """Samples that are not what physics showed, within the step of their wire."""
        known, found = self.bindings(), []
        devices = {device.id: device for device in self.plant.site.devices}
        for sample in samples:
            device, binding = known[sample.device, sample.equipment, sample.point]
            shown = self.plant.device_values(devices[device])[binding.device_point]
            if can_tell(binding, shown) and not is_right(binding, sample, shown):
                found.append(f"{device}/{binding.device_point}: {sample.value} {sample.cause}, shown {shown}")
        return found

    def untold(self, samples: Iterable[Sample]) -> list[str]:
        """Points that their wire can tell and no sample has told."""
        told = {(one.device, one.equipment, one.point) for one in samples if one.value is not None}
        devices = {device.id: device for device in self.plant.site.devices}
        return [
            f"{device}/{one.device_point}"
            for key, (device, one) in self.bindings().items()
            if key not in told and can_tell(one, self.plant.device_values(devices[device])[one.device_point])
        ]


def can_tell(binding: Binding, shown: Value) -> bool:
    """A contact does not know every state, a range has an end, and some devices say 0 where they count nothing."""
    mapping, point = binding.mapping, binding.point
    low, high = mapping.plausible or point.plausible or (float("-inf"), float("inf"))
    if isinstance(mapping, RegisterMapping) and shown == 0 and any(int(one, 16) == 0 for one in mapping.sentinels):
        return False
    if mapping.plausible and isinstance(shown, float):
        scale, offset = factor(mapping.unit, point.unit) if mapping.unit else (1.0, 0.0)
        return low <= (shown - offset) / scale <= high
    return not mapping.enum or str(shown).lower() in mapping.enum.values()


def is_right(binding: Binding, sample: Sample, shown: Value) -> bool:
    if sample.quality is not Quality.GOOD:
        return False
    if binding.point.kind not in ("gauge", "counter") or isinstance(shown, str | bool) or shown is None:
        return sample.value == shown
    return abs(float(sample.value or 0.0) - shown) <= step_of(binding.mapping, binding.point) + 1e-6 * abs(shown)


def step_of(mapping: Any, point: Point) -> float:
    """The finest difference that this wire can tell, in the class's unit."""
    if getattr(mapping, "scale_from", None) is not None:
        return float(0.1**point.digits)
    scale = factor(mapping.unit, point.unit)[0] if mapping.unit else 1.0
    return abs(float(mapping.scale)) * abs(scale)
