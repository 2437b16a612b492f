"""Words to values and back: identity over every type and order, and no words that raise."""

import math
import struct
from datetime import datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Cause, Quality
from device_profiles.schema import ModbusLimits, Order, Point, RegisterMapping, WireType
from edge.decode.registers import RegisterCodec, compile_point, decode, encode, store
from edge.decode.times import TIMES
from edge.decode.value import Decoded
from edge.decode.wire import FLOATS, HAS_BITS, WIRE_TYPES, legal_orders, register_count, resolve_order

EVERY_TYPE_AND_ORDER = [(wire_type, order) for wire_type in WIRE_TYPES for order in legal_orders(wire_type)]
NAME = {"en": "name", "zh": "名称"}


def mapping(**keys: Any) -> RegisterMapping:
    return RegisterMapping.model_validate({"table": "holding", "address": 0, **keys})


def codec(**keys: Any) -> RegisterCodec:
    return compile_point(mapping(**keys))


def point(kind: str, **keys: Any) -> Point:
    return Point.model_validate({"name": NAME, "kind": kind, **keys})


def good(value: object) -> Decoded:
    return Decoded(cast("Any", value))


def instants_of(wire_type: WireType) -> st.SearchStrategy[str]:
    """What a clock of this type can show, as it is told."""
    spans = {"unix32": (1970, 2105), "cp56time": (2000, 2127), "bcd_time": (1990, 2089)}
    first, last = spans.get(wire_type, (1970, 9999))
    told = st.datetimes(datetime(first, 1, 1), datetime(last, 12, 31, 23, 59, 59))  # noqa: DTZ001 - devices tell no zone
    timespec = "milliseconds" if wire_type in ("unix_ms64", "cp56time", "bcd_time") else "seconds"
    return told.map(lambda one: one.isoformat(timespec=timespec) + "Z" * wire_type.startswith("unix"))


def raws_of(wire_type: WireType) -> st.SearchStrategy[Any]:
    if wire_type == "string":
        return st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=2)
    if wire_type in TIMES:
        return instants_of(wire_type)
    if wire_type in FLOATS:
        return st.floats(width=cast("Any", int(wire_type[5:])), allow_nan=False, allow_infinity=False)
    if wire_type == "bit":
        return st.booleans()
    if wire_type.startswith("bcd"):
        return st.integers(0, 10 ** (int(wire_type[3:]) // 4) - 1)
    bits = int(wire_type.strip("uinthl"))
    return (
        st.integers(0, (1 << bits) - 1)
        if wire_type[0] == "u"
        else st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    )


@pytest.mark.parametrize(("wire_type", "order"), EVERY_TYPE_AND_ORDER)
@given(data=st.data())
def test_encode_then_decode_is_the_identity(wire_type: WireType, order: Order, data: st.DataObject) -> None:
    one = codec(type=wire_type, order=order, length=4 if wire_type == "string" else None)
    raw = data.draw(raws_of(wire_type))
    words = encode(one, raw)
    assert len(words) == one.count
    assert decode(one, words) == good(raw)


@pytest.mark.parametrize(("wire_type", "order"), EVERY_TYPE_AND_ORDER)
@given(words=st.lists(st.integers(-5, 70_000), max_size=9))
def test_any_words_are_answered_and_only_the_right_number_can_be_good(
    wire_type: WireType, order: Order, words: list[int]
) -> None:
    one = codec(type=wire_type, order=order, length=3 if wire_type == "string" else None)
    result = decode(one, words)
    assert (result.value is None) == (result.quality is Quality.BAD)
    if len(words) != one.count or any(not 0 <= word <= 0xFFFF for word in words):
        assert result == Decoded(None, Quality.BAD, Cause.UNDECODABLE)
    if isinstance(result.value, float):
        assert math.isfinite(result.value)


@pytest.mark.parametrize("wire_type", sorted(HAS_BITS))
def test_every_bit_of_every_integer_can_be_taken_out_and_put_back(wire_type: WireType) -> None:
    for bit in range(16 * register_count(wire_type)):
        one = codec(type=wire_type, bit=bit)
        assert decode(one, encode(one, True)) == good(True)
        assert decode(one, [0] * one.count) == good(False)


WIRE = struct.pack(">f", 237.7)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCD", [0x436D, 0xB333]),
        ("CDAB", [0xB333, 0x436D]),
        ("BADC", [0x6D43, 0x33B3]),
        ("DCBA", [0x33B3, 0x6D43]),
    ],
)
def test_the_four_orders_of_a_float(order: str, words: list[int]) -> None:
    assert decode(codec(type="float32", order=order), words) == good(struct.unpack(">f", WIRE)[0])


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ("ABCDEFGH", [0x0102, 0x0304, 0x0506, 0x0708]),
        ("GHEFCDAB", [0x0708, 0x0506, 0x0304, 0x0102]),
        ("BADCFEHG", [0x0201, 0x0403, 0x0605, 0x0807]),
        ("HGFEDCBA", [0x0807, 0x0605, 0x0403, 0x0201]),
    ],
)
def test_the_four_orders_of_64_bits(order: str, words: list[int]) -> None:
    assert decode(codec(type="uint64", order=order), words) == good(0x0102030405060708)


