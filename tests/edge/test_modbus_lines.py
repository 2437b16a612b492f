"""A Modbus line as the site file writes it: what is right is opened so, what is wrong is told with what to write."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import serial
from pydantic import ValidationError
from serial.rs485 import RS485Settings

from device_profiles.schema import ModbusLimits
from edge.acquire.line import client_context
from edge.acquire.read_plan import cost_ms
from edge.acquire.serial_port import open_port
from edge.modbus_lines import line_mistakes, line_of_section, settings_of
from edge.site import Bus, Rs485, Tls
from edge.site_file import BusSection

NO_FILES = Tls(None, None, None)
PORT = {"id": "line", "modbus": "rtu", "port": "/dev/ttyS1"}


def line(**keys: Any) -> Bus:
    return line_of_section(BusSection.model_validate(PORT | keys), NO_FILES)


def test_rs485_true_is_rts_high_while_sending_and_no_delay() -> None:
    assert line().rs485 is None
    assert line(rs485=True).rs485 == Rs485(rts_on_send=True, delay_before_send_ms=0, delay_after_send_ms=0, echo=False)
    written = {"rts_on_send": False, "delay_before_send": "1ms", "delay_after_send": "2ms", "echo": True}
    assert line(rs485=written).rs485 == Rs485(False, 1, 2, echo=True)


def test_the_line_is_told_with_how_it_switches() -> None:
    assert settings_of(line(parity="E")) == "/dev/ttyS1 9600 8E1"
    assert settings_of(line(rs485={"delay_before_send": "1ms"})) == (
        "/dev/ttyS1 9600 8N1, RS-485 by the port: RTS high while sending, 1 ms before and 0 ms after"
    )


def test_switching_costs_its_delays_with_each_request() -> None:
    slow = line(rs485={"delay_before_send": "3ms", "delay_after_send": "4ms"})
    assert cost_ms("holding", 10, slow, ModbusLimits()) - cost_ms(
        "holding", 10, line(), ModbusLimits()
    ) == pytest.approx(7)


@pytest.mark.parametrize("delay", [{"delay_before_send": "101ms"}, {"delay_after_send": "1s"}, {"delay_after_send": 5}])
def test_a_delay_that_no_driver_takes_is_refused(delay: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        line(rs485=delay)


@pytest.mark.parametrize(("keys", "said"), [
    ({"modbus": "rtu"}, "names no serial port"), ({"modbus": "tcp", "port": "/dev/ttyS1"}, "needs a host"),
    ({"modbus": "tcp", "host": "h", "rs485": True}, "nothing here switches RS-485"),
    ({"modbus": "tcp", "host": "h", "cert_file": "c", "key_file": "k"}, "cert_file, key_file mean nothing for tcp"),
    ({"modbus": "tls", "host": "h", "cert_file": "c"}, "a pair of cert_file and key_file"),
])  # fmt: skip
def test_what_does_not_go_together_is_told(keys: dict[str, Any], said: str) -> None:
    told = [message for message, _ in line_mistakes(BusSection.model_validate({"id": "line", **keys}))]
    assert len(told) == 1
    assert said in told[0]


def test_secure_modbus_has_a_port_of_its_own() -> None:
    ports = {kind: line_of_section(BusSection.model_validate({"id": "l", "modbus": kind, "host": "h"}), NO_FILES).port
             for kind in ("tcp", "udp", "rtu_over_tcp", "tls")}  # fmt: skip
    assert ports == {"tcp": 502, "udp": 502, "rtu_over_tcp": 502, "tls": 802}


@pytest.mark.parametrize("named", [{"ca_file": "absent.pem"}, {"cert_file": "absent.pem"}, {"ca_file": "no.pem"}])
def test_a_file_that_holds_no_certificate_is_named(named: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    files = {key: tmp_path / name for key, name in named.items()}
    with pytest.raises(OSError, match=next(iter(named.values()))):
        client_context(replace(NO_FILES, **files))


class _Port:
    """A port whose driver can switch: what pyserial would tell it."""

    opened: list["_Port"] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, name: str, *_: object, **keys: object) -> None:
        self.name, self.keys, self.rs485_mode, self.is_closed = name, keys, None, False
        self.opened.append(self)

    def reset_input_buffer(self) -> None:
        raise OSError("far enough")

    def close(self) -> None:
        self.is_closed = True


def test_the_driver_is_told_how_to_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Port, "opened", [])
    monkeypatch.setattr(serial, "Serial", _Port)
    bus = line(rs485={"rts_on_send": False, "delay_before_send": "1ms", "delay_after_send": "57ms", "echo": True})
    with pytest.raises(OSError, match="far enough"):
        open_port(bus, None)  # type: ignore[arg-type]
    (port,) = _Port.opened
    asked: Any = port.rs485_mode
    assert isinstance(asked, RS485Settings)
    assert (asked.rts_level_for_tx, asked.rts_level_for_rx, asked.loopback) == (False, True, True)
    assert [int((told or 0) * 1000) for told in (asked.delay_before_tx, asked.delay_before_rx)] == [1, 57]
    assert port.is_closed
