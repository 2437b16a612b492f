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
    '{"type":"float32","registers":[1,2],"bit":1}', '{"type":"uint16","registers":[1],"sentinels":["FFFF"]}',
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
