"""A kill at any instruction: no alarm is lost, none doubled, and no delay begins again later than one evaluation."""

import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contract.codec import decode_record
from contract.conventions import instant_ms
from contract.messages import AlarmChanged, AlarmCleared, AlarmRaised, Record, StormBegan, StormEnded
from edge.announce import announcement
from edge.cycle import Cycle, Intake
from edge.decode.sample import Moment
from edge.outbox.sqlite import Outbox
from edge.rules.engine import Engine
from edge.store import AsyncOutbox
from tests.support.clock import FakeClock
from tests.support.plant import START, Bench, make_class, make_site, rule

TICK_MS = 500
OF = make_class(
    rules={
        "overload": rule(
            "load > load_max", on_delay="3s", off_delay="2s", deadband=5, escalate=[{"after": "5s", "severity": "critical"}]
        ),
        "worse": rule("load > 120", on_delay="1s", suppressed_by=["overload"]),
        "fire": rule("running", severity="life_safety"),
        "door": rule("mode == 'manual'"),
        **{f"starts_{n}": rule(f"starts > {n}") for n in range(8)},
    }
)  # fmt: skip
Point = dict[str, float | bool | str]
Values = tuple[float, float, bool, str]
"""Load, starts, running and mode at one evaluation."""
Step = Literal["", "read", "events_written", "before_commit", "after_commit"]
STEPS: tuple[Step, ...] = ("read", "events_written", "before_commit", "after_commit")
"""Where the process ends: after reading and before judging, or at a step of the transaction."""


class Killed(Exception):
    """The process ends here."""


class Life(FakeClock):
    """The clock of one process: its steady time has an origin of its own."""

    def __init__(self, now_ms: int, origin_ms: int) -> None:
        super().__init__(now_ms)
        self._origin_ms = origin_ms

    def moment(self) -> Moment:
        return Moment(wall_ms=self._now_ms, steady_ms=self._now_ms - self._origin_ms)


@dataclass
class Gateway:
    """Cycle and outbox on a file, killed and started again as the test says."""

    path: Path
    now_ms: int = START.wall_ms
    lives: int = 0
    fault: Step = ""
    cycle: Cycle = field(init=False)
    outbox: Outbox = field(init=False)
    clock: Life = field(init=False)

    def start(self) -> None:
        """A new process on what was committed."""
        self.lives += 1
        site = make_site(OF)
        self.clock = Life(self.now_ms, 1_000_000 * self.lives)
        self.outbox = Outbox(self.path, self.now_ms, self._stop)
        engine = Engine(site, self.clock.moment(), self.outbox.load_state())
        store = AsyncOutbox(self.outbox, self.clock, lambda: announcement(site, engine, {}, "1"), inline=True)
        self.cycle = Cycle(
            Intake(), engine, store, self.clock, self.clock, lambda: announcement(site, engine, {}, "1"),
            lambda _now: [], lambda _told: None, lambda: None, answered=self.outbox.answered(),
        )  # fmt: skip

    def _stop(self, step: str) -> None:
        if step == self.fault:
            raise Killed

    async def turn(self, values: Point, kill: Step) -> None:
        """One evaluation; a killed process is started again and reads the same values."""
        self.fault = kill
        try:
            if kill == "read":
                raise Killed
            await self._read(values)
        except Killed:
            self.fault = ""
            self.outbox.close()
            self.start()
            await self._read(values)

    async def _read(self, values: Point) -> None:
        bench = Bench(OF)
        bench.now = self.clock.moment()
        await self.cycle.intake.put([bench.sample(name, value) for name, value in values.items()])
        await self.cycle.turn(0)

    def pass_time(self) -> None:
        self.now_ms += TICK_MS
        self.clock.advance(TICK_MS / 1000)


Told = tuple[str, str, str, int]
"""Type, rule or kind, detail, instant."""


