"""site file → wire: the server that a bus entry asks for, on every transport a gateway knows."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.clock import Clock
from simulators.modbus_device import ModbusServer, Registers
from simulators.raw_frames import RTU
from simulators.raw_udp import UdpServer
from simulators.rtu import SerialServer
from simulators.site import SiteError

USUAL_PORT: Mapping[str, int] = {"tls": 802}
LineServer = ModbusServer | UdpServer | SerialServer


@dataclass(frozen=True, slots=True)
class Where:
    """Where the servers of a site are found.

    ``listen`` is their address. A serial port gets its own name as the site file has it, or the same last name in
    ``serial_folder``; ``tls`` is the certificate that buses with TLS show.
    """

    listen: str = "127.0.0.1"
    serial_folder: Path | None = None
    tls: ssl.SSLContext | None = None


def serial_link(bus: Mapping[str, Any], folder: Path | None) -> Path:
    """The name under which the gateway finds a serial bus."""
    port = Path(str(bus["port"]))
    return port if folder is None else folder / port.name


def port_of(bus: Mapping[str, Any]) -> int | str:
    """Where a bus entry listens: its number, the usual one where it names none, or the name of a serial port."""
    if bus["modbus"] == "rtu":
        return str(bus["port"])
    port = bus.get("port")
    return USUAL_PORT.get(bus["modbus"], 502) if port is None else int(port)


def _tcp(bus: Mapping[str, Any], clock: Clock, devices: Mapping[int, Registers], where: Where) -> ModbusServer:  # noqa: ARG001
    return ModbusServer(clock, devices)


def _converter(bus: Mapping[str, Any], clock: Clock, devices: Mapping[int, Registers], where: Where) -> ModbusServer:  # noqa: ARG001
    return ModbusServer(clock, devices, RTU)


def _tls(bus: Mapping[str, Any], clock: Clock, devices: Mapping[int, Registers], where: Where) -> ModbusServer:
    if where.tls is None:
        remedy = "give the plant a certificate that the site's ca_file signs: --cert-file and --key-file"
        raise SiteError(f"bus {bus['id']}: its devices speak TLS; {remedy}")
    return ModbusServer(clock, devices, tls=where.tls)


def _udp(bus: Mapping[str, Any], clock: Clock, devices: Mapping[int, Registers], where: Where) -> UdpServer:  # noqa: ARG001
    return UdpServer(clock, devices)


def _serial(bus: Mapping[str, Any], clock: Clock, devices: Mapping[int, Registers], where: Where) -> SerialServer:
    link = serial_link(bus, where.serial_folder)
    if link.exists() and not link.is_symlink():
        raise SiteError(f"bus {bus['id']}: {link} is a real port; give --serial-folder DIR and let the gateway use DIR")
    return SerialServer(clock, devices, link=link)


_Make = Callable[[Mapping[str, Any], Clock, Mapping[int, Registers], Where], LineServer]
_MAKERS: Mapping[str, _Make] = {
    "tcp": _tcp, "rtu_over_tcp": _converter, "tls": _tls, "udp": _udp, "rtu": _serial,
}  # fmt: skip


async def open_line(bus: Mapping[str, Any], clock: Clock, devices: Mapping[int, Registers], where: Where) -> LineServer:
    """The running server of a Modbus bus entry. Raises SiteError for one that cannot be opened."""
    make = _MAKERS.get(str(bus["modbus"]))
    if make is None:
        raise SiteError(f"bus {bus['id']}: no transport {bus['modbus']}; there are {', '.join(_MAKERS)}")
    server = make(bus, clock, devices, where)
    try:
        if isinstance(server, SerialServer):
            await server.start()
        else:
            await server.start(where.listen, int(port_of(bus)))
    except OSError as error:
        raise SiteError(f"bus {bus['id']}: port {port_of(bus)} cannot be opened: {error.strerror}") from error
    return server
