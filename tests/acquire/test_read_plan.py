"""Requests that read a device: never a split value, never past a limit, and at a known cost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.schema import ModbusLimits
from edge.acquire.read_plan import (
    Infeasible,
    Learned,
    ReadPlan,
    Request,
    barrier_of,
    bisect,
    bus_load,
    cost_ms,
    hole_of,
    plan,
)
from edge.site import Bus
from tests.support.devices import make_device, modbus_model

TCP = Bus("lan", "tcp", host="10.0.0.5", port=502)
LINE = Bus("line", "rtu", serial_port="/dev/ttyS1", baud=9600, parity="E")


def planned(
    registers: dict[str, dict[str, Any]], bus: Bus = TCP, learned: Learned | None = None, **limits: Any
) -> ReadPlan:
    return plan(make_device(modbus_model(registers, **limits), bus), learned or Learned())


def spans(one: ReadPlan) -> list[tuple[str, int, int]]:
    return [(request.table, request.address, request.count) for request in one.requests]


def floats(*addresses: int) -> dict[str, dict[str, Any]]:
    return {f"p{address}": {"address": address, "type": "float32"} for address in addresses}


def test_neighbours_share_a_request_and_small_gaps_are_read_along() -> None:
    assert spans(planned(floats(0, 2, 4, 12, 40))) == [("holding", 0, 14), ("holding", 40, 2)]


def test_a_gap_wider_than_the_device_allows_begins_a_new_request() -> None:
    assert spans(planned(floats(0, 4), gap=1)) == [("holding", 0, 2), ("holding", 4, 2)]


def test_a_value_is_never_split_over_two_requests() -> None:
    assert spans(planned(floats(*range(0, 130, 2)), max_registers=125)) == [("holding", 0, 124), ("holding", 124, 6)]
    assert spans(planned(floats(0, 2, 4), max_registers=5)) == [("holding", 0, 4), ("holding", 4, 2)]


@pytest.mark.parametrize(("count", "expected"), [(125, [125]), (126, [125, 1]), (251, [125, 125, 1])])
def test_registers_beyond_one_request(count: int, expected: list[int]) -> None:
    registers = {f"p{at}": {"address": at} for at in range(count)}
    assert [request.count for request in planned(registers).requests] == expected


@pytest.mark.parametrize(("count", "expected"), [(2, [2]), (8, [8]), (9, [9]), (17, [17]), (2001, [2000, 1])])
def test_bits_beyond_one_request(count: int, expected: list[int]) -> None:
    registers = {f"p{at}": {"address": at, "table": "coil"} for at in range(count)}
    assert [request.count for request in planned(registers).requests] == expected


def test_forbidden_ranges_are_not_even_read_along() -> None:
    assert spans(planned(floats(0, 6), forbidden=[(3, 4)])) == [("holding", 0, 2), ("holding", 6, 2)]
    with pytest.raises(Infeasible, match="p2: holding 2 to 3 lies in a forbidden range"):
        planned(floats(0, 2), forbidden=[(3, 4)])


def test_ranges_and_addresses_of_a_one_based_manual_are_one_less_on_the_wire() -> None:
    assert spans(planned(floats(1, 7), one_based=True, forbidden=[(3, 3)])) == [("holding", 0, 2), ("holding", 6, 2)]
    with pytest.raises(Infeasible, match="one_based counts from 1"):
        planned(floats(0), one_based=True)


def test_a_value_longer_than_a_request_is_infeasible() -> None:
    with pytest.raises(Infeasible, match="p0: takes 2 registers, the device gives 1 at once"):
        planned(floats(0), max_registers=1)


def test_one_point_per_request_where_the_device_wants_it() -> None:
    registers = {
        "a": {"address": 0},
        "b": {"address": 1},
        "bit_0": {"address": 2, "bit": 0},
        "bit_1": {"address": 2, "bit": 1},
    }
    one = planned(registers, one_point_per_request=True)
    assert spans(one) == [("holding", 0, 1), ("holding", 1, 1), ("holding", 2, 1)]
    assert one.requests[2].points == (2, 3)


def test_requests_begin_and_end_on_the_alignment() -> None:
    assert spans(planned({"a": {"address": 5}, "b": {"address": 9}}, alignment=4)) == [("holding", 4, 8)]


def test_tables_and_poll_groups_do_not_mix() -> None:
    registers: dict[str, dict[str, Any]] = {
        "a": {"address": 0},
        "b": {"address": 1, "table": "input"},
        "c": {"address": 1, "group": "slow"},
    }
    assert [(request.table, request.address, request.every_ms) for request in planned(registers).requests] == [
        ("holding", 0, 1000), ("input", 1, 1000), ("holding", 1, 12_000),
    ]  # fmt: skip


def test_a_scale_factor_is_read_with_its_point() -> None:
    one = planned({"a": {"address": 0, "type": "int16", "scale_from": 60}})
    assert [(request.address, request.points) for request in one.requests] == [(0, (0,)), (60, (0,))]


@given(
    st.lists(st.tuples(st.integers(0, 600), st.sampled_from(["uint16", "float32", "uint64"])), min_size=1, max_size=60),
    st.integers(4, 125), st.integers(0, 40), st.booleans(), st.sampled_from([1, 2, 4]),
)  # fmt: skip
def test_every_point_is_read_whole_within_the_limits(
    wanted: list[tuple[int, str]], most: int, gap: int, alone: bool, alignment: int
) -> None:
    registers = {f"p{at}": {"address": address, "type": kind} for at, (address, kind) in enumerate(wanted)}
    one = planned(registers, max_registers=most, gap=gap, one_point_per_request=alone, alignment=alignment)
    served = [extent for request in one.requests for extent in request.extents]
    assert sorted(extent.point for extent in served) == list(range(len(wanted)))
    for request in one.requests:
        assert 1 <= request.count <= most
        assert all(request.address <= extent.address and extent.end <= request.end for extent in request.extents)


# --- what a device refuses -------------------------------------------------------------------------------------------


def hunt(request: Request, is_readable: Any) -> Learned:
    """What the gateway does on an illegal address, without the wire."""
    halves = bisect(request, ModbusLimits())
    if halves is None:
        return hole_of(request)
    learned = Learned()
    for half in halves:
        if not is_readable(half):
            learned |= hunt(half, is_readable)
    return learned or barrier_of(halves[1])


def test_bisecting_finds_the_guilty_point_and_keeps_the_others() -> None:
    registers = floats(*range(0, 40, 2))
    (request,) = planned(registers).requests
    learned = hunt(request, lambda half: not (half.address <= 13 < half.end))
    assert learned == Learned(holes=frozenset({("holding", 12, 13)}))
    again = planned(registers, learned=learned)
    assert [again.names[point] for point in again.refused] == ["p12"]
    assert sorted(point for request in again.requests for point in request.points) == [
        at for at in range(20) if at != 6
    ]
    assert again.lines()[-1] == "refused by the device: p12"


def test_a_hole_between_readable_points_becomes_a_barrier() -> None:
    registers = floats(0, 2, 8, 10)
    (request,) = planned(registers).requests
    learned = hunt(request, lambda half: not (half.address <= 5 < half.end))
    assert learned == Learned(barriers=frozenset({("holding", 8)}))
    assert spans(planned(registers, learned=learned)) == [("holding", 0, 4), ("holding", 8, 4)]


def test_points_in_one_register_are_refused_together() -> None:
    (request,) = planned({"a": {"address": 3, "bit": 0}, "b": {"address": 3, "bit": 1}}).requests
    assert bisect(request, ModbusLimits()) is None
    assert hole_of(request) == Learned(holes=frozenset({("holding", 3, 3)}))


# --- cost -----------------------------------------------------------------------------------------------------------


def test_a_serial_request_costs_its_characters_silence_and_turnaround() -> None:
    character = 11 * 1000 / 9600
    expected = (8 + 5 + 20) * character + 7 * character + 5
    assert cost_ms("holding", 10, LINE, ModbusLimits()) == pytest.approx(expected)
    assert cost_ms("coil", 9, LINE, ModbusLimits()) == pytest.approx((8 + 5 + 2) * character + 7 * character + 5)
    assert cost_ms("holding", 10, TCP, ModbusLimits(turnaround="20ms")) == pytest.approx(22)


def test_the_plan_reads_as_one_line_a_request() -> None:
    assert planned(floats(0, 2, 40), LINE).lines() == [
        "holding 0x0000-0x0003: 4 registers, 2 points, 37 ms every 1 s",
        "holding 0x0028-0x0029: 2 registers, 1 point, 32 ms every 1 s",
    ]


def test_a_line_that_has_not_the_time_is_refused_with_the_arithmetic() -> None:
    model = modbus_model(floats(*range(0, 480, 20)))
    plans = [plan(make_device(model, LINE, device=f"meter_{at}", every_ms=1000)) for at in (1, 2)]
    load = bus_load(LINE, plans)
    assert not load.is_feasible
    assert load.lines == (
        "meter_1: 24 requests, 780 ms of each second", "meter_2: 24 requests, 780 ms of each second",
        "bus line: 1560 ms of each second (156% busy)",
        "bus line cannot keep this: it would need 1.6 times longer intervals, fewer points or a second line",
    )  # fmt: skip
    assert load.heaviest[0] == "meter_1 holding 0x0000-0x0001: 2 registers, 1 point, 32 ms every 1 s = 32 ms/s"
    assert bus_load(LINE, plans[:1]).is_feasible
