"""A power cut, without cutting power: what a process asked its disk to do, and every state in which the disk may be left.

``power.c`` records the writes, truncations, new names and flushes of a child process below one folder. What was flushed is there;
of what came after, each write is there, or not, or in part, by sectors of 512 bytes, in any order; a new name is there when
its folder was flushed. Mapped files (SQLite's ``-shm``) are worth nothing after a cut and are left out.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
MARKS = "marks"
"""A file that the child writes lines to: what it was promised by then."""
_HEAD = struct.Struct("=IIQQ")
_SECTOR = 512


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the disk was asked to do: C created, W written, T cut to a length, S flushed, D folder flushed, U, R."""

    kind: str
    path: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """What may lie on the disk after a cut, and the lines that the child had written to ``MARKS`` before it."""

    number: int
    files: dict[str, bytes]
    marks: tuple[str, ...]


def record(folder: Path, module: str) -> list[Step]:
    """Run ``python -m module FOLDER`` and return what it asked of the disk."""
    library, log, data = folder / "power.so", folder / "power.log", folder / "data"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl", "-lpthread"], check=True)
    data.mkdir()
    more = {"LD_PRELOAD": str(library), "POWER_LOG": str(log), "POWER_FOLDER": str(data)}
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", module, str(data)], env={**os.environ, **more}, cwd=root, check=True, timeout=300
    )
    return [one for one in _steps(log.read_bytes()) if not one.path.endswith("-shm")]


def _steps(log: bytes) -> Iterator[Step]:
    at = 0
    while at < len(log):
        kind, length, offset, size = _HEAD.unpack_from(log, at)
        at += _HEAD.size
        path = log[at : at + length].decode()
        at += length
        has_data = chr(kind) in "WR"
        yield Step(chr(kind), path, offset, log[at : at + size] if has_data else b"")
        at += size if has_data else 0


@dataclass(slots=True)
class Disk:
    """What is certainly there, and what was asked for since."""

    files: dict[str, bytearray] = field(default_factory=dict)
    """By name, as flushed; a file whose name was never flushed is not among them."""
    unnamed: dict[str, bytearray] = field(default_factory=dict)
    waiting: list[Step] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """The next step. Flushing makes what waits for that file or folder certain."""
        if step.kind == "S":
            self._settle(lambda one: one.path == step.path and one.kind in "WT")
        elif step.kind == "D":
            self._settle(lambda one: str(Path(one.path).parent) == step.path and one.kind in "CUR")
        else:
            self.waiting.append(step)

    def _settle(self, is_flushed: Callable[[Step], bool]) -> None:
        left = []
        for one in self.waiting:
            if is_flushed(one):
                _do(one, self.files, self.unnamed)
            else:
                left.append(one)
        self.waiting = left

    def after_cut(self, dice: random.Random | None, share: float) -> dict[str, bytes]:
        """One state in which it may be found. Of each waiting step ``share`` is the chance; without dice none or all is there."""
        files = {path: bytearray(body) for path, body in self.files.items()}
        unnamed = {path: bytearray(body) for path, body in self.unnamed.items()}
        for one in self.waiting:
            if dice is None or one.kind != "W":
                if (share > dice.random()) if dice else share:
                    _do(one, files, unnamed)
                continue
            if dice.random() < share:
                _do(one, files, unnamed)
            elif dice.random() < 0.5:  # torn
                for part in _sectors(one):
                    if dice.random() < 0.5:
                        _do(part, files, unnamed)
        return {path: bytes(body) for path, body in files.items()}


def _sectors(step: Step) -> Iterator[Step]:
    """A write in the parts that a disk takes whole."""
    at, end = step.offset, step.offset + len(step.data)
    while at < end:
        to = min(end, (at // _SECTOR + 1) * _SECTOR)
        yield Step("W", step.path, at, step.data[at - step.offset : to - step.offset])
        at = to


def _do(step: Step, files: dict[str, bytearray], unnamed: dict[str, bytearray]) -> None:
    body = files[step.path] if step.path in files else unnamed.setdefault(step.path, bytearray())
    match step.kind:
        case "C":
            files[step.path] = unnamed.pop(step.path, bytearray())
        case "U":
            files.pop(step.path, None)
            unnamed.pop(step.path, None)
        case "R":
            files[step.data.decode()] = body
            files.pop(step.path, None)
        case "T":
            del body[step.offset :]
            body.extend(bytes(step.offset - len(body)))
        case "W":
            body.extend(bytes(max(0, step.offset - len(body))))
            body[step.offset : step.offset + len(step.data)] = step.data


def cuts(steps: list[Step], seed: int, most: int) -> Iterator[Cut]:
    """About ``most`` states after cuts spread evenly over the run: nothing of what waited, all of it, and parts by chance."""
    dice, disk, marks = random.Random(seed), Disk(), []
    chance = min(1.0, most / max(1, len(steps)) / 2)
    for number, step in enumerate(steps):
        if step.path.endswith(MARKS):
            marks += step.data.decode().split("\n")[:-1]
            continue
        disk.take(step)
        if dice.random() >= chance:
            continue
        plain = dice.choice((0.0, 1.0))
        for found in (disk.after_cut(None, plain), disk.after_cut(dice, dice.choice((0.1, 0.5, 0.9)))):
            yield Cut(number, found, tuple(marks))


def lay_out(cut: Cut, base: Path, to: Path) -> None:
    """Write the files of a cut as they would be found, below ``to`` instead of ``base``."""
    for path, body in cut.files.items():
        target = to / Path(path).relative_to(base)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
