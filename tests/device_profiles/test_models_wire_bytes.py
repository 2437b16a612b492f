"""Simulator and gateway share the mapping, so neither may judge the other: both are held against bytes written down.

For each register of each dump (what a device was seen to hold, or the worked-out words of its published map) the whole
frame stands here as the specification builds it. The simulated device, given the values, must send those bytes; the
gateway, given those bytes, must read those values. Published examples stand below as they were printed.
"""

import importlib.util
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from contract.messages import Quality, Value
from edge.acquire.frames import ExceptionReply, MbapBuffer, Read, RtuBuffer, build_mbap, build_rtu, parse_reply
from edge.decode.registers import RegisterCodec, compile_model, decode
from simulators.modbus_device import Bank, Table, answer
from simulators.raw_frames import RTU, Request, checksum
from simulators.registers import ModelRegisters


def _dumps() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dumps", Path(__file__).parent / "test_models_dumps.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dumps"] = module
    spec.loader.exec_module(module)
    return module


DUMPS = _dumps()
MODBUS = [dump for dump in DUMPS.DUMPS if "tables" in dump.data]
FUNCTION: Mapping[str, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
UNIT = 17


@dataclass(frozen=True, slots=True)
class Shown:
    """One point of one dump: where it stands, its words as written down, and what they mean."""

    name: str
    codec: RegisterCodec
    words: tuple[int, ...]
    scale: int | None
    value: Value
    quality: Quality

    @property
    def reply(self) -> bytes:
        """The reply's PDU: function, byte count, then the words high byte first, or bits lowest first."""
        function = FUNCTION[self.codec.table]
        if function < 3:
            return bytes((function, 1, self.words[0]))
        return struct.pack(f">BB{len(self.words)}H", function, 2 * len(self.words), *self.words)

    @property
    def request(self) -> bytes:
        return struct.pack(">BHH", FUNCTION[self.codec.table], self.codec.address, self.codec.count)


def shown(dump: Any) -> Iterator[Shown]:
    words = DUMPS.memory(dump)
    for name, codec in compile_model(dump.model, dump.points, dump.units).items():
        if name not in dump.data["expect"]:
            continue
        value, quality, _ = DUMPS.wanted(dump.data["expect"][name])
        found = tuple(words[codec.table, codec.address + index] for index in range(codec.count))
        scale = None if codec.scale_from is None else words[codec.table, codec.scale_from]
        yield Shown(name, codec, found, scale, value, quality)


@pytest.mark.parametrize("dump", MODBUS, ids=lambda dump: dump.name)
def test_the_gateway_reads_the_written_bytes_as_the_written_values(dump: Any) -> None:
    for one in shown(dump):
        read = Read(FUNCTION[one.codec.table], one.codec.address, one.codec.count)
        tcp = struct.pack(">HHHB", 5, 0, len(one.reply) + 1, UNIT) + one.reply
        ((header, pdu),) = MbapBuffer().feed(tcp)
        assert (header.transaction, header.unit) == (5, UNIT)
        line = RtuBuffer()
        line.expect(b"")
        body = bytes((UNIT,)) + one.reply
        (frame,) = line.feed(body + checksum(body))
        assert (frame.unit, frame.pdu) == (UNIT, pdu)
        payload = parse_reply(read, pdu)
        assert not isinstance(payload, ExceptionReply)
        words = list(payload) if one.codec.is_bit else [word for (word,) in struct.iter_unpack(">H", payload)]
        answer = decode(one.codec, words, one.scale)
        assert answer.quality is one.quality, one.name
        is_number = isinstance(one.value, float | int) and not isinstance(one.value, bool)
        assert answer.value == (pytest.approx(one.value, rel=1e-6, abs=1e-9) if is_number else one.value), one.name


def own_bits(codec: RegisterCodec) -> int:
    """Which bits of its one register a point owns; the others belong to its neighbours, mapped or not."""
    if codec.bits is not None:
        low, high = codec.bits
        return (1 << high + 1) - (1 << low)
    if codec.bit is not None or codec.type == "bit":
        return 1 << (codec.bit or 0)
    halves = {"h": 0xFF00, "l": 0x00FF}
    return halves[codec.type[-1]] if codec.type.startswith(("uint8", "int8")) else 0xFFFF


def has_several_ways(one: Shown) -> bool:
    """Codes of which several mean the same, and a sign that some meters write as 1 to 2: a device may choose."""
    words = list((one.codec.meaning.enum or {}).values())
    return len(words) != len(set(words)) or one.codec.meaning.transform != "none"


def differs(one: Shown, sent: bytes) -> bool:
    if has_several_ways(one):
        words = [word for (word,) in struct.iter_unpack(">H", sent[2:])]
        return decode(one.codec, words).value != one.value
    if one.codec.shares_register and one.codec.count == 1:
        mask = own_bits(one.codec)
        return sent[:2] != one.reply[:2] or (int.from_bytes(sent[2:], "big") ^ one.words[0]) & mask != 0
    return sent != one.reply


@pytest.mark.parametrize("dump", MODBUS, ids=lambda dump: dump.name)
def test_the_simulated_device_sends_the_written_bytes_for_the_written_values(dump: Any) -> None:
    """Floats are given in full: a dump rounds them, and the test above holds the rounding."""
    points = [exact(one) for one in shown(dump)]
    values = {one.name: one.value for one in points if one.quality is Quality.GOOD}
    bank = Bank({UNIT: ModelRegisters(dump.model, dump.points, lambda: values)})
    sent = {
        one.name: bank.quick_answer(Request(9, UNIT, one.request)) or b""
        for one in points
        if one.name in values and one.codec.scale_from is None
    }
    wrong = [
        f"{one.name}: {sent[one.name].hex(' ')} for {one.reply.hex(' ')} ({one.value})"
        for one in points
        if one.name in sent and differs(one, sent[one.name][7:])
    ]
    assert wrong == []
    assert {frame[:7] for frame in sent.values()} == {
        struct.pack(">HHHB", 9, 0, len(frame) - 6, UNIT) for frame in sent.values()
    }


def exact(one: Shown) -> Shown:
    is_float = one.codec.type.startswith("float") and isinstance(one.value, float)
    return replace(one, value=decode(one.codec, one.words, one.scale).value) if is_float else one


def test_every_modbus_model_is_held_against_written_bytes() -> None:
    models = {model.id for model in DUMPS.LIBRARY.models.values() if model.protocol == "modbus"}
    told = {dump.data["model"] for dump in MODBUS if any(one.quality is Quality.GOOD for one in shown(dump))}
    assert told == models


# A value with a scale factor of the device's own has as many spellings as factors; one of each is written down.
SCALED: Mapping[str, tuple[str, float, str, str]] = {
    # point, value, what the factor's register holds, what the value's register holds
    "sunspec_meter_203": ("voltage_l1", 230.4, "ffff", "0900"),  # 10^-1 × 2304
}


@pytest.mark.parametrize("model_id", SCALED)
def test_a_value_with_a_factor_of_its_own_is_written_with_it(model_id: str) -> None:
    name, value, factor, word = SCALED[model_id]
    model = DUMPS.LIBRARY.models[model_id]
    points = DUMPS.LIBRARY.classes[str(model.equipment_class)].points
    codec = compile_model(model, points)[name]
    assert codec.scale_from is not None
    registers = ModelRegisters(model, points, lambda: {name: value})
    asked = [struct.pack(">BHH", FUNCTION[codec.table], at, 1) for at in (codec.scale_from, codec.address)]
    assert [answer(registers, one)[2:].hex() for one in asked] == [factor, word]
    assert decode(codec, [int(word, 16)], int(factor, 16)).value == value


# --- published examples, as printed -------------------------------------------------------------------------------


class Memory:
    """Values by address."""

    def __init__(self, first: int, values: Sequence[int]) -> None:
        self._values = dict(enumerate(values, start=first))

    def read(self, table: Table, first: int, count: int) -> list[int]:
        return [self._values[at] for at in range(first, first + count)]


def bits(first: int, states: str) -> Memory:
    """States as the standard's tables print them: each byte's highest address first."""
    groups = states.split()
    values = [int(state) for group in groups for state in reversed(group)]
    return Memory(first, values)


# Modbus Application Protocol V1.1b3, the examples of sections 6.1 to 6.4: device memory, request, response.
STANDARD: Mapping[str, tuple[Memory, str, str]] = {
    "6.1 read coils 20-38": (bits(19, "11001101 01101011 00000101"), "01 0013 0013", "01 03 cd 6b 05"),
    "6.2 read discrete inputs 197-218": (bits(196, "10101100 11011011 00110101"), "02 00c4 0016", "02 03 ac db 35"),
    "6.3 read holding registers 108-110": (Memory(107, [555, 0, 100]), "03 006b 0003", "03 06 022b 0000 0064"),
    "6.4 read input register 9": (Memory(8, [10]), "04 0008 0001", "04 02 000a"),
}


@pytest.mark.parametrize("example", STANDARD)
def test_the_examples_of_the_standard_are_answered_and_read_as_printed(example: str) -> None:
    memory, request, response = STANDARD[example]
    asked, printed = bytes.fromhex(request), bytes.fromhex(response)
    assert answer(memory, asked) == printed
    function, first, count = struct.unpack(">BHH", asked)
    read = Read(function, first, count)
    assert build_mbap(1, UNIT, read)[7:] == asked
    assert parse_reply(read, printed) == printed[2:]


def test_both_sides_end_a_frame_with_the_checksum_that_the_standard_prints() -> None:
    """Modbus over serial line V1.02, appendix B: device 2, function 7 ends with 41 12."""
    assert checksum(bytes.fromhex("02 07")) == bytes.fromhex("41 12")


def test_the_voltage_of_eastrons_manual_is_230_2_volts_on_both_sides() -> None:
    """The maker's protocol document: 01 04 00 00 00 02 71 CB is answered by 01 04 04 43 66 33 34 1B 38, 230.2 V.

    Its float is the one after the nearest to 230.2: a meter measures, it does not round.
    """
    question, reply = bytes.fromhex("01 04 00 00 00 02 71 cb"), bytes.fromhex("01 04 04 43 66 33 34 1b 38")
    model = DUMPS.LIBRARY.models["eastron_sdm630"]
    points = DUMPS.LIBRARY.classes["lv_switchgear"].points
    bank = Bank({1: ModelRegisters(model, points, lambda: {"voltage_l1": 230.20001220703125})}, RTU)
    asked = RTU.cut(bytearray(question))
    assert asked is not None
    assert bank.quick_answer(asked) == reply
    assert build_rtu(1, Read(4, 0, 2)) == question
    line = RtuBuffer()
    line.expect(question)
    (frame,) = line.feed(reply)
    words = [word for (word,) in struct.iter_unpack(">H", frame.pdu[2:])]
    assert decode(compile_model(model, points)["voltage_l1"], words).value == pytest.approx(230.2, abs=1e-4)
