"""rules → outbox → uplink: the gateway's memory on disk. Alarm state, events and samples go in together or not at all.

SQLite in WAL mode. Whatever is saved is flushed to the disk (synchronous FULL). Samples are gathered for a second before they are
saved, so that a power cut may cost those of the last second. One connection, one writer, one thread at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contract.codec import encode_record
from contract.messages import Committed, Lane, Previous, Record, SamplesThinned
from edge.decode.sample import Sample
from edge.errors import Transient
from edge.outbox.file import connect, load_queries, open_or_set_aside
from edge.outbox.record import StoredRow, Thinned, body_of, give_up, pack, thin, unpack

LANES: tuple[Lane, ...] = ("events", "samples")
MOST_A_ROW = 1_000
"""Samples in one record: a large site's second is several of them, so that none needs megabytes while it is written or sent."""
THIN_ROWS = 600
THIN_SAMPLES = 500_000
"""One step of thinning ends after so many rows or samples, so that commits need not wait long for it."""
IN_MEMORY = ":memory:"
MEMORY_BYTES = 64 * 1024 * 1024
"""The budget while everything is in memory."""
_TABLES = ("epoch", "outbox", "state", "directive", "quarantine")
NO_BOUND = 2**63 - 1
ANSWERS_KEPT_MS = 90 * 86_400_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records to send. ``previous`` is set with the first record of an epoch."""

    epoch: int
    lane: Lane
    first: int
    bodies: tuple[bytes, ...]
    previous: Previous | None
    running: int
    """The epoch that was running when this was read; it changes when the numbers start over."""
    given: int
    """The last number given out in its epoch and lane. An earlier epoch is over: a backup or a power cut may know fewer of
    its numbers than this gateway once sent, so that there is no bound."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in one lane."""

    records: int
    oldest_ms: int | None


