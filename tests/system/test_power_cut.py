"""A power cut at any moment, on a disk that writes in any order and tears what it was not told to flush.

A real outbox and a real cloud database work in processes of their own, whose writes and flushes are recorded below SQLite; then
every state in which a disk may have been left is laid out and opened. ``PLANTROOM_POWER_SEED`` plays the same cuts again.
"""

import asyncio
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.codec import decode_record
from contract.messages import GatewayStatus, Lane
from edge.outbox.record import unpack
from edge.outbox.sqlite import LANES, Outbox
from tests.support import power, power_cloud, power_outbox
from tests.support.power import Cut

pytestmark = pytest.mark.timeout(600)
EVERY_DAY, FOR_PROOF = (120, 60), (4_000, 2_000)


def seed() -> int:
    told = os.environ.get("PLANTROOM_POWER_SEED")
    number = int(told) if told else random.SystemRandom().randrange(10**6)
    print(f"replay with PLANTROOM_POWER_SEED={number}")  # noqa: T201
    return number


def laid_out(folder: Path, module: str, most: int) -> Iterator[tuple[Cut, Path]]:
    """Every cut of one recorded run, laid out in a folder of its own."""
    steps = power.record(folder, module)
    assert sum(step.kind == "S" for step in steps) > 100  # it is flushed at all
    for cut in power.cuts(steps, seed(), most):
        found = folder / "found"
        shutil.rmtree(found, ignore_errors=True)
        found.mkdir()
        power.lay_out(cut, folder / "data", found)
        yield cut, found


def last(cut: Cut, word: str) -> int:
    """The highest number that was promised by then."""
    return max((int(mark.rpartition(" ")[2]) for mark in cut.marks if mark.startswith(f"{word} ")), default=0)


def check_outbox(cut: Cut, found: Path) -> None:
    outbox = Outbox(found / "edge.db", power_outbox.START_MS + 10**9)
    try:
        assert outbox.set_aside is None
        for lane, word in zip(LANES, ("e", "s"), strict=True):
            numbers = waiting(outbox, lane)
            counted = outbox._db.execute(f"SELECT {lane} FROM epoch ORDER BY epoch LIMIT 1").fetchone()[0]
            if last(cut, word):
                assert counted >= last(cut, word)  # what was saved is there
            assert numbers == list(range(counted - len(numbers) + 1, counted + 1))  # once each, without a gap
            assert counted - len(numbers) <= last(cut, f"a {lane}")  # and only what was given up is gone
            if lane == "events" and counted:
                assert outbox.load_state()["last"] == b"%d" % counted  # together with its state
    finally:
        outbox.close()


def waiting(outbox: Outbox, lane: Lane) -> list[int]:
    rows = outbox._db.execute("SELECT seq, body FROM outbox WHERE lane = ? ORDER BY epoch, seq", (lane,)).fetchall()
    for seq, body in rows:
        record = decode_record(unpack(body))
        assert not isinstance(record, GatewayStatus) or record.version == str(seq)
    return [seq for seq, _ in rows]


def test_a_power_cut_costs_the_outbox_nothing_that_was_saved(tmp_path: Path) -> None:
    for cut, found in laid_out(tmp_path, power_outbox.__name__, EVERY_DAY[0]):
        check_outbox(cut, found)


def test_a_power_cut_costs_the_cloud_nothing_that_it_confirmed(tmp_path: Path) -> None:
    for number, (cut, found) in enumerate(laid_out(tmp_path, power_cloud.__name__, EVERY_DAY[1])):
        asyncio.run(power_cloud.check(found, last(cut, "e"), is_sent_again=number % 10 == 0))


@pytest.mark.proof
def test_thousands_of_power_cuts_cost_the_outbox_nothing_that_was_saved(tmp_path: Path) -> None:
    for cut, found in laid_out(tmp_path, power_outbox.__name__, FOR_PROOF[0]):
        check_outbox(cut, found)


@pytest.mark.proof
def test_thousands_of_power_cuts_cost_the_cloud_nothing_that_it_confirmed(tmp_path: Path) -> None:
    for number, (cut, found) in enumerate(laid_out(tmp_path, power_cloud.__name__, FOR_PROOF[1])):
        asyncio.run(power_cloud.check(found, last(cut, "e"), is_sent_again=number % 50 == 0))
