"""One model in front of one piece of equipment: transformer ratios, analogue signals, contacts that close when well."""

from pathlib import Path

import pytest
import yaml

from contract.messages import Cause, Quality
from device_profiles.fitting import ChannelSetting, fitted
from device_profiles.schema import DeviceModel, ModbusLimits, PayloadMapping, RegisterMapping
from edge.acquire.read_plan import plan
from edge.config import load_site
from edge.decode.registers import compile_point, decode, encode
from edge.errors import Misconfigured
from simulators.registers import ModelRegisters
from simulators.site import build_site, load_file
from tests.support.living_equipment import LIBRARY, RATINGS

CURRENT = RegisterMapping(table="holding", address=26, type="uint16", scale=0.01, unit="A", ratio=["ct"])
LOOP = RegisterMapping(table="input", address=0, type="uint16", scale=0.001, unit="mA", plausible=(3.6, 21.0))

SITE = """
site: {{id: riverside, name: Riverside, zone: Asia/Shanghai}}
gateway: {{id: gw_1}}
equipment:
  - {{id: pump_1, class: pump, ratings: {{rated_kw: 7.5, rated_a: 14.2, setpoint_mpa: 0.55}}}}
  - {{id: incomer_1, class: lv_switchgear, ratings: {{rated_a: 1600}}}}
buses:
  - {{id: lan, modbus: tcp, host: 10.0.0.5}}
devices:
  - {{id: ai_1, model: generic_ai8_current, bus: lan, address: 1, channels: {channels}}}
  - {{id: meter_1, model: acrel_adw300, bus: lan, address: 2, equipment: incomer_1, ratios: {ratios}}}
"""


def value_of(mapping: RegisterMapping | PayloadMapping, word: int) -> object:
    assert isinstance(mapping, RegisterMapping)
    return decode(compile_point(mapping), [word]).value


def site_file(folder: Path, channels: str, ratios: str = "{}") -> Path:
    path = folder / "site.yaml"
    path.write_text(SITE.format(channels=channels, ratios=ratios), encoding="utf-8")
    return path


def test_a_current_transformer_multiplies_what_the_meter_sees() -> None:
    assert value_of(CURRENT, 250) == 2.5
    assert value_of(fitted(CURRENT, {"ct": 40}), 250) == 100


def test_a_ratio_that_the_point_does_not_use_leaves_it_alone() -> None:
    assert value_of(fitted(CURRENT, {"pt": 100}), 250) == 2.5


@pytest.mark.parametrize(("word", "metres"), [(4000, 0.0), (12000, 2.5), (20000, 5.0)])
def test_a_current_loop_stands_for_a_level(word: int, metres: float) -> None:
    channel = ChannelSetting(point="pump_1/sump_level", signal=(4, 20), range=(0, 5), unit="m")
    assert value_of(fitted(LOOP, {}, channel), word) == pytest.approx(metres)


@pytest.mark.parametrize("word", [0, 3500, 21500])
def test_a_broken_current_loop_is_no_level(word: int) -> None:
    channel = ChannelSetting(point="pump_1/sump_level", signal=(4, 20), range=(0, 5), unit="m")
    answer = decode(compile_point(fitted(LOOP, {}, channel)), [word])
    assert (answer.value, answer.quality, answer.cause) == (None, Quality.BAD, Cause.OUT_OF_RANGE)


def test_a_falling_signal_is_a_rising_value() -> None:
    channel = ChannelSetting(point="pump_1/sump_level", signal=(4, 20), range=(5, 0))
    assert value_of(fitted(LOOP, {}, channel), 20000) == pytest.approx(0.0)


def test_a_contact_that_is_closed_when_all_is_well_is_turned_round() -> None:
    contact = RegisterMapping(table="discrete", address=0, type="bit")
    channel = ChannelSetting(point="pump_1/fault", invert=True)
    assert value_of(contact, 1) is True
    assert value_of(fitted(contact, {}, channel), 1) is False


def test_a_site_file_gives_the_ratio_and_the_range(tmp_path: Path) -> None:
    channels = "{ai_1: {point: pump_1/sump_level, signal: [4, 20], range: [0, 5], unit: m}}"
    site = load_site(site_file(tmp_path, channels, "{ct: 40}"), LIBRARY)
    level, meter = site.devices[0].bindings[0], {one.point_id: one for one in site.devices[1].bindings}
    assert value_of(level.mapping, 12000) == pytest.approx(2.5)
    assert value_of(meter["current_l1"].mapping, 250) == 100
    assert value_of(meter["voltage_l1"].mapping, 2301) == 230.1


