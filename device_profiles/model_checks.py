"""Ground floor: what one device model must keep to beyond its shape. Which option is legal for which type is a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from device_profiles import units
from device_profiles.class_checks import Mistake, unknown
from device_profiles.reading import NodePath, did_you_mean
from device_profiles.schema import DeviceModel, EquipmentClass, MqttTopics, PayloadMapping, Point, RegisterMapping

_HALF = ("uint8h", "uint8l", "int8h", "int8l")
_PAIR = ("AB", "BA")
_QUAD = ("ABCD", "CDAB", "BADC", "DCBA")
_OCTET = ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA")


@dataclass(frozen=True, slots=True)
class _Legal:
    """What a mapping of one wire type may say."""

    registers: int
    """How many it takes; 0 for a string, which says its length."""
    orders: tuple[str, ...]
    bits: int = 0
    """Highest count of single bits; 0 where ``bit`` means nothing."""
    is_number: bool = True
    """Whether scale, offset, unit, transform, ratio, plausible, max_rate and scale_from mean something."""
    has_sentinels: bool = True
    is_float: bool = False
    is_time: bool = False


_LEGAL: dict[str, _Legal] = {
    "bit": _Legal(1, (), bits=16, is_number=False, has_sentinels=False),
    **dict.fromkeys(_HALF, _Legal(1, ())),
    "uint16": _Legal(1, _PAIR, bits=16), "int16": _Legal(1, _PAIR, bits=16),
    "uint32": _Legal(2, _QUAD, bits=32), "int32": _Legal(2, _QUAD, bits=32),
    "uint64": _Legal(4, _OCTET, bits=64), "int64": _Legal(4, _OCTET, bits=64),
    "bcd16": _Legal(1, _PAIR), "bcd32": _Legal(2, _QUAD),
    "float16": _Legal(1, _PAIR, is_float=True), "float32": _Legal(2, _QUAD, is_float=True),
    "float64": _Legal(4, _OCTET, is_float=True),
    "string": _Legal(0, (*_PAIR, "ABCD", "BADC"), is_number=False, has_sentinels=False),
    "unix32": _Legal(2, _QUAD, is_number=False, is_time=True),
    **dict.fromkeys(("unix64", "unix_ms64", "cp56time", "bcd_time"), _Legal(4, _OCTET, is_number=False, is_time=True)),
    "calendar": _Legal(6, (*_PAIR, "ABCD", "BADC"), is_number=False, is_time=True),
}  # fmt: skip


def check_model(model: DeviceModel, classes: Mapping[str, EquipmentClass]) -> Iterator[Mistake]:
    """Every mistake of a model, given the classes that exist."""
    of = classes.get(model.equipment_class)
    if not model.channels:
        yield from unknown(("equipment_class",), "class", model.equipment_class, classes)
    for name, mapping in model.registers.items():
        yield from _register(("registers", name), mapping, model)
    yield from _overlaps(model)
    section = "registers" if model.protocol == "modbus" else "payload"
    for name, one in model.mappings.items():
        if of is not None and not model.channels:
            yield from unknown((section, name), f"point of {of.id}", name, of.points)
            if name in of.points:
                yield from check_meaning((section, name), one, of.points[name])
        yield from _own((section, name), one)
        for index, ratio in enumerate(one.ratio):
            yield from unknown((section, name, "ratio", index), "ratio of this model", ratio, model.ratios)
    yield from _topics(model)


# --- registers --------------------------------------------------------------------------------------------------


def width(mapping: RegisterMapping) -> int:
    """Registers (or bits, in the bit tables) that a mapping takes."""
    if mapping.table in ("coil", "discrete"):
        return 1
    if mapping.parts:
        return len(mapping.parts)
    return mapping.length or 1 if mapping.type == "string" else _LEGAL[mapping.type].registers


def _register(path: NodePath, mapping: RegisterMapping, model: DeviceModel) -> Iterator[Mistake]:
    yield from _bit_table(path, mapping) if mapping.table in ("coil", "discrete") else _options(path, mapping)
    yield from _address(path, mapping, model)


def _bit_table(path: NodePath, mapping: RegisterMapping) -> Iterator[Mistake]:
    if mapping.type not in ("bit", "uint16") or (mapping.type == "uint16" and "type" in mapping.model_fields_set):
        yield (*path, "type"), f"a {mapping.table} holds one bit, not {mapping.type}", "Write type: bit"
    for key in ("bit", "order", "length", "sentinels", "scale_from", "scale_codes", "field", "parts"):
        if key in mapping.model_fields_set:
            yield (*path, key), f"{key} means nothing for a {mapping.table}", "Remove it"
    yield from _no_arithmetic(path, mapping, f"a {mapping.table}")


def _options(path: NodePath, mapping: RegisterMapping) -> Iterator[Mistake]:
    legal, kind = _LEGAL[mapping.type], mapping.type
    if mapping.order is not None and mapping.order not in legal.orders:
        choices = f"Write one of {', '.join(legal.orders)}" if legal.orders else "Remove it"
        yield (*path, "order"), f"order {mapping.order} is not for {kind}", choices
    yield from _bit(path, mapping, legal)
    yield from _shares(path, mapping)
    if (kind == "string") != (mapping.length is not None):
        remedy = "Add length: and the number of registers" if kind == "string" else "Remove it"
        yield (*path, "length"), "a string says its length, and only a string does", remedy
    if mapping.sentinels and not legal.has_sentinels:
        yield (*path, "sentinels"), f"a {kind} has no sentinels", "Remove them"
    else:
        yield from _sentinels(path, mapping, legal)
    if mapping.enum and legal.is_time:
        yield (*path, "enum"), f"words mean nothing for {kind}, which is a time", "Remove them"
    if not legal.is_number or mapping.bit is not None:
        yield from _no_arithmetic(path, mapping, "a single bit" if mapping.bit is not None else f"a {kind}")
    if mapping.transform == "four_quadrant_pf" and not (legal.is_float or mapping.scale != 1):
        yield (
            (*path, "transform"),
            f"a four-quadrant power factor needs fractions, which {kind} has not",
            "Write a float type or a scale",
        )


def _bit(path: NodePath, mapping: RegisterMapping, legal: _Legal) -> Iterator[Mistake]:
    if mapping.type == "bit" and mapping.bit is None:
        yield (*path, "bit"), "does not say which bit of the register", "Add bit: 0 to 15, 0 being the lowest"
    if mapping.bit is not None and not legal.bits:
        yield (*path, "bit"), f"{mapping.type} has no single bits", "Remove bit or read it as uint16"
    elif mapping.bit is not None and mapping.bit >= legal.bits:
        yield (
            (*path, "bit"),
            f"{mapping.type} has no bit {mapping.bit}",
            f"Write 0 to {legal.bits - 1}, 0 being the lowest",
        )


def _shares(path: NodePath, mapping: RegisterMapping) -> Iterator[Mistake]:
    """A number in some bits of a register, and one that several registers add up to."""
    widths = {"uint16": 16, "uint32": 32}
    if mapping.field is not None:
        low, high = mapping.field
        if mapping.type not in widths or not 0 <= low <= high < widths[mapping.type]:
            yield (
                (*path, "field"),
                f"{low} to {high} are no bits of {mapping.type}",
                "Write [lowest, highest] of a uint16",
            )
    if mapping.parts and (mapping.type not in ("uint16", "int16") or len(set(mapping.parts)) != len(mapping.parts)):
        yield (*path, "parts"), "parts are different powers of ten, one a register", "Write type: int16 and [3, 0, -3]"
    if mapping.parts and (mapping.field is not None or mapping.scale_from is not None):
        yield (*path, "parts"), "parts go with neither field nor scale_from", "Remove the other"


def _sentinels(path: NodePath, mapping: RegisterMapping, legal: _Legal) -> Iterator[Mistake]:
    allowed = (2, 4) if mapping.type in _HALF else (4 * (len(mapping.parts) or legal.registers),)
    for index, pattern in enumerate(mapping.sentinels):
        if len(pattern) - 2 not in allowed:
            yield (
                (*path, "sentinels", index),
                f"{pattern} is not as wide as {mapping.type}",
                f"Write {' or '.join(map(str, allowed))} hex digits",
            )


def _no_arithmetic(path: NodePath, mapping: RegisterMapping, what: str) -> Iterator[Mistake]:
    for key in ("scale", "offset", "unit", "transform", "scale_from", "ratio", "plausible", "max_rate"):
        if key in mapping.model_fields_set and (key != "scale_from" or mapping.table not in ("coil", "discrete")):
            yield (*path, key), f"{key} means nothing for {what}", "Remove it"


def _address(path: NodePath, mapping: RegisterMapping, model: DeviceModel) -> Iterator[Mistake]:
    base = 1 if model.limits.one_based else 0
    first, count = mapping.address - base, width(mapping)
    if first < 0:
        yield (*path, "address"), "address 0 does not exist where numbers start at 1", "Write the manual's number"
    if first + count > 65_536:
        yield (*path, "address"), f"{count} registers from {mapping.address} end beyond the table", "Check the address"
    if mapping.scale_from is not None and not 0 <= mapping.scale_from - base <= 65_535:
        yield (*path, "scale_from"), f"{mapping.scale_from} is no register", "Check the address"
    most = model.limits.max_bits if mapping.table in ("coil", "discrete") else model.limits.max_registers
    if count > most:
        yield path, f"takes {count} registers but this device answers {most} at most", "Check max_registers"
    for low, high in model.limits.forbidden:
        if low <= mapping.address <= high or low <= mapping.address + count - 1 <= high:
            yield (*path, "address"), f"lies in the forbidden range {low}-{high}", "Correct one of the two"


def _overlaps(model: DeviceModel) -> Iterator[Mistake]:
    """Two values that share some registers, but are not two readings of the same ones, are a slip of the pen."""
    placed = sorted(
        (mapping.table, mapping.address, mapping.address + width(mapping), name)
        for name, mapping in model.registers.items()
    )
    for one, other in pairwise(placed):
        if one[0] == other[0] and other[1] < one[2] and one[1:3] != other[1:3]:
            yield (
                ("registers", other[3], "address"),
                f"overlaps {one[3]}, which takes {one[1]} to {one[2] - 1}",
                "Check address and type of both",
            )


# --- meaning ----------------------------------------------------------------------------------------------------

_Mapping = RegisterMapping | PayloadMapping


def _own(path: NodePath, mapping: _Mapping) -> Iterator[Mistake]:
    if mapping.scale == 0:
        yield (*path, "scale"), "a scale of 0 makes every value the same", "Write the factor of the manual"
    if mapping.enum and {"scale", "offset", "unit", "transform"} & mapping.model_fields_set:
        yield (*path, "enum"), "words and arithmetic do not go together", "Keep enum or scale, offset and unit"
    if mapping.enum and mapping.ratio:
        yield (*path, "ratio"), "words have no ratio", "Remove it"
    if mapping.enum and mapping.max_rate is not None:
        yield (*path, "max_rate"), "words do not change at a rate", "Remove it"
    if mapping.plausible and mapping.plausible[0] >= mapping.plausible[1]:
        yield (*path, "plausible"), "the range holds nothing", "Write the lower end first"
    if mapping.unit is not None and mapping.unit not in units.KNOWN:
        yield (
            (*path, "unit"),
            f"unit {mapping.unit!r} is not known",
            units.suggest(mapping.unit),
        )


def check_meaning(path: NodePath, mapping: _Mapping, point: Point) -> Iterator[Mistake]:
    """Whether the wire can tell what the point is."""
    if point.kind in ("gauge", "counter"):
        yield from _number(path, mapping, point)
    if point.kind == "state":
        yield from _state(path, mapping, point)
    if point.kind == "bit":
        yield from _truth(path, mapping)
    if point.kind == "text" and isinstance(mapping, RegisterMapping) and not _is_text(mapping):
        yield (*path, "type"), f"a text is a string or a time, not {mapping.type}", "Write type: string and length:"
    if mapping.invert and point.kind in ("state", "text"):
        yield (*path, "invert"), f"a {point.kind} cannot be inverted", "Remove it"


def _is_text(mapping: RegisterMapping) -> bool:
    """What a text point may be read from."""
    return mapping.type == "string" or _LEGAL[mapping.type].is_time


def _number(path: NodePath, mapping: _Mapping, point: Point) -> Iterator[Mistake]:
    if isinstance(mapping, RegisterMapping) and (
        mapping.type == "bit" or _is_text(mapping) or mapping.bit is not None or mapping.table in ("coil", "discrete")
    ):
        yield path, f"a {point.kind} is a number; one bit, a string or a time cannot tell it", "Read it as a number"
    if mapping.unit is None or mapping.unit not in units.KNOWN or point.unit not in units.KNOWN:
        return
    try:
        units.factor(mapping.unit, point.unit)
    except units.UnlikeUnits as error:
        yield (*path, "unit"), str(error), f"The point is in {point.unit or 'plain numbers'}"


def _state(path: NodePath, mapping: _Mapping, point: Point) -> Iterator[Mistake]:
    if isinstance(mapping, RegisterMapping) and not mapping.enum and mapping.type != "string":
        yield (*path, "enum"), "numbers of a state need words", f"Add enum: {{0: {next(iter(point.states))}, …}}"
    for raw, word in mapping.enum.items():
        if word not in point.states:
            yield (*path, "enum", raw), f"{word!r} is no state of the point", did_you_mean(word, point.states)
    yield from _raw_keys(path, mapping)


def _truth(path: NodePath, mapping: _Mapping) -> Iterator[Mistake]:
    if mapping.scale != 1 or mapping.offset or mapping.transform != "none":
        yield path, "arithmetic means nothing for a bit point", "Write enum: or read one bit"
    for raw, word in mapping.enum.items():
        if word not in ("true", "false"):
            yield (*path, "enum", raw), f"a bit is true or false, not {word!r}", "Write true or false"
    if mapping.enum and len(set(mapping.enum.values())) < 2:
        yield (*path, "enum"), "the point could never change", "Say which raw values mean true and which false"
    is_single = isinstance(mapping, PayloadMapping) or (
        mapping.type == "bit" or mapping.bit is not None or mapping.table in ("coil", "discrete")
    )
    if (
        not is_single
        and not mapping.enum
        and isinstance(mapping, RegisterMapping)
        and mapping.type not in ("uint16", "int16")
    ):
        yield (
            (*path, "type"),
            f"a bit point cannot be read from {mapping.type}",
            "Write type: bit and bit:, or add enum:",
        )
    yield from _raw_keys(path, mapping)


def _raw_keys(path: NodePath, mapping: _Mapping) -> Iterator[Mistake]:
    if not isinstance(mapping, RegisterMapping) or mapping.type == "string":
        return
    for raw in mapping.enum:
        if raw not in ("true", "false") and not raw.removeprefix("-").isdecimal():
            yield (*path, "enum", raw), f"{raw} is no raw value of {mapping.type}", "Write decimal numbers"


# --- MQTT -------------------------------------------------------------------------------------------------------


def _topics(model: DeviceModel) -> Iterator[Mistake]:
    if model.mqtt is None:
        return
    if "{address}" not in model.mqtt.topic and not model.mqtt.device:
        remedy = "Put {address} into it, or say with device: where in the message the address stands"
        yield ("mqtt", "topic"), "two devices of this model would share one topic", remedy
    yield from _sparkplug_topic(model.mqtt)
    for key in ("timestamp", "device"):
        yield from _is_path(("mqtt", key), getattr(model.mqtt, key), model.mqtt.payload)
    for key, topic in (("topic", model.mqtt.topic), ("availability", model.mqtt.availability)):
        if "#" in topic or topic.startswith("/") or topic.endswith("/"):
            yield ("mqtt", key), f"{topic!r} is no usable topic", "Write levels with / between, without # at the end"
    for name, mapping in model.payload.items():
        yield from _place_in_payload(("payload", name), mapping, model.mqtt.payload)


def _sparkplug_topic(mqtt: MqttTopics) -> Iterator[Mistake]:
    levels = mqtt.topic.split("/")
    is_whole = len(levels) in (4, 5) and levels[0] == "spBv1.0" and levels[2] == "+"
    if mqtt.payload == "sparkplug_b" and not is_whole:
        remedy = "Write spBv1.0/GROUP/+/NODE/{address}: the + lets births, data and deaths in"
        yield ("mqtt", "topic"), f"{mqtt.topic!r} is no topic of a Sparkplug device", remedy


def _is_path(path: NodePath, text: str, payload: str) -> Iterator[Mistake]:
    if not text:
        return
    if not payload.startswith("json"):
        yield path, f"a {payload} payload has no paths", "Remove it"
        return
    try:
        import jmespath  # the gateway's; the cloud reads the library too, and no message
        from jmespath.exceptions import JMESPathError
    except ImportError:
        return
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        place = getattr(error, "lex_position", None)
        where = "" if place is None else f" from character {place + 1} on"
        yield (
            path,
            f"{text!r} is no JMESPath{where}",
            'Write names with dots: params."em:0".act_power',
        )


_WAYS = {
    "json": ("path",), "json_lines": ("path",), "json_array": ("path",), "raw": (), "text": ("pattern",),
    "hex": ("at", "type", "order"), "binary": ("at", "type", "order"), "sparkplug_b": ("path",),
}  # fmt: skip
"""How a value is found in each kind of payload."""


def _place_in_payload(path: NodePath, mapping: PayloadMapping, payload: str) -> Iterator[Mistake]:
    ways = _WAYS[payload]
    for key in ("path", "pattern", "at", "type", "order"):
        if key in mapping.model_fields_set and key not in ways:
            yield (*path, key), f"a {payload} payload has no {key}", f"Remove it; here one writes {_listed(ways)}"
    if "at" in ways and mapping.at is None:
        yield (
            path,
            f"does not say where in the {payload} payload it stands",
            "Add at: with the number of its first byte",
        )
    if "at" in ways and (mapping.type in ("bit", "string") or _LEGAL[mapping.type].is_time):
        yield (*path, "type"), f"{mapping.type} cannot be read from a {payload} payload", "Write a type of number"
    elif mapping.order is not None and "order" in ways and mapping.order not in _LEGAL[mapping.type].orders:
        legal = _listed(_LEGAL[mapping.type].orders)
        yield (*path, "order"), f"order {mapping.order} is not for {mapping.type}", f"Write one of {legal}"
    if payload.startswith("json"):
        yield from _is_path((*path, "path"), mapping.path, payload)
    if payload == "sparkplug_b" and not mapping.path:
        yield path, "names no metric", "Add path: with the metric's name"
    if "pattern" in ways:
        yield from _pattern(path, mapping.pattern)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "nothing of the kind"


def _pattern(path: NodePath, pattern: str | None) -> Iterator[Mistake]:
    if pattern is None:
        yield path, "does not say where in the text it stands", "Add pattern: with a group named value, (?P<value>...)"
        return
    try:
        has_group = "value" in re.compile(pattern).groupindex
    except re.error as error:
        yield (*path, "pattern"), f"is no regular expression: {error}", "Correct it"
        return
    if not has_group:
        yield (*path, "pattern"), "has no group named value", "Write (?P<value>...) around the value"
