"""Messages to values and back: any JSON, any text, any clock, and no payload that raises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Cause, Quality, Value
from device_profiles.schema import DeviceModel, Point
from edge.decode.payload import (
    SKEW_MS,
    MessageCodec,
    availability,
    compile_messages,
    decode_message,
    encode_messages,
    matches,
    parse_timestamp,
)
from edge.decode.sample import Moment
from edge.decode.value import Decoded

NAME = {"en": "name", "zh": "名称"}
NOW = Moment(wall_ms=1_795_000_000_000, steady_ms=1_795_000_000_500)
POINTS = {
    "temperature": Point.model_validate({"name": NAME, "kind": "gauge", "unit": "°C", "plausible": (-40, 125)}),
    "door": Point.model_validate({"name": NAME, "kind": "state", "states": {"open": NAME, "closed": NAME}}),
    "moving": Point.model_validate({"name": NAME, "kind": "bit"}),
    "floor": Point.model_validate({"name": NAME, "kind": "text"}),
}
PATHS: dict[str, dict[str, Any]] = {
    "temperature": {"path": "car.sensors[1].t", "sentinels": [-273.1, None]},
    "door": {"path": "car.door", "enum": {0: "closed", 1: "open"}},
    "moving": {"path": 'car."is-moving"'},
    "floor": {"path": "floor"},
}
TOPIC = "lifts/7/state"


def model(mappings: dict[str, Any] | None = None, **mqtt: Any) -> DeviceModel:
    return DeviceModel.model_validate(
        {
            "id": "lift_unit", "equipment_class": "lift", "name": "Unit", "maker": "Maker", "status": "unverified",
            "sources": ["made for this test"], "protocol": "mqtt",
            "mqtt": {"topic": "lifts/{address}/state", **mqtt}, "payload": mappings or PATHS,
        }
    )  # fmt: skip


def codec(mappings: dict[str, Any] | None = None, **mqtt: Any) -> MessageCodec:
    return compile_messages(model(mappings, **mqtt), POINTS, 7)


def told(document: object, one: MessageCodec | None = None, **keys: Any) -> dict[str, Decoded]:
    return dict(decode_message(one or codec(), TOPIC, json.dumps(document).encode(), NOW, **keys).values)


GOOD = {"car": {"sensors": [{"t": 1}, {"t": 21.5}], "door": 1, "is-moving": True}, "floor": "B1"}


def test_a_nested_document_becomes_values() -> None:
    assert told(GOOD) == {
        "temperature": Decoded(21.5), "door": Decoded("open"), "moving": Decoded(True), "floor": Decoded("B1"),
    }  # fmt: skip


def test_a_point_that_the_message_lacks_is_absent_and_null_is_what_the_mapping_says() -> None:
    values = told({"car": {"sensors": [{}, {"t": None}], "door": None}})
    assert {name: value.cause for name, value in values.items()} == {
        "temperature": Cause.SENTINEL, "door": Cause.ABSENT, "moving": Cause.ABSENT, "floor": Cause.ABSENT,
    }  # fmt: skip


def test_a_device_that_tells_only_changes_says_nothing_about_the_rest() -> None:
    one = codec(partial=True)
    assert told({"floor": "2"}, one) == {"floor": Decoded("2")}
    assert told({"floor": None}, one)["floor"].cause is Cause.ABSENT


@pytest.mark.parametrize(("found", "cause"), [
    (-273.1, Cause.SENTINEL), (126, Cause.OUT_OF_RANGE), ("warm", Cause.UNDECODABLE), (True, Cause.UNDECODABLE),
    ([], Cause.UNDECODABLE), ({}, Cause.UNDECODABLE), ("1_0", Cause.UNDECODABLE), ("nan", Cause.UNDECODABLE),
    (10**400, Cause.UNDECODABLE),
])  # fmt: skip
def test_what_is_no_temperature_is_bad_with_its_cause(found: object, cause: Cause) -> None:
    value = told({"car": {"sensors": [0, {"t": found}]}})["temperature"]
    assert (value.value, value.quality) == (None, Quality.BAD)
    assert value.cause is cause or (found == 10**400 and value.quality is Quality.BAD)


def test_a_number_in_quotes_is_a_number() -> None:
    assert told({"car": {"sensors": [0, {"t": "21.5"}]}})["temperature"] == Decoded(21.5)


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b'{"a":1}x', b"[" * 5000, b'{"car": NaN}'])
def test_a_malformed_message_is_undecodable_for_every_point_and_says_why(payload: bytes) -> None:
    message = decode_message(codec(), TOPIC, payload, NOW)
    assert {value.cause for value in message.values.values()} == {Cause.UNDECODABLE}
    assert len(message.values) == 4
    assert message.malformed


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["car", "floor", "door", "sensors", "t", "at"]), inner)
        ),
    ).map(lambda document: json.dumps(document).encode())
)
def test_no_payload_raises(payload: bytes) -> None:
    for one in (
        codec(timestamp="at"),
        codec(payload="raw"),
        codec({"floor": {"path": "car.sensors[?t > `1`].t | [0]"}}),
    ):
        for value in decode_message(one, TOPIC, payload, NOW).values.values():
            assert (value.value is None) == (value.quality is Quality.BAD)


def test_a_retained_message_is_uncertain() -> None:
    assert told(GOOD, retained=True)["floor"] == Decoded("B1", Quality.UNCERTAIN, Cause.RETAINED)


def test_one_raw_number_or_word_per_topic() -> None:
    one = codec(
        {"temperature": {"topic": "t"}, "door": {"topic": "door", "enum": {"OPEN": "open", "SHUT": "closed"}}},
        payload="raw",
    )
    assert one.topics == ("lifts/7/state/t", "lifts/7/state/door")
    assert decode_message(one, "lifts/7/state/t", b" 21.5\n", NOW).values == {"temperature": Decoded(21.5)}
    assert decode_message(one, "lifts/7/state/door", b"SHUT", NOW).values == {"door": Decoded("closed")}
    assert encode_messages(one, {"door": "open", "temperature": 3.5}) == [
        ("lifts/7/state/t", b"3.5"),
        ("lifts/7/state/door", b"OPEN"),
    ]


def at(timestamp: object) -> tuple[int, int, Cause]:
    message = decode_message(codec(timestamp="at"), TOPIC, json.dumps({"floor": "1", "at": timestamp}).encode(), NOW)
    return message.at.wall_ms, message.at.steady_ms, message.values["floor"].cause


def test_a_device_time_within_the_skew_is_when_the_value_held() -> None:
    assert at(NOW.wall_ms - 2_000) == (NOW.wall_ms - 2_000, NOW.steady_ms - 2_000, Cause.NONE)
    assert at(NOW.wall_ms + 2_000) == (NOW.wall_ms + 2_000, NOW.steady_ms + 2_000, Cause.NONE)


def test_an_older_message_keeps_its_time_and_is_late() -> None:
    told_at = NOW.wall_ms - SKEW_MS - 1
    assert at(told_at) == (told_at, NOW.steady_ms - SKEW_MS - 1, Cause.LATE)


@pytest.mark.parametrize("timestamp", [NOW.wall_ms + SKEW_MS + 1, "yesterday", None, "2026-11-18T04:26:40"])
def test_a_clock_that_cannot_be_right_is_not_believed(timestamp: object) -> None:
    assert at(timestamp) == (NOW.wall_ms, NOW.steady_ms, Cause.LATE)


def test_a_clock_that_was_never_set_tells_nothing() -> None:
    message = decode_message(codec(timestamp="at"), TOPIC, b'{"floor":"1","at":86400}', NOW)
    assert (message.at, message.values["floor"]) == (NOW, Decoded(None, Quality.BAD, Cause.LATE))


@pytest.mark.parametrize(("written", "ms"), [
    ("2026-11-18T04:26:40Z", 1_794_976_000_000), ("2026-11-18T12:26:40.250+08:00", 1_794_976_000_250),
    (1_794_976_000, 1_794_976_000_000), (1_794_976_000.25, 1_794_976_000_250), (1_794_976_000_250, 1_794_976_000_250),
    (1_794_976_000_250_000, 1_794_976_000_250), (1_794_976_000_250_000_000, 1_794_976_000_250), ("1794976000", 1_794_976_000_000),
    (0, None), (True, None), ("", None), (float("inf"), None), ("9999-99-99T00:00:00Z", None), ({}, None),
])  # fmt: skip
def test_the_usual_forms_of_a_timestamp(written: object, ms: int | None) -> None:
    assert parse_timestamp(written) == ms


@pytest.mark.parametrize(("payload", "state"), [
    (b"online", True), (b"offline", False), (b'{"state":"offline"}', False), (b"?", None), (b"\xff", None), (b"{", None), (b"{}", None),
])  # fmt: skip
def test_a_last_will_says_online_offline_or_nothing(payload: bytes, state: bool | None) -> None:
    assert availability(codec(availability="lifts/{address}/will"), payload) is state


def test_the_last_will_is_subscribed_to() -> None:
    assert codec(availability="lifts/{address}/will").topics == ("lifts/7/state", "lifts/7/will")


@given(
    temperature=st.floats(-40, 125), door=st.sampled_from(["open", "closed"]), moving=st.booleans(),
    floor=st.text(st.characters(exclude_categories=["Cs"])),
)  # fmt: skip
def test_encode_then_decode_is_the_identity(temperature: float, door: str, moving: bool, floor: str) -> None:
    values: dict[str, Value] = {"temperature": temperature, "door": door, "moving": moving, "floor": floor}
    one = codec(timestamp="at")
    ((topic, payload),) = encode_messages(one, values, NOW.wall_ms)
    message = decode_message(one, topic, payload, NOW)
    assert ({name: value.value for name, value in message.values.items()}, message.at) == (values, NOW)


def test_nothing_to_tell_is_told_as_the_sentinel_or_null() -> None:
    ((_, payload),) = encode_messages(codec(), {"temperature": None, "floor": None})
    assert json.loads(payload) == {"car": {"sensors": [None, {"t": -273.1}]}, "floor": None}


def test_a_path_that_only_a_query_can_follow_has_no_way_back() -> None:
    with pytest.raises(ValueError, match="more than names and indexes"):
        encode_messages(codec({"floor": {"path": "rows[?a].b"}}), {"floor": "1"})


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is no JMESPath"):
        codec({"floor": {"path": "a..b"}})


@pytest.mark.parametrize(("topic_filter", "topic", "is_match"), [
    ("a/b", "a/b", True), ("a/b", "a/c", False), ("a/+/c", "a/b/c", True), ("a/+", "a/b/c", False), ("a/#", "a/b/c", True),
    ("a/#", "a", True), ("#", "$SYS/x", False), ("+/x", "$SYS/x", False), ("$SYS/+", "$SYS/x", True), ("+", "", True), ("a/+", "a/", True),
    ("+/+", "/a", True), ("a/+/#", "a", False), ("a", "a/b", False), ("a/b", "a", False),
])  # fmt: skip
def test_a_subscription_covers_the_topics_the_standard_says(topic_filter: str, topic: str, is_match: bool) -> None:
    assert matches(topic_filter, topic) is is_match
