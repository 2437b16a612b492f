"""``plantroom-edge read`` and ``probe``: questions to devices, by hand. They only ever read.

When the gateway runs and holds the line, it asks for us between its own polls; otherwise the line is opened here.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from contract.conventions import Exit, data_directory
from device_profiles.library import Finding
from device_profiles.reading import did_you_mean
from device_profiles.schema import WireType
from edge.acquire.frames import FUNCTION_OF, Read
from edge.acquire.read_plan import BIT_TABLES
from edge.cli_bus import (
    BaudOption,
    CaOption,
    CertOption,
    HostOption,
    KeyOption,
    KindOption,
    ParityOption,
    PortOption,
    Rs485Option,
    SerialOption,
    StopBitsOption,
    TimeoutOption,
    bus_of,
    table_of,
    wrong,
)
from edge.cli_speech import Json, SiteArgument, put_json, speaking
from edge.clock import SystemClock
from edge.commission.asking import Asker, Outcome, open_asker, words_of
from edge.commission.listening import hear
from edge.commission.probing import AROUND, LONGEST, Guess, guesses
from edge.commission.reading import Row, choose, read_device, show_value, table
from edge.config import load_site
from edge.errors import Misconfigured, Transient
from edge.site import Bus, Device, Site

LISTEN_S = 30.0
Data = Annotated[Path | None, typer.Option(help="The running gateway's data folder. Default: as for run.")]

# --- read -----------------------------------------------------------------------------------------------------------


def read(
    site_file: SiteArgument,
    device: Annotated[str, typer.Argument(help="Id of a device of the site file.")],
    point: Annotated[str, typer.Argument(help="One of its points; none reads all.")] = "",
    wait: Annotated[
        float, typer.Option(min=0.1, help="Seconds to listen to an MQTT device when no gateway runs.")
    ] = LISTEN_S,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Read a device once: raw words, value, unit, quality and milliseconds of each point; of an MQTT device its messages."""
    with speaking():
        site = load_site(site_file)
        chosen = find_device(site, device, point)
        if chosen.bus.kind == "mqtt":
            heard = asyncio.run(hear(chosen, data_directory(data), SystemClock(), wait, _whisper))
            rows, notes = heard.rows, heard.notes
        else:
            rows, notes = asyncio.run(_read_once(chosen, data_directory(data))), []
    for row in rows if as_json else ():
        put_json(row.as_object())
    if not as_json:
        for line in read_lines(rows):
            typer.echo(line)
    for note in notes:
        typer.echo(note, err=True)
    if not all(row.is_good for row in rows):
        raise typer.Exit(Exit.FINDING)


def find_device(site: Site, name: str, point: str = "") -> Device:
    """A device by its id, with one point only when one is named. Raises Misconfigured with the nearest name."""
    found = next((one for one in site.devices if one.id == name), None)
    if found is None:
        known = [one.id for one in site.devices]
        raise Misconfigured(
            [Finding(str(site.path), 0, "devices", f"there is no device {name}", did_you_mean(name, known))]
        )
    if not point:
        return found
    try:
        return choose(found, point)
    except KeyError:
        near = did_you_mean(point, [one.device_point for one in found.bindings])
        message = f"{name} has no point {point}"
        raise Misconfigured([Finding(str(site.path), 0, f"devices.{name}", message, near)]) from None


async def _read_once(device: Device, data: Path) -> list[Row]:
    clock = SystemClock()
    async with open_asker(device.bus, data, clock) as asker:
        tell_through(asker)
        return [row async for row in read_device(asker, device, clock)]


def tell_through(asker: Asker) -> None:
    """Who asks, where it is not this process."""
    if asker.through:
        typer.echo(f"read through the running gateway {asker.through}, between its polls", err=True)


async def last_spoken(device: Device, data: Path) -> list[Row]:
    """What a device that speaks when it likes said: to the running gateway, or now."""
    return (await hear(device, data, SystemClock(), LISTEN_S, _whisper)).rows


def _whisper(text: str) -> None:
    typer.echo(text, err=True)


def read_lines(rows: list[Row]) -> list[str]:
    """The table of ``read``."""
    heads = ["point", "wire", "words", "value", "unit", "quality", "ms"]
    body = [
        [
            row.point, row.where, " ".join(f"{word:04X}" for word in row.words) or "-", show_value(row.value), row.unit or "-",
            row.quality if row.is_good else f"{row.quality}: {row.cause}" + (f" ({row.reason})" if row.reason else ""),
            f"{row.ms:.0f}",
        ]
        for row in rows
    ]  # fmt: skip
    return table(heads, body)


# --- probe ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Probe:
    unit: int
    table: str
    address: int
    timeout_ms: int


