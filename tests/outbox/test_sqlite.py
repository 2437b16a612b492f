"""The outbox keeps what it promised, wherever the process is stopped."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.codec import decode_record
from contract.messages import (
    Cause,
    Committed,
    Previous,
    Quality,
    Record,
    RuleUnknown,
    SampleBatch,
    SamplesThinned,
)
from edge.decode.sample import Sample
from edge.errors import Misconfigured, Transient
from edge.outbox.record import body_of, count_of
from edge.outbox.sqlite import IN_MEMORY, MOST_A_ROW, Outbox

NOW = 1_795_000_000_000


class Killed(Exception):
    """The process ends here."""


def killer(step: str) -> Callable[[str], None]:
    def fault(at: str) -> None:
        if at == step:
            raise Killed

    return fault


def event(number: int) -> Record:
    return RuleUnknown(equipment="pump_1", rule=f"rule_{number}", at="2026-11-21T07:05:00.123Z", unknown=True)


def samples(count: int, at: int = NOW) -> list[Sample]:
    return [Sample("d", "pump_1", "load", 1.0, Quality.GOOD, Cause.NONE, at + n, at + n) for n in range(count)]


def open_outbox(tmp_path: Path, now: int = NOW, fault: str = "") -> Outbox:
    return Outbox(tmp_path / "edge.db", now, killer(fault))


def waiting(outbox: Outbox) -> list[str]:
    batch = outbox.next_batch("events", 1000, 10**9)
    records = [decode_record(body) for body in batch.bodies] if batch else []
    return [record.rule for record in records if isinstance(record, RuleUnknown)]


def test_numbers_start_at_one_in_each_epoch_and_lane(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1), event(2)], samples=samples(3))
    events, columns = outbox.next_batch("events", 10, 10**6), outbox.next_batch("samples", 10, 10**6)
    assert events is not None
    assert columns is not None
    assert (events.epoch, events.first, len(events.bodies)) == (NOW // 1000, 1, 2)
    assert (columns.first, len(columns.bodies)) == (1, 1)


def test_the_first_batch_of_an_epoch_names_the_last_numbers_of_the_one_before(tmp_path: Path) -> None:
    first = open_outbox(tmp_path)
    first.save(NOW, events=[event(1), event(2)], samples=samples(3))
    first.acknowledge([Committed(epoch=first.epoch, lane="events", through=2)])
    first.close()
    second = open_outbox(tmp_path, NOW + 60_000)
    second.save(NOW, events=[event(3), event(4)])
    batch = second.next_batch("events", 1, 10**6)
    assert batch is not None
    assert batch.previous == Previous(epoch=first.epoch, events=2, samples=1)
    second.acknowledge([Committed(epoch=second.epoch, lane="events", through=1)])
    later = second.next_batch("events", 1, 10**6)
    assert later is not None
    assert later.previous is None


def test_a_backlog_keeps_the_epoch_it_was_born_in_and_goes_first(tmp_path: Path) -> None:
    first = open_outbox(tmp_path)
    first.save(NOW, events=[event(1)])
    first.close()
    second = open_outbox(tmp_path, NOW + 1)  # the clock went nowhere: the epoch still grows
    second.save(NOW, events=[event(2)])
    batch = second.next_batch("events", 10, 10**6)
    assert batch is not None
    assert (batch.epoch, len(batch.bodies)) == (first.epoch, 1)
    assert second.epoch == first.epoch + 1


def test_an_epoch_grows_even_when_the_clock_went_back(tmp_path: Path) -> None:
    first = open_outbox(tmp_path)
    first.close()
    assert open_outbox(tmp_path, NOW - 10**9).epoch > first.epoch


@pytest.mark.parametrize(
    ("step", "kept"), [("events_written", []), ("before_commit", []), ("after_commit", ["rule_2"])]
)
def test_a_kill_at_any_step_of_saving_keeps_all_of_it_or_nothing(tmp_path: Path, step: str, kept: list[str]) -> None:
    first = open_outbox(tmp_path, NOW)
    first.save(NOW, events=[event(1)], state=[("alarms/pump_1", b"old")])
    first.acknowledge([Committed(epoch=first.epoch, lane="events", through=1)])
    first._fault = killer(step)
    with pytest.raises(Killed):
        first.save(NOW, events=[event(2)], samples=samples(1), state=[("alarms/pump_1", b"new")], answered=["d1"])
    # the connection is abandoned, as a kill -9 leaves it
    second = open_outbox(tmp_path, NOW + 1000)
    assert waiting(second) == kept
    assert second.load_state() == {"alarms/pump_1": b"new" if kept else b"old"}
    assert second.answered() == ({"d1"} if kept else set())


def test_a_kill_between_the_clouds_commit_and_the_receipt_sends_again_under_the_same_numbers(tmp_path: Path) -> None:
    first = open_outbox(tmp_path)
    first.save(NOW, events=[event(1), event(2)])
    sent = first.next_batch("events", 10, 10**6)
    second = open_outbox(tmp_path, NOW + 1000)
    again = second.next_batch("events", 10, 10**6)
    assert sent is not None
    assert again is not None
    assert (sent.epoch, sent.first, sent.bodies) == (again.epoch, again.first, again.bodies)


def test_acknowledging_forgets_only_what_was_committed(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1), event(2), event(3)])
    outbox.acknowledge([Committed(epoch=outbox.epoch, lane="events", through=2)])
    outbox.acknowledge([Committed(epoch=outbox.epoch, lane="events", through=2)])
    assert waiting(outbox) == ["rule_3"]
    assert outbox.depths["events"].records == 1


def test_what_waits_is_known_without_counting(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1)], samples=samples(2))
    outbox.save(NOW + 5, samples=samples(2))
    assert (outbox.depths["samples"].records, outbox.depths["samples"].oldest_ms) == (2, NOW)
    outbox.acknowledge([Committed(epoch=outbox.epoch, lane="samples", through=1)])
    assert (outbox.depths["samples"].records, outbox.depths["samples"].oldest_ms) == (1, NOW + 5)
    assert open_outbox(tmp_path, NOW + 9).depths == outbox.depths


def test_a_batch_stays_within_its_bytes_but_holds_at_least_one(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1), event(2), event(3)])
    size = len(outbox.next_batch("events", 1, 10**6).bodies[0])  # type: ignore[union-attr]
    assert len(outbox.next_batch("events", 10, 2 * size).bodies) == 2  # type: ignore[union-attr]
    assert len(outbox.next_batch("events", 10, 1).bodies) == 1  # type: ignore[union-attr]


# --- budget -----------------------------------------------------------------------------------------------------------


def sample_counts(outbox: Outbox) -> list[int]:
    batch = outbox.next_batch("samples", 10_000, 10**9)
    records = [decode_record(body) for body in batch.bodies] if batch else []
    return [count_of(record) for record in records if isinstance(record, SampleBatch)]


def test_the_second_of_a_large_site_is_several_records_of_one_commit(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, samples=samples(2 * MOST_A_ROW + 1))
    assert sample_counts(outbox) == [MOST_A_ROW, MOST_A_ROW, 1]
    assert outbox.depths["samples"].records == 3
    with pytest.raises(Killed):
        open_outbox(tmp_path, NOW + 1000, "before_commit").save(NOW, samples=samples(2 * MOST_A_ROW))
    assert sum(sample_counts(open_outbox(tmp_path, NOW + 2000))) == 2 * MOST_A_ROW + 1


def test_over_budget_samples_are_thinned_then_given_up_and_each_time_an_event_says_so(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1)])
    for second in range(10):
        outbox.save(NOW, samples=samples(5, NOW + second * 1000))
    (thinned,) = outbox.keep_within(1, 30, NOW + 10_000)
    assert (thinned.first, thinned.last, thinned.dropped, thinned.kept) == (1, 10, 49, 1)
    (given_up,) = outbox.keep_within(1, 30, NOW + 10_000)
    assert (given_up.dropped, given_up.kept) == (1, 0)
    assert outbox.keep_within(1, 30, NOW + 10_000) == []
    assert sample_counts(outbox) == [0] * 10  # every number is still there
    batch = outbox.next_batch("events", 10, 10**6)
    assert batch is not None
    assert [type(decode_record(body)) for body in batch.bodies] == [RuleUnknown, SamplesThinned, SamplesThinned]


def test_a_step_of_thinning_ends_after_so_many_samples_and_the_next_goes_on_in_the_same_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.outbox.sqlite.THIN_SAMPLES", 10)
    outbox = open_outbox(tmp_path)
    for second in range(4):
        outbox.save(NOW, samples=samples(5, NOW + second * 1000))
    steps = [outbox.keep_within(1, 30, NOW + 10_000)[0] for _ in range(2)]
    assert [(one.first, one.last, one.dropped, one.kept) for one in steps] == [(1, 2, 9, 1), (3, 4, 10, 0)]


def test_samples_older_than_the_budgets_days_are_thinned_and_younger_ones_stay(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, samples=samples(5, NOW))
    outbox.save(NOW + 3 * 86_400_000, samples=samples(5, NOW + 3 * 86_400_000))
    assert len(outbox.keep_within(10**9, 2, NOW + 3 * 86_400_000)) == 1
    assert sample_counts(outbox) == [1, 5]


# --- when numbers or files go wrong -----------------------------------------------------------------------------------


def test_starting_over_moves_what_waits_into_a_new_epoch_behind_an_announcement(tmp_path: Path) -> None:
    first = open_outbox(tmp_path)
    first.save(NOW, events=[event(1)], samples=samples(1))
    first.close()
    outbox = open_outbox(tmp_path, NOW + 1000)
    outbox.save(NOW, events=[event(2)])
    epoch = outbox.start_over(NOW + 5000, [event(8), event(9)])
    assert waiting(outbox) == ["rule_8", "rule_9", "rule_1", "rule_2"]
    assert outbox.depths["events"].records == 4
    batch = outbox.next_batch("events", 10, 10**6)
    assert batch is not None
    assert (batch.epoch, batch.first) == (epoch, 1)
    outbox.save(NOW, events=[event(3)])
    assert waiting(outbox)[-1] == "rule_3"


def test_a_refused_record_is_set_aside_and_its_number_is_kept(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1), event(2)])
    outbox.quarantine("events", outbox.epoch, 1, "unreadable", NOW, event(9))
    assert waiting(outbox) == ["rule_9", "rule_2"]
    with sqlite3.connect(tmp_path / "edge.db") as db:
        assert db.execute("SELECT seq, reason FROM quarantine").fetchall() == [(1, "unreadable")]


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    open_outbox(tmp_path).close()
    with sqlite3.connect(tmp_path / "edge.db") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(Misconfigured, match=r"written by a newer version .* Install the newer"):
        open_outbox(tmp_path)


@pytest.mark.parametrize("damage", ["foreign", "torn"])
def test_a_damaged_file_is_set_aside_and_the_gateway_starts(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "edge.db"
    if damage == "foreign":
        file.write_bytes(b"this is a shopping list, not a database" * 100)
    else:
        whole = open_outbox(tmp_path)
        for number in range(50):
            whole.save(NOW, events=[event(number)] * 20)
        whole.close()
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2 - 100] + b"\xff" * 4096)
    outbox = open_outbox(tmp_path)
    assert outbox.set_aside is not None
    assert outbox.set_aside.exists()
    outbox.save(NOW, events=[event(1)])
    assert waiting(outbox) == ["rule_1"]


def test_a_disk_that_takes_nothing_is_transient_and_loses_no_number(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1)])
    pages = outbox._db.execute("PRAGMA page_count").fetchone()[0]
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")  # a full disk, as SQLite reports it
    with pytest.raises(Transient, match="full"):
        outbox.save(NOW, events=[event(n) for n in range(2000)])
    outbox._db.execute("PRAGMA max_page_count = 1000000")
    outbox.save(NOW, events=[event(2)])
    assert waiting(outbox) == ["rule_1", "rule_2"]
    batch = outbox.next_batch("events", 10, 10**6)
    assert batch is not None
    assert (batch.first, len(batch.bodies)) == (1, 2)


def test_an_outbox_in_memory_serves_while_the_disk_cannot(tmp_path: Path) -> None:
    (tmp_path / "edge.db").mkdir()
    with pytest.raises(Transient, match="unable to open"):
        open_outbox(tmp_path)
    outbox = Outbox(Path(IN_MEMORY), NOW)
    outbox.save(NOW, events=[event(1)])
    assert waiting(outbox) == ["rule_1"]
    assert not outbox.is_lasting
    assert not (tmp_path.cwd() / IN_MEMORY).exists()


def test_a_database_that_cannot_be_read_now_is_worth_another_try(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.close()
    with pytest.raises(Transient):
        outbox.next_batch("events", 1, 1)


def test_what_was_told_from_memory_is_known_under_the_same_numbers_on_the_disk(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.save(NOW, events=[event(1)], state=[("a", b"old"), ("b", b"stays")])
    before = outbox.epoch
    outbox.leave_disk(NOW)
    assert outbox.epoch == before + 1  # the clock went nowhere: the epoch still grows
    outbox.save(NOW, events=[event(2), event(3)], state=[("a", b"new")], answered=["d1"])
    sent = outbox.next_batch("events", 10, 10**6)
    assert sent is not None
    assert waiting(outbox) == ["rule_2", "rule_3"]
    outbox.return_to_disk()
    assert outbox.depths["events"].records == 3
    outbox.acknowledge([Committed(epoch=before, lane="events", through=1)])
    again = outbox.next_batch("events", 10, 10**6)
    assert again is not None
    assert (again.epoch, again.first, again.bodies) == (sent.epoch, sent.first, sent.bodies)
    outbox.save(NOW, events=[event(4)])
    outbox.close()
    later = open_outbox(tmp_path, NOW + 9000)
    assert waiting(later) == ["rule_2", "rule_3", "rule_4"]
    assert later.load_state() == {"a": b"new", "b": b"stays"}
    assert later.answered() == {"d1"}


def test_a_disk_that_still_takes_nothing_leaves_everything_in_memory(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    outbox.leave_disk(NOW)
    assert outbox._disk is not None
    outbox._disk.execute("PRAGMA query_only = 1")  # as a disk mounted read-only answers
    outbox.save(NOW, events=[event(1)])
    with pytest.raises(Transient, match="readonly"):
        outbox.return_to_disk()
    assert outbox.is_away
    assert waiting(outbox) == ["rule_1"]


def test_a_damaged_file_that_cannot_be_set_aside_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    (tmp_path / "edge.db").write_bytes(b"this is a shopping list, not a database" * 100)
    monkeypatch.setattr(Path, "rename", read_only)
    with pytest.raises(Transient, match="damaged and cannot be set aside: Read-only file system"):
        open_outbox(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "garbled", "gone"])
def test_a_torn_write_ahead_log_costs_at_most_what_it_held_and_no_number_twice(tmp_path: Path, damage: str) -> None:
    first = open_outbox(tmp_path)
    for number in range(20):
        first.save(NOW, events=[event(number)])
    sent = first.next_batch("events", 100, 10**6)
    for suffix in ("", "-wal"):  # as the disk is after the power went, the process still running
        (tmp_path / f"copy.db{suffix}").write_bytes((tmp_path / f"edge.db{suffix}").read_bytes())
    log = tmp_path / "copy.db-wal"
    data = log.read_bytes()
    half = len(data) // 2
    log.write_bytes(
        {"cut": data[:half], "garbled": data[:half] + b"\xaa" * 512 + data[half + 512 :], "gone": b""}[damage]
    )
    second = Outbox(tmp_path / "copy.db", NOW + 1000)
    left = second.next_batch("events", 100, 10**6)
    assert second.set_aside is None
    assert sent is not None
    if damage == "gone":
        assert left is None
        return
    assert left is not None
    assert (left.epoch, left.first) == (sent.epoch, 1)
    assert left.bodies == sent.bodies[: len(left.bodies)]  # a beginning of what was, and nothing else
    assert 0 < len(left.bodies) < 20
    assert second.epoch > sent.epoch


def second(number: int) -> list[Sample]:
    """Twenty points, one sample each."""
    at = NOW + number * 1000
    return [
        Sample("d", "pump_1", f"point_{n}", 230.0 + (number * 7 + n) % 13, Quality.GOOD, Cause.NONE, at + n, at + n)
        for n in range(20)
    ]


def test_samples_that_wait_for_long_take_a_fraction_of_the_room_and_are_sent_as_they_were(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    empty = outbox.used_bytes()
    for number in range(660):
        outbox.save(NOW + number * 1000, samples=second(number))
    assert outbox.used_bytes() - empty < sum(len(body_of(second(number))) for number in range(660)) / 3
    batch = outbox.next_batch("samples", 10_000, 10**9)
    assert batch is not None
    assert list(batch.bodies) == [body_of(second(number)) for number in range(660)]
    thinned = outbox.keep_within(1, 1000, NOW + 10**7)
    assert sum(one.kept for one in thinned) == 20 * 10  # the first step looks at ten minutes
    left = outbox.next_batch("samples", 10_000, 10**9)
    assert left is not None
    assert decode_record(left.bodies[60]) != decode_record(left.bodies[61])
    outbox.close()
