"""Every shipped model tells what its class's physics does, through the real codecs, in health and in every fault."""

from collections.abc import Mapping
from typing import cast

import pytest

from contract.messages import Quality, Value
from device_profiles.fitting import fitted_model
from device_profiles.schema import DeviceModel, PayloadMapping, Point, RegisterMapping
from device_profiles.units import factor
from edge.decode.payload import compile_messages, decode_message, encode_messages, matches
from edge.decode.registers import compile_model, decode
from edge.decode.sample import Moment
from edge.decode.value import key_of
from simulators.modbus_device import Table
from simulators.physics import Plant
from simulators.registers import ModelRegisters
from tests.support.living_equipment import LIBRARY, RATINGS, START_S, make_plant

NOW = Moment(wall_ms=START_S * 1000, steady_ms=0)
MODELS = [
    fitted_model(model, {"ct": 40}, {})
    for model in LIBRARY.models.values()
    if not model.channels and model.equipment_class in RATINGS
]


def units(model: DeviceModel, points: dict[str, Point]) -> dict[str, tuple[float, float]]:
    return {name: factor(one.unit, points[name].unit) for name, one in model.mappings.items() if one.unit}


def told(model: DeviceModel, plant: Plant, now_s: float) -> dict[str, tuple[Value, Quality]]:
    points = LIBRARY.classes[model.equipment_class].points
    values = plant.values(now_s)
    if model.protocol == "mqtt":
        return told_in_messages(model, points, values)
    registers = ModelRegisters(model, points, lambda: values)
    decoded: dict[str, tuple[Value, Quality]] = {}
    for name, codec in compile_model(model, points, units(model, points)).items():
        table = cast("Table", codec.table)
        words = registers.read(table, codec.address, codec.count)
        scale = None if codec.scale_from is None else registers.read(table, codec.scale_from, 1)[0]
        answer = decode(codec, words, scale)
        decoded[name] = (answer.value, answer.quality)
    return decoded


def told_in_messages(
    model: DeviceModel, points: dict[str, Point], values: Mapping[str, Value]
) -> dict[str, tuple[Value, Quality]]:
    messages = compile_messages(model, points, "one", units(model, points))
    decoded: dict[str, tuple[Value, Quality]] = {}
    for topic, payload in encode_messages(messages, values, START_S * 1000):
        subscribed = next(one for one in messages.points if matches(one, topic))
        message = decode_message(messages, subscribed, payload, NOW)
        decoded |= {name: (one.value, one.quality) for name, one in message.values.items()}
    return decoded


def can_tell(mapping: RegisterMapping | PayloadMapping, truth: Value) -> bool:
    """A contact does not know every state, and a SunSpec meter's energy of 0 means that it counts none."""
    if isinstance(mapping, RegisterMapping) and truth == 0 and any(int(one, 16) == 0 for one in mapping.sentinels):
        return False
    return not mapping.enum or key_of(truth) in mapping.enum.values()


def scenes() -> list[tuple[DeviceModel, str | None]]:
    return [(model, fault) for model in MODELS for fault in [None, *LIBRARY.classes[model.equipment_class].faults]]


@pytest.mark.parametrize(
    ("model", "fault"), scenes(), ids=[f"{model.id}-{fault or 'healthy'}" for model, fault in scenes()]
)
def test_a_model_tells_the_plant_within_the_step_of_its_wire(model: DeviceModel, fault: str | None) -> None:
    plant = make_plant(model.equipment_class)
    if fault:
        plant.inject(fault, START_S)
    points = LIBRARY.classes[model.equipment_class].points
    truth, seen = plant.values(START_S + 6), told(model, plant, START_S + 6)
    assert set(seen) == set(model.mappings)
    for name, (value, quality) in seen.items():
        if not can_tell(model.mappings[name], truth[name]):
            continue
        assert quality is Quality.GOOD, name
        if points[name].kind in ("gauge", "counter"):
            mapping = model.mappings[name]
            step = abs(mapping.scale) * (units(model, points)[name][0] if mapping.unit else 1)
            step = 0.1 ** points[name].digits if getattr(mapping, "scale_from", None) else step
            assert value == pytest.approx(truth[name], abs=step, rel=1e-6), name
        else:
            assert value == truth[name], name


@pytest.mark.parametrize("word", [-300, 2400])
def test_a_broken_probe_of_a_dry_transformer_is_no_temperature(word: int) -> None:
    model = LIBRARY.models["dry_transformer_controller"]
    points = LIBRARY.classes["transformer"].points
    codec = compile_model(model, points, units(model, points))["winding_temperature_c"]
    answer = decode(codec, [word & 0xFFFF])
    assert (answer.value, answer.quality) == (None, Quality.BAD)


def test_a_missing_sensor_of_a_pump_is_not_382_degrees() -> None:
    model = LIBRARY.models["grundfos_cim"]
    points = LIBRARY.classes["pump"].points
    codec = compile_model(model, points, units(model, points))["winding_temperature"]
    assert decode(codec, [0xFFFF]).value is None
