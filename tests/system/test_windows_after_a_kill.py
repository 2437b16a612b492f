"""kill -9 in the middle of a 15-minute mean: how much of it the next process does not know any more."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.outbox.sqlite import Outbox
from edge.rules.engine import Engine
from tests.support.plant import make_site
from tests.support.windowed_gateway import OF, SPAN_MS, START_MS, moment, poll

MOST_LOST_MS = 60_000


def run_until_killed(folder: Path, seconds: int) -> int:
    """The last second that the process had committed when it was killed without warning."""
    command = [sys.executable, "-m", "tests.support.windowed_gateway", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = 0
        for line in process.stdout:
            last = int(line)
            if last == seconds:
                process.send_signal(signal.SIGKILL)  # what it had printed before it died is still read
    return last


def not_known_ms(engine: Engine) -> int:
    """How much of the mean's 15 minutes nobody knows."""
    runtime = engine.runtime("pump_1")
    assert runtime is not None
    (window,) = runtime.windows
    known_ms: float = sum(known for _, known, _ in window.checkpoint()["steps"])
    return SPAN_MS - round(known_ms)


@pytest.mark.parametrize("seconds", [931, 959, 989])
def test_a_kill_costs_a_mean_of_fifteen_minutes_less_than_a_minute(tmp_path: Path, seconds: int) -> None:
    killed_at = run_until_killed(tmp_path, seconds)
    assert killed_at >= seconds
    back = killed_at + 5  # a restart takes its time
    outbox = Outbox(tmp_path / "edge.db", moment(back).wall_ms)
    engine = Engine(make_site(OF), moment(back), outbox.load_state())
    outbox.close()
    whole = Engine(make_site(OF), moment(0))
    for second in range(1, back + 1):
        whole.evaluate(poll(second, 50.0), moment(second))
    engine.evaluate(poll(back, 200.0), moment(back))
    lost = not_known_ms(engine) - not_known_ms(whole)
    assert 0 <= lost <= MOST_LOST_MS
    engine.evaluate(poll(back + 1, 200.0), moment(back + 1))
    explained = engine.explain("pump_1", "mean", moment(back + 1))
    assert explained is not None
    assert explained.terms[0].value == pytest.approx(50 + 150 * 1000 / (SPAN_MS - lost), rel=0.001)


def test_a_kill_before_the_first_checkpoint_is_a_window_that_fills_anew(tmp_path: Path) -> None:
    killed_at = run_until_killed(tmp_path, 3)
    outbox = Outbox(tmp_path / "edge.db", START_MS)
    engine = Engine(make_site(OF), moment(killed_at + 1), outbox.load_state())
    outbox.close()
    engine.evaluate(poll(killed_at + 1, 50.0), moment(killed_at + 1))
    assert not_known_ms(engine) == SPAN_MS
