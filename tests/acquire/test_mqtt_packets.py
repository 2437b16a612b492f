"""MQTT's bytes: whole packets from any pieces, nothing a listener may not say, and no bytes that raise anything unforeseen."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.acquire import mqtt_packets
from edge.acquire.mqtt_packets import (
    MOST_BYTES,
    NotMqtt,
    Packet,
    PacketBuffer,
    Version,
    build_acknowledgements,
    build_connect,
    build_subscribe,
    parse_farewell,
    parse_granted,
    parse_greeting,
    say,
)
from edge.decode.payload import Publication

VERSIONS: list[Version] = [4, 5]


def length(size: int) -> bytes:
    found = bytearray()
    while True:
        found.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return bytes(found)


def publication(version: Version, one: Publication) -> bytes:
    topic = one.topic.encode()
    body = struct.pack(">H", len(topic)) + topic
    body += struct.pack(">H", one.mid) if one.qos else b""
    body += b"\x05\x02\x00\x00\x00\x3c" if version == 5 else b""  # a message expiry of a minute
    body += one.payload
    return bytes((0x30 | one.qos << 1 | one.retain,)) + length(len(body)) + body


MESSAGE = st.builds(
    lambda topic, payload, qos, retain, mid: Publication(topic, payload, qos, retain, mid if qos else 0, len(payload)),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), st.binary(max_size=300), st.integers(0, 1),
    st.booleans(), st.integers(1, 65_535),
)  # fmt: skip


@given(st.sampled_from(VERSIONS), st.lists(MESSAGE, max_size=6), st.data())
def test_messages_come_out_as_they_went_in_whatever_the_pieces(
    version: Version, messages: list[Publication], data: st.DataObject
) -> None:
    stream = b"".join(publication(version, one) for one in messages) + b"\xd0\x00"
    buffer, found, at = PacketBuffer(version), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, 400))
        found += buffer.feed(stream[at : at + step])
        at += step
    assert found == [*messages, Packet(13, b"")]


@given(st.sampled_from(VERSIONS), st.lists(st.binary(max_size=200), max_size=4))
def test_no_bytes_raise_anything_but_that_they_are_no_mqtt(version: Version, pieces: list[bytes]) -> None:
    buffer = PacketBuffer(version)
    try:
        for piece in pieces:
            buffer.feed(piece)
    except NotMqtt:
        return


@given(st.binary(max_size=60), st.sampled_from(VERSIONS))
def test_no_answer_of_a_broker_raises_anything_but_that_it_is_no_mqtt(body: bytes, version: Version) -> None:
    for parse in (parse_greeting, parse_farewell, lambda text: parse_granted(text, version)):
        try:
            parse(body)
        except NotMqtt:
            continue


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message_of_any_length_takes_no_more_memory_than_its_head(version: Version) -> None:
    huge = Publication("a", b"x" * (3 * MOST_BYTES), 1, False, 7, 3 * MOST_BYTES)
    small = Publication("b", b"1", 0, False, 0, 1)
    stream = publication(version, huge) + publication(version, small)
    buffer, found, most = PacketBuffer(version), [], 0
    for at in range(0, len(stream), 65_536):
        found += buffer.feed(stream[at : at + 65_536])
        most = max(most, len(buffer._rest))
    assert [(one.topic, one.mid, one.size, len(one.payload)) for one in found if isinstance(one, Publication)] == [
        ("a", 7, 3 * MOST_BYTES, 1024), ("b", 0, 1, 1),
    ]  # fmt: skip
    assert most < 200_000


@pytest.mark.parametrize(("stream", "words"), [
    (b"\x15\x03\x01\x00\x02", "write mqtts://"), (b"HTTP/1.1 400", "speaks no MQTT"), (b"\x36\x05\x00\x01a\x00\x01", "do not fit"),
    (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"), (b"\x32\x03\x00\x01a", "do not fit"), (b"\x30\x01\x00", "do not fit"),
])  # fmt: skip
def test_what_is_no_broker_is_told_for_what_it_is(stream: bytes, words: str) -> None:
    with pytest.raises(NotMqtt, match=words):
        PacketBuffer(4).feed(stream)


def test_a_greeting_tells_its_code_the_keep_alive_and_the_reason_in_both_versions() -> None:
    assert parse_greeting(b"\x01\x00").has_session
    assert parse_greeting(b"\x00\x05").code == 5
    five = parse_greeting(b"\x00\x87\x0b\x13\x00\x1e\x21\x00\x14\x1f\x00\x02no")
    assert (five.code, five.keep_alive_s, five.reason) == (0x87, 30, "no")
    assert parse_granted(b"\x00\x07\x01\x80", 4) == (7, (1, 0x80))
    assert parse_granted(b"\x00\x07\x00\x01\x87", 5) == (7, (1, 0x87))
    assert parse_farewell(b"\x8e\x00").startswith("another client with the same client_id took over")
    assert say(0xFE) == "reason code 0xFE"


def test_a_greeting_asks_for_a_session_that_outlives_the_connection() -> None:
    assert build_connect(4, "gw", 60, None, 600, 20) == b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x3c\x00\x02gw"
    five = build_connect(5, "gw", 60, ("u", "p"), 600, 20)
    assert (
        five == b"\x10\x1d\x00\x04MQTT\x05\xc0\x00\x3c\x08\x11\x00\x00\x02\x58\x21\x00\x14\x00\x02gw\x00\x01u\x00\x01p"
    )
    assert build_connect(4, "gw", 60, None, 0, 20)[9] == 2, "a command that only looks keeps no session"


def test_topics_are_asked_for_at_least_once_and_acknowledged_in_one_piece() -> None:
    assert build_subscribe(4, 7, ["a", "b"]) == b"\x82\x0a\x00\x07\x00\x01a\x01\x00\x01b\x01"
    assert build_subscribe(5, 7, ["a"])[2:5] == b"\x00\x07\x00"
    assert build_acknowledgements([1, 258]) == b"\x40\x02\x00\x01\x40\x02\x01\x02"


def test_this_gateway_has_no_way_to_publish() -> None:
    builders = [name for name in dir(mqtt_packets) if name.startswith("build_")]
    assert builders == ["build_acknowledgements", "build_connect", "build_subscribe"]
    said = [build_connect(5, "gw", 60, None, 1, 1), build_subscribe(5, 1, ["a"]), build_acknowledgements([1])]
    said += [mqtt_packets.PINGREQ_PACKET, mqtt_packets.DISCONNECT_PACKET]
    assert [one[0] >> 4 for one in said] == [1, 8, 4, 12, 14]
