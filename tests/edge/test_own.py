"""The gateway as a piece of equipment of its own: announced, measured and judged like any other."""

from dataclasses import replace
from pathlib import Path

import pytest

from contract.messages import AlarmRaised, DeviceHealth, Record
from device_profiles import library
from edge import own
from edge.announce import announce
from edge.decode.sample import Moment, Sample
from edge.machine import Machine
from edge.outbox.sqlite import Depth
from edge.rules.engine import Engine
from edge.site import Site
from tests.support.plant import make_class, make_gateway, make_site, rule

SHIPPED = library.load()
START = 1_795_000_000_000
WHOLE = Machine(disk_free=60.0, cpu_load=20.0, memory_used=40.0, temperature=50.0)
EMPTY = Depth(0, None)


@pytest.fixture
def site() -> Site:
    plain = make_site(make_class(rules={"overload": rule("load > load_max")}))
    return replace(plain, gateway=make_gateway(cloud="https://desk"), library=SHIPPED)


def state(**changes: object) -> own.State:
    device = DeviceHealth(device="meter_1", state="ok", answered_share=0.975)
    usual = own.State(True, False, START - 5_000, START - 60_000, 120, EMPTY, EMPTY, True, (device,))
    return replace(usual, **changes)  # type: ignore[arg-type]  # a test's keywords


def measure(site: Site, machine: Machine, told: own.State, at_s: int = 0) -> list[Sample]:
    return own.samples(site.devices[-1], machine, told, Moment(START + at_s * 1000, at_s * 1000))


def judged(site: Site, machine: Machine, told: own.State, minutes: int) -> list[Record]:
    """What is said of the gateway itself; receipts keep coming unless there was none for long."""
    engine = Engine(site, Moment(START, 0))
    found: list[Record] = []
    for at_s in range(0, minutes * 60, 30):
        heard = START + at_s * 1000 - 5_000 if told.is_reached else told.last_receipt_ms
        samples = measure(site, machine, replace(told, last_receipt_ms=heard), at_s)
        found += engine.evaluate(samples, Moment(START + at_s * 1000, at_s * 1000))
    return [one for one in found if getattr(one, "equipment", "") == "gw_1"]


def test_nobody_writes_it_and_the_cloud_is_told_of_it_like_of_any_other(site: Site) -> None:
    whole = own.joined(site, WHOLE)
    told = announce(site, Engine(whole, Moment(START, 0)), {}, "1").equipment[-1]
    assert (told.id, told.equipment_class, told.name.en) == ("gw_1", "gateway", "Gateway 1")
    assert {"disk_free", "outbox_age", "clock_offset", "answers_" + site.devices[0].id} <= {
        one.id for one in told.points
    }
    assert all(one.clause in SHIPPED.clauses for one in told.rules if one.id != "no_data")


def test_every_point_is_an_ordinary_sample(site: Site) -> None:
    whole = own.joined(site, WHOLE)
    device = site.devices[0].id
    health = DeviceHealth(device=device, state="ok", answered_share=0.975)
    told = state(events=Depth(3, START - 90_000), samples=Depth(40, START - 7_000), devices=(health,))
    values = {one.point: one.value for one in measure(whole, WHOLE, told)}
    assert values == {
        "cloud_reached": True, "credential_taken": True, "receipt_age": 5.0, "outbox_events": 3.0, "outbox_samples": 40.0, "outbox_age": 90.0,
        "disk_well": True, "disk_free": 60.0, "cpu_load": 20.0, "memory_used": 40.0, "clock_offset": 0.12,
        "temperature": 50.0, "devices_answering": 100.0, f"answers_{device}": 97.5,
    }  # fmt: skip


def test_what_the_machine_cannot_tell_is_no_point(site: Site) -> None:
    whole = own.joined(site, Machine())
    names = {binding.point_id for binding in whole.devices[-1].bindings}
    assert names.isdisjoint({"disk_free", "memory_used", "temperature"})
    alone = own.joined(replace(site, gateway=make_gateway()), WHOLE)
    assert {binding.point_id for binding in alone.devices[-1].bindings}.isdisjoint({"clock_offset", "receipt_age"})


@pytest.mark.parametrize(
    ("machine", "changes", "rule_id"),
    [
        (replace(WHOLE, disk_free=4.0), {}, "disk_nearly_full"),
        (replace(WHOLE, memory_used=97.0), {}, "memory_short"),
        (replace(WHOLE, cpu_load=99.0), {}, "cpu_busy"),
        (replace(WHOLE, temperature=91.0), {}, "too_hot"),
        (WHOLE, {"clock_offset_ms": -95_000}, "clock_wrong"),
        (WHOLE, {"is_disk_well": False}, "disk_failing"),
        (WHOLE, {"is_reached": False, "is_refused": True}, "credential_refused"),
        (WHOLE, {"is_reached": False, "last_receipt_ms": START - 600_000}, "cut_off"),
        (WHOLE, {"samples": Depth(9, START - 90_000_000)}, "outbox_old"),
        (WHOLE, {"devices": (DeviceHealth(device="meter_1", state="silent", answered_share=0.0),)}, "devices_silent"),
    ],
)
def test_what_is_wrong_with_the_gateway_is_an_alarm_of_the_gateway(
    site: Site, machine: Machine, changes: dict[str, object], rule_id: str
) -> None:
    found = judged(own.joined(site, machine), machine, state(**changes), 20)
    heard = [one for one in found if isinstance(one, AlarmRaised) and not one.suppressed_by]
    assert [(one.equipment, one.rule) for one in heard] == [("gw_1", rule_id)]


def test_a_healthy_gateway_raises_nothing_and_leaves_nothing_unknown(site: Site) -> None:
    assert [
        one for one in judged(own.joined(site, WHOLE), WHOLE, state(), 60) if getattr(one, "equipment", "") == "gw_1"
    ] == []


def test_a_clock_that_nobody_compared_is_not_called_missing_data(site: Site) -> None:
    told = state(clock_offset_ms=None, last_receipt_ms=None, is_reached=False, started_ms=START)
    found = judged(own.joined(site, WHOLE), WHOLE, told, 30)
    assert [one.rule for one in found if isinstance(one, AlarmRaised)] == ["cut_off"]


def test_a_site_that_uses_the_id_or_lacks_the_class_stays_as_it_is(site: Site, tmp_path: Path) -> None:
    taken = replace(site, gateway=replace(site.gateway, id=site.equipment[0].id))
    assert own.joined(taken, WHOLE) is taken
    bare = replace(site, library=library.Library({}, {}, {}))
    assert own.joined(bare, WHOLE) is bare