def probe(
    *,
    unit: Annotated[int, typer.Option("--id", min=0, max=255, help="Unit id of the device.")],
    address: Annotated[str, typer.Option(help="Address, such as 62 or 0x3E.")],
    host: HostOption = "",
    port: PortOption = None,
    serial: SerialOption = "",
    baud: BaudOption = 9600,
    parity: ParityOption = "N",
    stop_bits: StopBitsOption = 1,
    rs485: Rs485Option = False,
    kind: KindOption = "tcp",
    ca_file: CaOption = None,
    cert_file: CertOption = None,
    key_file: KeyOption = None,
    in_table: Annotated[str, typer.Option("--table", help="holding, input, coil or discrete.")] = "holding",
    one_based: Annotated[bool, typer.Option("--one-based", help="The manual counts from 1.")] = False,
    expect: Annotated[float | None, typer.Option(help="What the display shows.")] = None,
    wire_type: Annotated[str, typer.Option("--type", help="Only this type.")] = "",
    most: Annotated[int, typer.Option("--most", min=1, help="How many readings to show.")] = 12,
    timeout: TimeoutOption = 1000,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Read an address and its neighbours under every type and order; the readings nearest to --expect come first."""
    with speaking():
        bus = bus_of(
            kind=kind, host=host, port=port, serial=serial, baud=baud, parity=parity, stop_bits=stop_bits, rs485=rs485,
            ca_file=ca_file, cert_file=cert_file, key_file=key_file,
        )  # fmt: skip
        if expect is not None and not math.isfinite(expect):
            raise wrong(f"--expect {expect} is no number", "Write what the display shows, such as 230.2")
        types = (_wire_type(wire_type),) if wire_type else ()
        asked = _Probe(unit, table_of(in_table), _address(address, one_based=one_based), timeout)
        found = asyncio.run(_probe(bus, asked, data_directory(data)))
    ranked = _bits(asked, found) if in_table in BIT_TABLES else guesses(found, asked.address, expect, types)
    for line in _probe_lines(asked, ranked[:most]) if not as_json else ():
        typer.echo(line)
    for guess in ranked[:most] if as_json else ():
        put_json(guess.as_object())
    if not ranked or (expect is not None and not ranked[0].is_match):
        typer.echo("nothing here reads like that; try another address, table or id", err=True)
        raise typer.Exit(Exit.FINDING)


def _wire_type(word: str) -> WireType:
    if word not in get_args(WireType):
        raise wrong(f"type {word!r} is not known", did_you_mean(word, get_args(WireType)))
    return cast("WireType", word)


def _address(text: str, *, one_based: bool) -> int:
    try:
        address = int(text, 0) - one_based
    except ValueError:
        address = -1
    if not 0 <= address <= 65_535:
        raise wrong(f"{text[:20]!r} is no address", f"Write {int(one_based)} to {65_535 + one_based}, or 0x003E")
    return address


async def _probe(bus: Bus, asked: _Probe, data: Path) -> dict[int, int]:
    """Words (or bits) around an address: all at once, or start by start where a device refuses that."""
    clock = SystemClock()
    reach = 1 if asked.table in BIT_TABLES else LONGEST
    first, end = max(0, asked.address - 1), min(65_536, asked.address + 1 + reach)
    async with open_asker(bus, data, clock) as asker:
        tell_through(asker)
        outcome = await _ask(asker, asked, first, end - first)
        if outcome.payload is not None:
            return _words(asked, first, outcome)
        found: dict[int, int] = {}
        last = outcome
        for shift in AROUND:
            for count in (LONGEST, 2, 1) if reach > 1 else (1,):
                start = asked.address + shift
                if (
                    last.is_silence
                    or not 0 <= start <= 65_536 - count
                    or (start in found and start + count - 1 in found)
                ):
                    continue
                last = await _ask(asker, asked, start, count)
                found |= _words(asked, start, last)
        if not found:
            raise Transient(f"id {asked.unit} gave nothing at {asked.table} {asked.address}: {last.reason}")
        return found


async def _ask(asker: Asker, asked: _Probe, first: int, count: int) -> Outcome:
    return await asker.ask(asked.unit, Read(FUNCTION_OF[asked.table], first, count), asked.timeout_ms)


def _words(asked: _Probe, first: int, outcome: Outcome) -> dict[int, int]:
    if outcome.payload is None:
        return {}
    if asked.table in BIT_TABLES:
        return {first + at: outcome.payload[at >> 3] >> (at & 7) & 1 for at in range(8 * len(outcome.payload))}
    return dict(enumerate(words_of(outcome.payload), first))


def _bits(asked: _Probe, found: Mapping[int, int]) -> list[Guess]:
    places = [(shift, asked.address + shift) for shift in (0, -1, 1) if asked.address + shift in found]
    return [Guess(shift, at, "bit", "AB", 1.0, bool(found[at]), None, (found[at],)) for shift, at in places]


def _probe_lines(asked: _Probe, ranked: list[Guess]) -> Iterator[str]:
    heads = ["address", "type", "order", "scale", "value", "off", "words"]
    rows = [
        [
            f"{guess.address}" + (f" ({guess.shift:+d})" if guess.shift else ""), guess.type, guess.order,
            f"{guess.scale:g}", show_value(guess.value), "-" if guess.off is None else f"{guess.off:.2%}",
            " ".join(f"{word:04X}" for word in guess.words),
        ]
        for guess in ranked
    ]  # fmt: skip
    yield f"{asked.table} of id {asked.unit}; addresses count from 0"
    yield from table(heads, rows)
