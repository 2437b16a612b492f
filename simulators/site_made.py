"""A site of any size, for measuring: plain data of a site file, as a person could have written it.

Every device is a shipped Modbus model cut down to so many points, so that figures of two sites can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from device_profiles.library import Library, load
from simulators.site import SiteError

DEVICES_A_BUS = 20
FIRST_PORT = 5020
KINDS: tuple[tuple[str, str, Mapping[str, float]], ...] = (
    ("lv_switchgear", "abb_b_series", {"rated_a": 630}),
    ("pump", "grundfos_cim", {"rated_kw": 5.5, "rated_a": 11, "setpoint_mpa": 0.5}),
    ("lv_switchgear", "sunspec_meter_203", {"rated_a": 63}),
    ("fire_pump", "fire_pump_controller", {"main_start_mpa": 0.5, "jockey_start_mpa": 0.55, "jockey_stop_mpa": 0.65}),
    ("lv_switchgear", "chint_dtsu666", {"rated_a": 250}),
    ("generator", "deepsea_gencomm", {"rated_kw": 200}),
)
"""Class, model and nameplate, in turn. Points that are read at the device's own interval, no faster and no slower, are enough."""


def made_site(devices: int, points: int, *, every: str = "15min", library: Library | None = None) -> dict[str, Any]:
    """So many devices of so many points each. Raises SiteError for more points than the smallest model has."""
    models = (library or load([])).models
    names = {
        model: [name for name, one in models[model].mappings.items() if one.group == "normal"] for _, model, _ in KINDS
    }
    most = min(map(len, names.values()))
    if not 1 <= points <= most or devices < 1:
        raise SiteError(f"a made site has at least one device, and 1 to {most} points a device")
    site: dict[str, Any] = {
        "site": {"id": "made", "name": f"Made of {devices} devices", "zone": "Asia/Shanghai"},
        "gateway": {"id": "gw_1", "cloud": "http://desk.example", "credential_file": "credential", "interval": "1h"},
        "equipment": [], "buses": [], "devices": [],
    }  # fmt: skip
    for number in range(1, devices + 1):
        of, model, ratings = KINDS[(number - 1) % len(KINDS)]
        bus, address = (number - 1) // DEVICES_A_BUS, (number - 1) % DEVICES_A_BUS + 1
        if address == 1:
            port = FIRST_PORT + bus
            site["buses"].append({"id": f"line_{bus + 1}", "modbus": "tcp", "host": "127.0.0.1", "port": port})
        name = f"{of}_{number}"
        site["equipment"].append({"id": name, "class": of} | ({"ratings": dict(ratings)} if ratings else {}))
        device = {"id": f"device_{number}", "model": model, "bus": f"line_{bus + 1}", "address": address}
        without = [name for name in models[model].mappings if name not in names[model][:points]]
        site["devices"].append(device | {"equipment": name, "every": every} | ({"without": without} if without else {}))
    return site
