"""rules → outbox: the outbox's file: opened and checked, brought to the newest schema, or set aside when it is damaged."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from pathlib import Path

from device_profiles.library import Finding
from edge.errors import Misconfigured, Transient


def open_or_set_aside(path: Path, now_ms: int) -> tuple[sqlite3.Connection, Path | None]:
    """The database, and where a damaged one was put. Raises Misconfigured for a newer schema, Transient else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return connect(path), None
    except OSError as error:
        raise Transient(f"{path}: {error.strerror}") from error
    except sqlite3.OperationalError as error:
        raise Transient(f"{path}: {error}") from error
    except sqlite3.DatabaseError:
        aside = _set_aside(path, now_ms)
    try:
        return connect(path), aside
    except sqlite3.Error as error:
        raise Transient(f"{path}: {error}") from error


def _set_aside(path: Path, now_ms: int) -> Path:
    """Torn or foreign: keep it for a person to look at. What is still true in the plant is raised again."""
    aside = path.with_suffix(f".broken-{now_ms}")
    try:
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise Transient(f"{path}: is damaged and cannot be set aside: {error.strerror}") from error
    return aside


def connect(path: Path) -> sqlite3.Connection:
    """A checked connection with the newest schema. Raises Misconfigured for a newer one, sqlite3.Error else."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 1000")
        db.execute("PRAGMA cache_size = -512")  # a queue: what was written is read once, if ever
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check found damage")
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    files = sorted(
        (one.name, one.read_text(encoding="utf-8"))
        for one in resources.files("edge.outbox").joinpath("schema").iterdir()
        if one.name.endswith(".sql")
    )
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(files):
        remedy = "Install the newer plantroom again, or move the file away and start without it"
        message = f"written by a newer version (schema {version}, this one knows {len(files)})"
        raise Misconfigured([Finding(str(path), 0, "", message, remedy)])
    for number, (_, script) in enumerate(files[version:], start=version + 1):
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def load_queries() -> dict[str, str]:
    """Every statement of ``queries.sql`` by its name."""
    text = resources.files("edge.outbox").joinpath("queries.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
