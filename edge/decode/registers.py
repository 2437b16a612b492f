"""decode: Modbus words → value with quality and cause, and exactly back. Any words are answered, none raises.

A sentinel is looked for first, in the words as they came; then the type; then what the mapping says of scale, words,
sign, unit and range.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

from contract.messages import Value
from device_profiles.schema import DeviceModel, ModbusLimits, Order, Point, RegisterMapping, WireType
from edge.decode.times import TIMES, NotValid
from edge.decode.value import ABSENT, SENTINEL, UNDECODABLE, Conversion, Decoded, conversion
from edge.decode.wire import BYTES, INTEGERS, Raw, pack, register_count, resolve_order, size_of, swap_bytes, unpack

NO_SCALE_CODE = 0x8000
"""SunSpec's own not-available of a scale factor."""
HIGHEST_POWER = 10

Image = MutableMapping[tuple[str, int], int]
"""A device's memory: (table, wire address) to word, or to 0 and 1 in the bit tables."""


@dataclass(frozen=True, slots=True)
class RegisterCodec:
    """One point of one device, compiled: where it stands, how its bytes read, and what they mean.

    ``address`` is the wire's zero-based one, ``count`` registers (or bits) long. ``scale_from`` is the wire address of
    the register with the power of ten, if the device has one.
    """

    table: str
    address: int
    count: int
    type: WireType
    order: Order
    meaning: Conversion
    bit: int | None = None
    sentinels: frozenset[int] = frozenset()
    """Patterns of the whole value: its words as they came, high byte first."""
    byte_sentinels: frozenset[int] = frozenset()
    """Patterns of a half register, for the 8-bit types."""
    scale_from: int | None = None
    scale_codes: Mapping[int, int] = field(default_factory=dict)
    """What the words at ``scale_from`` stand for; empty where the word is the power of ten itself."""
    bits: tuple[int, int] | None = None
    """Lowest and highest bit of the value within its registers; None takes them whole."""
    parts: tuple[int, ...] = ()
    """Powers of ten of the registers whose sum is the value; empty where they are one number."""
    max_bytes: int | None = None

    @property
    def is_bit(self) -> bool:
        """True in the tables that hold single bits."""
        return self.table in ("coil", "discrete")

    @property
    def shares_register(self) -> bool:
        """True when other points may live in other bits of the same register."""
        is_part = self.type == "bit" or self.type in BYTES or self.bit is not None or self.bits is not None
        return not self.is_bit and is_part

    def describe(self) -> str:
        """Where on the wire, for a person: ``input 0x003E float32 ABCD``."""
        if self.is_bit:
            return f"{self.table} 0x{self.address:04X}"
        bit = f" bit {self.bit}" if self.bit is not None else ""
        return f"{self.table} 0x{self.address:04X} {self.type} {self.order}{bit}"


def compile_point(
    mapping: RegisterMapping,
    limits: ModbusLimits | None = None,
    point: Point | None = None,
    unit: tuple[float, float] = (1.0, 0.0),
) -> RegisterCodec:
    """A mapping with its device's defaults and its standard point. ``unit`` leads from the wire's unit to the class's.

    Raises ValueError when the mapping makes no sense: an order of the wrong width, a bit of a float, a pattern that is
    wider than the value.
    """
    limits = limits or ModbusLimits()
    base = 1 if limits.one_based else 0
    is_bit_table = mapping.table in ("coil", "discrete")
    wire_type: WireType = "bit" if is_bit_table else mapping.type
    check_bit(wire_type, mapping.bit)
    count = 1 if is_bit_table else len(mapping.parts) or register_count(wire_type, mapping.length)
    wide, half = split_sentinels(mapping.sentinels, wire_type, count)
    return RegisterCodec(
        table=mapping.table,
        address=mapping.address - base,
        count=count,
        type=wire_type,
        order=resolve_order(wire_type, mapping.order, limits.order),
        meaning=conversion(mapping, point, unit),
        bit=mapping.bit,
        sentinels=wide,
        byte_sentinels=half,
        scale_from=None if mapping.scale_from is None else mapping.scale_from - base,
        scale_codes=dict(mapping.scale_codes),
        bits=mapping.field,
        parts=tuple(mapping.parts),
    )


def check_bit(wire_type: WireType, bit: int | None) -> None:
    """Raises ValueError when ``bit`` names no bit of the type."""
    if bit is None:
        return
    if wire_type != "bit" and wire_type not in INTEGERS:
        raise ValueError(f"{wire_type} has no single bits; leave bit out or read it as uint16")
    if not 0 <= bit < 8 * size_of(wire_type):
        raise ValueError(f"bit {bit} is outside {wire_type}; write 0 to {8 * size_of(wire_type) - 1}")