class Outbox:
    """Opens or creates the database and starts a new epoch. Raises Misconfigured for a newer schema, Transient else.

    ``fault`` is called with the name of each step, for tests that stop the process there.
    """

    def __init__(self, path: Path, now_ms: int, fault: Callable[[str], None] = lambda _step: None) -> None:
        self.path = path
        self._fault = fault
        self._sql = load_queries()
        self._disk: sqlite3.Connection | None = None
        self._db, self.set_aside = open_or_set_aside(path, now_ms)
        self._seq: dict[Lane, int] = {"events": 0, "samples": 0}
        self.epoch = self._start_epoch(now_ms)
        self._thinned_last: dict[tuple[str, str, str], int] = {}
        self.depths: dict[Lane, Depth] = {}
        """What waits, kept up to date so that asking costs nothing whatever the backlog."""
        self._count()

    def _count(self) -> None:
        for lane in LANES:
            self._note_depth(lane, (self._one("count", lane=lane) or (0,))[0])

    # --- opening ------------------------------------------------------------------------------------------------

    @property
    def is_lasting(self) -> bool:
        """False for an outbox in memory, which serves while the disk cannot."""
        return str(self.path) != IN_MEMORY and not self.is_away

    @property
    def is_away(self) -> bool:
        """True between ``leave_disk`` and ``return_to_disk``."""
        return self._disk is not None

    def _start_epoch(self, now_ms: int, after: int = -1) -> int:
        with self._transaction(durable=True):
            row = self._one("last_epoch")
            epoch: int = max((row[0] if row else after) + 1, now_ms // 1000)
            self._run("start_epoch", epoch=epoch, at=now_ms)
            self._run("forget_epochs")
            self._run("forget_answers", before=now_ms - ANSWERS_KEPT_MS)
        self._seq = {"events": 0, "samples": 0}
        return epoch

    def close(self) -> None:
        self._db.close()
        if self._disk is not None:
            self._disk.close()

    # --- while the disk takes nothing ---------------------------------------------------------------------------

    def leave_disk(self, now_ms: int) -> None:
        """Go on in memory, in an epoch of its own, so that alarms reach the cloud. What waits on the disk waits there."""
        self._disk, self._db = self._db, connect(Path(IN_MEMORY))
        self.epoch = self._start_epoch(now_ms, after=self.epoch)
        self.depths = dict.fromkeys(LANES, Depth(0, None))

    def return_to_disk(self) -> None:
        """Take epoch, numbers, state and all that waits to the disk, and go on there. Raises Transient: not yet."""
        memory, disk = self._db, self._disk
        if disk is None:
            return
        self._db = disk
        try:
            with self._transaction(durable=True):
                for table in _TABLES:
                    rows = memory.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names of our own
                    if rows:
                        places = ",".join("?" * len(rows[0]))
                        disk.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", rows)  # noqa: S608
        except BaseException:
            self._db = memory
            raise
        self._disk = None
        memory.close()
        self._count()

    # --- plumbing -----------------------------------------------------------------------------------------------

    def _run(self, name: str, **values: Any) -> sqlite3.Cursor:  # noqa: ANN401 - what SQLite binds
        return self._db.execute(self._sql[name], values)

    def _one(self, name: str, **values: Any) -> tuple[Any, ...] | None:  # noqa: ANN401
        row: tuple[Any, ...] | None = self._run(name, **values).fetchone()
        return row

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What SQLite cannot do now is worth trying again."""
        try:
            yield
        except sqlite3.Error as error:
            raise Transient(f"{self.path}: {error}") from error

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[None]:
        with self._speaking():
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._fault("before_commit")
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        self._fault("after_commit")

    # --- writing ------------------------------------------------------------------------------------------------

    def save(
        self,
        now_ms: int,
        *,
        events: Sequence[Record] = (),
        samples: Sequence[Sample] = (),
        state: Sequence[tuple[str, bytes]] = (),
        answered: Sequence[str] = (),
    ) -> None:
        """Everything of one evaluation in one transaction. Raises Transient and then nothing was saved."""
        if not (events or samples or state or answered):
            return
        seq = dict(self._seq)
        with self._transaction(durable=True):
            for event in events:
                self._add("events", seq, now_ms, encode_record(event), 0)
            self._fault("events_written")
            for first in range(0, len(samples), MOST_A_ROW):
                part = samples[first : first + MOST_A_ROW]
                self._add("samples", seq, now_ms, pack(body_of(part)), len(part))
            for key, body in state:
                self._run("put_state", key=key, body=body)
            for directive in answered:
                self._run("answer", id=directive, at=now_ms)
            self._run("count_up", epoch=self.epoch, **seq)
        self._grew(seq, now_ms)

    def _grew(self, seq: dict[Lane, int], now_ms: int) -> None:
        for lane in LANES:
            if more := seq[lane] - self._seq[lane]:
                before = self.depths[lane]
                self.depths[lane] = Depth(before.records + more, before.oldest_ms or now_ms)
        self._seq = seq

    def _add(self, lane: Lane, seq: dict[Lane, int], now_ms: int, body: bytes, samples: int) -> None:
        seq[lane] += 1
        self._run("add", lane=lane, epoch=self.epoch, seq=seq[lane], at=now_ms, samples=samples, body=body)

    def acknowledge(self, committed: Sequence[Committed]) -> None:
        """Forget what the cloud has committed."""
        gone: dict[Lane, int] = dict.fromkeys(LANES, 0)
        with self._transaction(durable=False):
            for one in committed:
                gone[one.lane] += self._run(
                    "acknowledge", lane=one.lane, epoch=one.epoch, through=one.through
                ).rowcount  # fmt: skip
        for lane, rows in gone.items():
            if rows:
                self._note_depth(lane, self.depths[lane].records - rows)

    # --- reading ------------------------------------------------------------------------------------------------

    def load_state(self) -> dict[str, bytes]:
        """What the rules knew at the last commit."""
        return dict(self._run("all_state").fetchall())

    def answered(self) -> set[str]:
        """Ids of directives that were already answered."""
        return {row[0] for row in self._run("answered")}

    def next_batch(self, lane: Lane, most_records: int, most_bytes: int) -> Batch | None:
        """The oldest consecutive records of a lane, at least one, within the bounds; None when nothing waits."""
        with self._speaking():
            return self._next_batch(lane, most_records, most_bytes)

    def _next_batch(self, lane: Lane, most_records: int, most_bytes: int) -> Batch | None:
        oldest = self._one("oldest", lane=lane)
        if oldest is None:
            return None
        epoch, first = oldest
        bodies: list[bytes] = []
        size = 0
        for seq, stored in self._run("batch", lane=lane, epoch=epoch, seq=first, most=most_records):
            body = unpack(stored)
            size += len(body)
            if seq != first + len(bodies) or (bodies and size > most_bytes):
                break
            bodies.append(body)
        previous = self._previous(epoch) if first == 1 else None
        return Batch(epoch, lane, first, tuple(bodies), previous, self.epoch, self._given(epoch, lane))

    def _given(self, epoch: int, lane: Lane) -> int:
        return self._seq[lane] if epoch == self.epoch else NO_BOUND

    def heartbeat(self) -> Batch:
        """An empty batch of the running epoch's events lane."""
        given = self._seq["events"]
        return Batch(self.epoch, "events", given + 1, (), None, self.epoch, given)

    def _previous(self, epoch: int) -> Previous | None:
        row = self._one("previous_epoch", epoch=epoch)
        return None if row is None else Previous(epoch=row[0], events=row[1], samples=row[2])

    def _note_depth(self, lane: Lane, records: int) -> None:
        row = self._one("oldest_at", lane=lane)
        self.depths[lane] = Depth(records, row[0] if row else None)

    def used_bytes(self) -> int:
        """Bytes in use in the database file, free pages left out."""
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    # --- when things do not fit -----------------------------------------------------------------------------------

    def keep_within(self, budget_bytes: int, days: int, now_ms: int) -> list[SamplesThinned]:
        """Thin samples, oldest first, one step: to one a minute, and when that is done to nothing. Events stay."""
        with self._speaking():
            return self._keep_within(budget_bytes, days, now_ms)

    def _keep_within(self, budget_bytes: int, days: int, now_ms: int) -> list[SamplesThinned]:
        too_old = now_ms - days * 86_400_000
        budget_bytes = budget_bytes if self.is_lasting else min(budget_bytes, MEMORY_BYTES)
        if self.used_bytes() > budget_bytes:
            reason, before = f"the outbox is over its {budget_bytes // 1_000_000} MB", now_ms + 1
        else:
            reason, before = f"older than {days} days", too_old
        for stage, decide in ((0, partial(thin, last=self._thinned_last)), (1, give_up)):
            thinned = decide(self._oldest(stage, before), reason)
            if thinned.rows:
                return self._rewrite(thinned, stage + 1, now_ms)
        return []

    def _oldest(self, stage: int, before: int) -> Iterator[StoredRow]:
        """Rows of one step, read as they are asked for: of a large site each takes megabytes."""
        samples = 0
        for found in self._run("oldest_samples", stage=stage, before=before, most=THIN_ROWS):
            epoch, seq, at_ms, held, stored = found
            row = StoredRow(epoch, seq, at_ms, held, unpack(stored))
            yield row
            samples += row.samples
            if samples >= THIN_SAMPLES:
                return

    def _rewrite(self, thinned: Thinned, stage: int, now_ms: int) -> list[SamplesThinned]:
        seq = dict(self._seq)
        with self._transaction(durable=True):
            for row, body, kept in thinned.rows:
                self._run(
                    "rewrite", lane="samples", epoch=row.epoch, seq=row.seq, body=pack(body), samples=kept, stage=stage
                )  # fmt: skip
            for event in thinned.events:
                self._add("events", seq, now_ms, encode_record(event), 0)
            self._run("count_up", epoch=self.epoch, **seq)
        self._grew(seq, now_ms)
        return list(thinned.events)

    def quarantine(self, lane: Lane, epoch: int, seq: int, reason: str, now_ms: int, stand_in: Record) -> None:
        """Set one refused record aside; ``stand_in`` takes its number, so that the lane moves on without a gap."""
        with self._transaction(durable=True):
            row = self._one("one", lane=lane, epoch=epoch, seq=seq)
            if row is not None:
                self._run("quarantine", lane=lane, epoch=epoch, seq=seq, at=now_ms, reason=reason, body=unpack(row[0]))
                body = encode_record(stand_in)
                self._run("rewrite", lane=lane, epoch=epoch, seq=seq, body=body, samples=0, stage=2)

    def start_over(self, now_ms: int, announcement: Sequence[Record]) -> int:
        """A new epoch for everything that waits, when the cloud and this disk no longer agree on the numbers.

        The announcement goes first, as in every epoch. Returns the new epoch.
        """
        seq: dict[Lane, int] = {"events": len(announcement), "samples": 0}
        with self._transaction(durable=True):
            last = self._one("last_epoch")
            epoch = max((last[0] if last else 0) + 1, now_ms // 1000)
            self._run("start_epoch", epoch=epoch, at=now_ms)
            for lane in LANES:
                for old_epoch, old_seq in self._run("lane_rows", lane=lane).fetchall():
                    seq[lane] += 1
                    self._run("move", lane=lane, epoch=old_epoch, seq=old_seq, new_epoch=epoch, new_seq=seq[lane])
            for first, record in enumerate(announcement, start=1):
                body = encode_record(record)
                self._run("add", lane="events", epoch=epoch, seq=first, at=now_ms, samples=0, body=body)
            self._run("count_up", epoch=epoch, **seq)
        self.epoch, self._seq = epoch, seq
        self._note_depth("events", self.depths["events"].records + len(announcement))
        return epoch
