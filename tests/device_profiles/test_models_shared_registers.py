"""Numbers in some bits of a register, and numbers that several registers add up to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.messages import Cause
from device_profiles.model_checks import check_model
from device_profiles.schema import DeviceModel, RegisterMapping
from edge.decode.registers import Image, compile_point, decode, encode, store
from tests.support.living_equipment import LIBRARY

NIBBLE = RegisterMapping(table="holding", address=10, type="uint16", field=(8, 11))
NEIGHBOUR = RegisterMapping(table="holding", address=10, type="uint16", field=(4, 7))
ENERGY = RegisterMapping(table="holding", address=20, type="int16", parts=[9, 6, 3, 0, -3])


@pytest.mark.parametrize(("word", "state"), [(0xF3A1, 3), (0x0FFF, 15), (0xF0FF, 0)])
def test_a_field_takes_only_its_own_bits(word: int, state: int) -> None:
    assert decode(compile_point(NIBBLE), [word]).value == state


def test_a_simulated_field_leaves_its_neighbours_alone() -> None:
    image: Image = {("holding", 10): 0xFFFF}
    store(image, compile_point(NIBBLE), 3)
    store(image, compile_point(NEIGHBOUR), 1)
    assert image["holding", 10] == 0xF31F


@pytest.mark.parametrize(
    ("words", "energy"),
    [
        ([12, 345, 678, 901, 234], 12345678901.234),
        ([0, 0, 0, 0, 1], 0.001),
        ([0, 0, -1 & 0xFFFF, -2 & 0xFFFF, -500 & 0xFFFF], -1002.5),
    ],
)
def test_a_split_energy_is_the_sum_of_its_parts(words: list[int], energy: float) -> None:
    assert decode(compile_point(ENERGY), words).value == energy
    assert encode(compile_point(ENERGY), energy) == words


@settings(deadline=None)
@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_a_split_energy_goes_there_and_back(thousandths: int) -> None:
    codec = compile_point(ENERGY)
    assert decode(codec, encode(codec, thousandths / 1000)).value == thousandths / 1000


def test_too_few_parts_are_no_value() -> None:
    assert decode(compile_point(ENERGY), [1, 2, 3, 4]).cause is Cause.UNDECODABLE


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"type": "uint16", "field": [8, 16]}, "8 to 16 are no bits of uint16"),
        ({"type": "float32", "field": [0, 3]}, "are no bits of float32"),
        ({"type": "int16", "parts": [3, 3]}, "different powers of ten"),
        ({"type": "float32", "parts": [3, 0]}, "different powers of ten"),
        ({"type": "int16", "parts": [3, 0], "scale_from": 9}, "neither field nor scale_from"),
    ],
)
def test_a_slip_of_the_pen_is_answered(wrong: dict[str, object], message: str) -> None:
    model = DeviceModel.model_validate(
        {
            "id": "one", "equipment_class": "pump", "name": "one", "maker": "test", "status": "unverified",
            "sources": ["this test"], "protocol": "modbus",
            "registers": {"energy": {"table": "holding", "address": 0, **wrong}},
        }
    )  # fmt: skip
    assert any(message in found for _, found, _ in check_model(model, LIBRARY.classes))
