"""A site file is frozen whole or refused with every mistake at once, each with its line and what to do."""

from pathlib import Path

import pytest

from device_profiles import library as shelf
from device_profiles.library import Library
from edge.config import load_site
from edge.errors import Misconfigured
from edge.plans import plan_site
from edge.site import Site

GOOD = """\
site: {id: riverside, name: Riverside Tower, zone: Asia/Shanghai}
gateway: {id: gw_1, cloud: "https://desk.example/", credential_file: credential}
overrides:
  lv_switchgear: {limits: {pf_window: 20s, pf_min: 0.95}, rules: {joint_hot: {enabled: false}}}
equipment:
  - {id: incomer_1, class: lv_switchgear, roles: [compensated_incomer], ratings: {rated_a: 1600}, serves: tx_1}
  - {id: tx_1, class: transformer, ratings: {rated_kva: 1000, insulation: dry}, limits: {winding_alarm_c: 130}}
  - {id: fire_pump_1, class: fire_pump, ratings: {main_start_mpa: 0.7, jockey_start_mpa: 0.8, jockey_stop_mpa: 0.9}}
  - id: pump_1
    class: pump
    ratings: {rated_kw: 7.5, rated_a: 14.2, setpoint_mpa: 0.55}
    rules: {dry_run: {on_delay: 7s, severity: major}}
buses:
  - {id: line_a, modbus: rtu, port: /dev/ttyS1, baud: 9600}
  - {id: lan, modbus: tcp, host: 10.0.0.5}
  - {id: sensors, mqtt: "mqtts://10.0.0.6", credential_file: mqtt}
devices:
  - {id: meter_1, model: eastron_sdm630, bus: line_a, address: 3, equipment: incomer_1, every: 1s}
  - {id: di_1, model: generic_di16, bus: lan, address: 7, channels: {di_1: fire_pump_1/running, di_2: fire_pump_1/in_auto}}
  - {id: drive_1, model: grundfos_cim, bus: lan, address: 8, equipment: pump_1}
"""


@pytest.fixture(scope="module")
def library() -> Library:
    return shelf.load()


def site_of(text: str, tmp_path: Path, library: Library) -> Site:
    file = tmp_path / "site.yaml"
    file.write_text(text, encoding="utf-8")
    return load_site(file, library)


def mistakes(text: str, tmp_path: Path, library: Library) -> list[tuple[int, str, str]]:
    with pytest.raises(Misconfigured) as caught:
        site_of(text, tmp_path, library)
    assert all(finding.file.endswith("site.yaml") for finding in caught.value.findings)
    return [(one.line, one.path, f"{one.message}. {one.remedy}") for one in caught.value.findings]


def test_a_site_writes_the_order_of_its_own_emergency_plan_on_its_fire_tickets(
    tmp_path: Path, library: Library
) -> None:
    order = "{en: 'Lifts home, then feeders 3 and 4 off by the engineer on duty.', zh: 电梯归首后由值班工程师断开 3、4 号馈线。}"
    panel = f"  - {{id: panel_1, class: fire_alarm_panel, rules: {{fire: {{action: {order}}}}}}}\n  - id: pump_1\n"
    one = site_of(GOOD.replace("  - id: pump_1\n", panel), tmp_path, library).find_equipment("panel_1")
    assert one is not None
    rule = one.rules["fire"]
    assert rule.action is not None
    assert rule.action.en.startswith("Lifts home, then feeders 3 and 4 off")
    assert "o-fire-trip" in rule.covers
    assert one.equipment_class.rules["fire"].action != rule.action


def test_a_site_sets_its_own_intervals_of_periodic_tests(tmp_path: Path, library: Library) -> None:
    changed = GOOD.replace(
        "rules: {dry_run:", "tests: {quarterly_care: {every: P2M, grace: P5D}}\n    rules: {dry_run:"
    )
    changed = changed.replace(
        "rules: {joint_hot: {enabled: false}}",
        "tests: {yearly_overhaul: {every: R/2026-11-01/P1Y}, hv_test: {enabled: false}}",
    )
    site = site_of(changed, tmp_path, library)
    pump, incomer = site.find_equipment("pump_1"), site.find_equipment("incomer_1")
    assert pump is not None
    assert incomer is not None
    care = pump.tests["quarterly_care"]
    assert (care.every, care.grace, care.clause) == ("P2M", "P5D", pump.equipment_class.tests["quarterly_care"].clause)
    assert incomer.tests["yearly_overhaul"].every == "R/2026-11-01/P1Y"
    assert "hv_test" not in incomer.tests


