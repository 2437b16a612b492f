"""The demo's processes: started with a log each, watched while they run, and stopped to the last one.

A child has a session of its own, so that Ctrl-C reaches only the demo, which then stops its children in order. Should
the demo itself be killed, the kernel ends the children (``setpriv --pdeathsig``, where util-linux has it).
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

GRACE_S = 8.0
"""How long a child may take to end after SIGTERM."""
_LAST_LINES = 12


class ProcessFailed(RuntimeError):
    """A process ended that should run, or a command failed. The text holds its last lines."""


@dataclass(frozen=True, slots=True)
class Child:
    """One process of the demo."""

    name: str
    process: asyncio.subprocess.Process
    log: Path


def program(name: str) -> list[str]:
    """How to run one of our commands: its script beside this interpreter, or its module."""
    script = shutil.which(name, path=str(Path(sys.executable).parent))
    if script:
        return [script]
    module = {"plantroom-edge": "edge.cli", "plantroom-cloud": "cloud.cli", "plantroom-sim": "simulators.cli"}[name]
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.argv[0] = {name!r}; main()"]


def last_lines(log: Path, count: int = _LAST_LINES) -> str:
    """The end of a log, indented, for a message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError:
        lines = []
    return "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"


class Family:
    """All children of one demo. ``folder`` receives a log of each."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._children: dict[str, Child] = {}
        self._guard = [guard, "--pdeathsig", "TERM", "--"] if (guard := shutil.which("setpriv")) else []

    async def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a child that is to run until ``stop``. A name may be started again after its child ended."""
        log = self._folder / f"{name}.log"
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                *self._guard, *command, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink,
                env=self._environment, start_new_session=True,
            )  # fmt: skip
        child = Child(name, process, log)
        self._children[name] = child
        return child

    async def run(self, name: str, command: Sequence[str]) -> str:
        """Run a command to its end; its standard output. Raises ProcessFailed with what it said."""
        process = await asyncio.create_subprocess_exec(
            *self._guard, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=self._environment, start_new_session=True,
        )  # fmt: skip
        try:
            out, err = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            said = (err or out).decode(errors="replace").strip()
            raise ProcessFailed(f"{name} failed with exit code {process.returncode}:\n{said}")
        return out.decode()

    def check(self) -> None:
        """Raises ProcessFailed when a child that should run has ended."""
        for child in self._children.values():
            if child.process.returncode is not None:
                raise ProcessFailed(
                    f"{child.name} ended with exit code {child.process.returncode}; the end of {child.log}:\n"
                    f"{last_lines(child.log)}"
                )

    def pid(self, name: str) -> int:
        """Process id of a child that runs."""
        return self._children[name].process.pid

    async def kill(self, name: str) -> None:
        """SIGKILL one child and its descendants, as a power cut would."""
        child = self._children.pop(name)
        _signal_tree(child.process.pid, signal.SIGKILL)
        await child.process.wait()

    async def end(self, name: str) -> None:
        """SIGTERM one child and wait for it."""
        await _end(self._children.pop(name))

    async def stop(self) -> None:
        """End every child, the youngest first; what does not end in time is killed."""
        while self._children:
            _, child = self._children.popitem()
            await _end(child)


async def _end(child: Child) -> None:
    if child.process.returncode is None:
        child.process.terminate()
    try:
        async with asyncio.timeout(GRACE_S):
            await child.process.wait()
    except TimeoutError:
        _signal_tree(child.process.pid, signal.SIGKILL)
        await child.process.wait()


def _signal_tree(pid: int, sent: signal.Signals) -> None:
    try:
        parent = psutil.Process(pid)
        family = [*parent.children(recursive=True), parent]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            process.send_signal(sent)
        except psutil.NoSuchProcess:
            continue
