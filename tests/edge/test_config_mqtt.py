"""What a site file says of brokers and of the devices behind them."""

from pathlib import Path

import pytest

from device_profiles.library import Library, load
from edge.config import load_site
from edge.errors import Misconfigured
from edge.site import Site

SITE = """\
site: {id: s, name: S, zone: Asia/Shanghai}
gateway: {id: gw_1}
equipment: [{id: room_1, class: room}, {id: light_1, class: lighting, ratings: {rated_kw: 2}}]
buses: [{id: sensors, mqtt: "mqtt://10.0.0.6"}]
devices:
  - {id: climate, model: shelly_ht_gen2, bus: sensors, address: hall/one, equipment: room_1}
  - {id: relay, model: shelly_switch_gen2, bus: sensors, address: hall/one, equipment: light_1}
"""


@pytest.fixture(scope="module")
def library() -> Library:
    return load([])


def site_of(text: str, folder: Path, library: Library) -> Site:
    path = folder / "site.yaml"
    path.write_text(text, encoding="utf-8")
    return load_site(path, library)


def test_a_broker_has_a_client_id_a_port_a_zone_and_any_version(tmp_path: Path, library: Library) -> None:
    (bus,) = site_of(SITE, tmp_path, library).buses
    assert (bus.client_id, bus.port, bus.zone, bus.mqtt_version, bus.tls) == (
        "gw_1-sensors", 1883, "Asia/Shanghai", "", None,
    )  # fmt: skip


@pytest.mark.parametrize(("written", "version"), [("5", "5"), ("3.1.1", "3.1.1"), ('"5"', "5")])
def test_a_version_is_taken_as_it_is_written(written: str, version: str, tmp_path: Path, library: Library) -> None:
    text = SITE.replace('10.0.0.6"}', f'10.0.0.6", mqtt_version: {written}}}')
    assert site_of(text, tmp_path, library).buses[0].mqtt_version == version


def test_two_models_may_read_one_device_whose_name_has_levels(tmp_path: Path, library: Library) -> None:
    climate, relay = site_of(SITE, tmp_path, library).devices
    assert climate.address == relay.address == "hall/one"


@pytest.mark.parametrize(
    ("right", "wrong", "where", "said"),
    [
        ('10.0.0.6"}', '10.0.0.6", mqtt_version: 4}', "buses[0].mqtt_version", "Known here: 3.1.1, 5"),
        ("hall/one, equipment: room_1", '"hall/+", equipment: room_1', "devices[0].address", "cannot stand in a topic"),
        ("hall/one, equipment: room_1", "/hall, equipment: room_1", "devices[0].address", "without / at its ends"),
        ("shelly_ht_gen2", "zigbee2mqtt_climat", "devices[0].model", "Did you mean zigbee2mqtt_climate?"),
        (
            "model: shelly_switch_gen2, bus: sensors, address: hall/one, equipment: light_1",
            "model: shelly_ht_gen2, bus: sensors, address: hall/one, equipment: room_1",
            "devices[1].address",
            "is already climate's",
        ),
        ("mqtt://10.0.0.6", "tcp://10.0.0.6", "buses[0].mqtt", "write mqtt://host"),
    ],
)
def test_each_mistake_is_told_with_its_remedy(
    right: str, wrong: str, where: str, said: str, tmp_path: Path, library: Library
) -> None:
    assert right in SITE
    with pytest.raises(Misconfigured) as refused:
        site_of(SITE.replace(right, wrong), tmp_path, library)
    told = [str(one) for one in refused.value.findings if one.path == where]
    assert any(said.lower() in one.lower() for one in told), refused.value.findings