def test_the_site_file_of_the_architecture_is_read_whole(tmp_path: Path, library: Library) -> None:
    site = site_of(GOOD, tmp_path, library)
    assert (site.id, site.zone, site.gateway.cloud) == ("riverside", "Asia/Shanghai", "https://desk.example")
    assert site.gateway.credential_file == tmp_path / "credential"
    line, lan, sensors = site.buses
    assert (line.kind, line.serial_port, lan.port, sensors.kind, sensors.port) == (
        "rtu",
        "/dev/ttyS1",
        502,
        "mqtt",
        8883,
    )
    assert sensors.tls is not None
    meter, inputs, _ = site.devices
    assert meter.equipment == ("incomer_1",)
    assert [(one.equipment, one.point_id) for one in inputs.bindings] == [
        ("fire_pump_1", "running"),
        ("fire_pump_1", "in_auto"),
    ]
    assert plan_site(site)


def test_figures_of_the_site_win_and_are_shown_as_the_sites(tmp_path: Path, library: Library) -> None:
    site = site_of(GOOD, tmp_path, library)
    incomer, transformer = site.find_equipment("incomer_1"), site.find_equipment("tx_1")
    assert incomer is not None
    assert transformer is not None
    window, share = incomer.limits["pf_window"], incomer.limits["pf_min"]
    assert window.value == pytest.approx(20 / 60)  # minutes, the limit's own unit
    assert (share.value, share.class_value, share.set_by, share.source) == (0.95, 0.9, "site_file", "site file")
    assert transformer.limits["winding_alarm_c"].set_by == "site_file"
    assert incomer.limits["load_max"].source == "clause:e-no-overload"


def test_rules_follow_roles_and_the_sites_settings(tmp_path: Path, library: Library) -> None:
    site = site_of(GOOD, tmp_path, library)
    incomer, pump = site.find_equipment("incomer_1"), site.find_equipment("pump_1")
    assert incomer is not None
    assert pump is not None
    assert "low_power_factor" in incomer.rules
    assert "joint_hot" not in incomer.rules
    assert (pump.rules["dry_run"].on_delay, pump.rules["dry_run"].severity) == (7_000, "major")
    plain = site_of(GOOD.replace("roles: [compensated_incomer], ", ""), tmp_path, library).find_equipment("incomer_1")
    assert plain is not None
    assert "low_power_factor" not in plain.rules


