import msgspec
import pytest

from cloud.ingest.accept import (
    FUTURE_MS,
    PROMPT_MS,
    Fresh,
    Gap,
    KnownLane,
    accept,
    activation,
    ends,
    is_epoch_taken,
    is_old_news,
    other_life,
)
from contract.codec import encode_record, raw_records
from contract.messages import Cause, Envelope, Previous, Quality, Record, SampleBatch, SampleSeries
from tests.support.desk import START, cleared, raised


def envelope(first: int, *records: Record | bytes) -> Envelope:
    bodies = [record if isinstance(record, bytes) else encode_record(record) for record in records]
    return Envelope(
        contract=1, gateway="gw_1", epoch=1, lane="events", first=first, sent_at="2026-11-21T07:00:00.000Z",
        records=raw_records(bodies),
    )  # fmt: skip


def batch(**changes: object) -> SampleBatch:
    values = {
        "equipment": "incomer_1",
        "point": "power_factor",
        "device": "meter_1",
        "at": [START],
        "value": [0.9],
        **changes,
    }
    return SampleBatch(series=[SampleSeries(**values)])  # type: ignore[arg-type]


def fresh(decision: Fresh | Gap) -> Fresh:
    assert isinstance(decision, Fresh)
    return decision


def test_what_is_next_is_new() -> None:
    found = fresh(accept(envelope(4, raised(START), raised(START)), 3, START))
    assert (found.through, [item.seq for item in found.accepted]) == (5, [4, 5])


def test_what_overlaps_is_new_only_beyond_what_the_lane_holds() -> None:
    found = fresh(accept(envelope(2, *[raised(START)] * 4), 3, START))
    assert (found.through, [item.seq for item in found.accepted]) == (5, [4, 5])


def test_a_repeat_is_nothing_new_and_never_moves_the_lane_back() -> None:
    found = fresh(accept(envelope(1, raised(START)), 9, START))
    assert (found.through, found.accepted) == (9, ())


def test_a_heartbeat_is_nothing_new() -> None:
    assert fresh(accept(envelope(4), 3, START)).through == 3
    assert fresh(accept(envelope(1), 0, START)).through == 0


def test_a_gap_is_not_jumped() -> None:
    assert accept(envelope(5, raised(START)), 3, START) == Gap(3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"type":"LiftMood"}', "LiftMood"),
        (b'{"type":"AlarmRaised","equipment":7}', "equipment"),
        (encode_record(batch(at=[START + FUTURE_MS + 1])), "600 s in the future; check the gateway's clock"),
        (encode_record(batch(value=[0.9, 0.8])), "columns of different length"),
        (encode_record(batch(quality=[Quality.BAD] * 2)), "columns of different length"),
    ],
)
def test_a_bad_record_is_set_aside_with_its_reason_and_its_neighbours_pass(body: bytes, reason: str) -> None:
    found = fresh(accept(envelope(1, raised(START), body, raised(START)), 0, START))
    assert ([item.seq for item in found.accepted], found.through) == ([1, 3], 3)
    (aside,) = found.set_aside
    assert (aside.seq, aside.body) == (2, body)
    assert reason in aside.reason


def test_a_future_field_of_a_newer_gateway_is_passed_over() -> None:
    body = encode_record(batch(cause=[Cause.NONE])).replace(b'{"type"', b'{"mood":"good","type"')
    assert fresh(accept(envelope(1, body), 0, START)).set_aside == ()


def test_an_end_told_in_the_same_breath_is_known_before_its_beginning_is_judged() -> None:
    alarm = raised(START)
    wrong = msgspec.structs.replace(cleared(alarm, START), cleared_at="2026-13-41T00:00:00.000Z", rule="other")
    assert ends([alarm, cleared(alarm, START + 1), wrong]) == {activation(alarm): START + 1}


def test_news_is_old_when_it_was_sent_later_than_at_once() -> None:
    assert not is_old_news(START, START + PROMPT_MS, PROMPT_MS)
    assert is_old_news(START, START + PROMPT_MS + 1, PROMPT_MS)


def word(epoch: int, first: int, count: int, previous: Previous | None = None) -> Envelope:
    return Envelope(
        contract=1, gateway="gw_1", epoch=epoch, lane="events", first=first, sent_at="2026-11-21T07:00:00.000Z",
        records=raw_records([b"{}"] * count), previous=previous,
    )  # fmt: skip


PAST = Previous(epoch=1, events=5, samples=9)


def test_two_processes_cannot_begin_the_same_epoch() -> None:
    begun = [KnownLane(2, "events", 3, PAST)]
    assert is_epoch_taken(begun, word(2, 1, 1, Previous(epoch=1, events=6, samples=9)))
    assert not is_epoch_taken(begun, word(2, 1, 1, PAST))
    assert not is_epoch_taken(begun, word(2, 4, 1))
    assert not is_epoch_taken([], word(2, 1, 1, PAST))


@pytest.mark.parametrize(
    ("held", "told", "life"),
    [
        ([], word(1, 1, 2), None),
        ([KnownLane(1, "events", 5, None)], word(2, 1, 1, PAST), None),
        ([KnownLane(1, "events", 7, None), KnownLane(1, "samples", 9, None)], word(2, 1, 1, PAST), "outbox_restored"),
        ([KnownLane(1, "events", 5, None)], word(2, 1, 1), "outbox_new"),
        ([KnownLane(1, "events", 5, None)], word(2, 1, 0), None),
        ([KnownLane(1, "events", 4, None), KnownLane(2, "events", 3, PAST)], word(1, 5, 1), None),
        ([KnownLane(1, "events", 5, None), KnownLane(2, "events", 3, PAST)], word(1, 6, 2), "gateway_cloned"),
        ([KnownLane(1, "events", 7, None), KnownLane(2, "events", 3, PAST)], word(1, 8, 1), None),
    ],
    ids=[
        "the first of all", "a restart", "an older copy of the disk", "a new disk", "only a heartbeat so far",
        "a backlog of the epoch before", "two live at once", "which is told once",
    ],
)  # fmt: skip
def test_lives_of_a_gateway_are_told_apart(held: list[KnownLane], told: Envelope, life: str | None) -> None:
    found = other_life(held, told)
    assert (found and found[0]) == life


def test_how_much_an_older_copy_forgot_is_told() -> None:
    held = [KnownLane(1, "events", 7, None), KnownLane(1, "samples", 12, None)]
    assert other_life(held, word(2, 1, 1, PAST)) == ("outbox_restored", {"epoch": 2, "previous": 1, "numbers": 5})
