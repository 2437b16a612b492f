"""How many rules a second one core judges, next to a hand-written comparison of the same limits in the same run.

One *rule evaluation* is everything the gateway does to judge one rule of one piece of equipment at one instant: its share of
taking the samples, of feeding the windows, of looking for stale values, of gate and condition in three-valued logic, and of
moving the alarm. So evaluations a second are rules × polls over the CPU time of ``Engine.evaluate``, nothing taken out; a rule
that is looked at twice at one instant counts once. The class is the low-voltage switchgear as a compensated incomer with twenty
points and every rule that these let be judged, polled once a second, one of its alarms active all the time.

The comparison by hand judges the same limits on the same polls with plain ``if``: no units, no quality, no delays, no windows
(the newest value stands for the mean), no alarm states, no events. It is the floor under any evaluator in Python.
"""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.result import Result
from contract.messages import Cause, Quality, Value
from edge.config import load_site
from edge.decode.sample import Moment, Sample
from edge.replay import measured_by_file
from edge.rules import windows
from edge.rules.engine import Engine
from edge.site import Site

POLLS = 1200
ROUNDS = 5
START_MS = 1_795_000_000_000
WANTED_RATE = 300_000
MOST_GROWTH = 1.25
"""How much more a sample may cost in a window of a day than in one of a minute; noise of the machine included."""
SITE = """\
site: {id: bench, name: Bench, zone: UTC}
gateway: {id: gw_1, cloud: "http://127.0.0.1:1", credential_file: credential}
equipment:
  - {id: incomer_1, class: lv_switchgear, roles: [compensated_incomer], ratings: {rated_a: 1600}}
"""
_Poll = list[Sample]


def values_at(second: int) -> dict[str, Value]:
    """Twenty points: a load that moves, phases nearly alike, a room that is too warm."""
    swing = math.sin(second / 60)
    load, volts, joint = 500 + 80 * swing + second % 7, 221 - swing, 44 + 2 * swing
    return {
        "active_power": load, "reactive_power": load / 4, "power_factor": 0.97, "current_l1": load * 1.5,
        "current_l2": load * 1.52, "current_l3": load * 1.49, "voltage_l1": volts, "voltage_l2": volts + 0.6,
        "voltage_l3": volts - 0.4, "frequency": 50 + (second % 9 - 4) / 100, "neutral_current": 20 + swing,
        "residual_current": 40.0 + second % 13, "joint_temperature_l1": joint, "joint_temperature_l2": joint + 1,
        "joint_temperature_l3": joint - 1, "room_temperature": 43.0, "energy_import": second * 0.14,
        "reactive_energy_import": second * 0.035, "capacitor_stages_on": 4.0 + second // 300 % 2, "breaker_tripped": False,
    }  # fmt: skip


def polls() -> list[_Poll]:
    found = []
    for second in range(POLLS):
        at = START_MS + second * 1000
        found.append(
            [
                Sample("meter", "incomer_1", name, value, Quality.GOOD, Cause.NONE, at, at)
                for name, value in values_at(second).items()
            ]
        )
    return found


def by_engine(site: Site, taken: Sequence[_Poll]) -> tuple[float, int]:
    """Seconds of CPU, and how many rules there are."""
    now = [Moment(poll[0].sampled_at_ms, poll[0].steady_ms) for poll in taken]
    engine = Engine(site, now[0])
    spent = cpu(lambda: [engine.evaluate(poll, at) for poll, at in zip(taken, now, strict=True)])
    (runtime,) = engine.runtimes()
    if [run.id for run in runtime.rules.values() if run.state.is_active] != ["room_hot"]:
        raise RuntimeError("the bench judges something else than it says")
    return spent, len(runtime.rules)


def by_hand(site: Site, taken: Sequence[_Poll]) -> tuple[float, int]:
    """The same limits with plain ``if``: seconds of CPU, and how many limits."""
    (one,) = site.equipment
    limits = {name: limit.value for name, limit in one.limits.items()}
    values: dict[str, float] = {}

    def run() -> None:
        for poll in taken:
            for sample in poll:
                values[sample.point] = sample.value  # type: ignore[assignment]
            compare(values, limits, 1600.0)

    spent = cpu(run)
    return spent, compare(values, limits, 1600.0)


