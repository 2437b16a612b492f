import pytest

from cloud.tickets.ticket import (
    TRANSITIONS,
    Action,
    Kind,
    Role,
    State,
    allowed,
    needs,
    parse_ticket,
    rows_of,
    ticket_name,
)

WORK = [kind for kind in Kind if kind is not Kind.OUTAGE]  # an outage is walked by its permit


def test_an_action_has_at_most_one_row_for_a_kind_and_a_state_and_every_action_has_one() -> None:
    for action in Action:
        assert any(rows_of(action, kind) for kind in Kind), action
        for kind in Kind:
            sources = [state for row in rows_of(action, kind) for state in row.sources]
            assert len(sources) == len(set(sources)), (action, kind)


@pytest.mark.parametrize("kind", WORK)
def test_every_state_can_be_reached_and_every_open_one_can_be_left(kind: Kind) -> None:
    table = [row for row in TRANSITIONS if kind in row.kinds]
    reached, frontier = {State.NEW}, [State.NEW]
    while frontier:
        here = frontier.pop()
        for row in table:
            if here in row.sources and row.to is not None and row.to not in reached:
                reached.add(row.to)
                frontier.append(row.to)
    assert reached == set(State)
    for state in State:
        leaves = [row for row in table if state in row.sources and row.to not in {None, state}]
        assert leaves or not state.is_open


@pytest.mark.parametrize("kind", Kind)
def test_a_viewer_can_do_nothing_and_a_later_role_never_less_than_an_earlier_one(kind: Kind) -> None:
    for state in State:
        assert allowed(state, Role.VIEWER, kind) == ()
        for lower, higher in zip(Role, list(Role)[1:], strict=False):
            assert set(allowed(state, lower, kind)) <= set(allowed(state, higher, kind))


def test_a_technician_takes_a_new_ticket_and_cannot_cancel_it() -> None:
    assert Action.ACKNOWLEDGE in allowed("new", "technician", "fault")
    assert Action.CANCEL not in allowed("new", "technician", "fault")
    assert Action.CANCEL in allowed("new", "manager", "fault")


@pytest.mark.parametrize("kind", WORK)
def test_nothing_closes_before_it_is_resolved(kind: Kind) -> None:
    sources = {state for row in rows_of(Action.CLOSE, kind) for state in row.sources}
    assert sources == {State.RESOLVED, State.VERIFIED}


def test_who_waits_for_an_answer_is_called_before_closing_unless_a_manager_says_why_not() -> None:
    for kind in (Kind.REQUEST, Kind.COMPLAINT):
        assert Action.CLOSE not in allowed("resolved", "engineer", kind)
        assert Action.CLOSE in allowed("resolved", "manager", kind)
        assert needs(Action.CLOSE, kind, "resolved") == ("reason",)
        assert needs(Action.CLOSE, kind, "verified") == ()
    assert Action.CLOSE in allowed("resolved", "engineer", Kind.FAULT)


def test_staff_enter_what_neither_a_machine_nor_the_schedule_tells() -> None:
    assert {kind for kind in Kind if rows_of(Action.ENTER, kind)} == set(Kind) - {Kind.TEST, Kind.OUTAGE}
    assert all(Action.ENTER not in allowed(state, "admin", kind) for state in State for kind in Kind)


def test_resolving_needs_cause_and_action_and_holding_needs_a_reason() -> None:
    assert needs(Action.RESOLVE, "fault", "in_progress") == ("cause", "action")
    assert needs(Action.HOLD, "fault", "in_progress") == ("reason",)
    assert needs(Action.HOLD, "fault", "new") == ()


def test_a_ticket_is_named_with_six_digits_and_read_back() -> None:
    assert ticket_name(123) == "T-000123"
    assert parse_ticket("T-000123") == 123
    assert parse_ticket(ticket_name(1_234_567)) == 1_234_567
    with pytest.raises(ValueError, match="such as T-000123"):
        parse_ticket("123")