def test_the_order_of_the_device_holds_in_every_width() -> None:
    assert [resolve_order(kind, None, "CDAB") for kind in ("uint16", "float32", "int64", "string")] == [
        "AB",
        "CDAB",
        "GHEFCDAB",
        "AB",
    ]
    assert [resolve_order(kind, None, "DCBA") for kind in ("uint16", "float32", "int64", "string")] == [
        "BA",
        "DCBA",
        "HGFEDCBA",
        "BA",
    ]


def test_an_order_of_another_width_is_refused_with_the_legal_ones() -> None:
    with pytest.raises(ValueError, match="order ABCD is not for uint16; write one of AB, BA"):
        codec(type="uint16", order="ABCD")


@pytest.mark.parametrize(("wire_type", "words", "value"), [
    ("uint8h", [0xFE01], 0xFE), ("uint8l", [0xFE01], 1), ("int8h", [0xFE01], -2), ("int8l", [0x01FE], -2),
    ("bcd16", [0x1234], 1234), ("bcd32", [0x1234, 0x5678], 12345678), ("int16", [0xFFFF], -1),
    ("float16", [0x3C00], 1.0), ("string", [0x4142, 0x4300], "ABC"), ("string", [0xE6B3, 0xB500], "泵"),
])  # fmt: skip
def test_each_type_reads_what_a_device_writes(wire_type: str, words: list[int], value: object) -> None:
    assert decode(codec(type=wire_type, length=len(words) if wire_type == "string" else None), words) == good(value)


@pytest.mark.parametrize(("wire_type", "order", "words", "instant"), [
    ("unix32", "ABCD", [0x692A, 0x1A80], "2025-11-28T21:56:16Z"), ("unix32", "CDAB", [0x1A80, 0x692A], "2025-11-28T21:56:16Z"),
    ("unix64", "ABCDEFGH", [0, 0, 0x692A, 0x1A80], "2025-11-28T21:56:16Z"),
    ("unix_ms64", "ABCDEFGH", [0, 0x019A, 0xCC5B, 0xA7FB], "2025-11-28T21:25:50.203Z"),
    ("cp56time", "ABCDEFGH", [0x001A, 0x0BF5, 0x1305, 0xEA5F], "2026-11-21T19:05:59.999"),
    ("cp56time", "GHEFCDAB", [0xEA5F, 0x1305, 0x0B15, 0x001A], "2026-11-21T19:05:59.999"),
    ("cp56time", "HGFEDCBA", [0x5FEA, 0x0593, 0x150B, 0x1A00], "2026-11-21T19:05:59.999"),
    ("bcd_time", "ABCDEFGH", [0x2611, 0x2119, 0x0559, 0x9997], "2026-11-21T19:05:59.999"),
    ("calendar", "AB", [2026, 11, 21, 19, 5, 59], "2026-11-21T19:05:59"), ("calendar", "AB", [26, 11, 21, 19, 5, 59], "2026-11-21T19:05:59"),
    ("calendar", "BA", [0x1A00, 0x0B00, 0x1500, 0x1300, 0x0500, 0x3B00], "2026-11-21T19:05:59"),
])  # fmt: skip
def test_each_clock_reads_what_a_device_writes(wire_type: str, order: str, words: list[int], instant: str) -> None:
    """Flags beside the figures (summer time, day of the week) change nothing: 0xF5 is a Sunday, 0x93 summer time."""
    assert decode(codec(type=wire_type, order=order), words) == good(instant)