def compare(v: Mapping[str, float], limit: Mapping[str, float], rated_a: float) -> int:
    """What somebody would write who knows only this one panel. Returns how many limits it looked at."""
    found = []
    u1, u2, u3 = v["voltage_l1"], v["voltage_l2"], v["voltage_l3"]
    i1, i2, i3 = v["current_l1"], v["current_l2"], v["current_l3"]
    j1, j2, j3 = v["joint_temperature_l1"], v["joint_temperature_l2"], v["joint_temperature_l3"]
    p, q, ep, eq = v["active_power"], v["reactive_power"], v["energy_import"], v["reactive_energy_import"]
    load, mean = (i1 + i2 + i3) / 3 / rated_a * 100, (u1 + u2 + u3) / 3
    lowest, highest, most = min(u1, u2, u3) / 2.2, max(u1, u2, u3) / 2.2, max(i1, i2, i3) / rated_a * 100
    found.append(load > limit["pf_min_load"] and abs(p) / math.sqrt(p * p + q * q) < limit["pf_min"])
    found.append(ep > limit["pf_month_energy"] and ep / math.sqrt(ep * ep + eq * eq) < limit["pf_month_min"])
    found.append(v["capacitor_stages_on"] >= 8 and v["power_factor"] < limit["pf_min"])
    found.append(v["capacitor_stages_on"] > limit["stage_changes_max"])
    found.append(most > limit["load_max"])
    found.append(most > limit["load_warn"])
    found.append(lowest < limit["phase_loss_share"] <= highest)
    found.append(highest < limit["phase_loss_share"])
    found.append(highest - 100 > limit["voltage_high"])
    found.append(lowest - 100 < limit["voltage_low"])
    found.append(max(abs(u1 - mean), abs(u2 - mean), abs(u3 - mean)) / mean * 100 > limit["unbalance_max"])
    found.append(abs(v["frequency"] - 50) > limit["frequency_deviation"])
    found.append(v["neutral_current"] / rated_a * 100 > limit["neutral_max"])
    found.append(v["residual_current"] > limit["residual_max"])
    found.append(max(j1, j2, j3) - v["room_temperature"] > limit["joint_rise_max"])
    found.append(max(j1, j2, j3) - min(j1, j2, j3) > limit["joint_spread_max"])
    found.append(bool(v["breaker_tripped"]))
    found.append(v["room_temperature"] > limit["room_temperature_max"])
    return len(found)


def by_window(kind: str, span_ms: int) -> float:
    """Seconds of CPU for a day of samples, one each ten seconds, into one window that is read at each."""
    window = windows.create(kind, span_ms)

    def run() -> None:
        for at in range(0, 86_400_000, 10_000):
            window.push(float(at % 977), at)
            try:
                window.value(at)
            except windows.NotKnown:
                continue

    return cpu(run)


def cpu(work: Callable[[], object]) -> float:
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(bench: str, folder: Path) -> Iterator[Result]:
    """The best of some rounds each, engine and hand by turns, so that a busy machine troubles both alike."""
    (folder / "rate.yaml").write_text(SITE, encoding="utf-8")
    taken = polls()
    site, _ = measured_by_file(load_site(folder / "rate.yaml"), taken)
    rounds = [(by_engine(site, taken), by_hand(site, taken)) for _ in range(ROUNDS)]
    engine, hand = min(one for (one, _), _ in rounds), min(one for _, (one, _) in rounds)
    rules, limits = rounds[0][0][1], rounds[0][1][1]
    if rules != limits:
        raise RuntimeError(f"{rules} rules are compared with {limits} limits")
    samples = sum(map(len, taken))
    case = f"{rules} rules of 20 points, 1/s"
    yield Result.at_least(bench, case, round(rules * POLLS / engine), "rule evaluations/s", WANTED_RATE)
    yield Result(bench, "CPU of the rules", round(engine / samples * 1e6, 2), "ms/1000 samples")
    yield Result(bench, "CPU of the same limits by hand", round(hand / samples * 1e6, 2), "ms/1000 samples")
    yield Result(bench, "rules against by hand", round(engine / hand, 1), "times")
    yield from growth(bench)


def growth(bench: str) -> Iterator[Result]:
    """What a sample costs in a window of a day over what it costs in one of a minute."""
    for kind in ("avg", "max", "delta", "count"):
        day = min(by_window(kind, 86_400_000) for _ in range(ROUNDS))
        minute = min(by_window(kind, 60_000) for _ in range(ROUNDS))
        yield Result.at_most(bench, f"{kind} over 24 h against 1 min", round(day / minute, 2), "times", MOST_GROWTH)
