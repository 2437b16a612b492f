"""`plantroom-sim plant` as a user types it: a serial line under a name of one's own, and the truth in a file."""

import asyncio
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.clock import SystemClock
from edge.config import load_site
from edge.decode.sample import Sample
from simulators.broker import free_port
from simulators.cli import application
from simulators.processes import program
from simulators.truth import read_truth
from tests.support.devices import Basket


def site_file(path: Path, **bus: object) -> Path:
    data = {
        "site": {"id": "corner", "name": "Corner House", "zone": "Asia/Shanghai"}, "gateway": {"id": "gw_1"},
        "equipment": [{"id": "incomer_1", "class": "lv_switchgear", "ratings": {"rated_a": 630}}],
        "buses": [{"id": "line_a", **bus}],
        "devices": [
            {"id": "meter_1", "model": "eastron_sdm630", "bus": "line_a", "address": 1, "equipment": "incomer_1", "every": "1s"}
        ],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


async def read(path: Path) -> list[Sample]:
    """As the gateway reads the site."""
    site, basket = load_site(path), Basket()
    task = asyncio.create_task(ModbusBus(site.buses[0], site.devices, SystemClock(), basket, HealthBoard()).run())
    try:
        await basket.until(lambda: any(one.value is not None for one in basket.of("frequency")), seconds=20)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return [one for one in basket.samples if one.value is not None]


def test_a_serial_site_is_served_under_a_folder_and_its_truth_is_written(tmp_path: Path) -> None:
    site = site_file(tmp_path / "site.yaml", modbus="rtu", port="/dev/ttyS1", baud=115_200)
    near = site_file(tmp_path / "near.yaml", modbus="rtu", port=str(tmp_path / "lines" / "ttyS1"), baud=115_200)
    command = [
        *program("plantroom-sim"), "plant", str(site), "--control", str(free_port()),
        "--serial-folder", str(tmp_path / "lines"), "--truth", str(tmp_path / "truth.jsonl"),
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        samples = asyncio.run(read(near))
        process.terminate()
        assert "Traceback" not in process.communicate(timeout=20)[1]
    assert process.returncode == 0
    shown = [row["points"] for row in read_truth(tmp_path / "truth.jsonl") if row["table"] == "input"]
    for sample in samples:
        told = [points[sample.point]["shown"] for points in shown if sample.point in points]
        assert pytest.approx(sample.value, rel=1e-6) in told, sample.point
    assert len({sample.point for sample in samples}) >= 25
    assert not (tmp_path / "lines" / "ttyS1").is_symlink()


def test_mistakes_of_the_plant_command_are_told_in_one_line(tmp_path: Path) -> None:
    real = tmp_path / "ttyS9"
    real.write_text("a port that is there", encoding="utf-8")
    serial = site_file(tmp_path / "serial.yaml", modbus="rtu", port=str(real))
    tls = site_file(tmp_path / "tls.yaml", modbus="tls", host="127.0.0.1", port=free_port())
    for arguments, told in (
        ([str(serial)], "is a real port; give --serial-folder DIR"),
        ([str(tls)], "its devices speak TLS; give the plant a certificate"),
        ([str(tls), "--cert-file", str(real)], "no certificate, or no key to it"),
        ([str(tls), "--truth", str(tmp_path)], "cannot be written"),
    ):
        done = CliRunner().invoke(application("plant"), ["plant", *arguments, "--control", str(free_port())])
        assert (done.exit_code, told in done.output) == (2, True), (done.output, done.exception)
