"""The life of one alarm: at, before and after each delay, through not knowing, over a restart."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Severity
from edge.decode.sample import Moment
from edge.rules import alarm
from edge.rules.alarm import AlarmState, Settings, What

DELAYED = Settings(on_delay_ms=10_000, off_delay_ms=5_000)
Told = list[tuple[str, float]]


def moment(seconds: float) -> Moment:
    return Moment(wall_ms=1_000_000 + round(seconds * 1000), steady_ms=round(seconds * 1000))


def play(
    history: Sequence[tuple[float, bool | None]], settings: Settings = DELAYED, silence: str = ""
) -> tuple[AlarmState, Told]:
    state, told = AlarmState(severity=Severity.MAJOR), []
    for seconds, condition in history:
        moved = alarm.step(state, condition, moment(seconds), settings, Severity.MAJOR, silence)
        told += [(str(change.what), seconds) for change in moved.changes]
        state = moved.state
    return state, told


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([(0, True), (9.999, True)], []),
        ([(0, True), (10, True)], [("raised", 10)]),
        ([(0, True), (10.001, True), (11, True)], [("raised", 10.001)]),
        ([(0, True), (5, False), (6, True), (15.999, True)], []),
        ([(0, True), (5, False), (6, True), (16, True)], [("raised", 16)]),
        ([(0, True), (10, True), (20, False), (24.999, False)], [("raised", 10)]),
        ([(0, True), (10, True), (20, False), (25, False)], [("raised", 10), ("cleared", 25)]),
        ([(0, True), (10, True), (20, False), (22, True), (26, False), (31, False)], [("raised", 10), ("cleared", 31)]),
        ([(0, True), (4, None), (30, None), (30, True), (35.999, True)], []),
        ([(0, True), (4, None), (30, True), (36, True)], [("raised", 36)]),
        ([(0, True), (10, True), (20, None), (90, None)], [("raised", 10)]),
        ([(0, True), (10, True), (20, False), (22, None), (60, False), (62.999, False)], [("raised", 10)]),
        ([(0, True), (10, True), (20, False), (22, None), (60, False), (63, False)], [("raised", 10), ("cleared", 63)]),
    ],
)
def test_delays_run_in_known_time_only(history: list[tuple[float, bool | None]], expected: Told) -> None:
    assert play(history)[1] == expected


def test_without_delays_an_alarm_comes_and_goes_at_once() -> None:
    assert play([(0, True), (1, False)], Settings())[1] == [("raised", 0), ("cleared", 1)]


def test_an_alarm_remembers_when_its_condition_began() -> None:
    state, _ = play([(3, True), (13, True)])
    assert state.began == moment(3)
    assert state.raised == moment(13)


def test_a_latched_alarm_stays_until_a_person_acknowledges_it() -> None:
    latching = Settings(latching=True)
    state, told = play([(0, True), (1, False), (100, False)], latching)
    assert state.phase == "latched"
    assert state.is_active
    assert told == [("raised", 0)]
    moved = alarm.acknowledge(state, moment(101))
    assert [change.what for change in moved.changes] == [What.CLEARED]
    assert not moved.state.is_active


def test_a_latched_alarm_that_was_acknowledged_before_clears_with_its_condition() -> None:
    state, _ = play([(0, True)], Settings(latching=True))
    state = alarm.acknowledge(state, moment(1)).state
    moved = alarm.step(state, False, moment(2), Settings(latching=True), Severity.MAJOR)
    assert [change.what for change in moved.changes] == [What.CLEARED]


def test_severity_grows_with_the_time_an_alarm_is_active_and_never_shrinks() -> None:
    growing = Settings(escalate=((60_000, Severity.CRITICAL), (120_000, Severity.LIFE_SAFETY)))
    state, told = play([(0, True), (59.999, True), (60, True), (61, True), (120, True)], growing)
    assert told == [("raised", 0), ("severity", 60), ("severity", 120)]
    assert state.severity is Severity.LIFE_SAFETY


def test_a_cause_that_comes_later_suppresses_and_its_end_frees() -> None:
    state = play([(0, True)], Settings())[0]
    suppressed = alarm.step(state, True, moment(1), Settings(), Severity.MAJOR, "supply_lost")
    assert [(change.what, change.reason) for change in suppressed.changes] == [(What.SUPPRESSED, "supply_lost")]
    freed = alarm.step(suppressed.state, True, moment(2), Settings(), Severity.MAJOR, "")
    assert [(change.what, change.reason) for change in freed.changes] == [(What.UNSUPPRESSED, "supply_lost")]


def test_a_consequence_that_is_going_does_not_speak_up_because_its_cause_went_first() -> None:
    state = play([(0, True), (10, True), (20, False)], silence="supply_lost")[0]
    freed = alarm.step(state, False, moment(22), DELAYED, Severity.MAJOR, "")
    assert (freed.changes, freed.state.silenced_by) == ((), "supply_lost")
    back = alarm.step(freed.state, True, moment(23), DELAYED, Severity.MAJOR, "")
    assert [change.what for change in back.changes] == [What.UNSUPPRESSED], "it is there after all"


def test_nothing_is_due_of_a_delay_while_the_condition_is_not_known() -> None:
    waiting = play([(0, True), (4, None)])[0]
    clearing = play([(0, True), (10, True), (20, False), (22, None)])[0]
    assert [alarm.due(state, DELAYED) for state in (waiting, clearing)] == [None, None]
    known = alarm.step(waiting, True, moment(30), DELAYED, Severity.MAJOR).state
    assert alarm.due(known, DELAYED) == 36_000


def test_an_alarm_raised_while_suppressed_says_so_in_its_state() -> None:
    state, told = play([(0, True)], Settings(), silence="supply_lost")
    assert told == [("raised", 0)]
    assert state.silenced_by == "supply_lost"


def test_each_step_says_why_it_stands_where_it_stands() -> None:
    why = alarm.step(AlarmState(), True, moment(0), DELAYED, Severity.MAJOR).why
    assert why == "waits 10 s more of its on-delay"


histories = st.lists(
    st.tuples(st.integers(1, 4_000), st.sampled_from([True, False, None])), min_size=1, max_size=40
).map(
    lambda steps: [
        (sum(gap for gap, _ in steps[: index + 1]) / 1000, condition) for index, (_, condition) in enumerate(steps)
    ]
)


def reference(history: Sequence[tuple[float, bool | None]], settings: Settings) -> Told:
    """By adding up known time from the start, each time anew."""
    told: Told = []
    is_active = False
    for index, (seconds, condition) in enumerate(history):
        if condition is None:
            continue
        wanted = not is_active
        if condition is not wanted:
            continue
        lasted, end = 0, round(seconds * 1000)
        for at, before in reversed(history[:index]):
            if before is wanted:
                lasted += end - round(at * 1000)
            elif before is not None:
                break
            end = round(at * 1000)
            told_at = round(told[-1][1] * 1000) if told else -1
            if end <= told_at:
                break
        delay = settings.on_delay_ms if wanted else settings.off_delay_ms
        if lasted >= delay:
            told.append(("raised" if wanted else "cleared", seconds))
            is_active = wanted
    return told


@given(history=histories, on=st.sampled_from([0, 3_000, 10_000]), off=st.sampled_from([0, 2_000, 7_000]))
def test_alarms_come_and_go_as_a_slow_look_at_the_whole_past_says(
    history: list[tuple[float, bool | None]], on: int, off: int
) -> None:
    settings = Settings(on_delay_ms=on, off_delay_ms=off)
    assert play(history, settings)[1] == reference(history, settings)


@given(history=histories, cut=st.integers(0, 39))
def test_a_restart_between_any_two_evaluations_changes_nothing(
    history: list[tuple[float, bool | None]], cut: int
) -> None:
    cut = min(cut, len(history))
    state, first = play(history[:cut])
    ahead = 5_000_000  # the next process's steady time starts somewhere else
    saved = json.loads(json.dumps(alarm.to_json(state)))
    now = Moment(wall_ms=2**50, steady_ms=2**50)
    state = alarm.from_json(saved, ahead, now)
    told = list(first)
    for seconds, condition in history[cut:]:
        at = Moment(wall_ms=moment(seconds).wall_ms, steady_ms=moment(seconds).steady_ms + ahead)
        moved = alarm.step(state, condition, at, DELAYED, Severity.MAJOR)
        told += [(str(change.what), seconds) for change in moved.changes]
        state = moved.state
    assert told == play(history)[1]


def test_a_delay_restored_from_the_future_counts_from_now() -> None:
    state = play([(100, True)])[0]
    restored = alarm.from_json(alarm.to_json(state), 0, moment(50))  # the wall clock went back
    assert restored.since == 50_000
