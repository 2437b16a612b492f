"""plant → broker → gateway: a real MQTT broker on the loopback, Mosquitto where installed and amqtt otherwise.

Mosquitto runs as a process of its own. The embedded broker runs on the caller's loop; it speaks MQTT 3.1.1 only, keeps
no anonymous sessions and may hand retained messages to clients that did not ask, so it serves demos and tests only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

_OUTSIDE_PATH = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_ANYBODY = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
NOTHING_INSTALLED = (
    "no MQTT broker is installed; install Mosquitto (apt-get install mosquitto) or the embedded one "
    "(pip install 'plantroom[sim]')"
)


class BrokerUnavailable(RuntimeError):
    """No broker could be started. The text says why and what to do."""


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_port_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether one could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def find_mosquitto() -> Path | None:
    """Mosquitto's program, on PATH or where Debian puts it."""
    places = os.pathsep.join((os.environ.get("PATH", ""), *_OUTSIDE_PATH))
    found = shutil.which("mosquitto", path=places)
    return Path(found) if found else None


def mosquitto_command(program: Path, port: int, folder: Path) -> list[str]:
    """The command that runs Mosquitto on a loopback port with its settings in ``folder``."""
    settings = folder / "mosquitto.conf"
    lines = (f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false", "log_dest stderr")
    settings.write_text("\n".join((*lines, "log_type error", "log_type warning", "")), encoding="utf-8")
    return [str(program), "-c", str(settings)]


@contextlib.asynccontextmanager
async def embedded_broker(port: int) -> AsyncIterator[int]:
    """An amqtt broker on this loop and loopback port. Raises BrokerUnavailable when the port is taken."""
    if not is_port_free(port):
        raise BrokerUnavailable(f"port {port} is in use; stop what listens there or choose another port")
    try:
        from amqtt.broker import Broker
        from amqtt.contexts import BrokerConfig, ListenerConfig
        from amqtt.errors import BrokerError
    except ImportError as error:
        raise BrokerUnavailable(NOTHING_INSTALLED) from error
    for noisy in ("amqtt", "transitions"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    listener = ListenerConfig(bind=f"127.0.0.1:{port}")
    broker = Broker(BrokerConfig(listeners={"default": listener}, plugins=dict(_ANYBODY)))
    try:
        await broker.start()
    except BrokerError as error:
        raise BrokerUnavailable(f"the embedded broker did not start: {error}") from error
    try:
        yield port
    finally:
        await broker.shutdown()
