"""acquire, the serial port: pyserial's settings, the event loop's reads."""

from __future__ import annotations

import asyncio
import errno
import os
import termios

import serial
from serial.rs485 import RS485Settings

from edge.site import Bus, Rs485

CHUNK = 4096


class SerialPort:
    """An open port whose bytes go to a protocol as they come."""

    def __init__(self, port: serial.Serial, receiver: asyncio.Protocol) -> None:
        self._port = port
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._descriptor = port.fileno()
        self._is_open = True
        self._loop.add_reader(self._descriptor, self._readable)
        receiver.connection_made(self)  # type: ignore[arg-type]

    def write(self, data: bytes) -> None:
        """A request is a few bytes, which a port takes at once."""
        try:
            os.write(self._descriptor, data)
        except OSError as error:
            self._lose(error)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._descriptor)
            self._port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._receiver.data_received(data)
        else:
            self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        """The adapter was pulled out, or the other end is gone."""
        self.close()
        self._receiver.connection_lost(error)


def open_port(bus: Bus, receiver: asyncio.Protocol) -> SerialPort:
    """Open the bus's port for us alone. Raises OSError when it cannot be had, or cannot switch RS-485 as it should."""
    try:
        port = serial.Serial(
            bus.serial_port,
            bus.baud,
            bytesize=bus.data_bits,
            parity=bus.parity,
            stopbits=bus.stop_bits,
            timeout=0,
            exclusive=True,
        )
    except (serial.SerialException, termios.error) as error:
        raise OSError(_in_words(error)) from error
    try:
        if bus.rs485 is not None:
            _switch_by_itself(port, bus.rs485)
        port.reset_input_buffer()
    except BaseException:
        port.close()
        raise
    return SerialPort(port, receiver)


_REASONS = {
    errno.ENOENT: "there is no such port; look for it with ls /dev/serial/by-id, it may have changed its number",
    errno.EACCES: "this user may not open it; add the user to the group dialout",
    errno.EAGAIN: "another program holds it; a running gateway lends its line to whoever names its folder with --data",
    errno.ENOTTY: "it is no serial port",
}


def _in_words(error: Exception) -> str:
    """What keeps a port from being opened, and what to do."""
    number = getattr(error, "errno", None) or next((one for one in error.args if isinstance(one, int)), 0)
    number = number or next((known for known in _REASONS if f"({known}," in str(error)), 0)
    return _REASONS.get(number, str(error))


def _switch_by_itself(port: serial.Serial, rs485: Rs485) -> None:
    """Let the port's driver turn RTS round each frame. Raises OSError for a port that has no such mode."""
    try:
        port.rs485_mode = RS485Settings(
            rts_level_for_tx=rs485.rts_on_send,
            rts_level_for_rx=not rs485.rts_on_send,
            loopback=rs485.echo,
            delay_before_tx=rs485.delay_before_send_ms / 1000,
            delay_before_rx=rs485.delay_after_send_ms / 1000,
        )
    except (ValueError, OSError) as error:
        remedy = "remove rs485 from the bus if the adapter switches by itself, else use another port"
        raise OSError(f"{port.name} cannot switch RS-485 with RTS, its driver refuses; {remedy} ({error})") from error