@pytest.mark.parametrize(
    ("channels", "ratios", "complaint"),
    [
        ("{ai_1: {point: pump_1/sump_level, signal: [4, 20]}}", "{}", "signal and range belong together"),
        ("{ai_1: {point: pump_1/sump_level, signal: [4, 4], range: [0, 5]}}", "{}", "never changes"),
        ("{ai_1: {point: sump_level}}", "{}", "Write equipment/point"),
        ("{ai_1: pump_1/sump_level}", "{}", "'mA' (current) cannot become 'm' (length)"),
        ("{ai_1: {point: pump_1/running, signal: [4, 20], range: [0, 1]}}", "{}", "means nothing for a bit point"),
        ("{ai_1: {point: pump_1/sump_level, signal: [4, 20], range: [0, 5], unit: bar}}", "{}", "cannot become 'm'"),
        ("{ai_1: {point: pump_1/sump_level, signal: [4, 20], range: [0, 5]}}", "{vt: 40}", "ratio of acrel_adw300 vt"),
        ("{ai_1: {point: pump_1/sump_level, signal: [4, 20], range: [0, 5]}}", "{ct: 0}", "greater than 0"),
    ],
)
def test_a_channel_that_cannot_be_right_is_answered(tmp_path: Path, channels: str, ratios: str, complaint: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_site(site_file(tmp_path, channels, ratios), LIBRARY)
    assert complaint in "\n".join(map(str, refused.value.findings))


def test_the_simulated_device_holds_what_the_gateway_reads_back(tmp_path: Path) -> None:
    path = site_file(
        tmp_path, "{ai_1: {point: pump_1/sump_level, signal: [4, 20], range: [0, 5], unit: m}}", "{ct: 40}"
    )
    module, meter = build_site(load_file(path), LIBRARY).devices
    pump, switchgear = LIBRARY.classes["pump"].points, LIBRARY.classes["lv_switchgear"].points
    loop = ModelRegisters(module.model, {"ai_1": pump["sump_level"]}, lambda: {"ai_1": 2.5})
    seen = ModelRegisters(meter.model, switchgear, lambda: {"current_l1": 100.0})
    assert loop.read("input", 0, 1) == [12000]
    assert seen.read("holding", 26, 1) == [250]


# --- scale codes ----------------------------------------------------------------------------------------------------

ION_VOLTAGE = RegisterMapping(
    table="holding", address=99, type="uint16", scale_from=4011, scale_codes={3: 0, 4: -1, 5: -2}
)


@pytest.mark.parametrize(("code", "volts"), [(3, 2829), (4, 282.9), (5, 28.29)])
def test_a_device_tells_its_scale_by_a_code_of_its_own(code: int, volts: float) -> None:
    codec = compile_point(ION_VOLTAGE, ModbusLimits())
    assert decode(codec, [0x0B0D], code).value == volts
    assert encode(codec, volts, code) == [0x0B0D]


def test_a_scale_code_that_nobody_knows_is_no_value() -> None:
    codec = compile_point(ION_VOLTAGE)
    answer = decode(codec, [0x0B0D], 9)
    assert (answer.value, answer.cause) == (None, Cause.UNDECODABLE)
    with pytest.raises(ValueError, match="9 is no scale code"):
        encode(codec, 230, 9)


# --- what is asked of each device -----------------------------------------------------------------------------------

MODBUS = [one for one in LIBRARY.models.values() if one.protocol == "modbus" and not one.channels]


@pytest.mark.parametrize("model", MODBUS, ids=lambda model: model.id)
def test_a_gateway_asks_no_device_for_more_than_it_may(tmp_path: Path, model: DeviceModel) -> None:
    site = {
        "site": {"id": "riverside", "name": "Riverside", "zone": "Asia/Shanghai"},
        "gateway": {"id": "gw_1"},
        "equipment": [{"id": "one", "class": model.equipment_class, "ratings": dict(RATINGS[model.equipment_class])}],
        "buses": [{"id": "lan", "modbus": "tcp", "host": "10.0.0.5"}],
        "devices": [{"id": "device", "model": model.id, "bus": "lan", "address": 1, "equipment": "one"}],
    }
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(site), encoding="utf-8")
    device = load_site(path, LIBRARY).devices[0]
    asked = plan(device)
    read = {device.bindings[point].device_point for request in asked.requests for point in request.points}
    assert read == set(model.registers)
    most = {"coil": model.limits.max_bits, "discrete": model.limits.max_bits}
    assert all(request.count <= most.get(request.table, model.limits.max_registers) for request in asked.requests)
