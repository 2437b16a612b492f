import math
from collections.abc import Mapping
from typing import Any

import pytest

from contract.messages import Value
from device_profiles.library import load
from device_profiles.schema import DeviceModel, Point
from simulators.modbus_device import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refused
from simulators.registers import Layout, ModelRegisters, Writer, quick_writer, slow_writer

NAME = {"en": "x", "zh": "x"}


def gauge(unit: str = "", digits: int = 1) -> Point:
    return Point.model_validate({"name": NAME, "kind": "gauge", "unit": unit, "digits": digits})


def bit() -> Point:
    return Point.model_validate({"name": NAME, "kind": "bit"})


def a_model(registers: Mapping[str, Mapping[str, Any]], **modbus: Any) -> DeviceModel:
    return DeviceModel.model_validate(
        {
            "id": "box", "equipment_class": "boiler", "name": "Box", "maker": "x", "status": "unverified",
            "sources": ["x"], "protocol": "modbus", "registers": registers, "modbus": modbus,
        }
    )  # fmt: skip


def device(model: DeviceModel, points: Mapping[str, Point], values: Mapping[str, Value]) -> ModelRegisters:
    return ModelRegisters(model, points, lambda: values)


def test_a_value_stands_where_and_as_the_mapping_says() -> None:
    # 21.5 °C as tenths at 3; 1.0 as IEEE 754 is 0x3F800000, words swapped at 4.
    model = a_model(
        {
            "warm": {"table": "input", "address": 3, "type": "int16", "scale": 0.1},
            "share": {"table": "input", "address": 4, "type": "float32", "order": "CDAB"},
        }
    )
    registers = device(model, {"warm": gauge("°C"), "share": gauge()}, {"warm": 21.5, "share": 1.0})
    assert registers.read("input", 3, 3) == [215, 0x0000, 0x3F80]


def test_a_unit_of_the_class_becomes_the_unit_of_the_wire() -> None:
    model = a_model({"pressure": {"table": "holding", "address": 0, "unit": "bar", "scale": 0.01}})
    assert device(model, {"pressure": gauge("MPa")}, {"pressure": 0.55}).read("holding", 0, 1) == [550]


def test_bits_of_one_register_do_not_disturb_each_other() -> None:
    model = a_model(
        {name: {"table": "holding", "address": 9, "type": "bit", "bit": at} for name, at in (("a", 0), ("b", 7))}
    )
    values: dict[str, Value] = {"a": True, "b": True}
    registers = ModelRegisters(model, {"a": bit(), "b": bit()}, lambda: dict(values))
    assert registers.read("holding", 9, 1) == [0x81]
    values["a"] = False
    assert registers.read("holding", 9, 1) == [0x80]


def test_coils_are_bits() -> None:
    model = a_model({"on": {"table": "coil", "address": 2}, "off": {"table": "coil", "address": 4, "invert": True}})
    assert device(model, {"on": bit(), "off": bit()}, {"on": True, "off": True}).read("coil", 2, 3) == [1, 0, 0]


def test_a_scale_register_and_its_value_say_the_value_together() -> None:
    model = a_model({"v": {"table": "holding", "address": 0, "type": "int16", "scale_from": 1}})
    assert device(model, {"v": gauge(digits=2)}, {"v": 3.25}).read("holding", 0, 2) == [325, 0xFFFE]


def test_a_one_based_model_counts_from_one() -> None:
    model = a_model({"v": {"table": "holding", "address": 1}}, one_based=True)
    assert device(model, {"v": gauge()}, {"v": 7.0}).read("holding", 0, 1) == [7]


TWO_POINTS = {"low": {"table": "holding", "address": 10}, "high": {"table": "holding", "address": 20}}


@pytest.mark.parametrize(
    ("modbus", "first", "count", "code"),
    [
        ({"gap": 8}, 10, 11, ILLEGAL_ADDRESS),
        ({"gap": 9}, 10, 11, None),
        ({"gap": 9}, 9, 2, ILLEGAL_ADDRESS),
        ({"gap": 9}, 20, 2, ILLEGAL_ADDRESS),
        ({"gap": 9, "forbidden": [[15, 16]]}, 10, 11, ILLEGAL_ADDRESS),
        ({"gap": 9, "forbidden": [[15, 16]]}, 10, 5, None),
        ({"gap": 9, "max_registers": 10}, 10, 11, ILLEGAL_VALUE),
        ({"alignment": 2}, 10, 2, None),
        ({"gap": 9, "alignment": 2}, 11, 2, ILLEGAL_ADDRESS),
        ({"gap": 9, "one_point_per_request": True}, 10, 2, ILLEGAL_ADDRESS),
        ({"gap": 9, "one_point_per_request": True}, 20, 1, None),
    ],
)
def test_a_read_is_refused_where_the_device_would_refuse_it(
    modbus: Mapping[str, Any], first: int, count: int, code: int | None
) -> None:
    registers = device(a_model(TWO_POINTS, **modbus), {"low": gauge(), "high": gauge()}, {"low": 1.0, "high": 2.0})
    if code is None:
        assert len(registers.read("holding", first, count)) == count
        return
    with pytest.raises(Refused) as refusal:
        registers.read("holding", first, count)
    assert refusal.value.code == code


def test_a_table_the_model_does_not_use_is_refused() -> None:
    registers = device(a_model(TWO_POINTS), {"low": gauge(), "high": gauge()}, {"low": 1.0, "high": 2.0})
    with pytest.raises(Refused):
        registers.read("input", 10, 1)


def test_a_number_too_large_for_the_wire_stops_at_its_end() -> None:
    assert device(a_model(TWO_POINTS), {"low": gauge()}, {"low": 1e9}).read("holding", 10, 1) == [0xFFFF]


LIBRARY = load()
NUMBERS = (0.0, 1.0, -1.0, 0.5, 12.34, -273.15, 65_535.0, 1e9, -1e9, 230.4, math.nan, math.inf)


@pytest.mark.parametrize(
    "model", [one for one in LIBRARY.models.values() if one.protocol == "modbus"], ids=lambda one: one.id
)
def test_the_quick_way_into_the_registers_is_the_codecs_own(model: DeviceModel) -> None:
    points = LIBRARY.classes[model.equipment_class].points if model.equipment_class in LIBRARY.classes else {}
    layout = Layout(model, points)
    for name, codec in layout.codecs.items():
        quick, slow = [0] * codec.count, [0] * codec.count
        scale = None if codec.scale_from is None else layout.scales[codec.table, codec.scale_from]
        write = quick_writer(codec, 0, scale)
        if write is not None:
            told = slow_writer(codec, 0, scale)
            for value in (*NUMBERS, None):
                assert outcome(write, quick, value) == outcome(told, slow, value), (name, value)
                assert quick == slow, (name, value)


def test_every_order_of_a_number_has_its_quick_way() -> None:
    for kind, orders in (("int32", ("ABCD", "CDAB", "BADC", "DCBA")), ("uint16", ("AB", "BA")),
                         ("float64", ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"))):  # fmt: skip
        for order in orders:
            model = a_model({"v": {"table": "holding", "address": 0, "type": kind, "order": order}})
            codec = Layout(model, {"v": gauge()}).codecs["v"]
            quick, slow = [0] * codec.count, [0] * codec.count
            write = quick_writer(codec, 0, None)
            assert write is not None
            write(quick, 12_345.0)
            slow_writer(codec, 0, None)(slow, 12_345.0)
            assert quick == slow, (kind, order)


def outcome(write: Writer, words: list[int], value: Value) -> bool:
    try:
        write(words, value)
    except (ValueError, OverflowError):
        return False
    return True
