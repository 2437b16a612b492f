"""Memory over time: simulated devices and the shipped gateway, with what it takes every ten seconds.

`python -m benchmarks.resident SECONDS DEVICES` prints seconds, resident megabytes and points in the outbox, a line each.
"""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks.contest import Gateway, plant, resident, wait_for


def main(seconds: float, devices: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="plantroom-resident-"))
    try:
        with plant() as port:
            gateway = Gateway(folder, port, devices)
            try:
                wait_for(gateway)
                for since, taken in resident(gateway, seconds):
                    print(f"{since:.0f} {taken:.2f} {gateway.count().points}", flush=True)
            finally:
                gateway.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main(float(sys.argv[1]), int(sys.argv[2]))
