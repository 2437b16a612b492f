"""The same registers under every type and order: what the display shows comes first."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.schema import Order
from edge.commission.probing import guesses
from edge.decode.wire import straighten


@given(
    st.floats(width=32, min_value=1.5, max_value=1e6), st.sampled_from(["ABCD", "CDAB", "BADC", "DCBA"]),
    st.sampled_from([-1, 0, 1]),
)  # fmt: skip
def test_a_float_is_found_in_its_order_at_its_address(value: float, order: Order, shift: int) -> None:
    high, low = struct.unpack(">HH", straighten(struct.pack(">f", value), order))
    words = {99 + shift: 0xFFFF, 100 + shift: high, 101 + shift: low, 102 + shift: 0xFFFF}
    best = guesses(words, 100, expected=value)
    assert any(
        (one.address, one.type, one.order, one.value) == (100 + shift, "float32", order, value)
        for one in best if one.off == 0.0
    )  # fmt: skip


@given(
    st.dictionaries(st.integers(0, 8), st.integers(0, 65_535)),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_no_registers_and_no_expectation_raise(words: dict[int, int], expected: float | None) -> None:
    found = guesses(words, 3, expected)
    assert all(one.address in words for one in found)


def test_without_an_expectation_the_address_asked_for_comes_first() -> None:
    found = guesses({9: 1, 10: 2302, 11: 3}, 10)
    assert (found[0].shift, found[0].address) == (0, 10)


@pytest.mark.parametrize(("word", "shown", "scale"), [(2302, 230.2, 0.1), (5001, 50.01, 0.01), (23, 23000, 1000.0)])
def test_a_scaled_integer_is_found_with_its_scale(word: int, shown: float, scale: float) -> None:
    best = guesses({0: word}, 0, expected=shown)[0]
    assert (best.type, best.scale, best.value) == ("uint16", scale, shown)


def test_without_an_expectation_a_float_of_an_everyday_size_comes_before_large_integers() -> None:
    best = guesses({0: 0x4366, 1: 0x3333, 2: 0x4248, 3: 0}, 0)[0]
    assert (best.type, best.order) == ("float32", "ABCD")
    swapped = guesses({0: 0x3333, 1: 0x4366}, 0)[0]
    assert (swapped.type, swapped.order) == ("float32", "CDAB")
    assert guesses({0: 2302, 1: 5001, 2: 12, 3: 0}, 0)[0].value == 2302
