from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import clocks, words
from cloud.dashboard.present import Here
from cloud.dashboard.rows import DeadlineRow

NOW = 1_795_248_312_000  # 16:05:12 at the site
MINUTE = 60_000
EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), NOW)
ZH = Here(words.load("zh"), ZoneInfo("Asia/Shanghai"), NOW)


def deadline(kind: str = "response", *, target_min: int = 60, started_min: float = 10, state: str = "running", held_min: float = 0,
             met_min: float | None = None, breached: bool = False, used_s: float = 0, activation: int = 1) -> DeadlineRow:  # fmt: skip
    start = round(NOW - started_min * MINUTE)
    due = round(start + (target_min + held_min) * MINUTE)
    met = None if met_min is None else round(NOW - met_min * MINUTE)
    return DeadlineRow(kind, target_min * 60, start, None if state == "held" else due, state, met, due if breached else None, used_s,
                       activation=activation)  # fmt: skip


def test_a_running_clock_says_what_is_left_and_how_much_is_used() -> None:
    clock = clocks.clock(deadline(started_min=7), EN)
    assert (clock.state, clock.label, clock.figure, clock.icon) == ("running", "respond", "53 min", "ck-run")
    assert clock.used == pytest.approx(11.7)
    assert clock.note == "Due 16:58:12"
    assert clock.is_ticking


@pytest.mark.parametrize(
    ("started_min", "expected"), [(44.9, "running"), (45, "warn"), (59.9, "warn"), (60, "warn"), (60.1, "breached")]
)
def test_a_clock_turns_amber_at_three_quarters_and_late_only_after_due(started_min: float, expected: str) -> None:
    assert clocks.clock(deadline(started_min=started_min), EN).state == expected


def test_a_late_clock_counts_up_and_keeps_counting_until_somebody_stops_it() -> None:
    clock = clocks.clock(deadline(started_min=102, state="breached", breached=True), EN)
    assert (clock.state, clock.label, clock.figure, clock.short_label) == (
        "breached",
        "response late",
        "42 min",
        "late",
    )
    assert clock.is_ticking
    assert clock.used == 100
    assert clocks.clock(deadline(started_min=102, state="breached", breached=True), ZH).label == "响应超时"


def test_a_breach_stays_after_the_clock_was_stopped() -> None:
    clock = clocks.clock(deadline(started_min=300, state="breached", breached=True, met_min=198), EN)
    assert (clock.state, clock.figure, clock.is_ticking) == ("breached", "42 min", False)
    assert "stays in every report" in clock.note


def test_a_met_clock_says_how_long_it_took() -> None:
    clock = clocks.clock(deadline(started_min=100, state="met", met_min=90, used_s=798), EN)
    assert (clock.state, clock.figure, clock.status) == ("met", "13 min", "met")
    assert clock.note.startswith("Acknowledged 14:35:12, was due")


def test_a_held_clock_has_no_due_instant_and_does_not_tick() -> None:
    clock = clocks.clock(deadline("resolution", target_min=2880, state="held", used_s=5_400), EN)
    assert (clock.state, clock.label, clock.due, clock.is_ticking) == ("held", "held, left", "", False)
    assert clock.figure == "1 d 22 h"


def test_the_clocks_stand_in_their_fixed_order_and_a_missing_one_is_left_out() -> None:
    rows = [deadline("resolution", target_min=2880), deadline("response")]
    assert [clock.kind for clock in clocks.clocks(rows, EN)] == ["response", "resolution"]


def test_a_new_activation_replaces_the_clocks_of_the_one_before() -> None:
    rows = [
        deadline(state="met", met_min=1),
        deadline(started_min=1, activation=2),
        deadline("resolution", target_min=2880),
    ]
    assert [clock.state for clock in clocks.clocks(rows, EN)] == ["running", "running"]


def test_a_row_shows_what_is_late_and_what_is_due_next() -> None:
    late = deadline("response", started_min=102, state="breached", breached=True)
    both = clocks.clocks([late, deadline("arrival", target_min=300), deadline("resolution", target_min=2880)], EN)
    assert [clock.kind for clock in clocks.pressing(both)] == ["response", "arrival"]
    calm = clocks.clocks([deadline(), deadline("arrival", target_min=30), deadline("resolution", target_min=2880)], EN)
    assert [clock.kind for clock in clocks.pressing(calm)] == ["arrival"]


def test_where_there_is_room_the_last_clock_that_was_met_is_shown_beside() -> None:
    rows = clocks.clocks([deadline(state="met", met_min=5, used_s=180), deadline("resolution", target_min=2880)], EN)
    assert [(clock.kind, clock.state) for clock in clocks.pressing(rows)] == [
        ("response", "met"),
        ("resolution", "running"),
    ]
    assert len(clocks.pressing(rows, 3)) == 2


def test_sorting_by_due_puts_what_no_longer_runs_last() -> None:
    running, met = clocks.clocks([deadline()], EN), clocks.clocks([deadline(state="met", met_min=1)], EN)
    assert clocks.next_due(running) < clocks.next_due(met)
    assert clocks.is_late(clocks.clocks([deadline(started_min=70)], EN))
    assert not clocks.is_late(running)
