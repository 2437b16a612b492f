"""How a site is told to the cloud."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import AnnouncedDevice, AnnouncedEquipment, DeviceAnnounced, Text
from edge.announce import split


def a_site(plans: list[int]) -> DeviceAnnounced:
    """Equipment and devices, each device with so many lines in its plan."""
    equipment = [
        AnnouncedEquipment(id=f"pump_{n}", equipment_class="pump", name=Text(en="Pump", zh="泵"), system="water")
        for n in range(len(plans))
    ]
    devices = [
        AnnouncedDevice(
            id=f"meter_{n}", model="m", model_name="M", status="verified", bus="line_a", protocol="modbus", address="1",
            every_ms=1000, equipment=[f"pump_{n}"], plan=["a line"] * lines,
        )
        for n, lines in enumerate(plans)
    ]  # fmt: skip
    return DeviceAnnounced(
        site="tower", site_name="Tower", zone="UTC", version="1", interval_ms=60_000, content_hash="1", equipment=equipment,
        devices=devices,
    )  # fmt: skip


def test_most_sites_are_told_in_one_record() -> None:
    whole = a_site([2] * 20)
    assert split(whole) == [whole]
    assert (whole.other_equipment, whole.other_devices) == ([], [])


@given(st.lists(st.integers(0, 30), max_size=20))
def test_a_large_site_is_told_once_in_small_records_each_naming_what_the_others_tell(plans: list[int]) -> None:
    whole = a_site(plans)
    parts = split(whole, most_lines=20)
    assert [one for part in parts for one in part.equipment] == whole.equipment
    assert [one for part in parts for one in part.devices] == whole.devices
    for part in parts:
        assert {one.id for one in part.equipment} | set(part.other_equipment) == {one.id for one in whole.equipment}
        assert {one.id for one in part.devices} | set(part.other_devices) == {one.id for one in whole.devices}
        lines = len(part.equipment) + sum(1 + len(one.plan) for one in part.devices)
        assert lines <= 20 or len(part.equipment) + len(part.devices) == 1
        assert msgspec.structs.replace(part, equipment=[], devices=[], other_equipment=[], other_devices=[]) == a_site(
            []
        )
