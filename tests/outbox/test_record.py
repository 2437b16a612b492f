"""Samples as columns, and what thinning leaves of them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.codec import decode_record, encode_record
from contract.messages import Cause, Quality, SampleBatch
from edge.decode.sample import Sample
from edge.outbox.record import KEEP_EVERY_MS, StoredRow, body_of, count_of, give_up, thin
from edge.outbox.retry import wait_s


def sample(point: str, at: int, value: float | None = 1.0) -> Sample:
    good = value is not None
    quality, cause = (Quality.GOOD, Cause.NONE) if good else (Quality.BAD, Cause.NO_RESPONSE)
    return Sample("meter_1", "incomer_1", point, value, quality, cause, at, at)


def test_samples_of_a_point_share_a_column_and_good_ones_carry_no_quality() -> None:
    batch = read(body_of([sample("a", 1), sample("b", 1), sample("a", 2, 3.0)]))
    assert [(one.point, one.at, one.value, one.quality) for one in batch.series] == [
        ("a", [1, 2], [1.0, 3.0], []),
        ("b", [1], [1.0], []),
    ]


def test_one_bad_sample_makes_its_column_say_every_quality() -> None:
    (series,) = read(body_of([sample("a", 1), sample("a", 2, None)])).series
    assert (series.value, series.quality, series.cause) == ([1.0, None], ["good", "bad"], ["none", "no_response"])


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 300_000), st.none() | st.floats(-9, 9)), max_size=9)
)
def test_a_body_holds_every_sample_in_its_order_and_is_written_as_the_contract_writes_it(
    told: list[tuple[str, int, float | None]],
) -> None:
    samples = [sample(*one) for one in told]
    body = body_of(samples)
    batch = read(body)
    assert body == encode_record(batch)
    for series in batch.series:
        mine = [one for one in samples if one.point == series.point]
        assert (series.at, series.value) == ([one.sampled_at_ms for one in mine], [one.value for one in mine])
        assert (series.quality or [Quality.GOOD] * len(mine)) == [one.quality for one in mine]
        assert (series.cause or [Cause.NONE] * len(mine)) == [one.cause for one in mine]
    assert count_of(batch) == len(samples)


rows_of_samples = st.lists(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 300_000)), max_size=6), min_size=1, max_size=8
)


def stored(rows: list[list[tuple[str, int]]]) -> list[StoredRow]:
    return [
        StoredRow(7, number, 1000 * number, len(row), body_of([sample(point, at) for point, at in row]))
        for number, row in enumerate(rows, start=1)
    ]


def read(body: bytes) -> SampleBatch:
    record = decode_record(body)
    assert isinstance(record, SampleBatch)
    return record


@given(rows=rows_of_samples)
def test_thinning_keeps_every_number_and_says_exactly_what_is_missing(rows: list[list[tuple[str, int]]]) -> None:
    before = stored(rows)
    thinned = thin(before, "short of room")
    assert [row.seq for row, _, _ in thinned.rows] == [row.seq for row in before]
    kept = sum(count for _, _, count in thinned.rows)
    assert kept == sum(count_of(read(body)) for _, body, _ in thinned.rows)
    (event,) = thinned.events
    assert (event.first, event.last, event.kept) == (1, len(rows), kept)
    assert event.dropped + event.kept == sum(len(row) for row in rows)


@given(rows=rows_of_samples)
def test_thinning_leaves_each_point_one_sample_a_minute(rows: list[list[tuple[str, int]]]) -> None:
    seen: dict[str, list[int]] = {}
    for _, body, _ in thin(stored(rows), "short of room").rows:
        for series in read(body).series:
            seen.setdefault(series.point, []).extend(series.at)
    assert set(seen) == {point for row in rows for point, _ in row}
    for instants in seen.values():
        assert all(abs(b - a) >= KEEP_EVERY_MS for a, b in pairwise(instants))


def test_giving_up_leaves_the_numbers_and_nothing_else() -> None:
    given_up = give_up(stored([[("a", 1)], [("a", 2), ("b", 2)]]), "too old")
    assert [(row.seq, count_of(read(body))) for row, body, _ in given_up.rows] == [(1, 0), (2, 0)]
    assert (given_up.events[0].dropped, given_up.events[0].kept) == (3, 0)


def test_waiting_doubles_to_a_minute_and_is_spread_by_the_jitter() -> None:
    assert [wait_s(failures, 1.0) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert wait_s(3, 0.0) == 2
    assert wait_s(1_000_000, 0.5) == 45


def test_retry_after_is_obeyed_up_to_an_hour() -> None:
    assert wait_s(5, 0.0, 7.0) == 7
    assert wait_s(1, 1.0, 100_000.0) == pytest.approx(3960)
