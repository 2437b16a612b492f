"""A gateway's outbox at work, as a process whose disk is watched: ``python -m tests.support.power_outbox FOLDER``.

It writes to ``marks`` what it may rely on: ``e N`` and ``s N`` numbers that were saved, ``a L N`` numbers that it is about to give up.
"""

from __future__ import annotations

import sys
from pathlib import Path

from contract.messages import Cause, Committed, GatewayStatus, Lane, Quality
from edge.decode.sample import Sample
from edge.outbox.sqlite import LANES, Outbox
from tests.support.power import MARKS

START_MS = 1_795_244_400_000
ROUNDS = 120


def status(number: int) -> GatewayStatus:
    return GatewayStatus(at="2026-11-21T07:00:00.000Z", version=str(number), outbox_events=0, outbox_samples=0)


def sample(point: int, at_ms: int) -> Sample:
    return Sample("meter_1", "pump_1", f"point_{point}", float(at_ms % 977), Quality.GOOD, Cause.NONE, at_ms, at_ms)


def main(folder: Path) -> None:
    marks = (folder / MARKS).open("w", buffering=1, encoding="utf-8")
    outbox = Outbox(folder / "edge.db", START_MS)
    outbox._db.execute("PRAGMA wal_autocheckpoint = 25")  # many checkpoints in a short run
    given: dict[Lane, int] = dict.fromkeys(LANES, 0)
    for number in range(ROUNDS):
        now = START_MS + number * 1000
        if number % 3 == 0:
            given["events"] += 1
            outbox.save(now, events=[status(given["events"])], state=[("last", b"%d" % given["events"])])
            print(f"e {given['events']}", file=marks)
        given["samples"] += 1
        outbox.save(now, samples=[sample(point, now) for point in range(40)])
        print(f"s {given['samples']}", file=marks)
        if number % 10 == 9:
            for lane in LANES:
                through = given[lane] - 2
                print(f"a {lane} {through}", file=marks)
                outbox.acknowledge([Committed(epoch=outbox.epoch, lane=lane, through=through)])
    outbox.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
