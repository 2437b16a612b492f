"""A whole reply decodes to the same as each of its values alone."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from contract.messages import Cause, Quality
from device_profiles.schema import ModbusLimits, Point, RegisterMapping
from edge.decode.blocks import BlockDecoder
from edge.decode.registers import RegisterCodec, compile_point, decode
from edge.decode.value import Decoded
from edge.decode.wire import WIRE_TYPES, legal_orders, register_count

NAME = {"en": "name", "zh": "名称"}
COUNT = 24
KINDS = [
    None,
    Point.model_validate({"name": NAME, "kind": "gauge", "plausible": (-1000, 60_000)}),
    Point.model_validate({"name": NAME, "kind": "bit"}),
]


@st.composite
def codecs(draw: st.DrawFn) -> RegisterCodec:
    wire_type = draw(st.sampled_from(WIRE_TYPES))
    length = draw(st.integers(1, 4)) if wire_type == "string" else None
    count = register_count(wire_type, length)
    keys: dict[str, Any] = {
        "table": "holding", "type": wire_type, "length": length, "address": 100 + draw(st.integers(0, COUNT - count)),
        "order": draw(st.sampled_from(legal_orders(wire_type))), "scale": draw(st.sampled_from([1.0, 0.1, 10.0, 0.3])),
        "offset": draw(st.sampled_from([0.0, -40.0])), "invert": draw(st.booleans()),
        "transform": draw(st.sampled_from(["none", "none", "none", "four_quadrant_pf", "absolute"])),
        "plausible": draw(st.sampled_from([None, None, (-500.0, 5000.0)])),
        "sentinels": draw(st.lists(st.sampled_from(["0x8000", "0xFF", "0x7FC0", "0x0"]), max_size=2)),
    }  # fmt: skip
    if wire_type in ("uint16", "int32", "bit"):
        keys["bit"] = draw(st.none() | st.integers(0, 15))
    if wire_type == "uint16":
        keys["enum"] = draw(st.sampled_from([{}, {"0": "true", "1": "false", "4660": "7"}]))
    if wire_type in ("int16", "uint32"):
        keys["scale_from"] = draw(st.none() | st.just(100))
    unit = draw(st.sampled_from([(1.0, 0.0), (0.001, 0.0), (1.0, -273.15)]))
    return compile_point(RegisterMapping.model_validate(keys), ModbusLimits(), draw(st.sampled_from(KINDS)), unit)


WORDS = st.lists(
    st.sampled_from([0, 1, 0x8000, 0xFFFF, 0x7FC0, 0x1234, 0x4366]) | st.integers(0, 0xFFFF),
    min_size=COUNT,
    max_size=COUNT,
)
SCALE_CODES = st.sampled_from([0, 1, 3, 10, 11, 0x8000, 0xFFFF, 0xFFFD, None]) | st.integers(0, 0xFFFF)


@given(st.lists(codecs(), min_size=1, max_size=12), st.lists(st.tuples(WORDS, SCALE_CODES), min_size=1, max_size=3))
@example(
    [
        compile_point(
            RegisterMapping.model_validate({"table": "holding", "address": 100, "type": "float32", "order": order})
        )
        for order in legal_orders("float32")
    ],
    [([0x7FC0] * COUNT, 0)],
)
def test_block_after_block_says_the_same_as_its_values_one_by_one(
    wanted: list[RegisterCodec], told: list[tuple[list[int], int | None]]
) -> None:
    decoder = BlockDecoder(wanted, 100, COUNT)
    for words, code in [*told, told[0]]:
        payload = b"".join(word.to_bytes(2, "big") for word in words)
        values, flaws = decoder.decode(payload, {} if code is None else {("holding", 100): code})
        for place, codec in enumerate(wanted):
            at = codec.address - 100
            alone = decode(codec, words[at : at + codec.count], code)
            together = flaws.get(place) or Decoded(values[place])
            assert together == alone
            assert type(together.value) is type(alone.value)


def test_what_a_block_gave_once_is_its_receivers_own() -> None:
    decoder = BlockDecoder([compile_point(RegisterMapping(table="coil", address=0), None, KINDS[2])], 0, 1)
    first = decoder.decode(b"\1", {})
    first[0][0], first[1][0] = None, Decoded(None)
    assert decoder.decode(b"\1", {}) == ([True], {})


@given(st.binary(max_size=2 * COUNT + 4).filter(lambda payload: len(payload) != 2 * COUNT))
def test_a_payload_of_another_length_gives_nothing(payload: bytes) -> None:
    one = compile_point(RegisterMapping(table="holding", address=100))
    assert BlockDecoder([one, one], 100, COUNT).decode(payload, {}) == (
        [None, None],
        {0: Decoded(None, Quality.BAD, Cause.UNDECODABLE), 1: Decoded(None, Quality.BAD, Cause.UNDECODABLE)},
    )


@given(st.integers(0, (1 << 17) - 1))
def test_seventeen_coils_come_out_of_three_bytes(pattern: int) -> None:
    coils = [compile_point(RegisterMapping(table="coil", address=at)) for at in range(17)]
    values, flaws = BlockDecoder(coils, 0, 17).decode(pattern.to_bytes(3, "little"), {})
    assert (sum(bool(value) << at for at, value in enumerate(values)), flaws) == (pattern, {})


def test_a_scale_factor_that_was_not_read_leaves_the_value_absent() -> None:
    one = compile_point(RegisterMapping(table="holding", address=0, type="int16", scale_from=9))
    assert BlockDecoder([one], 0, 1).decode(b"\0\1", {})[1][0].cause is Cause.ABSENT
