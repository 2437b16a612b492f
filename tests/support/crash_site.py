"""The small plant of the crash tests, and what can go wrong in it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulators.broker import is_port_free

GATEWAY, SITE = "gw_1", "crash"
NO_STORMS = {"chattering": {"cycles": 10_000}, "flood": {"more_than": 10_000}}
"""Here the same fault comes again and again, and each time it counts."""
FAULTS: Mapping[str, Sequence[str]] = {
    "pump_1": ("dry_run", "high_discharge_pressure", "drive_fault"),
    "fire_pump_1": ("not_in_auto", "low_water_pressure", "power_a_lost"),
    "incomer_1": ("low_power_factor", "overload", "phase_loss"),
}


def site(ports: Mapping[str, int], cloud: str) -> dict[str, Any]:
    """A small site with delays of a second, so that a fault becomes a ticket while a test waits."""
    return {
        "site": {"id": SITE, "name": "Crash", "zone": "Asia/Shanghai"},
        "gateway": {
            "id": GATEWAY, "cloud": cloud, "credential_file": "credential", "interval": "60s",
            "status": {"host": "127.0.0.1", "port": ports["status"]},
            "storms": NO_STORMS,
        },
        "overrides": {
            "lv_switchgear": {
                "limits": {"pf_window": "1s", "pf_hold": "1s", "load_hold": "1s"},
                "rules": {name: {"off_delay": "1s"} for name in ("low_power_factor", "overcurrent", "phase_loss")},
            },
            "pump": {
                "limits": {"dry_run_hold": "1s", "pressure_high_hold": "1s"},
                "rules": {
                    "dry_run": {"off_delay": "1s"}, "discharge_pressure_high": {"off_delay": "1s"},
                    "pump_fault": {"on_delay": "1s"},
                    "short_cycling": {"enabled": False},  # it counts starts by the hour, and these hours are short
                },
            },
            "fire_pump": {
                "limits": {"pressure_hold": "1s", "power_hold": "1s"},
                "rules": {"low_water_pressure": {"off_delay": "1s"}},
            },
        },
        "equipment": [
            {"id": "incomer_1", "class": "lv_switchgear", "roles": ["compensated_incomer"], "ratings": {"rated_a": 1600}},
            {
                "id": "pump_1", "class": "pump", "roles": ["booster"],
                "ratings": {"rated_kw": 7.5, "rated_a": 14.2, "setpoint_mpa": 0.55},
            },
            {
                "id": "fire_pump_1", "class": "fire_pump", "roles": ["electric"],
                "ratings": {"main_start_mpa": 0.7, "jockey_start_mpa": 0.8, "jockey_stop_mpa": 0.9},
            },
        ],
        "buses": [{"id": "lan", "modbus": "tcp", "host": "127.0.0.1", "port": ports["lan"]}],
        "devices": [
            {"id": "meter_1", "model": "eastron_sdm630", "bus": "lan", "address": 1, "equipment": "incomer_1", "every": "250ms"},
            {"id": "drive_1", "model": "grundfos_cim", "bus": "lan", "address": 2, "equipment": "pump_1", "every": "250ms"},
            {
                "id": "fire_controller_1", "model": "fire_pump_controller", "bus": "lan", "address": 3,
                "equipment": "fire_pump_1", "every": "250ms",
            },
        ],
    }  # fmt: skip


def quiet_ports() -> Iterator[int]:
    """Ports that no outgoing connection takes while their owner is dead: below the range the kernel gives out."""
    dice = random.SystemRandom()
    while True:
        if is_port_free(port := dice.randrange(20_000, 32_000)):
            yield port
