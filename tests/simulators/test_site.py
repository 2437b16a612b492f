from pathlib import Path
from typing import Any

import pytest

from device_profiles.library import Library, load
from simulators.site import Ports, SiteError, add_meters, build_site, load_file, relocate

PORTS = Ports(cloud=9001, status=9002, broker=9003, buses={"lan": 9004})


@pytest.fixture(scope="module")
def library() -> Library:
    return load()


def a_site(**more: Any) -> dict[str, Any]:
    return {
        "site": {"id": "here", "name": "Here", "zone": "Asia/Shanghai"},
        "gateway": {"id": "gw_1", "cloud": "https://desk.example", "credential_file": "secret"},
        "equipment": [{"id": "incomer_1", "class": "lv_switchgear", "ratings": {"rated_a": 1600}}],
        "buses": [
            {"id": "lan", "modbus": "rtu", "port": "/dev/ttyS1", "baud": 9600},
            {"id": "sensors", "mqtt": "mqtts://10.0.0.6", "credential_file": "login"},
        ],
        "devices": [
            {"id": "meter_1", "model": "eastron_sdm630", "bus": "lan", "address": 3, "equipment": "incomer_1", "every": "1s"}
        ],
        **more,
    }  # fmt: skip


def test_the_sites_figures_stand_over_the_classes(library: Library) -> None:
    data = a_site(
        overrides={
            "lv_switchgear": {
                "limits": {"pf_window": "3s", "load_max": 90},
                "rules": {"overcurrent": {"on_delay": "4s"}},
            }
        }
    )
    data["equipment"][0]["limits"] = {"load_max": 95}
    of = build_site(data, library).equipment["incomer_1"]
    assert of.limits["pf_window"] == pytest.approx(3 / 60)  # the class counts it in minutes
    assert of.limits["load_max"] == 95
    assert of.on_delays_ms["overcurrent"] == 4000
    assert of.ratings["nominal_v"] == 220


def test_a_delay_that_is_a_limit_follows_the_limit(library: Library) -> None:
    data = a_site(overrides={"lv_switchgear": {"limits": {"load_hold": "7s"}}})
    assert build_site(data, library).equipment["incomer_1"].on_delays_ms["overcurrent"] == 7000


def test_a_rule_of_another_role_does_not_bind(library: Library) -> None:
    data = a_site()
    assert "low_power_factor" not in build_site(data, library).equipment["incomer_1"].on_delays_ms
    data["equipment"][0]["roles"] = ["compensated_incomer"]
    assert "low_power_factor" in build_site(data, library).equipment["incomer_1"].on_delays_ms


def test_a_device_shows_every_point_its_model_maps(library: Library) -> None:
    device = build_site(a_site(), library).devices[0]
    assert set(device.sources) == set(library.models["eastron_sdm630"].registers)
    assert device.sources["active_power"] == ("incomer_1", "active_power")
    assert device.every_ms == 1000


def test_a_relocated_site_touches_the_loopback_only() -> None:
    moved = relocate(a_site(), PORTS)
    assert moved["buses"] == [
        {"id": "lan", "modbus": "tcp", "host": "127.0.0.1", "port": 9004},
        {"id": "sensors", "mqtt": "mqtt://127.0.0.1:9003"},
    ]
    assert moved["gateway"]["cloud"] == "http://127.0.0.1:9001"
    assert moved["gateway"]["status"] == {"host": "127.0.0.1", "port": 9002}


def test_relocating_leaves_the_original_alone() -> None:
    data = a_site()
    relocate(data, PORTS)
    assert data == a_site()


def test_a_grown_site_has_its_meters_on_buses_of_fifty(library: Library) -> None:
    grown = add_meters(a_site(), 120, "eastron_sdm630", "lv_switchgear", {"rated_a": 400})
    site = build_site(grown, library)
    assert len(site.devices) == 121
    assert [len(site.on_bus(bus)) for bus in ("more_1", "more_2", "more_3")] == [50, 50, 20]


def test_an_unknown_model_is_named(library: Library) -> None:
    data = a_site()
    data["devices"][0]["model"] = "eastron_sdm999"
    with pytest.raises(SiteError, match="eastron_sdm999"):
        build_site(data, library)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "cannot be read"), ("a: [", "is not YAML"), ("- 1\n", "holds no site"), ("site: here\n", "holds no site")],
)
def test_a_file_that_is_no_site_is_told(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "site.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SiteError, match=said):
        load_file(file)