@pytest.mark.parametrize(
    ("right", "wrong", "line", "path", "said"),
    [
        ("class: fire_pump,", "class: fire_pmup,", 8, "equipment[2].class", "Did you mean fire_pump?"),
        ("eastron_sdm630", "eastron_sdm360", 18, "devices[0].model", "Did you mean eastron_sdm630?"),
        ("bus: line_a", "bus: line_b", 18, "devices[0].bus", "Did you mean line_a?"),
        ("equipment: pump_1}", "equipment: pump_2}", 20, "devices[2].equipment", "Did you mean pump_1?"),
        ("serves: tx_1", "serves: tx_2", 6, "equipment[0].serves", "related equipment must be"),
        ("serves: tx_1", "serves: incomer_1", 6, "equipment[0].serves", "cannot serve itself"),
        ("winding_alarm_c: 130", "winding_alarm: 130", 7, "equipment[1].limits.winding_alarm", "Did you mean winding_alarm_c?"),
        ("winding_alarm_c: 130", "winding_alarm_c: hot", 7, "equipment[1].limits.winding_alarm_c", "'hot' is not a number"),
        ("rules: {dry_run:", "tests: {quartely_care: {every: P1M}}\n    rules: {dry_run:", 12, "equipment[3].tests.quartely_care", "Did you mean quarterly_care?"),
        ("rules: {dry_run:", "tests: {quarterly_care: {every: P0D}}\n    rules: {dry_run:", 12, "equipment[3].tests.quarterly_care.every", "Write P1D or more"),
        ("pf_min: 0.95", "pf_minn: 0.95", 4, "overrides.lv_switchgear.limits.pf_minn", "Did you mean pf_min?"),
        ("{enabled: false}", "{on_delay: pf_min}", 4, "overrides.lv_switchgear.rules.joint_hot.on_delay", "which is no time"),
        ("dry_run: {", "dry_rum: {", 12, "equipment[3].rules.dry_rum", "Did you mean dry_run?"),
        ("insulation: dry", "insulation: wet", 7, "equipment[1].ratings.insulation", "Write one of"),
        ("{rated_a: 1600}", "{}", 6, "equipment[0].id", "lacks the rating rated_a"),
        ("rated_kw: 7.5", "rated_kw: big", 11, "equipment[3].ratings.rated_kw", "Write a number in kW"),
        ("roles: [compensated_incomer]", "roles: [incomer_]", 6, "equipment[0].roles[0]", "Did you mean incomer?"),
        ("address: 3,", "address: 300,", 18, "devices[0].address", "Write a number from 1 to 247"),
        ("address: 8,", "address: 7,", 20, "devices[2].address", "is already di_1's"),
        ("di_2: fire_pump_1/in_auto", "di_2: fire_pump_1/automatic", 19, "devices[1].channels.di_2", "point of fire_pump automatic"),
        ("di_2: fire_pump_1/in_auto", "di_2: in_auto", 19, "devices[1].channels.di_2", "Write equipment/point"),
        ("di_2:", "di_99:", 19, "devices[1].channels.di_99", "channel of generic_di16 di_99"),
        ("equipment: pump_1}", "equipment: tx_1}", 20, "devices[2].equipment", "grundfos_cim is for pump"),
        ("bus: lan, address: 8", "bus: sensors, address: 8", 20, "devices[2].bus", "speaks modbus but bus sensors is mqtt"),
        ("mqtts://10.0.0.6", "mqtts://user:pw@10.0.0.6", 16, "buses[2].mqtt", "does not belong in the site file"),
        ("modbus: tcp, host: 10.0.0.5", "modbus: tcp", 15, "buses[1].id", "needs a host"),
        ("modbus: tcp, host: 10.0.0.5", "host: 10.0.0.5", 15, "buses[1].id", "neither or both"),
        ("id: tx_1, class", "id: incomer_1, class", 7, "equipment[1].id", "is used twice"),
        ("id: tx_1, class", "id: Tx-1, class", 7, "equipment[1].id", "is not an id"),
        ("https://desk.example/", "desk.example", 2, "gateway.cloud", "is not a web address"),
        ("credential_file: credential}", 'proxy: "http://me:word@proxy:3128"}', 2, "gateway.proxy", "proxy_credential_file"),
        ("credential_file: credential}", "status: {host: 0.0.0.0}}", 2, "gateway.status.host", "password_file"),
        ("every: 1s", "every: 1", 18, "devices[0].every", "500ms, 5s"),
        ("every: 1s", "evry: 1s", 18, "devices[0].evry", "Did you mean every?"),
        ("zone: Asia/Shanghai", "zone: China", 1, "site.zone", "IANA"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_line_and_a_remedy(
    right: str, wrong: str, line: int, path: str, said: str, tmp_path: Path, library: Library
) -> None:
    assert right in GOOD
    found = mistakes(GOOD.replace(right, wrong), tmp_path, library)
    assert [(at, where) for at, where, _ in found if where == path] == [(line, path)], found
    assert any(said in text for _, where, text in found if where == path), found


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path, library: Library) -> None:
    text = (
        GOOD.replace("class: fire_pump,", "class: fire_pmup,")
        .replace("eastron_sdm630", "sdm")
        .replace("pf_min:", "pf:")
    )
    assert [line for line, _, _ in mistakes(text, tmp_path, library)] == [4, 8, 18]


def test_an_unreadable_value_hides_no_mistake_elsewhere(tmp_path: Path, library: Library) -> None:
    text = """
site: {id: riverside, name: Riverside, zone: Asia/Shanghay}
gateway: {id: gw_1, cloud: desk.example}
equipment:
  - {id: incomer_1, class: lv_switchgear, ratings: {rated_a: 1600}, serves: nobody}
  - {class: pump}
buses:
  - {id: line_a, modbus: tcp, hots: 10.0.0.5}
  - {id: line_b, modbus: tcp, host: 10.0.0.5}
devices:
  - {id: meter_1, model: eastron_sdm360, bus: line_b, address: 3, equipment: incomer_1}
"""
    (tmp_path / "site.yaml").write_text(text)
    with pytest.raises(Misconfigured) as caught:
        load_site(tmp_path / "site.yaml", library)
    assert [(finding.line, finding.path) for finding in caught.value.findings] == [
        (2, "site.zone"),
        (3, "gateway.cloud"),
        (5, "equipment[0].serves"),
        (6, "equipment[1].id"),
        (8, "buses[0].hots"),
        (11, "devices[0].model"),
    ]


def test_two_devices_for_one_point_are_told_how_to_share(tmp_path: Path, library: Library) -> None:
    text = GOOD + "  - {id: meter_2, model: eastron_sdm630, bus: line_a, address: 4, equipment: incomer_1, every: 1s}\n"
    found = mistakes(text, tmp_path, library)
    assert len(found) == 1
    assert "meter_1 already measures voltage_l1" in found[0][2]
    assert "without: [voltage_l1" in found[0][2]


def test_a_bus_that_cannot_keep_its_intervals_is_refused(tmp_path: Path, library: Library) -> None:
    meters = "".join(
        f"  - {{id: m_{n}, model: eastron_sdm630, bus: line_a, address: {n}, equipment: feeder_{n}, every: 500ms}}\n"
        for n in range(10, 16)
    )
    feeders = "".join(
        f"  - {{id: feeder_{n}, class: lv_switchgear, ratings: {{rated_a: 250}}}}\n" for n in range(10, 16)
    )
    text = GOOD.replace("buses:\n", feeders + "buses:\n") + meters
    with pytest.raises(
        Misconfigured, match=r"site.yaml:20: buses\[0\].id: bus line_a: .* = \d+ ms/s.* line_a cannot keep this"
    ):
        plan_site(site_of(text, tmp_path, library))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no mapping of keys"),
        ("a: [", "is not YAML"),
        ("site: 1\nsite: 2\n", "written twice"),
        ("[1, 2]", "no mapping"),
    ],
)
def test_a_file_that_is_no_site_is_refused_in_words(text: str, said: str, tmp_path: Path, library: Library) -> None:
    with pytest.raises(Misconfigured, match=said):
        site_of(text, tmp_path, library)


