from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import ticket_page, ticket_steps, words
from cloud.dashboard.present import Here
from cloud.dashboard.rows import DeadlineRow, TicketRow, TimelineRow
from cloud.dashboard.ticket_page import Story
from cloud.dashboard.ticket_steps import Around
from cloud.sla.policy import SHIPPED
from cloud.sla.timeline import Deadline, Entry, Line, deadlines, explain
from cloud.tickets.ticket import Action, Role, State, allowed
from contract.conventions import from_ms

NOW = 1_795_248_312_000  # Saturday 16:05:12 at the site
MINUTE = 60_000
EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), NOW)
ZH = Here(words.load("zh"), ZoneInfo("Asia/Shanghai"), NOW)
TICKET = TicketRow(417, "fault", "s", "incomer_2", {"en": "LV incomer 2"}, "low_power_factor", {"en": "LV incomer 2: PF low"}, "major", "major",
                   "power", "h-5.3.1-pf", "new", NOW - 407 * MINUTE, began_at=NOW - 427 * MINUTE, raised_at=NOW - 412 * MINUTE,
                   received_at=NOW - 407 * MINUTE, policy="shipped-1")  # fmt: skip


def sums(
    *story: tuple[float, str, str], priority: str = "major", emergency: str = ""
) -> list[tuple[Deadline, tuple[Line, ...]]]:
    """Clocks of a story of (minutes ago, kind, why)."""
    entries = [
        Entry(from_ms(round(NOW - ago * MINUTE)), kind, priority if kind == "opened" else "", why)
        for ago, kind, why in story
    ]
    found = deadlines(entries, lambda p: SHIPPED.targets(p, emergency), {}, from_ms(NOW))
    return [(one, explain(one, {}, from_ms(NOW))) for one in found]


def test_how_the_resolution_adds_up_line_by_line() -> None:
    told = sums((407, "opened", ""), (394, "acknowledged", ""), (317, "held", "waiting for part"), (105, "resumed", ""))
    table = ticket_page.sum_table(told[-1], TICKET, EN)
    assert table.title == "How the resolution time adds up"
    assert [(line.kind, line.why, line.wall, line.counts) for line in table.lines] == [
        ("running", "accepted by the desk", "1:30:00", "1:30:00"),
        ("held", "waiting for part", "3:32:00", "0:00:00"),
        ("running", "at work", "1:45:00", "1:45:00"),
        ("ahead", "until the target is used up", "44:45:00", "44:45:00"),
    ]
    assert table.total.startswith("Due 23 Nov 12:50:12 (target 48:00:00)")
    assert (table.wall, table.counts) == ("51:32:00", "48:00:00")
    assert (
        table.foot
        == "The fault began 08:58:12; the news came 5 min after the alarm was raised. Both figures are in every report."
    )


def test_news_that_came_at_once_is_not_called_late() -> None:
    at_once = replace(TICKET, received_at=(TICKET.raised_at or 0) + 900)
    assert "news came" not in ticket_page.sum_table(sums((407, "opened", ""))[-1], at_once, EN).foot


def test_a_life_safety_clock_never_shows_held() -> None:
    told = sums((20, "opened", ""), (10, "held", "asked to wait"), priority="life_safety", emergency="entrapment")
    assert [big.clock.state for big in ticket_page.big_clocks(told, EN)] == ["running", "running", "running"]


def test_the_clocks_stand_in_order_and_arrival_only_where_the_policy_sets_it() -> None:
    assert [b.clock.kind for b in ticket_page.big_clocks(sums((5, "opened", "")), EN)] == ["response", "resolution"]
    trapped = sums((5, "opened", ""), priority="life_safety", emergency="entrapment")
    assert [b.clock.kind for b in ticket_page.big_clocks(trapped, EN)] == ["response", "arrival", "resolution"]


def test_acknowledging_does_not_stop_the_arrival_clock() -> None:
    told = sums((5, "opened", ""), (3, "acknowledged", ""), priority="life_safety", emergency="entrapment")
    assert [(b.clock.kind, b.clock.state) for b in ticket_page.big_clocks(told, EN)][:2] == [
        ("response", "met"),
        ("arrival", "running"),
    ]


def test_the_track_shows_running_and_held_stretches_within_its_width() -> None:
    told = sums((407, "opened", ""), (317, "held", "part"), (105, "resumed", ""))
    big = ticket_page.big_clocks(told, EN)[-1]
    assert [part.kind for part in big.track] == ["run", "hold", "run"]
    assert all(0 <= part.x <= 100 and part.x + part.width <= 100.01 for part in big.track)
    assert big.held == "held 3 h 32 min"
    assert big.now is not None


def test_a_clock_on_hold_says_so_and_has_no_now() -> None:
    big = ticket_page.big_clocks(sums((60, "opened", ""), (30, "held", "part")), EN)[-1]
    assert (big.clock.state, big.clock.status) == ("held", "on hold")


