"""seed → a random site and a random scenario on it, both as plain data that a scenario file could hold (pure).

Same seed, same draw. Plants are small so that a run is short; what is drawn is what has broken such systems before:
faults that overlap, outages, power cuts, clocks set anew, devices and sensors that lie, people in the wrong order.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from device_profiles.library import Library
from device_profiles.schema import EquipmentClass, Rule, parse_duration_ms
from simulators.explore_stories import STORIES
from simulators.site import SimulatedSite, build_site

STARTS: Mapping[str, Sequence[str]] = {
    "Asia/Shanghai": ("2026-11-21T06:00:00+08:00", "2026-11-23T08:10:00+08:00", "2027-02-05T16:40:00+08:00"),
    "Europe/London": (
        "2026-11-20T16:10:00+00:00", "2027-07-05T08:05:00+01:00", "2026-10-25T00:10:00+01:00", "2027-03-27T23:50:00+00:00",
    ),
}  # fmt: skip
"""Ordinary hours, a Friday evening, summer, the nights in which an hour comes twice and in which one is missing."""
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SHIFTS: Mapping[str, Mapping[str, Any]] = {
    "office": {"week": {day: [["09:00", "12:00"], ["13:00", "18:00"]] for day in _WEEK[:5]}},
    "nights": {"week": {day: [["22:00", "06:00"]] for day in _WEEK}},
    "long_days": {"week": {day: [["07:00", "21:30"]] for day in _WEEK}},
}
LINES = ("line_1", "line_2")
_RATINGS: Mapping[str, Mapping[str, float | str]] = {
    "lv_switchgear": {"rated_a": 630}, "transformer": {"rated_kva": 1000, "insulation": "dry"},
    "pump": {"rated_kw": 5.5, "rated_a": 11, "setpoint_mpa": 0.5},
    "fire_pump": {"main_start_mpa": 0.7, "jockey_start_mpa": 0.8, "jockey_stop_mpa": 0.9},
    "generator": {"rated_kw": 400},
}  # fmt: skip
_ROLES: Mapping[str, Sequence[str]] = {
    "lift": ("passenger",), "lv_switchgear": ("compensated_incomer", "incomer", "feeder"),
    "pump": ("booster", "circulation"), "fire_pump": ("electric",), "tank": ("domestic", "fire"),
    "transformer": ("dry_type",), "ats": ("fire", "lifts"),
}  # fmt: skip
KITS: tuple[tuple[str, str], ...] = (
    ("lift", "generic_lift_gateway"), ("lift", "lift_dry_contacts"), ("lv_switchgear", "eastron_sdm630"),
    ("lv_switchgear", "schneider_iem3xxx"), ("lv_switchgear", "sunspec_meter_203"), ("lv_switchgear", "acrel_adw300"),
    ("transformer", "dry_transformer_controller"), ("transformer", "tecsystem_nt538"), ("pump", "grundfos_cim"),
    ("pump", "abb_acs580"), ("fire_pump", "fire_pump_controller"), ("fire_alarm_panel", "fire_panel_mqtt"),
    ("fire_alarm_panel", "fire_panel_words"), ("generator", "comap_intelilite4"), ("ats", "smartgen_hgm4000_ats"),
    ("dc_panel", "dc_panel_monitor"), ("tank", "level_transmitter_tank"),
)  # fmt: skip
"""Class and model of each piece of equipment that may be drawn."""
_EVERY = ("15s", "30s", "1min", "2min", "5min")
_QUICK = 0.08
"""So many cases are played second by second, with every sample on its way to the cloud: they cost several times as much."""
_PATIENT = 0.5
"""So many pieces of equipment have rules that wait longer than their class says."""
_TIMED_BY_SECONDS = ("door_slow", "door_held_open")
"""Rules that a box which reports so seldom cannot judge."""
_MISBEHAVIOURS = ("silent", "busy", "garbage", "half_open", "slow", "late", "duplicate", "wrong_device", "truncated")
_LIES = ("noise", "drift", "stuck", "dropout", "range_end", "sentinel")
_ACTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("acknowledge", {}), ("arrive", {}), ("start", {}), ("hold", {"reason": "waiting for part"}), ("resume", {}),
    ("resolve", {"cause": "worn", "action": "replaced"}), ("close", {}), ("reopen", {"reason": "still there"}),
    ("cancel", {"reason": "entered twice"}), ("note", {"note": "looked at it"}),
    ("set_priority", {"priority": "urgent", "reason": "guests are coming"}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A site and a scenario on it, as plain data; the scenario names the site file ``SITE_NAME``."""

    seed: int
    site: Mapping[str, Any]
    scenario: Mapping[str, Any]

    @property
    def steps(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.scenario["timeline"]
        return found


SITE_NAME = "site.yaml"


def draw(seed: int, library: Library) -> Case:
    """The case of a seed."""
    chance = random.Random(seed)
    site = draw_site(chance, library)
    is_quick = chance.random() < _QUICK
    minutes = 60 if is_quick else chance.choice((60, 75, 90, 120))
    built = build_site(site, library)
    steps = [
        step for _ in range(chance.choice((1, 1, 2, 3))) for step in chance.choice(STORIES)(chance, built, minutes * 60)
    ]
    is_jumping = chance.random() < 0.15
    steps += [_step(chance, built, minutes, is_jumping=is_jumping) for _ in range(chance.choice((0, 0, 1, 2, 4, 6)))]
    scenario = {
        "title": {"en": f"Drawn by exploration, seed {seed}", "zh": f"随机探索，种子 {seed}"},
        "start": chance.choice(STARTS[site["site"]["zone"]]), "lasts": f"{minutes}min", "seed": seed % 1000,
        "site": SITE_NAME, "pace": "real" if is_quick else "calm", **_desk(chance),
        "timeline": sorted((one for one in steps if _at_ms(one) < minutes * 60_000), key=_at_ms),
        "expect": {"others": "allowed"},
    }  # fmt: skip
    return Case(seed, site, scenario)


def _at_ms(step: Mapping[str, Any]) -> int:
    return parse_duration_ms(step["at"])


def _desk(chance: random.Random) -> dict[str, Any]:
    """How the desk is set up: who can be called, which targets and hours are its own."""
    drawn: dict[str, Any] = {}
    if chance.random() < 0.6:
        drawn["people"] = [{"name": "wang", "role": "manager", "channel": True}]
    if chance.random() < 0.6:
        name = chance.choice(("", "", *_SHIFTS))
        lines = [
            {"clock": "response", "kind": "fault", "within": chance.choice(("20min", "40min")), "source": "drawn"},
            {"clock": "resolution", "kind": "fault", "within": chance.choice(("50min", "4h", "9h")), "source": "drawn"},
        ]
        if name:
            lines = [line | {"calendar": name} for line in lines]
        drawn["cloud"] = {"targets": lines} | ({"calendars": {name: dict(_SHIFTS[name])}} if name else {})
    return drawn


def draw_site(chance: random.Random, library: Library) -> dict[str, Any]:
    """One to four pieces of equipment, each with one device, on two Modbus lines and a broker."""
    equipment, devices = [], []
    every = chance.choice(_EVERY)
    for number, (of, model) in enumerate(chance.choices(KITS, k=chance.choice((1, 1, 2, 2, 3, 4))), start=1):
        name = f"{of}_{number}"
        entry: dict[str, Any] = {"id": name, "class": of}
        if of in _ROLES:
            entry["roles"] = [chance.choice(_ROLES[of])]
        if of in _RATINGS:
            entry["ratings"] = dict(_RATINGS[of])
        if chance.random() < _PATIENT:
            entry["rules"] = _patience(chance, library.classes[of])
        equipment.append(entry)
        is_message = model in ("generic_lift_gateway", "fire_panel_mqtt")
        devices.append({
            "id": f"device_{number}", "model": model, "bus": "sensors" if is_message else chance.choice(LINES),
            "address": name if is_message else number, "equipment": name,
            "every": chance.choice(_EVERY) if chance.random() < 0.2 else every,
        })  # fmt: skip
    return {
        "overrides": {"lift": {"rules": {rule: {"enabled": False} for rule in _TIMED_BY_SECONDS}}},
        "site": {"id": "drawn", "name": "Drawn House", "zone": chance.choice(("Asia/Shanghai", "Europe/London"))},
        "gateway": {
            "id": "gw_1", "cloud": "http://desk.example", "credential_file": "credential",
            "interval": chance.choice(("2min", "5min", "5min", "10min")),
        },
        "equipment": equipment,
        "buses": [
            *({"id": line, "modbus": "tcp", "host": "127.0.0.1", "port": 5021 + n} for n, line in enumerate(LINES)),
            {"id": "sensors", "mqtt": "mqtt://127.0.0.1:1883"},
        ],
        "devices": devices,
    }  # fmt: skip


def _patience(chance: random.Random, of: EquipmentClass) -> dict[str, Any]:
    """A few rules that wait for minutes, so that much can happen inside their delays."""
    raised = dict.fromkeys(rule for fault in of.faults.values() for rule in fault.raises)
    free = [rule for rule in raised if not of.rules[rule].emergency and _may_wait(of, of.rules[rule])]
    chosen = chance.sample(free, min(len(free), 3))
    return {rule: {"on_delay": chance.choice(("3min", "6min"))} for rule in chosen}


def _may_wait(of: EquipmentClass, rule: Rule) -> bool:
    """Whether no limit says how long its delay may be."""
    return not isinstance(rule.on_delay, str) or of.limits[rule.on_delay].allowed is None


def _step(chance: random.Random, site: SimulatedSite, minutes: int, *, is_jumping: bool) -> dict[str, Any]:
    makers = [_inject, _inject, _inject, _act, _act, _act, _cut, _process, _misbehave, _lie, _shelve]
    if is_jumping:  # little can be asked of instants afterwards
        makers.append(_clock)
    return chance.choice(makers)(chance, site, minutes)


def _when(chance: random.Random, minutes: int, last: float = 0.9) -> dict[str, Any]:
    return {"at": f"{chance.randint(6, round(minutes * last))}min"}


def _lasting(chance: random.Random) -> dict[str, Any]:
    return {"lasts": chance.choice(("20s", "70s", "3min", "7min", "15min", "35min", "1h"))}


def _inject(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:
    of = chance.choice(list(site.equipment.values()))
    fault = chance.choice(list(of.equipment_class.faults))
    step = {**_when(chance, minutes, 0.7), "inject": fault, "equipment": of.id}
    if chance.random() < 0.85:
        step |= _lasting(chance)
    if chance.random() < 0.15:
        step["onset"] = chance.choice(("30s", "5min"))
    return step


def _act(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:
    of = chance.choice(list(site.equipment.values()))
    rule = chance.choice([rule for fault in of.equipment_class.faults.values() for rule in fault.raises])
    act, details = chance.choice(_ACTS)
    step = {
        **_when(chance, minutes),
        "act": act,
        "ticket": f"{of.id}/{rule}",
        "by": chance.choice(("engineer", "manager")),
    }
    return step | ({"with": dict(details)} if details else {})


def _cut(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:
    what = chance.choice(("line", "line", "replies", "broker", "cloud", *(f"bus {line}" for line in _buses(site))))
    return {**_when(chance, minutes, 0.7), "cut": what, **_lasting(chance)}


def _buses(site: SimulatedSite) -> list[str]:
    return [name for name, bus in site.buses.items() if "modbus" in bus and site.on_bus(name)]


def _process(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:  # noqa: ARG001
    verb = chance.choice(("kill", "kill", "restart", "stop"))
    return {**_when(chance, minutes, 0.8), verb: chance.choice(("gateway", "cloud")), **_lasting(chance)}


def _clock(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:  # noqa: ARG001
    jump = chance.choice(("+10s", "-10s", "+5min", "-5min", "+2h", "-2h"))
    return {**_when(chance, minutes), "clock": chance.choice(("gateway", "gateway", "cloud")), "jump": jump}


def _misbehave(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:
    device = chance.choice(site.devices)
    how = chance.choice(_MISBEHAVIOURS if device.model.protocol == "modbus" else ("silent", "garbage", "duplicate"))
    step = {**_when(chance, minutes), "misbehave": how, "device": device.id, **_lasting(chance)}
    return step | ({"delay": "2s"} if how in ("slow", "late") else {})


def _lie(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:
    device = chance.choice(site.devices)
    kinds = {
        point: site.equipment[owner].equipment_class.points[name].kind
        for point, (owner, name) in device.sources.items()
    }
    point = chance.choice(list(kinds))
    kind = chance.choice(_LIES if kinds[point] in ("gauge", "counter") else ("stuck", "dropout", "sentinel"))
    return {**_when(chance, minutes), "sensor": kind, "device": device.id, "point": point, **_lasting(chance)}


def _shelve(chance: random.Random, site: SimulatedSite, minutes: int) -> dict[str, Any]:
    of = chance.choice(list(site.equipment.values()))
    if chance.random() < 0.5:
        return {**_when(chance, minutes), "out_of_service": of.id, **_lasting(chance)}
    rule = chance.choice([rule for fault in of.equipment_class.faults.values() for rule in fault.raises])
    return {**_when(chance, minutes), "shelve": f"{of.id}/{rule}", "lasts": chance.choice(("10min", "1h"))}