def test_a_sites_own_library_stands_on_top_of_the_shipped_one(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "classes"
    folder.mkdir(parents=True)
    (folder / "fan.yaml").write_text(
        "id: fan\nname: {en: Fan, zh: 风机}\nsystem: power\n"
        "points: {running: {name: {en: Running, zh: 运行}, kind: bit}}\n"
    )
    file = tmp_path / "site.yaml"
    file.write_text(
        "site: {id: a, name: A, zone: UTC}\ngateway: {id: g}\nlibrary: mine\nequipment:\n  - {id: fan_1, class: fan}\n"
    )
    assert load_site(file).equipment[0].equipment_class.id == "fan"


LIFT = """\
site: {{id: riverside, name: Riverside Tower, zone: Asia/Shanghai}}
gateway: {{id: gw_1}}
equipment:
  - {{id: lift_1, class: lift, limits: {limits}, rules: {rules}}}
  - {{id: panel_1, class: fire_alarm_panel, rules: {panel}}}
"""


@pytest.mark.parametrize(
    ("limits", "rules", "panel", "path", "said"),
    [
        ("{entrapment_confirm: 9s}", "{}", "{}", "equipment[0].limits.entrapment_confirm", "9 s lies outside 10 to 30 s"),
        ("{entrapment_confirm: 31}", "{}", "{}", "equipment[0].limits.entrapment_confirm", "31 s lies outside 10 to 30 s"),
        ("{}", "{entrapment_derived: {on_delay: 1min}}", "{}", "equipment[0].rules.entrapment_derived.on_delay", "60 s lies outside"),
        ("{}", "{entrapment_derived: {on_delay: mains_hold}}", "{}", "equipment[0].rules.entrapment_derived.on_delay", "lies outside"),
        ("{}", "{entrapment_button: {on_delay: 5s}}", "{}", "equipment[0].rules.entrapment_button.on_delay", "wait for nothing"),
        ("{}", "{entrapment_reported: {on_delay: 5s}}", "{}", "equipment[0].rules.entrapment_reported.on_delay", "wait for nothing"),
        ("{}", "{}", "{fire: {on_delay: 5s}}", "equipment[1].rules.fire.on_delay", "wait for nothing"),
    ],
)  # fmt: skip
def test_what_endangers_life_waits_no_longer_than_it_may(
    limits: str, rules: str, panel: str, path: str, said: str, tmp_path: Path, library: Library
) -> None:
    ((_, where, what),) = mistakes(LIFT.format(limits=limits, rules=rules, panel=panel), tmp_path, library)
    assert (where, said in what) == (path, True)


@pytest.mark.parametrize("limits", ["{entrapment_confirm: 10s}", "{entrapment_confirm: 30}", "{}"])
def test_a_derived_entrapment_is_confirmed_for_ten_to_thirty_seconds(
    limits: str, tmp_path: Path, library: Library
) -> None:
    site = site_of(
        LIFT.format(limits=limits, rules="{entrapment_button: {on_delay: 0s}}", panel="{}"), tmp_path, library
    )
    assert 10 <= site.equipment[0].limits["entrapment_confirm"].value <= 30


@pytest.mark.parametrize(
    ("storms", "path", "said"),
    [
        ("{chattering: {cycles: 1}}", "gateway.storms.chattering.cycles", "greater than or equal to 2"),
        ("{flood: {more_than: 3}}", "gateway.storms.flood", "would be over as soon as it began"),
        ("{floods: {}}", "gateway.storms.floods", ""),
    ],
)
def test_figures_of_storms_that_make_no_sense_are_refused(
    storms: str, path: str, said: str, tmp_path: Path, library: Library
) -> None:
    text = LIFT.format(limits="{}", rules="{}", panel="{}").replace("{id: gw_1}", f"{{id: gw_1, storms: {storms}}}")
    ((_, where, what),) = mistakes(text, tmp_path, library)
    assert (where, said in what) == (path, True)
