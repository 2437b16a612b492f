"""``plantroom-edge decode``: one answer to every line, whatever stands in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.decode.tool import decode_line, every_reading, read_words


def ask(**keys: object) -> dict[str, object]:
    return decode_line(json.dumps(keys))


def test_a_line_is_answered_with_value_quality_and_cause() -> None:
    assert ask(type="float32", order="CDAB", registers=[0x3333, 0x4366]) == {
        "value": 230.1999969482422, "quality": "good", "cause": "none",
    }  # fmt: skip
    assert ask(type="uint16", registers=[43981], scale=0.1, offset=1) == {
        "value": 4399.1,
        "quality": "good",
        "cause": "none",
    }
    assert ask(type="bit", registers=[8], bit=3)["value"] is True
    assert ask(type="string", order="BA", registers=[0x4241, 0x0043], max_bytes=2)["value"] == "AB"
    assert ask(type="string", order="BADC", registers=[0x4241, 0x0043])["value"] == "ABC"


def test_text_cut_inside_a_letter_by_its_length_loses_that_letter_only() -> None:
    assert ask(type="string", registers=[0xE6B3, 0xB5E6, 0xB3B5], max_bytes=5)["value"] == "泵"


@pytest.mark.parametrize(("keys", "cause"), [
    ({"type": "float32", "registers": [0x3333]}, "undecodable"),
    ({"type": "float32", "registers": [1, 2, 3]}, "undecodable"),
    ({"type": "string", "registers": []}, "undecodable"),
    ({"type": "int16", "registers": [0x8000], "sentinels": ["0x8000"]}, "sentinel"),
    ({"type": "int16", "registers": [500], "scale": 0.1, "range": [0, 40]}, "out_of_range"),
])  # fmt: skip
def test_what_is_not_good_has_no_value_and_says_why(keys: dict[str, object], cause: str) -> None:
    assert ask(**keys) == {"value": None, "quality": "bad", "cause": cause}


@pytest.mark.parametrize("line", [
    "", "{", "[]", "null", '{"type":"uint16"}', '{"type":"word","registers":[1]}', '{"type":"uint16","registers":[65536]}',
    '{"type":"uint16","registers":[-1]}', '{"type":"uint16","registers":["1"]}', '{"type":"uint16","registers":[1],"order":"CDAB"}',
    '{"type":"float32","registers":[1,2],"bit":1}', '{"type":"uint16","registers":[1],"sentinels":["FFFG"]}',
    '{"type":"uint16","registers":[1],"range":[5,1]}', '{"type":"uint16","registers":[1],"sentinel":"0x1"}', "[" * 5000,
])  # fmt: skip
def test_a_line_that_makes_no_sense_gets_an_error(line: str) -> None:
    answer = decode_line(line)
    assert list(answer) == ["error"]
    assert answer["error"]


@given(st.text() | st.binary())
def test_no_line_raises(line: str | bytes) -> None:
    assert set(decode_line(line)) in ({"error"}, {"value", "quality", "cause"})


def test_all_readings_hold_the_right_one_and_leave_absurd_floats_out() -> None:
    readings = list(every_reading([0x3333, 0x4366]))
    floats = [(row["order"], row["value"]) for row in readings if row["type"] == "float32"]
    assert floats == [("CDAB", 230.1999969482422)]
    assert all(row["quality"] == "good" for row in readings)
    assert {row["type"] for row in readings} == {"uint32", "int32", "float32", "bcd32", "string"}


def test_words_are_typed_in_either_base_and_a_wrong_one_is_named() -> None:
    assert read_words(["0x4366", "13107"]) == [0x4366, 13107]
    with pytest.raises(ValueError, match="'0x10000' is not a register"):
        read_words(["1", "0x10000"])


@pytest.mark.parametrize(("keys", "value"), [
    ({"type": "uint8h", "registers": [0x12F4]}, 0x12),
    ({"type": "uint8l", "order": "BA", "registers": [0x12F4]}, 0x12),
    ({"type": "int8h", "order": "BA", "registers": [0x12F4]}, -12),
    ({"type": "int8l", "registers": [0x12F4]}, -12),
    ({"type": "int16", "order": "BA", "registers": [0xFFFE]}, -257),
    ({"type": "uint32", "order": "BADC", "registers": [0x3412, 0x7856]}, 0x12345678),
    ({"type": "int32", "order": "DCBA", "registers": [0xFEFF, 0xFFFF]}, -2),
    ({"type": "uint64", "order": "GHEFCDAB", "registers": [4, 3, 2, 1]}, 0x0001_0002_0003_0004),
    ({"type": "int64", "order": "HGFEDCBA", "registers": [0xFEFF, 0xFFFF, 0xFFFF, 0xFFFF]}, -2),
    ({"type": "uint64", "order": "BADCFEHG", "registers": [0x0100, 0x0200, 0x0300, 0x0400]}, 0x0001_0002_0003_0004),
    ({"type": "float16", "registers": [0x3C00]}, 1.0),
    ({"type": "float64", "order": "GHEFCDAB", "registers": [0, 0, 0, 0x3FF0]}, 1.0),
    ({"type": "bcd16", "registers": [0x1234]}, 1234),
    ({"type": "bcd32", "order": "CDAB", "registers": [0x5678, 0x1234]}, 12345678),
    ({"type": "uint32", "registers": [0x8000, 0], "bit": 31}, True),
    ({"type": "bit", "registers": [0x8000], "bit": 15}, True),
    ({"type": "bit", "order": "BA", "registers": [0x0100]}, True),
])  # fmt: skip
def test_every_type_is_read_in_its_orders(keys: dict[str, object], value: object) -> None:
    assert ask(**keys) == {"value": value, "quality": "good", "cause": "none"}


@pytest.mark.parametrize(("keys", "text"), [
    ({"registers": [32767, 65535, 65535, 65535]}, "9223372036854775807"),
    ({"registers": [32767, 65535, 65535, 65535], "scale": 10}, "92233720368547758070"),
    ({"registers": [32, 0, 0, 1], "offset": -2}, "9007199254740991"),
    ({"registers": [32, 0, 0, 1], "scale": 1.0, "offset": 0.0}, "9007199254740993"),
])  # fmt: skip
def test_integers_beyond_a_double_keep_every_digit(keys: dict[str, object], text: str) -> None:
    assert f'"value": {text},' in json.dumps(ask(type="int64", **keys))


@pytest.mark.parametrize(
    ("scale", "value"), [(0.1, 4398.1), (0.01, 439.81), (0.001, 43.981), (10, 439810), (-0.1, -4398.1)]
)
def test_an_integer_scales_without_losing_its_fraction(scale: float, value: float) -> None:
    assert ask(type="uint16", registers=[43981], scale=scale)["value"] == value


@pytest.mark.parametrize(("keys", "cause"), [
    ({"type": "float32", "registers": [0x7FC0, 0]}, "undecodable"),
    ({"type": "float32", "registers": [0x7F80, 0]}, "undecodable"),
    ({"type": "float64", "registers": [0xFFF0, 0, 0, 0]}, "undecodable"),
    ({"type": "float32", "registers": [0x7FC0, 0], "sentinels": ["0x7FC00000"]}, "sentinel"),
    ({"type": "float32", "order": "CDAB", "registers": [0, 0x7FC0], "sentinels": ["00007FC0"]}, "sentinel"),
    ({"type": "bcd16", "registers": [0x12A4]}, "undecodable"),
    ({"type": "string", "registers": [0xFFFF]}, "undecodable"),
    ({"type": "uint64", "registers": [65535] * 4, "scale": 1e300}, "undecodable"),
    ({"type": "uint8l", "registers": [0x12FF], "sentinels": ["0xFF"]}, "sentinel"),
])  # fmt: skip
def test_what_is_no_value_never_passes_for_one(keys: dict[str, object], cause: str) -> None:
    assert ask(**keys) == {"value": None, "quality": "bad", "cause": cause}


def test_text_ends_at_its_first_nul_or_its_length() -> None:
    assert ask(type="string", registers=[0x4142, 0x0043, 0x4445])["value"] == "AB"
    assert ask(type="string", registers=[0x4142, 0x4344], max_bytes=3)["value"] == "ABC"
    assert ask(type="string", registers=[0x4142], max_bytes=0)["value"] == ""


@pytest.mark.parametrize("keys", [
    {"registers": [True]}, {"registers": [1.5]}, {"registers": [10**30]}, {"registers": [1], "scale": True},
    {"registers": [1], "bit": 16}, {"registers": [1], "bit": -1}, {"registers": [1], "range": [1]}, {"registers": [0] * 126},
    {"registers": [1], "sentinels": "0x1"}, {"registers": [1], "sentinels": ["0x"]}, {"registers": [1], "order": "AC"},
])  # fmt: skip
def test_keys_of_another_kind_get_an_error(keys: dict[str, object]) -> None:
    assert list(ask(type="uint16", **keys)) == ["error"]


def test_a_line_without_end_is_refused_unread() -> None:
    assert "longer" in str(decode_line(b"[" + b" " * 1_000_000)["error"])
