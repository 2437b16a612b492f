"""Every shipped model tells what its class's physics does, through the real codecs, in health and in every fault."""

import pytest

from contract.messages import Quality, Value
from device_profiles.schema import DeviceModel, Point
from device_profiles.units import factor
from edge.decode.payload import compile_messages, decode_message, encode_messages
from edge.decode.registers import compile_model, decode, encode
from edge.decode.sample import Moment
from simulators.physics import Plant
from tests.support.living_equipment import LIBRARY, START_S, make_plant

NOW = Moment(wall_ms=START_S * 1000, steady_ms=0)
MODELS = [model for model in LIBRARY.models.values() if not model.channels]


def units(model: DeviceModel, points: dict[str, Point]) -> dict[str, tuple[float, float]]:
    return {name: factor(one.unit, points[name].unit) for name, one in model.mappings.items() if one.unit}


def told(model: DeviceModel, plant: Plant, now_s: float) -> dict[str, tuple[Value, Quality]]:
    points = LIBRARY.classes[model.equipment_class].points
    values = plant.values(now_s)
    if model.protocol == "mqtt":
        messages = compile_messages(model, points, "one", units(model, points))
        decoded: dict[str, tuple[Value, Quality]] = {}
        for topic, payload in encode_messages(messages, values, START_S * 1000):
            message = decode_message(messages, topic, payload, NOW)
            decoded |= {name: (one.value, one.quality) for name, one in message.values.items()}
        return decoded
    codecs = compile_model(model, points, units(model, points))
    answers = {name: decode(codec, encode(codec, values[name])) for name, codec in codecs.items()}
    return {name: (one.value, one.quality) for name, one in answers.items()}


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
        assert quality is Quality.GOOD, name
        if points[name].kind in ("gauge", "counter"):
            mapping = model.mappings[name]
            step = abs(mapping.scale) * (units(model, points)[name][0] if mapping.unit else 1)
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
