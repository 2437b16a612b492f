"""Real servers for tests, each private to its test: a folder of its own, a free loopback port, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from simulators.broker import free_port
from tests.support.system_packages import require

START_LIMIT_S = 30.0
INFLUX_SETTINGS = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "tsi1"
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
{more}
[monitor]
  store-enabled = false
"""


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until something listens on the loopback port. Fails when the process ends first or takes too long."""
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} did not open port {port} within {START_LIMIT_S:.0f} s")


@contextlib.contextmanager
def running(command: Sequence[str | Path], port: int) -> Iterator[None]:
    """A server process, from when its port answers until the block ends."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def postgres(password: str = "secret") -> Iterator[str]:
    """A PostgreSQL cluster with the database ``plantroom``; its address as DATABASE_URL wants it. It refuses root, so root
    runs it as ``postgres``."""
    initdb = Path(require("initdb")).resolve()  # its neighbours are in the same folder, a link to it may be alone
    port = free_port()
    # under /tmp and not in pytest's folder, which only its owner may enter
    folder = Path(tempfile.mkdtemp(prefix="plantroom-postgres-"))
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    (folder / "password").write_text(password)
    if user:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres", "postgres")
    try:
        make: list[str | Path] = [
            *user,
            initdb,
            "-D",
            folder / "data",
            "-U",
            "plantroom",
            "--pwfile",
            folder / "password",
        ]
        make += ["-A", "scram-sha-256", "-E", "UTF8", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd=folder)
        server: list[str | Path] = [
            *user,
            initdb.with_name("postgres"),
            "-D",
            folder / "data",
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
        ]
        with running([*server, "-k", folder, "-c", "fsync=off"], port):
            address = f"postgresql://plantroom:{password}@127.0.0.1:{port}"
            _create_database(initdb.with_name("psql"), address)
            yield f"{address}/plantroom"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _create_database(psql: Path, address: str) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while True:  # the port answers before the server has finished starting
        command = [str(psql), f"{address}/postgres", "-qc", "CREATE DATABASE plantroom"]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        if result.returncode == 0:
            return
        assert "starting up" in result.stderr, result.stderr
        assert time.monotonic() < limit, result.stderr
        time.sleep(0.1)


@contextlib.contextmanager
def influxdb(folder: Path, more: str = "", port: int = 0) -> Iterator[str]:
    """Debian's InfluxDB 1.6; its address without a database: ``influxdb://127.0.0.1:PORT``. ``more`` goes into its section of HTTP."""
    program, port = require("influxd"), port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "influxd.conf"
    settings.write_text(INFLUX_SETTINGS.format(folder=folder, port=port, rpc=free_port(), more=more))
    with running([program, "-config", settings], port):
        yield f"influxdb://127.0.0.1:{port}"


@contextlib.contextmanager
def victoria_metrics(folder: Path, *options: str, port: int = 0) -> Iterator[str]:
    """Debian's VictoriaMetrics 1.79, single node, as docs/history.md says to start it; ``victoriametrics://127.0.0.1:PORT``."""
    program, port = require("victoria-metrics"), port or free_port()
    settings = options or ("-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms")
    with running([program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={folder}", *settings], port):
        yield f"victoriametrics://127.0.0.1:{port}"
