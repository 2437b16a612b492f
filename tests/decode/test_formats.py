"""Every form of payload: lines, arrays, text by pattern, hex, bytes and Sparkplug B; and no bytes that raise."""

import struct
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Cause, Quality, Value
from device_profiles.schema import Point
from edge.decode import sparkplug
from edge.decode.formats import Form
from edge.decode.payload import (
    Message,
    MessageCodec,
    availability,
    compile_messages,
    decode_messages,
    encode_messages,
)
from edge.decode.sample import Moment
from tests.support.devices import mqtt_model

NOW = Moment(wall_ms=1_795_000_000_000, steady_ms=5_000)
GAUGE = Point.model_validate({"name": {"en": "name", "zh": "名称"}, "kind": "gauge", "plausible": (-1e6, 1e6)})


def codec(payload: str, mappings: dict[str, Any], **mqtt: Any) -> MessageCodec:
    model = mqtt_model(mappings, payload=payload, **mqtt)
    return compile_messages(model, dict.fromkeys(mappings, GAUGE), "a")


def heard(one: MessageCodec, payload: bytes) -> list[Message]:
    return decode_messages(one, "site/a", payload, NOW)


def values(messages: list[Message]) -> list[dict[str, Value]]:
    return [{name: one.value for name, one in message.values.items()} for message in messages]


def test_each_line_is_a_message_with_its_own_time() -> None:
    one = codec("json_lines", {"p": {"path": "v"}}, timestamp="ts")
    said = heard(one, b'{"v":1,"ts":1794999990}\n\n{"v":2,"ts":1794999995}\n')
    assert values(said) == [{"p": 1}, {"p": 2}]
    assert [message.at.wall_ms for message in said] == [1_794_999_990_000, 1_794_999_995_000]


def test_a_line_that_cannot_be_read_spoils_no_other() -> None:
    said = heard(codec("json_lines", {"p": {"path": "v"}}), b'{"v":1}\n{oops\n{"v":3}')
    assert values(said) == [{"p": 1}, {"p": None}, {"p": 3}]
    assert [bool(message.malformed) for message in said] == [False, True, False]


def test_each_element_of_an_array_is_a_message() -> None:
    assert values(heard(codec("json_array", {"p": {"path": "v"}}), b'[{"v":1},{"v":2}]')) == [{"p": 1}, {"p": 2}]


def test_an_array_that_is_none_is_malformed() -> None:
    (said,) = heard(codec("json_array", {"p": {"path": "v"}}), b'{"v":1}')
    assert said.malformed
    assert said.values["p"].cause is Cause.UNDECODABLE


def test_a_pattern_finds_its_value_in_text() -> None:
    one = codec(
        "text", {"t": {"pattern": r"T=(?P<value>[-\d.]+)"}, "h": {"pattern": r"H=(?P<value>\d+)", "scale": 0.1}}
    )
    (said,) = heard(one, b"T=-3.5C H=612\r\n")
    assert values([said]) == [{"t": -3.5, "h": 61.2}]
    (said,) = heard(one, b"T=err H=612")
    assert (said.values["t"].cause, said.values["h"].value) == (Cause.ABSENT, 61.2)


@pytest.mark.parametrize("pattern", ["(?P<value>", "no group"])
def test_a_pattern_that_finds_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"regular expression|group named value"):
        codec("text", {"t": {"pattern": pattern}})


HEX = {"t": {"at": 0, "type": "int16", "scale": 0.1}, "h": {"at": 2, "type": "uint8l"}, "e": {"at": 3, "type": "uint32", "order": "DCBA"}}  # fmt: skip


@pytest.mark.parametrize("written", [b"ff383c0a000000", b"0xFF383C0A000000", b" FF 38 3C 0A 00 00 00 "])
def test_values_stand_at_their_bytes_of_a_hex_payload(written: bytes) -> None:
    assert values(heard(codec("hex", HEX), written)) == [{"t": -20.0, "h": 60, "e": 10}]


def test_a_hex_payload_that_is_too_short_lacks_what_it_lacks() -> None:
    (said,) = heard(codec("hex", HEX), b"ff383c0a")
    assert {name: value.cause for name, value in said.values.items()} == {
        "t": Cause.NONE, "h": Cause.NONE, "e": Cause.ABSENT,
    }  # fmt: skip


def test_bytes_are_read_as_they_come() -> None:
    one = codec("binary", {"f": {"at": 1, "type": "float32"}})
    assert values(heard(one, b"\x01" + struct.pack(">f", 2.5))) == [{"f": 2.5}]


# --- Sparkplug B ---------------------------------------------------------------------------------------------------


def tahu_metric(name: bytes, alias: int, kind: int, value: bytes) -> bytes:
    """A metric as the published definition numbers its fields: 1 name, 2 alias, 4 datatype, then one value field."""
    named = b"\x0a" + bytes([len(name)]) + name if name else b""
    typed = b"\x20" + bytes([kind]) if kind else b""
    body = named + b"\x10" + bytes([alias]) + typed + value
    return b"\x12" + bytes([len(body)]) + body


INT_MINUS_2 = b"\x50\xfe\xff\xff\xff\x0f"
FLOAT_2_5 = b"\x65" + struct.pack("<f", 2.5)
DOUBLE = b"\x69" + struct.pack("<d", 0.1)
IS_NULL = b"\x38\x01"
IS_HISTORICAL = b"\x28\x01"


