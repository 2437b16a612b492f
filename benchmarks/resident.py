"""Memory over time: simulated devices and the shipped gateway, with what it takes every ten seconds.

`python -m benchmarks.resident SECONDS DEVICES` prints seconds, resident megabytes and points in the outbox, a line each.
In its first minute the gateway is stopped now and then, as a busy machine does: what is read together after a stall is the
most it ever holds, and Python's allocator keeps the room. Without it the line would measure when the machine was busy.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contest import Gateway, plant, resident, wait_for

STALLS_S = (1.0, 2.0, 3.0, 0.5, 1.5)


def stall(pid: int) -> None:
    """Stop and continue a process a few times, as a machine that has other work."""
    for pause_s in STALLS_S:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(pause_s)
        os.kill(pid, signal.SIGCONT)
        time.sleep(5)


def main(seconds: float, devices: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="plantroom-resident-"))
    try:
        with plant() as port:
            gateway = Gateway(folder, port, devices)
            try:
                wait_for(gateway)
                stall(gateway.pid)
                for since, taken in resident(gateway, seconds):
                    print(f"{since:.0f} {taken:.2f} {gateway.count().points}", flush=True)
            finally:
                gateway.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main(float(sys.argv[1]), int(sys.argv[2]))