# --- timeline ---------------------------------------------------------------------------------------------------


def story(*lines: TimelineRow) -> Story:
    return Story(
        TICKET, lines, "Power factor low", "power factor 0.87", 15 * MINUTE, {"electrician_a": "Electrician A"}
    )


def line(kind: str, actor_kind: str = "person", actor: str = "electrician_a", **data: object) -> TimelineRow:
    return TimelineRow(1, NOW, kind, actor_kind, actor, data)


def test_the_timeline_begins_with_what_the_machine_saw() -> None:
    first, second, *_ = ticket_page.moments(story(line("opened", "machine", "gw_1", event="gw_1:7:events:3")), EN)
    assert (first.title, first.details, first.css) == (
        "Condition began: Power factor low",
        ("power factor 0.87",),
        "fault sev-major",
    )
    assert (second.title, second.details) == ("Alarm raised on the gateway", ("after 15 min on-delay",))


def test_people_are_called_by_their_names_and_what_they_said_is_kept() -> None:
    made = ticket_page.moments(story(line("held", reason="waiting for part", until=NOW + 60 * MINUTE)), EN)[-1]
    assert (made.title, made.css) == ("Electrician A: put on hold", "hold")
    assert made.details == ("waiting for part", "At most until 17:05")
    assert ticket_page.moments(story(line("acknowledged")), ZH)[-1].title == "Electrician A：接单"


def test_a_breach_names_its_clock() -> None:
    made = ticket_page.moments(story(line("breached", "system", "", clock="response")), EN)[-1]
    assert made.title == "Response target breached"


def test_late_news_is_said_where_it_arrived() -> None:
    made = ticket_page.moments(story(line("opened", "machine", "gw_1", news_late_ms=322_000)), EN)[-1]
    assert "news 5 min 22 s late" in made.details


# --- next steps -------------------------------------------------------------------------------------------------

PEOPLE = [("electrician_a", "Electrician A")]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("role", list(Role))
def test_the_buttons_are_the_table_of_transitions(state: State, role: Role) -> None:
    made = ticket_steps.steps(replace(TICKET, state=state), role, Around(PEOPLE), EN)
    assert {step.id for step in made} == {
        str(action) for action in allowed(state, role, TICKET.kind) if action is not Action.NOTE
    }
    assert sum(step.is_primary for step in made) <= 1
    assert not made or made[0].is_primary or not any(step.is_primary for step in made)


@pytest.mark.parametrize(
    ("state", "expected"),
    [("new", "acknowledge"), ("acknowledged", "start"), ("on_site", "start"), ("in_progress", "resolve"), ("on_hold", "resume"), ("resolved", "verify"),
     ("verified", "close")],
)  # fmt: skip
def test_one_primary_button_that_changes_with_the_step(state: str, expected: str) -> None:
    assert ticket_steps.steps(replace(TICKET, state=state), "engineer", Around(PEOPLE), EN)[0].id == expected


def test_where_an_arrival_clock_runs_being_on_site_comes_next() -> None:
    arrival = DeadlineRow("arrival", 1800, NOW, NOW + 1, "running")
    ticket = replace(TICKET, state="acknowledged", deadlines=(arrival,))
    assert ticket_steps.steps(ticket, "technician", Around(PEOPLE), EN)[0].id == "arrive"


def test_a_step_asks_for_exactly_what_it_needs() -> None:
    made = {
        step.id: step
        for step in ticket_steps.steps(replace(TICKET, state="in_progress"), "engineer", Around(PEOPLE), EN)
    }
    assert [(f.name, f.is_required) for f in made["hold"].fields] == [("reason", True), ("until", False)]
    assert [f.name for f in made["resolve"].fields] == ["cause", "action"]
    assert made["hand_over"].fields[0].choices == (("electrician_a", "Electrician A"),)
    assert dict(made["set_priority"].fields[0].choices)["urgent"] == "urgent"


def test_closing_on_an_active_alarm_asks_why() -> None:
    resolved = replace(TICKET, state="resolved")
    close = {step.id: step for step in ticket_steps.steps(resolved, "engineer", Around(PEOPLE), EN)}["close"]
    assert not close.is_form
    close = {
        step.id: step
        for step in ticket_steps.steps(replace(resolved, is_alarm_active=True), "engineer", Around(PEOPLE), EN)
    }["close"]
    assert [f.name for f in close.fields] == ["reason"]


def test_a_viewer_has_no_buttons() -> None:
    assert ticket_steps.steps(TICKET, "viewer", Around(PEOPLE), EN) == ()


def test_target_and_stop_are_told_when_a_clock_has_stopped() -> None:
    told = sums((100, "opened", ""), (90, "acknowledged", ""))
    assert ticket_page.sum_table(told[0], TICKET, EN).total == "Stopped 14:35:12 (target 2:00:00)"
    assert told[0][0].used == timedelta(minutes=10)
