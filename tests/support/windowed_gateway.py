"""A gateway's rules and database on virtual time, a poll a second, until somebody kills it: ``python -m … FOLDER``.

Each second is saved as the cycle saves it; the second's number is printed once its commit has returned.
"""

import sys
from pathlib import Path

from contract.messages import Cause, Quality
from edge.decode.sample import Moment, Sample
from edge.outbox.sqlite import Outbox
from edge.rules.engine import Engine
from tests.support.plant import make_class, make_site, rule

SPAN_MS = 900_000
OF = make_class(rules={"mean": rule("avg(load, '15min') > load_max")})
START_MS = 1_795_000_000_000


def moment(second: float) -> Moment:
    at = START_MS + round(second * 1000)
    return Moment(wall_ms=at, steady_ms=at)


def poll(second: float, value: float) -> list[Sample]:
    at = START_MS + round(second * 1000)
    return [Sample("device_1", "pump_1", "load", value, Quality.GOOD, Cause.NONE, at, at)]


def main(folder: Path) -> None:
    outbox = Outbox(folder / "edge.db", START_MS)
    engine = Engine(make_site(OF), moment(0), outbox.load_state())
    for second in range(1, 100_000):
        now, samples = moment(second), poll(second, 50.0)
        records = engine.evaluate(samples, now)
        outbox.save(now.wall_ms, events=records, samples=samples, state=engine.take_dirty(now))
        sys.stdout.write(f"{second}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