def split_sentinels(patterns: Sequence[str], wire_type: WireType, count: int) -> tuple[frozenset[int], frozenset[int]]:
    """Patterns of the whole value, and for 8-bit types those of one byte. Raises ValueError for one that is too wide."""
    wide: set[int] = set()
    half: set[int] = set()
    for pattern in patterns:
        digits = len(pattern) - 2
        if digits > 4 * count:
            raise ValueError(f"{pattern} is wider than {wire_type}, which takes {2 * count} bytes")
        (half if wire_type in BYTES and digits <= 2 else wide).add(int(pattern, 16))
    return frozenset(wide), frozenset(half)


def compile_model(
    model: DeviceModel, points: Mapping[str, Point], units: Mapping[str, tuple[float, float]] | None = None
) -> dict[str, RegisterCodec]:
    """Every mapped point of a Modbus model. ``units`` holds (scale, offset) of points whose wire unit differs."""
    return {
        name: compile_point(mapping, model.limits, points.get(name), (units or {}).get(name, (1.0, 0.0)))
        for name, mapping in model.registers.items()
    }


def decode(codec: RegisterCodec, words: Sequence[int], scale_code: int | None = None) -> Decoded:
    """Words as they came (or one bit) to the point's value. ``scale_code`` is the word at ``scale_from``.

    Never raises: too few words, too many, or words that are none are undecodable.
    """
    payload = _payload(codec, words)
    return UNDECODABLE if payload is None else decode_bytes(codec, payload, scale_code)


def decode_bytes(codec: RegisterCodec, payload: bytes, scale_code: int | None = None) -> Decoded:
    """As ``decode``, from the bytes of the reply; one byte 0 or 1 in the bit tables."""
    if codec.is_bit:
        return codec.meaning.convert(bool(payload[0])) if payload in (b"\0", b"\1") else UNDECODABLE
    if len(payload) != 2 * codec.count:
        return UNDECODABLE
    if _is_sentinel(codec, payload):
        return SENTINEL
    try:
        raw = _raw(codec, payload)
    except ValueError as error:
        return SENTINEL if isinstance(error, NotValid) else UNDECODABLE
    if codec.scale_from is None:
        return codec.meaning.convert(raw, min(codec.parts, default=0))
    return _scaled_by_device(codec, raw, scale_code)


def _raw(codec: RegisterCodec, payload: bytes) -> Raw:
    """What the bytes hold before scale and words. Raises ValueError when they are no such value."""
    if codec.parts:
        return _sum(codec, payload)
    raw = unpack(codec.type, codec.order, payload, codec.bit, codec.max_bytes)
    if codec.bits is not None and isinstance(raw, int):
        return raw >> codec.bits[0] & _field_mask(codec.bits)
    return raw


def _field_mask(bits: tuple[int, int]) -> int:
    return (1 << (bits[1] - bits[0] + 1)) - 1


def _sum(codec: RegisterCodec, payload: bytes) -> int:
    """The parts added up, in units of the smallest one."""
    smallest = min(codec.parts)
    words = [payload[at : at + 2] for at in range(0, len(payload), 2)]
    numbers = (int(unpack(codec.type, codec.order, word)) for word in words)
    return sum(number * 10 ** (power - smallest) for number, power in zip(numbers, codec.parts, strict=True))


def _split(codec: RegisterCodec, total: int) -> list[int]:
    """The inverse of ``_sum``: every part takes what the larger ones leave, all of the same sign."""
    smallest, left, parts = min(codec.parts), abs(total), {}
    for power in sorted(codec.parts, reverse=True):
        parts[power], left = divmod(left, 10 ** (power - smallest))
    return [parts[power] if total >= 0 else -parts[power] for power in codec.parts]


def _scaled_by_device(codec: RegisterCodec, raw: Raw, scale_code: int | None) -> Decoded:
    if scale_code is None:
        return ABSENT
    if scale_code == NO_SCALE_CODE:
        return SENTINEL
    power = power_of(codec, scale_code)
    return UNDECODABLE if power is None else codec.meaning.convert(raw, power)


def power_of(codec: RegisterCodec, scale_code: int) -> int | None:
    """The power of ten that a word at ``scale_from`` stands for, None when it stands for none."""
    if codec.scale_codes:
        return codec.scale_codes.get(scale_code)
    power = scale_code - 0x10000 if scale_code > 0x7FFF else scale_code
    return power if abs(power) <= HIGHEST_POWER else None


