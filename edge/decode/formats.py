"""decode: the forms a message's payload may have: how it becomes a document, and where in that a point stands. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from device_profiles.schema import PayloadMapping
from edge.decode import paths, sparkplug
from edge.decode.wire import BYTES, Raw, pack, resolve_order, size_of, unpack

Form = Literal["json", "json_lines", "json_array", "raw", "text", "hex", "binary", "sparkplug_b"]
JSON_FORMS = ("json", "json_lines", "json_array")
MOST_TEXT = 65_536
"""Bytes of a text that a pattern is looked for in."""
MOST_PIECES = 10_000

Finder = Callable[[Any], Any]


def split(form: Form, payload: bytes) -> Sequence[bytes]:
    """The messages in one payload, in its order. Raises ValueError for one that is no such thing."""
    if form == "json_lines":
        pieces: Sequence[bytes] = [line for line in payload.splitlines() if line.strip()]
    elif form == "json_array":
        pieces = [bytes(piece) for piece in msgspec.json.decode(payload, type=list[msgspec.Raw])]
    else:
        return (payload,)
    if len(pieces) > MOST_PIECES:
        raise ValueError(f"{len(pieces)} messages in one payload; at most {MOST_PIECES} are read")
    return pieces


def read(form: Form, payload: bytes, births: sparkplug.Births) -> Any:  # noqa: ANN401 - whatever JSON holds
    """One message as a document. Raises ValueError saying what is wrong with it."""
    if form in JSON_FORMS:
        return msgspec.json.decode(payload)
    if form == "sparkplug_b":
        return sparkplug.decode(payload, births)
    if form == "binary":
        return payload
    if len(payload) > MOST_TEXT:
        raise ValueError(f"{len(payload)} bytes of text; at most {MOST_TEXT} are read")
    text = payload.decode().strip("\0 \t\r\n")
    return bytes.fromhex(text.removeprefix("0x").removeprefix("0X")) if form == "hex" else text


def finder(form: Form, mapping: PayloadMapping) -> Finder:
    """Document → what stands at the mapping's place, ``ABSENT`` when nothing does. Raises ValueError for a bad mapping."""
    if form in JSON_FORMS:
        return paths.compile_path(mapping.path)
    if form == "sparkplug_b":
        return lambda message: message.metrics.get(mapping.path, paths.ABSENT)
    if form == "text":
        return _in_text(mapping.pattern or "")
    return _in_bytes(mapping) if form in ("hex", "binary") else lambda document: document


def timestamp_finder(form: Form, path: str) -> Finder | None:
    """Where the device tells its own time; a Sparkplug payload has a field for it."""
    if form == "sparkplug_b":
        return lambda message: message.timestamp
    return paths.compile_path(path) if path and form in JSON_FORMS else None


def _in_text(pattern: str) -> Finder:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    if "value" not in compiled.groupindex:
        raise ValueError(f"{pattern!r} has no group named value; write (?P<value>...)")

    def find(text: str) -> Any:  # noqa: ANN401 - text, or nothing
        match = compiled.search(text)
        found = match["value"] if match else None
        return paths.ABSENT if found is None else found

    return find


def width(mapping: PayloadMapping) -> int:
    """Bytes a value takes in a hex or binary payload. An 8-bit type takes the one byte."""
    return 1 if mapping.type in BYTES else size_of(mapping.type)


def _in_bytes(mapping: PayloadMapping) -> Finder:
    start, wide, order = mapping.at or 0, width(mapping), resolve_order(mapping.type, mapping.order)

    def find(body: bytes) -> Raw | object:
        piece = body[start : start + wide]
        if len(piece) != wide:
            return paths.ABSENT
        if mapping.type in BYTES:
            return int.from_bytes(piece, "big", signed=mapping.type.startswith("int"))
        try:
            return unpack(mapping.type, order, piece)
        except ValueError:
            return ()  # there, and no such number

    return find


def put_bytes(body: bytearray, mapping: PayloadMapping, raw: Raw) -> None:
    """Write a raw value where ``finder`` looks for it. Raises ValueError for one that does not fit."""
    start, wide = mapping.at or 0, width(mapping)
    body.extend(b"\0" * (start + wide - len(body)))
    if mapping.type in BYTES:
        try:
            body[start : start + 1] = int(raw).to_bytes(1, "big", signed=mapping.type.startswith("int"))
        except OverflowError as error:
            raise ValueError(f"{raw!r} does not fit {mapping.type}") from error
    else:
        whole = raw if mapping.type.startswith("float") else round(float(raw))
        body[start : start + wide] = pack(mapping.type, resolve_order(mapping.type, mapping.order), whole)
