"""Site file → one Modbus line as it will be opened, and what is wrong with how it is written (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from edge.site import Bus, Rs485, Tls
from edge.site_file import BusSection

PORTS = {"tcp": 502, "udp": 502, "tls": 802, "rtu_over_tcp": 502}
"""Where a device listens when the site file does not say: 802 is Modbus/TCP Security's own (MBAPS)."""


def line_mistakes(section: BusSection) -> Iterator[tuple[str, str]]:
    """Each mistake and its remedy."""
    is_serial = section.modbus == "rtu"
    if is_serial and not isinstance(section.port, str):
        yield f"bus {section.id} names no serial port", "add port: /dev/ttyS1"
    if not is_serial and (not section.host or isinstance(section.port, str)):
        yield f"bus {section.id} needs a host and a port number", "add host: 10.0.0.5"
    if section.rs485 is not None and not is_serial:
        yield (
            f"bus {section.id} is no serial port, so nothing here switches RS-485",
            "remove rs485, or write modbus: rtu",
        )
    given = {"ca_file": section.ca_file, "cert_file": section.cert_file, "key_file": section.key_file}
    if section.modbus != "tls" and (named := [key for key, file in given.items() if file is not None]):
        yield f"{', '.join(named)} mean nothing for {section.modbus}", "write modbus: tls, or remove them"
    if section.modbus == "tls" and (section.cert_file is None) != (section.key_file is None):
        yield "a client certificate is a pair of cert_file and key_file", "name both files, or none"


def line_of_section(section: BusSection, tls: Tls) -> Bus:
    """The bus of a section that names a kind of Modbus."""
    kind = section.modbus or "tcp"
    number = section.port if isinstance(section.port, int) else PORTS.get(kind, 0)
    rs485 = section.rs485
    return Bus(
        section.id, kind, host=section.host, port=number, serial_port=str(section.port) if kind == "rtu" else "",
        baud=section.baud, parity=section.parity, stop_bits=section.stop_bits, data_bits=section.data_bits,
        tls=tls if kind == "tls" else None,
        rs485=None if rs485 is None else Rs485(
            rs485.rts_on_send, rs485.delay_before_send, rs485.delay_after_send, rs485.echo
        ),
    )  # fmt: skip


def settings_of(bus: Bus) -> str:
    """How a line is opened, for a person: ``/dev/ttyS1 9600 8N1, RS-485 by the port: RTS high while sending``."""
    if not bus.serial_port:
        return f"{bus.host}:{bus.port}"
    line = f"{bus.serial_port} {bus.baud} {bus.data_bits}{bus.parity}{bus.stop_bits}"
    if (rs485 := bus.rs485) is None:
        return line
    delays = f"{rs485.delay_before_send_ms} ms before and {rs485.delay_after_send_ms} ms after"
    echo = ", hears itself" if rs485.echo else ""
    return f"{line}, RS-485 by the port: RTS {'high' if rs485.rts_on_send else 'low'} while sending, {delays}{echo}"