def _payload(codec: RegisterCodec, words: Sequence[int]) -> bytes | None:
    if len(words) != codec.count:
        return None
    try:
        return b"".join(int(word).to_bytes(1 if codec.is_bit else 2, "big") for word in words)
    except (OverflowError, TypeError, ValueError):
        return None


def _is_sentinel(codec: RegisterCodec, payload: bytes) -> bool:
    if codec.sentinels and int.from_bytes(payload, "big") in codec.sentinels:
        return True
    if not codec.byte_sentinels:
        return False
    straight = swap_bytes(payload) if codec.order == "BA" else payload
    return straight[0 if codec.type.endswith("h") else 1] in codec.byte_sentinels


# --- the way back: what a device would hold ------------------------------------------------------------------------


def encode(codec: RegisterCodec, value: Value, scale_code: int | None = None, *, saturate: bool = False) -> list[int]:
    """Words (or one bit) that a device would hold for ``value``, in the class's unit: the inverse of ``decode``.

    ``None`` gives the point's first sentinel. Raises ValueError when the wire cannot hold the value; with ``saturate``
    a number then stops at the end of its type, as real devices do.
    """
    if value is None and (codec.sentinels or codec.byte_sentinels):
        return _words(_not_available(codec))
    power = 0 if scale_code is None else power_of(codec, scale_code)
    if power is None:
        raise ValueError(f"{scale_code} is no scale code of this device")
    raw = codec.meaning.revert(value, min(codec.parts) if codec.parts else power)
    if codec.is_bit:
        return [_bit_of(raw)]
    if codec.parts:
        return _words(b"".join(pack(codec.type, codec.order, one) for one in _split(codec, round(float(raw)))))
    if codec.bits is not None:
        raw = (int(raw) & _field_mask(codec.bits)) << codec.bits[0]
    if codec.type == "bit" or codec.bit is not None:
        raw = _bit_of(raw)
    raw = _as_wire_number(codec.type, raw)
    if saturate and isinstance(raw, int):
        raw = max(_lowest(codec.type), min(raw, _highest(codec.type)))
    return _words(pack(codec.type, codec.order, raw, codec.bit, codec.count))


def _not_available(codec: RegisterCodec) -> bytes:
    if codec.sentinels:
        return min(codec.sentinels).to_bytes(2 * codec.count, "big")
    half = min(codec.byte_sentinels)
    straight = bytes((half, 0) if codec.type.endswith("h") else (0, half))
    return swap_bytes(straight) if codec.order == "BA" else straight


def _bit_of(raw: Raw) -> int:
    if raw not in (0, 1):
        raise ValueError(f"{raw!r} is no bit")
    return int(raw)


def _words(payload: bytes) -> list[int]:
    return [int.from_bytes(payload[at : at + 2], "big") for at in range(0, len(payload), 2)]


def _as_wire_number(wire_type: WireType, raw: Raw) -> Raw:
    """The nearest number the type can write; text that spells a number counts as it."""
    if wire_type == "string" or wire_type in TIMES:
        return raw
    if isinstance(raw, str):
        raw = float(raw)
    is_float = wire_type in ("float16", "float32", "float64")
    return float(raw) if is_float else round(raw)


def _highest(wire_type: WireType) -> int:
    bits = 8 if wire_type in BYTES else 8 * size_of(wire_type)
    if wire_type.startswith("bcd"):
        return int(10 ** (bits // 4)) - 1
    return (1 << (bits - 1)) - 1 if wire_type.startswith("int") else (1 << bits) - 1


def _lowest(wire_type: WireType) -> int:
    return -_highest(wire_type) - 1 if wire_type.startswith("int") else 0


def store(image: Image, codec: RegisterCodec, value: Value, scale_code: int | None = None) -> None:
    """Write ``value`` into a simulated device's memory, leaving the other bits of a shared register as they are.

    Numbers beyond the wire's type stop at its end. Raises ValueError when the mapping has no way to say the value.
    """
    words = encode(codec, value, scale_code, saturate=True)
    mask = _mask(codec)
    for index, (word, own) in enumerate(zip(words, mask, strict=True)):
        place = (codec.table, codec.address + index)
        image[place] = (image.get(place, 0) & ~own) | (word & own)


def _mask(codec: RegisterCodec) -> list[int]:
    """Which bits of its words belong to the point."""
    if codec.is_bit:
        return [1]
    if not codec.shares_register:
        return [0xFFFF] * codec.count
    if codec.bits is not None:
        return _words(pack(codec.type, codec.order, _field_mask(codec.bits) << codec.bits[0]))
    own = -1 if codec.type.startswith("int") and codec.type in BYTES else 0xFF if codec.type in BYTES else 1
    return _words(pack(codec.type, codec.order, own, codec.bit, codec.count))
