import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.telemetry import blocks, summing
from cloud.telemetry.blocks import BIT, NONE, NUMBER, TEXT, Stored

START = 1_795_000_000_000

measured = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda number: number / 100),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)
content = st.one_of(
    st.tuples(st.just(NUMBER), measured), st.tuples(st.just(BIT), st.sampled_from([0.0, 1.0])),
    st.tuples(st.just(TEXT), st.text(max_size=5)), st.tuples(st.just(NONE), st.none()),
)  # fmt: skip
quality = st.sampled_from([(0, "none"), (0, "none"), (1, "stale"), (2, "no_response"), (2, "out_of_range")])
instants = st.lists(st.integers(-(2**60), 2**60), min_size=1, max_size=60, unique=True).map(sorted)


@st.composite
def samples(draw: st.DrawFn) -> list[Stored]:
    rows = []
    for at in draw(instants):
        (kind, value), (worth, cause) = draw(content), draw(quality)
        rows.append((at, kind, value, worth, cause))
    return rows


def steady(values: list[float]) -> list[Stored]:
    return [(START + 30_000 * index, NUMBER, value, 0, "none") for index, value in enumerate(values)]


def size(rows: list[Stored]) -> float:
    return len(blocks.encode(blocks.to_columns(rows))) / len(rows)


@given(samples())
def test_every_sample_comes_back_as_it_went_in(rows: list[Stored]) -> None:
    again = list(blocks.to_rows(blocks.decode(blocks.encode(blocks.to_columns(rows)))))
    assert again == rows
    assert [type(row[2]) for row in again if row[1] >= TEXT] == [type(row[2]) for row in rows if row[1] >= TEXT]


@given(samples(), st.integers(-(2**60), 2**60), st.integers(1, 2**60), st.integers(1, 7))
def test_stretches_sum_up_as_a_plain_list_does(rows: list[Stored], start: int, length: int, count: int) -> None:
    width = -(-length // count)
    columns = blocks.decode(blocks.encode(blocks.to_columns(rows)))
    found = dict(summing.stretches(columns, start, start + length, width))
    wanted: dict[int, list[Stored]] = {}
    for row in rows:
        if start <= row[0] < start + length:
            wanted.setdefault((row[0] - start) // width, []).append(row)
    assert list(found) == list(wanted)
    for number, part in wanted.items():
        numbers = [row[2] for row in part if row[1] < TEXT and row[3] < 2]
        summary = found[number]
        assert (summary.numbers, summary.quality) == (len(numbers), max(row[3] for row in part))
        assert (summary.low, summary.high) == ((float(min(numbers)), float(max(numbers))) if numbers else (None, None))
        assert summary.total == pytest.approx(sum(numbers))
        assert (summary.kind, summary.last) == (part[-1][1], part[-1][2])
        assert summary.cause == max([row[4] for row in part if row[3] == 2], default="")


@pytest.mark.parametrize(
    ("values", "most"),
    [
        ([230 + (index * 7919 % 41) / 10 for index in range(360)], 1.4),
        ([float(index % 2) for index in range(360)], 0.4),
        ([1000.0 + index for index in range(360)], 0.4),
        ([21.5] * 360, 0.4),
    ],
)
def test_a_steady_series_needs_little(values: list[float], most: float) -> None:
    assert size(steady(values)) < most


def test_a_number_with_no_coarse_resolution_is_still_exact() -> None:
    values = [1 / 3 * index for index in range(100)]
    columns = blocks.decode(blocks.encode(blocks.to_columns(steady(values))))
    assert list(columns.values) == values
    assert size(steady(values)) < 10


def test_of_two_samples_of_one_instant_the_new_one_stays() -> None:
    old: list[Stored] = [(1, NUMBER, 1.0, 0, "none"), (3, NUMBER, 3.0, 0, "none")]
    new: list[Stored] = [(2, NUMBER, 2.0, 0, "none"), (3, NONE, None, 2, "stale")]
    assert blocks.merged(old, new) == [old[0], *new]


def test_a_damaged_block_is_noticed() -> None:
    body = bytearray(blocks.encode(blocks.to_columns(steady([1.0, 2.5, 3.0]))))
    body[len(body) // 2] ^= 0xFF
    with pytest.raises(zlib.error):
        blocks.decode(bytes(body))
