"""Command line → the line that is meant: the options that ``probe`` and ``scan`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from device_profiles.library import Finding
from device_profiles.reading import did_you_mean
from edge.acquire.frames import FUNCTION_OF
from edge.errors import Misconfigured
from edge.modbus_lines import line_mistakes, line_of_section
from edge.site import Bus, Tls
from edge.site_file import BusSection, ModbusKind, Rs485Section

HostOption = Annotated[str, typer.Option(help="Host of a TCP device or converter.")]
PortOption = Annotated[int | None, typer.Option(min=1, max=65_535, help="Default: 502, and 802 for tls.")]
SerialOption = Annotated[str, typer.Option("--serial", help="Serial port instead of a host, such as /dev/ttyS1.")]
BaudOption = Annotated[int, typer.Option(min=300)]
ParityOption = Annotated[str, typer.Option(help="N, E or O.")]
StopBitsOption = Annotated[int, typer.Option("--stop-bits", min=1, max=2)]
Rs485Option = Annotated[bool, typer.Option("--rs485", help="The port switches RS-485 with RTS, high while sending.")]
KindOption = Annotated[str, typer.Option("--kind", help="tcp, rtu_over_tcp, udp or tls; rtu with --serial.")]
CaOption = Annotated[Path | None, typer.Option("--ca-file", help="For tls: who must have signed the device.")]
CertOption = Annotated[Path | None, typer.Option("--cert-file", help="For tls: our certificate …")]
KeyOption = Annotated[Path | None, typer.Option("--key-file", help="… and its key.")]
TimeoutOption = Annotated[
    int, typer.Option("--timeout", min=10, max=60_000, help="Milliseconds to wait for an answer.")
]


def wrong(what: str, how: str) -> Misconfigured:
    """A mistake on the command line."""
    return Misconfigured([Finding("plantroom-edge", 0, "", what, how)])


def bus_of(
    *, kind: str, host: str, port: int | None, serial: str, baud: int, parity: str, stop_bits: int,
    rs485: bool, ca_file: Path | None, cert_file: Path | None, key_file: Path | None,
) -> Bus:  # fmt: skip
    """The line that the options name. Raises Misconfigured when they name none, or one that cannot be."""
    if bool(host) == bool(serial):
        raise wrong("no line is named, or two", "Write --host 10.0.0.5 or --serial /dev/ttyS1")
    kind = "rtu" if serial and kind == "tcp" else kind
    if kind not in get_args(ModbusKind) or (kind == "rtu") != bool(serial):
        kinds = ("rtu",) if serial else tuple(one for one in get_args(ModbusKind) if one != "rtu")
        raise wrong(
            f"{kind!r} is no kind of line over {'a port' if serial else 'a network'}", did_you_mean(kind, kinds)
        )
    if parity not in ("N", "E", "O"):
        raise wrong(f"{parity!r} is no parity", "Write N, E or O")
    section = BusSection.model_validate(
        {
            "id": "line", "modbus": kind, "host": host, "port": serial or port, "baud": baud, "parity": parity,
            "stop_bits": stop_bits, "rs485": Rs485Section() if rs485 else None,
            "ca_file": ca_file, "cert_file": cert_file, "key_file": key_file,
        }
    )  # fmt: skip
    mistakes = [Finding("plantroom-edge", 0, "", *mistake) for mistake in line_mistakes(section)]
    if mistakes:
        raise Misconfigured(mistakes)
    return line_of_section(section, Tls(ca_file, cert_file, key_file))


def table_of(word: str) -> str:
    """A table by its name. Raises Misconfigured for another word."""
    if word not in FUNCTION_OF:
        raise wrong(f"{word!r} is no table", did_you_mean(word, FUNCTION_OF))
    return word
