"""``plantroom-edge decode``: registers by hand, for whoever stands before a meter with a laptop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import typer

from contract.conventions import Exit
from edge.decode.tool import Line, answer, decode_line, every_reading, read_words


def decode_lines(lines: Iterable[str]) -> None:
    """One answer a line, in order; a line that cannot be understood gets its error and the next is read."""
    for line in lines:
        if line.strip():
            typer.echo(json.dumps(decode_line(line), ensure_ascii=False))


def decode_words(words: list[str], keys: Mapping[str, Any], *, everything: bool) -> None:
    """One reading, or every plausible one."""
    try:
        registers = read_words(words)
        if not registers:
            raise ValueError("no registers to decode; write them as 0x4366 0x3333")
        asked = {key: value for key, value in keys.items() if value is not None and value != []}
        line = msgspec.convert({**asked, "registers": registers}, Line)
        readings = list(every_reading(registers, line)) if everything else [answer(line)]
    except (ValueError, msgspec.ValidationError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Exit.MISCONFIGURED) from None
    for reading in readings:
        typer.echo(json.dumps(reading, ensure_ascii=False))
