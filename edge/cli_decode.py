"""``plantroom-edge decode``: registers by hand, for whoever stands before a meter with a laptop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, get_args

import msgspec
import typer

from contract.conventions import Exit
from device_profiles.reading import did_you_mean
from device_profiles.schema import Order, WireType
from edge.cli_speech import put_json
from edge.decode.tool import LONGEST_LINE, Line, answer, decode_line, every_reading, read_words


def decode_lines(stream: BinaryIO) -> None:
    """One answer a line, in order; a line that cannot be understood gets its error and the next is read."""
    for line in _lines(stream):
        put_json(decode_line(line))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines as bytes, so that bad UTF-8 spoils one line only; of an endless one no more than its beginning is kept."""
    is_first = True
    while line := stream.readline(LONGEST_LINE + 2):
        rest = line
        while not rest.endswith(b"\n") and (rest := stream.readline(LONGEST_LINE)):
            pass
        yield (line.removeprefix(b"\xef\xbb\xbf") if is_first else line).rstrip(b"\r\n")
        is_first = False


def decode_words(words: list[str], keys: Mapping[str, Any], *, everything: bool) -> None:
    """One reading, or every plausible one."""
    try:
        registers = read_words(words)
        if not registers:
            raise ValueError("no registers to decode; write them as 0x4366 0x3333")
        asked = {key: value for key, value in keys.items() if value is not None and value != []}
        _known("type", asked.get("type"), get_args(WireType))
        _known("order", asked.get("order"), get_args(Order))
        line = msgspec.convert({**asked, "registers": registers}, Line)
        readings = list(every_reading(registers, line)) if everything else [answer(line)]
    except (ValueError, msgspec.ValidationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.MISCONFIGURED) from None
    for reading in readings:
        put_json(reading)
    if not readings:
        typer.echo("No type and order reads these registers as a plausible value", err=True)
        raise typer.Exit(Exit.FINDING)


def _known(key: str, word: str | None, words: tuple[str, ...]) -> None:
    if word is not None and word not in words:
        near = did_you_mean(word, words)
        raise ValueError(f"{key} {word!r} is not known. {near if '?' in near else 'Write one of ' + ', '.join(words)}")
