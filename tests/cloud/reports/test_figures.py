"""Figures by hand, small enough to be checked with a pencil."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud.reports.figures import ClockRow, Durations, Share, Tally, TicketRow, outcome

NOW = 1_000_000_000
MINUTE = 60_000


def clock(**changes: Any) -> ClockRow:
    """A response clock: accepted at 0, due after two hours, answered after half an hour."""
    values: dict[str, Any] = {
        "key": "", "ticket": 1, "clock": "response", "activation": 1, "start_at": 0, "due_at": 120 * MINUTE, "met_at": 30 * MINUTE,
        "breached_at": None, "used_s": 1800.0, "state": "closed", "priority": "major", "is_past": False, "began_at": -15 * MINUTE,
        "closed_at": 600 * MINUTE,
    }  # fmt: skip
    return ClockRow(**{**values, **changes})


def ticket(**changes: Any) -> TicketRow:
    values: dict[str, Any] = {
        "key": "", "state": "closed", "is_past": False, "began_at": 0, "received_at": 1500, "resolved_at": 5, "closed_at": 9,
        "reopened": 0, "is_fault": True, "is_repeat": False, "site": "riverside", "equipment": "lift_1",
    }  # fmt: skip
    return TicketRow(**{**values, **changes})


def figures(*rows: ClockRow) -> Any:
    tally = Tally(NOW)
    tally.add_clocks(rows)
    return tally.total().clocks


def test_a_share_is_what_was_met_of_what_is_decided() -> None:
    (response,) = figures(clock(), clock(met_at=120 * MINUTE), clock(met_at=121 * MINUTE, breached_at=120 * MINUTE),
                          clock(met_at=None, due_at=NOW + 1))["ordinary"]  # fmt: skip
    assert (response.met, response.breached, response.running, response.due) == (2, 1, 1, 4)
    assert response.in_time == Share(2, 3)


def test_stopping_exactly_at_due_is_in_time_and_a_millisecond_later_is_not() -> None:
    assert outcome(clock(met_at=120 * MINUTE), NOW) == "met"
    assert outcome(clock(met_at=120 * MINUTE + 1), NOW) == "breached"
    assert outcome(clock(met_at=None, due_at=NOW), NOW) == "running"
    assert outcome(clock(met_at=None, due_at=NOW - 1), NOW) == "breached"


def test_nothing_is_no_share() -> None:
    assert Share(0, 0).percent is None
    assert figures() == {"ordinary": (), "life_safety": (), "past": ()}


def test_durations_are_exact_and_percentiles_occurred() -> None:
    found = Durations.of([4000, 1001, 2000, 3000])
    assert found == Durations(4, 2.5, 2.0, 4.0, 4.0, 4.0)  # (1.001+2+3+4)/4 = 2.50025, told to the millisecond
    assert Durations.of([]) == Durations(0)
    assert Durations.of([7_199_999]).max_s == 7199.999  # never cut to whole minutes or hours


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_so_many_per_cent_lie_at_or_below_a_percentile(values: list[int]) -> None:
    found = Durations.of(values)
    for share, at in ((50, found.p50_s), (90, found.p90_s), (95, found.p95_s), (100, found.max_s)):
        assert at is not None
        below = [value for value in values if value / 1000 <= at]
        smaller = [value for value in values if value / 1000 < at]
        assert len(below) * 100 >= share * len(values) > len(smaller) * 100


def test_elapsed_working_and_from_when_the_fault_began_stand_side_by_side() -> None:
    (response,) = figures(clock(used_s=600.0))["ordinary"]
    assert (response.elapsed.mean_s, response.working.mean_s, response.since_began.mean_s) == (1800.0, 600.0, 2700.0)


def test_a_later_activation_has_no_beginning_of_its_own() -> None:
    (response,) = figures(clock(activation=2))["ordinary"]
    assert (response.elapsed.count, response.since_began.count) == (1, 0)


def test_life_safety_and_what_was_over_before_the_news_came_are_counted_apart() -> None:
    found = figures(
        clock(), clock(priority="life_safety"), clock(is_past=True), clock(is_past=True, priority="life_safety")
    )
    assert {of: [one.met for one in clocks] for of, clocks in found.items()} == {
        "ordinary": [1],
        "life_safety": [1],
        "past": [2],
    }


def test_what_a_cancellation_stopped_is_named_and_not_counted() -> None:
    (response,) = figures(clock(state="cancelled", met_at=600 * MINUTE, due_at=700 * MINUTE),
                          clock(state="merged", met_at=600 * MINUTE, due_at=700 * MINUTE))["ordinary"]  # fmt: skip
    assert (response.due, response.left_out, response.elapsed.count) == (0, {"cancelled": 1, "merged": 1}, 0)


def test_a_cancellation_takes_back_neither_a_breach_nor_an_answer_in_time() -> None:
    late = clock(state="cancelled", met_at=600 * MINUTE, breached_at=120 * MINUTE)
    answered = clock(state="cancelled", met_at=30 * MINUTE)
    (response,) = figures(late, answered)["ordinary"]
    assert (response.met, response.breached, response.left_out) == (1, 1, {})
    assert response.elapsed.count == 1  # how long the cancelled one would have taken, nobody knows


def test_tickets_opened_reopened_and_repeated() -> None:
    tally = Tally(NOW)
    tally.add_tickets([
        ticket(), ticket(reopened=2), ticket(state="new", resolved_at=None, closed_at=None, is_repeat=True),
        ticket(is_past=True), ticket(state="cancelled"), ticket(is_fault=False, began_at=None),
    ])  # fmt: skip
    found = tally.total().tickets
    assert (found.opened, found.past, found.left_out) == (6, 1, {"cancelled": 1})
    assert found.handled == Share(3, 4)
    assert found.reopened == Share(1, 3)
    assert found.repeats == Share(1, 3)
    assert (found.news_late.count, found.news_late.mean_s) == (3, 1.5)
    assert [(one.equipment, one.tickets, one.repeats) for one in tally.worst()] == [("lift_1", 3, 1)]


def test_the_groups_add_up_to_the_total() -> None:
    tally = Tally(NOW)
    tally.add_clocks([clock(key="fire"), clock(key="lifts"), clock(key="lifts", breached_at=1)])
    tally.add_tickets([ticket(key="fire"), ticket(key="power")])
    groups = tally.groups()
    assert [group.key for group in groups] == ["fire", "lifts", "power"]
    assert (
        sum(one.due for group in groups for one in group.clocks["ordinary"])
        == tally.total().clocks["ordinary"][0].due
        == 3
    )
    assert sum(group.tickets.opened for group in groups) == tally.total().tickets.opened == 2
