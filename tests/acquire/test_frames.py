"""The bytes on the line: only reads can be built, and only the answer to a request is taken for one."""

import ast
import inspect
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.acquire import frames
from edge.acquire.frames import (
    ExceptionReply,
    Garbled,
    OutOfStep,
    Read,
    ReadOnlyViolation,
    build_mbap,
    build_read,
    build_rtu,
    crc16,
    parse_mbap,
    parse_reply,
    parse_rtu,
    rtu_size,
)

READS = st.builds(Read, st.integers(-1, 300), st.integers(-10, 70_000), st.integers(-1, 3000))


@given(READS, st.integers(-1, 300), st.integers(0, 0xFFFF))
def test_no_request_carries_another_function_code_than_a_read(read: Read, unit: int, transaction: int) -> None:
    builders: list[tuple[Callable[[], bytes], int]] = [
        (lambda: build_read(read), 0),
        (lambda: build_mbap(transaction, unit, read), 7),
        (lambda: build_rtu(unit, read), 1),
    ]
    for build, at in builders:
        try:
            sent = build()
        except ReadOnlyViolation:
            continue
        assert sent[at] in (1, 2, 3, 4)
        assert struct.unpack(">HH", sent[at + 1 : at + 5]) == (read.address, read.count)


@pytest.mark.parametrize("function", [0, 5, 6, 8, 15, 16, 17, 22, 23, 43, 0x81, True, 3.0, "3"])
def test_every_writing_function_is_refused(function: int) -> None:
    for build in (build_read, lambda one: build_mbap(1, 1, one), lambda one: build_rtu(1, one)):
        with pytest.raises(ReadOnlyViolation, match="only 1, 2, 3 and 4 are ever sent"):
            build(Read(function, 0, 1))


def test_every_frame_builder_goes_through_the_one_check() -> None:
    for name, function in inspect.getmembers(frames, inspect.isfunction):
        if name.startswith("build_") and name != "build_read":
            assert "build_read(read)" in inspect.getsource(function), name


def test_nothing_in_the_edge_imports_a_library_that_can_write() -> None:
    for file in (Path(__file__).parents[2] / "edge").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not [name for name in names if name.startswith(("pymodbus", "minimalmodbus"))], file


@pytest.mark.parametrize("read", [Read(1, 0, 2001), Read(3, 0, 126), Read(3, 0, 0), Read(4, 65_535, 2), Read(4, -1, 1)])
def test_what_no_standard_allows_is_not_sent(read: Read) -> None:
    with pytest.raises(ReadOnlyViolation):
        build_read(read)


def test_known_frames() -> None:
    assert build_rtu(0x11, Read(3, 0x6B, 3)) == bytes.fromhex("1103006b00037687")
    assert build_mbap(0x1501, 0xFF, Read(1, 1, 8)) == bytes.fromhex("150100000006ff0100010008")
    assert crc16(b"123456789") == 0x4B37


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 1), (8, 1), (9, 2), (17, 3), (2000, 250)])
def test_bits_come_packed_eight_to_a_byte(count: int, size: int) -> None:
    reply = bytes([1, size]) + b"\xff" * size
    assert parse_reply(Read(1, 0, count), reply) == b"\xff" * size


def test_an_exception_is_told_from_values() -> None:
    reply = parse_reply(Read(3, 0, 1), b"\x83\x02")
    assert reply == ExceptionReply(2)
    assert str(reply) == "exception 2 (illegal data address)"


@pytest.mark.parametrize(
    "pdu",
    [
        b"",
        b"\x03",
        b"\x04\x02\x00\x01",
        b"\x03\x04\x00\x01\x00\x01",
        b"\x03\x02\x00",
        b"\x03\x02\x00\x01\x00",
        b"\x84\x02",
        b"\x83\x02\x00",
    ],
)
def test_what_answers_another_request_is_garbled(pdu: bytes) -> None:
    with pytest.raises(Garbled):
        parse_reply(Read(3, 0, 1), pdu)


@given(st.integers(1, 4), st.integers(0, 100), st.integers(1, 125), st.binary(max_size=300))
def test_any_bytes_give_the_right_length_an_exception_or_garbled(
    function: int, address: int, count: int, pdu: bytes
) -> None:
    read = Read(function, address, count)
    try:
        reply = parse_reply(read, pdu)
    except Garbled:
        return
    assert isinstance(reply, ExceptionReply) or len(reply) == read.payload_size


@given(st.binary(min_size=7, max_size=7))
def test_any_header_is_one_or_out_of_step(header: bytes) -> None:
    try:
        parsed = parse_mbap(header)
    except OutOfStep:
        return
    assert header[2:4] == b"\0\0"
    assert 2 <= parsed.size <= 253


@given(st.binary(max_size=260))
def test_any_serial_bytes_wait_fit_or_are_out_of_step(received: bytes) -> None:
    try:
        size = rtu_size(received)
        if size is not None:
            parse_rtu(received[:size])
    except OutOfStep:
        return
    assert size is None or crc16(received[: size - 2]) == int.from_bytes(received[size - 2 : size], "little")


@given(
    st.integers(1, 247),
    st.integers(1, 4),
    st.binary(min_size=1, max_size=250),
    st.integers(0, 254),
    st.integers(1, 255),
)
def test_one_wrong_byte_spoils_a_serial_frame(unit: int, function: int, values: bytes, at: int, change: int) -> None:
    frame = bytes([unit, function, len(values)]) + values
    frame += crc16(frame).to_bytes(2, "little")
    assert parse_rtu(frame).pdu == frame[1:-2]
    broken = bytearray(frame)
    broken[at % len(frame)] ^= change
    with pytest.raises(OutOfStep):
        parse_rtu(bytes(broken))