def _told(record: Record) -> Told | None:
    match record:
        case AlarmRaised():
            return "raised", record.rule, f"{record.severity} {record.suppressed_by}", instant_ms(record.raised_at)
        case AlarmCleared():
            return "cleared", record.rule, "", instant_ms(record.cleared_at)
        case AlarmChanged():
            return "changed", record.rule, f"{record.what} {record.severity} {record.reason}", instant_ms(record.at)
        case StormBegan():
            members = " ".join(one.rule for one in record.members)
            return "storm began", record.kind, members, instant_ms(record.recognised_at)
        case StormEnded():
            return "storm ended", record.kind, str(record.raises), instant_ms(record.ended_at)
    return None


async def story(plant: list[Values], kills: dict[int, Step], folder: Path) -> list[Told]:
    """Everything that was told, in the order of its numbers."""
    gateway = Gateway(folder / f"edge-{len(kills)}.db")
    gateway.start()
    for at, (load, starts, running, mode) in enumerate(plant):
        values: Point = {"load": load, "starts": starts, "running": running, "mode": mode}
        await gateway.turn(values, kills.get(at, ""))
        gateway.pass_time()
    gateway.outbox.close()
    with sqlite3.connect(gateway.path) as db:
        rows = db.execute("SELECT body FROM outbox WHERE lane = 'events' ORDER BY epoch, seq").fetchall()
    return [told for (body,) in rows if (told := _told(decode_record(body))) is not None]


async def compare(plant: list[Values], kills: dict[int, Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = await story(plant, {}, Path(folder)), await story(plant, kills, Path(folder))
    assert sorted(one[:3] for one in killed) == sorted(one[:3] for one in whole)
    for mine, theirs in zip(sorted(killed), sorted(whole), strict=True):
        assert abs(mine[3] - theirs[3]) <= TICK_MS, (mine, theirs)


LOADS, STARTS = st.sampled_from([50.0, 97.0, 101.0, 130.0]), st.sampled_from([0.0, 0.0, 0.5, 3.5, 9.0])
STRETCH = st.tuples(st.integers(1, 12), st.tuples(LOADS, STARTS, st.booleans(), st.sampled_from(["auto", "manual"])))


@st.composite
def plants(draw: st.DrawFn) -> list[Values]:
    """What the points say, evaluation by evaluation: stretches of some length."""
    stretches = draw(st.lists(STRETCH, min_size=2, max_size=8))
    return [values for length, values in stretches for _ in range(length)]


KILLS = st.dictionaries(st.integers(0, 60), st.sampled_from(STEPS), min_size=1, max_size=6)
DELAY: list[Values] = [
    (50.0, 0.0, False, "auto"),
    *[(130.0, 0.0, False, "auto")] * 16,
    *[(50.0, 0.0, False, "auto")] * 8,
]
CHATTER: list[Values] = [(50.0, 0.0, False, mode) for mode in ("manual", "auto") * 6]
FLOOD: list[Values] = [(50.0, 0.0, False, "auto"), (130.0, 3.5, True, "auto"), *[(130.0, 9.0, True, "manual")] * 9]
_RUN = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@settings(_RUN, max_examples=15)
@example(DELAY, {3: "before_commit"})
@example(DELAY, {5: "read", 6: "after_commit", 19: "before_commit"})
@example(CHATTER, {5: "before_commit", 6: "after_commit", 8: "read"})
@example(FLOOD, {1: "events_written", 2: "before_commit", 7: "after_commit"})
@given(plants(), KILLS)
async def test_a_kill_at_any_instruction_changes_nothing_that_is_told(
    plant: list[Values], kills: dict[int, Step]
) -> None:
    await compare(plant, kills)


@pytest.mark.proof
@pytest.mark.timeout(1200)
@settings(_RUN, max_examples=200)
@given(plants(), KILLS)
async def test_two_hundred_stories_with_kills(plant: list[Values], kills: dict[int, Step]) -> None:
    await compare(plant, kills)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("plant", [DELAY, CHATTER, FLOOD], ids=["delay", "chattering", "flood"])
async def test_a_storm_or_a_delay_survives_a_kill_between_any_two_commits(plant: list[Values], step: Step) -> None:
    await compare(plant, dict.fromkeys(range(len(plant)), step))
