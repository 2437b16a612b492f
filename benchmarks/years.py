"""Years of history, sealed as sealing would seal them: how the benches of history and of pages get 50 million samples in seconds."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from cloud.telemetry import blocks, summing
from cloud.telemetry.archive import Archive
from cloud.telemetry.blocks import Columns
from cloud.telemetry.store import Key, Row, Sample
from cloud.telemetry.summing import Summary

EVERY_MS = 30_000
YEAR_MS = 365 * 86_400_000
START_MS = 1_750_000_000_000
BLOCK = 360
_DIFFERENT = 4
"""So many years are made; points take turns with them."""
_Sealed = tuple[tuple[int, int, int], bytes, Summary]


def load_years(path: Path, keys: Sequence[Key]) -> int:
    """A file with a year of each of these points every 30 s, and a newest sample at its end. How many samples.

    Blocks lie in the file in the order of time, as they do where all points are sealed as they come.
    """
    archive = Archive(str(path), BLOCK, 120)
    archive.take([Row(*key, Sample(START_MS + YEAR_MS, 230.0, "good", "none")) for key in keys])
    archive.database.execute("BEGIN")
    for sealed in zip(*map(_year, range(_DIFFERENT)), strict=True):
        for number, key in enumerate(keys):
            ends, data, summary = sealed[number % _DIFFERENT]
            archive._add_block(archive.series[key], ends, data, summary, 0)  # noqa: SLF001  what sealing calls
    archive.database.execute("COMMIT")
    archive.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    archive.close()
    return len(keys) * (YEAR_MS // EVERY_MS)


def _year(seed: int) -> Iterator[_Sealed]:
    noise = random.Random(seed)
    values = [round(noise.gauss(230, 2), 1) for _ in range(YEAR_MS // EVERY_MS)]
    for first in range(0, len(values), BLOCK):
        part = values[first : first + BLOCK]
        at = range(START_MS + first * EVERY_MS, START_MS + (first + len(part)) * EVERY_MS, EVERY_MS)
        columns = Columns(at, part, [(len(part), blocks.NUMBER, 0, "none")])
        ends = (at[0], at[-1], len(part))
        yield ends, blocks.encode(columns), summing.summarise(columns, 0, len(part))
