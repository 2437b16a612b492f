"""The demo's processes end with it, whatever happens, and say why they ended too early."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from simulators.processes import Family, ProcessFailed, last_lines

FOREVER = "import time\nprint('up', flush=True)\ntime.sleep(600)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


async def until_it_speaks(log: Path) -> None:
    for _ in range(500):
        if log.read_text():
            return
        await asyncio.sleep(0.02)
    pytest.fail("the child said nothing for ten seconds")


async def test_a_child_that_ends_is_told_with_its_last_lines(tmp_path: Path) -> None:
    family = Family(tmp_path)
    child = await family.start("cloud", python("print('port 8080 is in use'); raise SystemExit(2)"))
    await child.process.wait()
    with pytest.raises(ProcessFailed, match=r"cloud ended with exit code 2[\s\S]*port 8080 is in use"):
        family.check()


async def test_a_failed_command_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match="registration failed with exit code 1:\nno such site"):
        await Family(tmp_path).run("registration", python("import sys; sys.exit('no such site')"))


async def test_stopping_ends_every_child(tmp_path: Path) -> None:
    family = Family(tmp_path)
    children = [await family.start(name, python(FOREVER)) for name in ("one", "two", "three")]
    family.check()
    await family.stop()
    assert not [child.name for child in children if psutil.pid_exists(child.process.pid)]


async def test_a_child_that_ignores_the_polite_way_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.processes.GRACE_S", 0.2)
    family = Family(tmp_path)
    child = await family.start("stubborn", python(STUBBORN))
    await until_it_speaks(child.log)
    await family.stop()
    assert child.process.returncode == -signal.SIGKILL


async def test_a_killed_child_may_be_started_again(tmp_path: Path) -> None:
    family = Family(tmp_path)
    first = await family.start("gateway", python(FOREVER))
    await family.kill("gateway")
    assert first.process.returncode == -signal.SIGKILL
    again = await family.start("gateway", python(FOREVER))
    family.check()
    assert again.process.pid != first.process.pid
    await family.stop()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="util-linux's setpriv is not installed")
def test_even_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from simulators.processes import Family\n"
        "async def main():\n"
        f"    child = await Family(pathlib.Path({str(tmp_path)!r})).start('child', [sys.executable, '-c', {FOREVER!r}])\n"
        "    print(child.process.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(5)
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and time.monotonic() < deadline:
        if psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return  # ended; this machine's init has not collected it yet
        time.sleep(0.02)
    assert not psutil.pid_exists(child)


def test_a_silent_child_has_a_log_that_says_so(tmp_path: Path) -> None:
    assert "said nothing" in last_lines(tmp_path / "none.log")
