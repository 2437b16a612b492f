"""Beside what simulated plant sends stands what was true: what the cloud holds is compared with it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from contract.conventions import EpochMs
from simulators.clock import VirtualClock, run_virtual
from simulators.modbus_device import Misbehaviour
from simulators.truth import TruthFile, read_truth
from simulators.virtual import VirtualSite, running

World = tuple[dict[tuple[str, str], list[Any]], list[dict[str, Any]]]
MIDNIGHT_MS = 1_795_190_400_000
SITE = Path(__file__).parents[1] / "flow" / "small_site.yaml"
HELD = (
    ("incomer_1", "voltage_l1", "meter_1", 0.01), ("incomer_1", "power_factor", "meter_1", 0.001),
    ("pump_1", "motor_current", "drive_1", 0.11), ("pump_1", "winding_temperature", "drive_1", 0.02),
    ("lift_1", "drive_temperature", "box_1", 1e-6), ("panel_1", "battery_voltage", "panel_gateway_1", 1e-6),
)  # fmt: skip
"""Equipment, point, the device that shows it, and the step of its wire."""


async def lived(folder: Path) -> dict[tuple[str, str], list[tuple[EpochMs, Any]]]:
    """An hour of a site with its cloud, a sensor that lies and a meter that garbles; what the cloud holds."""
    shutil.copy(SITE, folder / "site.yaml")
    truth = TruthFile(folder / "truth.jsonl")
    async with running(folder / "site.yaml", folder, VirtualClock(MIDNIGHT_MS)) as site:
        site.servers.tell(truth)
        await site.at(900)
        site.plant.inject("incomer_1", "low_power_factor")
        site.plant.lie("drive_1", "winding_temperature", "drift", per_day=240.0)
        await site.at(1800)
        site.servers.misbehave("meter_1", Misbehaviour("garbage", every=2))
        await site.at(3600)
        held = {(equipment, point): await samples_of(site, equipment, point) for equipment, point, _, _ in HELD}
    truth.close()
    return held


async def samples_of(site: VirtualSite, equipment: str, point: str) -> list[tuple[EpochMs, Any]]:
    span = MIDNIGHT_MS + 1000, MIDNIGHT_MS + 3_600_000
    found = await site.app.state.store.samples(site.site.id, equipment, point, *span, 1000)
    return [(one.at_ms, one.value) for one in found if one.value is not None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """What the cloud holds, and the truth beside it."""
    folder = tmp_path_factory.mktemp("truth")
    return run_virtual(lived(folder)), list(read_truth(folder / "truth.jsonl"))


def test_every_value_in_the_cloud_is_what_was_shown_at_that_instant(world: World) -> None:
    held, rows = world
    for equipment, point, device, step in HELD:
        shown = {
            row["at_ms"]: row["points"][point] for row in rows if row["device"] == device and point in row["points"]
        }
        values = held[equipment, point]
        assert len(values) >= 9, point
        for at_ms, value in values:
            assert abs(value - shown[at_ms]["shown"]) <= step, (point, at_ms, value, shown[at_ms])


def test_what_a_lying_sensor_showed_stands_beside_what_was_true(world: World) -> None:
    rows = [row for row in world[1] if "winding_temperature" in row["points"]]
    before = [row["points"]["winding_temperature"] for row in rows if row["at_ms"] < MIDNIGHT_MS + 900_000]
    after = [row["points"]["winding_temperature"] for row in rows if row["at_ms"] > MIDNIGHT_MS + 2_700_000]
    assert before
    assert all(one["true"] == one["shown"] for one in before)
    assert after
    assert all(one["shown"] - one["true"] > 4 for one in after)


def test_a_line_says_instant_device_words_and_what_became_of_them(world: World) -> None:
    rows = [row for row in world[1] if row["device"] == "meter_1"]
    assert {row["fault"] for row in rows} == {"none", "garbage"}
    assert {(row["table"], row["first"]) for row in rows} >= {("input", 0)}
    assert all(len(row["words"]) > 1 and MIDNIGHT_MS < row["at_ms"] <= MIDNIGHT_MS + 3_601_000 for row in rows)


def test_the_file_turns_over_and_keeps_within_its_size(tmp_path: Path) -> None:
    truth = TruthFile(tmp_path / "truth", most_bytes=4_000)
    for at in range(100):
        truth.reply(at, "meter_1", ("holding", 0), [at], "none", {"x": (float(at), float("nan"))})
    truth.close()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4_000
    rows = list(read_truth(tmp_path / "truth"))
    assert [row["at_ms"] for row in rows] == list(range(100 - len(rows), 100))
    assert rows[-1]["points"] == {"x": {"true": 99.0, "shown": "nan"}}


def test_a_line_that_a_crash_cut_off_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "truth"
    path.write_text(json.dumps({"at_ms": 1}) + "\n" + '{"at_m', encoding="utf-8")
    assert list(read_truth(path)) == [{"at_ms": 1}]
