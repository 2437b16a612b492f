import pytest

from cloud.tickets.ticket import (
    TRANSITIONS,
    Action,
    Role,
    State,
    allowed,
    needs,
    parse_ticket,
    ticket_name,
    transition,
)


def test_every_action_has_exactly_one_row() -> None:
    assert sorted(row.action for row in TRANSITIONS) == sorted(Action)


def test_every_state_can_be_reached_and_every_open_one_can_be_left() -> None:
    reached, frontier = {State.NEW}, [State.NEW]
    while frontier:
        here = frontier.pop()
        for row in TRANSITIONS:
            if here in row.sources and row.to is not None and row.to not in reached:
                reached.add(row.to)
                frontier.append(row.to)
    assert reached == set(State)
    for state in State:
        leaves = [row for row in TRANSITIONS if state in row.sources and row.to not in {None, state}]
        assert leaves or not state.is_open


def test_a_viewer_can_do_nothing_and_a_later_role_never_less_than_an_earlier_one() -> None:
    for state in State:
        assert allowed(state, Role.VIEWER) == ()
        for lower, higher in zip(Role, list(Role)[1:], strict=False):
            assert set(allowed(state, lower)) <= set(allowed(state, higher))


def test_a_technician_takes_a_new_ticket_and_cannot_cancel_it() -> None:
    assert Action.ACKNOWLEDGE in allowed("new", "technician")
    assert Action.CANCEL not in allowed("new", "technician")
    assert Action.CANCEL in allowed("new", "manager")


def test_nothing_closes_before_it_is_resolved() -> None:
    assert transition(Action.CLOSE).sources == (State.RESOLVED, State.VERIFIED)


def test_resolving_needs_cause_and_action_and_holding_needs_a_reason() -> None:
    assert needs(Action.RESOLVE) == ("cause", "action")
    assert needs(Action.HOLD) == ("reason",)


def test_a_ticket_is_named_with_six_digits_and_read_back() -> None:
    assert ticket_name(123) == "T-000123"
    assert parse_ticket("T-000123") == 123
    assert parse_ticket(ticket_name(1_234_567)) == 1_234_567
    with pytest.raises(ValueError, match="such as T-000123"):
        parse_ticket("123")