def test_a_clock_that_calls_itself_not_valid_has_no_time() -> None:
    words = [0x001A, 0x0B15, 0x1385, 0xEA5F]
    assert decode(codec(type="cp56time"), words) == Decoded(None, Quality.BAD, Cause.SENTINEL)


@pytest.mark.parametrize(("wire_type", "words"), [
    ("cp56time", [0, 0, 0, 0]), ("cp56time", [0x001A, 0x0B1F, 0x1305, 0]), ("cp56time", [0x001A, 0x0B15, 0x1305, 60_000]),
    ("bcd_time", [0x2611, 0x2119, 0x0559, 0x99F7]), ("bcd_time", [0x2613, 0x2119, 0x0559, 0x9997]),
    ("calendar", [0] * 6), ("calendar", [2026, 2, 29, 0, 0, 0]), ("calendar", [65_535] * 6),
    ("unix64", [0x8000, 0, 0, 0]), ("unix_ms64", [0xFFFF] * 4),
])  # fmt: skip
def test_words_that_are_no_instant_are_undecodable(wire_type: str, words: list[int]) -> None:
    assert decode(codec(type=wire_type), words) == Decoded(None, Quality.BAD, Cause.UNDECODABLE)


@pytest.mark.parametrize(("wire_type", "instant"), [
    ("unix32", "1969-12-31T00:00:00Z"), ("unix32", "2107-01-01T00:00:00Z"), ("cp56time", "1999-01-01T00:00:00"),
    ("bcd_time", "2090-01-01T00:00:00"), ("calendar", "yesterday"),
])  # fmt: skip
def test_an_instant_that_a_clock_cannot_show_is_not_written(wire_type: str, instant: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(codec(type=wire_type), instant)


@pytest.mark.parametrize(("wire_type", "words"), [
    ("bcd16", [0x12A4]), ("string", [0xFF41]), ("float32", [0x7FC0, 0]), ("float32", [0x7F80, 0]), ("float16", [0xFC00]),
])  # fmt: skip
def test_bytes_that_are_no_such_value_are_undecodable(wire_type: str, words: list[int]) -> None:
    result = decode(codec(type=wire_type, length=1 if wire_type == "string" else None), words)
    assert result == Decoded(None, Quality.BAD, Cause.UNDECODABLE)


@pytest.mark.parametrize(("keys", "words"), [
    ({"type": "float32", "sentinels": ["0xFFC00000"]}, [0xFFC0, 0]),                          # iEM3255
    ({"type": "uint32", "sentinels": ["0x80008000"]}, [0x8000, 0x8000]),                      # PM5330
    ({"type": "float32", "order": "CDAB", "sentinels": ["0xFFFFFF7F"]}, [0xFFFF, 0xFF7F]),    # as it comes, not reordered
    ({"type": "uint16", "sentinels": ["0x8000"]}, [0x8000]),                                  # ComAp, even unsigned
    ({"type": "uint32", "sentinels": ["0x0"]}, [0, 0]),                                       # SunSpec acc32
    ({"type": "uint8l", "sentinels": ["0xFF"]}, [0x12FF]),
    ({"type": "uint8h", "order": "BA", "sentinels": ["0xFF"]}, [0x12FF]),
    ({"type": "uint16", "bit": 3, "sentinels": ["0xFFFF"]}, [0xFFFF]),
    ({"type": "string", "length": 2, "sentinels": ["0x2D2D2D2D"]}, [0x2D2D, 0x2D2D]),
])  # fmt: skip
def test_a_sentinel_is_the_pattern_of_the_whole_value_as_it_came(keys: dict[str, Any], words: list[int]) -> None:
    assert decode(codec(**keys), words) == Decoded(None, Quality.BAD, Cause.SENTINEL)
    assert decode(codec(**keys), encode(codec(**keys), None)) == Decoded(None, Quality.BAD, Cause.SENTINEL)


def test_the_same_pattern_is_a_value_where_the_point_does_not_list_it() -> None:
    assert decode(codec(type="int16"), [0xFFFF]) == good(-1)


def test_a_sentinel_wider_than_the_value_is_refused() -> None:
    with pytest.raises(ValueError, match="0x80000000 is wider than uint16"):
        codec(type="uint16", sentinels=["0x80000000"])


def test_an_integer_is_scaled_without_truncation_and_to_the_nearest_decimal() -> None:
    assert decode(codec(scale=0.1), [43981]) == good(4398.1)
    assert decode(codec(scale=0.001, offset=-1.0, type="int16"), [2350]) == good(1.35)
    assert decode(codec(scale=0.01, offset=-273.15, unit="°C"), [29315]).value == pytest.approx(20.0)
    assert decode(codec(scale=10, type="uint64"), [0, 0, 1, 0]) == good(655_360)


@given(
    st.integers(0, 0xFFFF),
    st.sampled_from([0.1, 0.01, 0.001, 0.5, 2.0, 10.0, 0.25]),
    st.sampled_from([0.0, -100.0, 40.0]),
)
def test_scale_and_offset_come_back_to_the_same_word(word: int, scale: float, offset: float) -> None:
    one = codec(scale=scale, offset=offset)
    assert encode(one, decode(one, [word]).value) == [word]


def test_a_scale_factor_may_stand_in_another_register() -> None:
    one = codec(type="int16", scale_from=9)
    assert decode(one, [2301], 0xFFFF) == good(230.1)
    assert decode(one, [23], 2) == good(2300)
    assert decode(one, [2301], 0x8000).cause is Cause.SENTINEL
    assert decode(one, [2301], 11).cause is Cause.UNDECODABLE
    assert decode(one, [2301], None).cause is Cause.ABSENT
    assert encode(one, 230.1, 0xFFFF) == [2301]


@pytest.mark.parametrize(
    ("raw", "value"), [(0.98, 0.98), (1.0018685, 0.9981315), (-0.5, -0.5), (-1.22, -0.78), (1.0, 1.0), (2.0, 0.0)]
)
def test_a_four_quadrant_power_factor_is_unfolded(raw: float, value: float) -> None:
    one = compile_point(mapping(type="float64", transform="four_quadrant_pf"), point=point("gauge", plausible=(-1, 1)))
    assert decode(one, encode(codec(type="float64"), raw)).value == pytest.approx(value)


def test_a_power_factor_beyond_two_is_out_of_range() -> None:
    one = compile_point(mapping(type="float32", transform="four_quadrant_pf"), point=point("gauge", plausible=(-1, 1)))
    assert decode(one, encode(codec(type="float32"), 3.0)).cause is Cause.OUT_OF_RANGE


def test_the_sign_turns_and_the_sign_drops() -> None:
    assert decode(codec(type="int16", invert=True), [0xFFFE]) == good(2)
    assert decode(codec(type="int16", transform="absolute"), [0xFFFE]) == good(2)
    assert decode(codec(type="bit", invert=True), [1]) == good(False)


def test_the_range_of_the_mapping_is_in_the_unit_of_the_wire_and_that_of_the_point_in_its_own() -> None:
    one = compile_point(
        mapping(type="int16", plausible=(-30_000, 30_000)),
        point=point("gauge", unit="kW", plausible=(-10, 10)),
        unit=(0.001, 0.0),
    )
    assert decode(one, [9000]) == good(9.0)
    assert decode(one, [11_000]).cause is Cause.OUT_OF_RANGE
    assert decode(one, [0x8001]).cause is Cause.OUT_OF_RANGE
    assert encode(one, 9.0) == [9000]


def test_words_stand_for_states_and_an_unknown_one_is_undecodable() -> None:
    door = point("state", states={"open": NAME, "closed": NAME})
    one = compile_point(mapping(enum={0: "closed", 1: "open", 2: "moving"}), point=door)
    assert [decode(one, [word]).value for word in (0, 1)] == ["closed", "open"]
    assert [decode(one, [word]).cause for word in (2, 3)] == [Cause.UNDECODABLE] * 2
    assert encode(one, "open") == [1]
    with pytest.raises(ValueError, match="no raw value stands for 'ajar'"):
        encode(one, "ajar")


def test_a_bit_point_takes_bits_words_and_truths_but_no_other_number() -> None:
    bit = point("bit")
    plain = compile_point(mapping(), point=bit)
    assert [decode(plain, [word]) for word in (0, 1)] == [good(False), good(True)]
    assert decode(plain, [2]).cause is Cause.UNDECODABLE
    named = compile_point(mapping(enum={0x55: "true", 0xAA: "false"}), point=bit)
    assert [decode(named, [word]) for word in (0x55, 0xAA)] == [good(True), good(False)]
    assert [encode(named, value) for value in (True, False)] == [[0x55], [0xAA]]
    turned = compile_point(mapping(enum={1: "true", 0: "false"}, invert=True), point=bit)
    assert decode(turned, [1]) == good(False)
    assert encode(turned, False) == [1]
    assert decode(compile_point(mapping(bit=2, enum={True: "false", False: "true"}), point=bit), [4]) == good(False)


def test_a_coil_is_one_bit() -> None:
    coil = compile_point(mapping(table="coil", address=3), point=point("bit"))
    assert (coil.count, coil.is_bit, coil.describe()) == (1, True, "coil 0x0003")
    assert [decode(coil, [bit]).value for bit in (0, 1)] == [False, True]
    assert decode(coil, [7]).cause is Cause.UNDECODABLE
    assert encode(coil, True) == [1]


def test_a_one_based_manual_is_one_less_on_the_wire() -> None:
    one = compile_point(mapping(address=3060, type="float32", scale_from=3070), ModbusLimits(one_based=True))
    assert (one.address, one.scale_from, one.describe()) == (3059, 3069, "holding 0x0BF3 float32 ABCD")


def test_a_bit_of_a_float_is_refused() -> None:
    with pytest.raises(ValueError, match="float32 has no single bits"):
        codec(type="float32", bit=1)


def test_points_that_share_a_register_do_not_disturb_each_other() -> None:
    image: dict[tuple[str, int], int] = {("holding", 0): 0xFFFF}
    store(image, codec(bit=3), False)
    assert image == {("holding", 0): 0xFFF7}
    store(image, codec(type="uint8h"), 0x12)
    assert image == {("holding", 0): 0x12F7}
    store(image, codec(type="int8l", order="BA"), -2)
    assert image == {("holding", 0): 0xFEF7}
    store(image, codec(type="float32", address=4), 1.5)
    assert (image[("holding", 4)], image[("holding", 5)]) == (0x3FC0, 0)


def test_a_simulated_device_stops_at_the_end_of_its_type_and_encode_does_not() -> None:
    image: dict[tuple[str, int], int] = {}
    store(image, codec(type="int16"), 40_000)
    assert image == {("holding", 0): 0x7FFF}
    with pytest.raises(ValueError, match="does not fit"):
        encode(codec(type="int16"), 40_000)
    with pytest.raises(ValueError, match="negative"):
        encode(codec(type="bcd16"), -1)