def test_metrics_are_found_by_name_and_after_a_birth_by_number() -> None:
    births = sparkplug.Births()
    born = tahu_metric(b"Level", 7, 2, INT_MINUS_2) + tahu_metric(b"Power", 8, 9, FLOAT_2_5)
    assert sparkplug.decode(born, births).metrics == {"Level": -2, "Power": 2.5}
    data = tahu_metric(b"", 7, 0, b"\x50\xfd\xff\x03") + tahu_metric(b"", 9, 0, FLOAT_2_5)
    assert sparkplug.decode(data, births).metrics == {"Level": -3}  # the type is the birth's; nobody was born as 9


def test_null_historical_and_every_kind_of_value() -> None:
    body = (
        tahu_metric(b"null", 1, 9, IS_NULL) + tahu_metric(b"old", 2, 9, IS_HISTORICAL + FLOAT_2_5)
        + tahu_metric(b"double", 3, 10, DOUBLE) + tahu_metric(b"run", 4, 11, b"\x70\x01")
        + tahu_metric(b"text", 5, 12, b"\x7a\x02ok") + tahu_metric(b"long", 6, 4, b"\x58" + b"\xff" * 9 + b"\x01")
    )  # fmt: skip
    found = sparkplug.decode(b"\x08\x90\x4e" + body, sparkplug.Births())
    assert found.metrics == {"null": None, "double": 0.1, "run": True, "text": "ok", "long": -1}
    assert found.timestamp == 10_000


def test_a_sparkplug_device_tells_what_changed_and_its_own_time() -> None:
    one = codec("sparkplug_b", {"power": {"path": "Power"}, "level": {"path": "Level"}})
    (said,) = heard(one, sparkplug.encode({"Power": 4.5, "Other": 1}, 1_794_999_999_000))
    assert values([said]) == [{"power": 4.5}]
    assert said.at.wall_ms == 1_794_999_999_000


@pytest.mark.parametrize(
    ("topic", "tells", "state"),
    [
        ("spBv1.0/plant/DBIRTH/node/a", True, None), ("spBv1.0/plant/DDATA/node/a", True, None),
        ("spBv1.0/plant/DDEATH/node/a", False, False), ("spBv1.0/plant/DCMD/node/a", False, None), ("site/a", False, None),
    ],
)  # fmt: skip
def test_only_births_and_data_tell_values_and_a_death_is_a_last_will(
    topic: str, tells: bool, state: bool | None
) -> None:
    one = codec("sparkplug_b", {"power": {"path": "Power"}})
    assert one.tells_values(topic) is tells
    assert availability(one, b"", topic) is state


@given(st.binary(max_size=120))
def test_no_bytes_raise_but_a_value_error(payload: bytes) -> None:
    try:
        sparkplug.decode(payload, sparkplug.Births())
    except ValueError:
        return


METRIC = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=20)
)


@given(st.dictionaries(st.text(min_size=1, max_size=20), METRIC, max_size=8), st.integers(0, 2**63 - 1))
def test_encode_then_decode_is_the_identity(metrics: dict[str, Any], at: int) -> None:
    found = sparkplug.decode(sparkplug.encode(metrics, at), sparkplug.Births())
    assert (found.metrics, found.timestamp) == (metrics, at)


@given(st.dictionaries(st.text(min_size=1, max_size=8), METRIC, min_size=1, max_size=4), st.data())
def test_a_payload_cut_short_never_yields_a_metric_that_was_not_sent(
    metrics: dict[str, Any], data: st.DataObject
) -> None:
    whole = sparkplug.encode(metrics)
    cut = data.draw(st.integers(0, len(whole)))
    try:
        found = sparkplug.decode(whole[:cut], sparkplug.Births()).metrics
    except ValueError:
        return
    assert found.items() <= metrics.items()


# --- all forms -----------------------------------------------------------------------------------------------------

PLACES: dict[str, dict[str, Any]] = {
    "json": {"path": "v"}, "json_lines": {"path": "v"}, "json_array": {"path": "v"}, "raw": {},
    "text": {"pattern": r"(?P<value>\d+)"}, "hex": {"at": 2, "type": "float64"}, "binary": {"at": 1, "type": "bcd32"},
    "sparkplug_b": {"path": "v"},
}  # fmt: skip


@pytest.mark.parametrize("form", get_args(Form))
@given(payload=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_whatever_arrives_is_answered(form: str, payload: bytes) -> None:
    for said in heard(codec(form, {"p": PLACES[form]}), payload):
        for value in said.values.values():
            assert (value.quality is Quality.GOOD) == (value.cause is Cause.NONE)
            assert value.quality is not Quality.BAD or value.value is None


@pytest.mark.parametrize("form", [one for one in get_args(Form) if one != "text"])
@given(number=st.integers(0, 999_999))
def test_what_a_device_would_publish_reads_back(form: str, number: int) -> None:
    one = codec(form, {"p": PLACES[form]})
    ((topic, payload),) = encode_messages(one, {"p": number})
    assert topic == "site/a"
    assert values(heard(one, payload)) == [{"p": number}]


def test_a_pattern_has_no_way_back() -> None:
    with pytest.raises(ValueError, match="cannot be written back"):
        encode_messages(codec("text", {"p": PLACES["text"]}), {"p": 1})
