"""Escalation → the people: carries one message to one address, through apprise. The only file here that touches the network.

apprise waits in its calls, so each runs in a thread of a small pool of our own. A server that hangs holds at most two of them and
never the loop; when it is given up on, whether it took the message is not known, and that is said.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

THREADS = 12
PER_SERVER = 2
"""So many messages are on their way to one server at once; the others wait their turn."""
SOCKET_S = 6.0
PATIENCE_S = 15.0
"""After so long a message counts as not known to have arrived."""
_LOCAL = frozenset({"dbus", "qt", "glib", "kde", "gnome", "macosx", "windows", "syslog", "growl"})
"""Ways that only show something on the screen of the machine that runs the cloud."""
_HOOKS = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})
"""Webhooks: whatever stands in their path may be a token."""
_SECRET_LENGTH = 5


@dataclass(frozen=True, slots=True)
class Letter:
    """One message. ``key`` is the same whenever the same message is sent again, so that a receiver can tell."""

    key: str
    title: str
    body: str
    is_possible_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What may be shown of an address: its kind, and itself without its secrets."""

    kind: str
    label: str


class Undelivered(Exception):
    """The message did not arrive, or (``is_unknown``) nobody knows whether it did."""

    def __init__(self, reason: str, *, is_unknown: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_unknown = is_unknown


class Courier(Protocol):
    """Carries messages; tests and virtual time have one without network."""

    async def deliver(self, url: str, letter: Letter) -> str:
        """What the receiver said. Raises Undelivered."""

    def is_busy(self, url: str) -> bool:
        """Whether as many messages are on their way to this address's server as may be."""


def look_at(url: str) -> Looked:
    """Check an address before it is kept. Raises ValueError in words without its secrets."""
    found = _plugin(url)
    kind = url.strip().partition("://")[0].lower()
    if kind in _LOCAL:
        raise ValueError(f"{kind}:// shows something on the server's own screen and tells nobody")
    label = found.url(privacy=True).partition("?")[0]
    return Looked(kind, server_of(label) + "/…" if kind in _HOOKS else label)


def _plugin(url: str) -> Any:  # noqa: ANN401  apprise's own types
    from apprise import Apprise

    logging.getLogger(
        "apprise"
    ).propagate = False  # what it writes holds addresses; what we need of it, the catcher takes
    text = url.strip()
    found = Apprise.instantiate(text, suppress_exceptions=True) if "://" in text else None
    if found is None:
        kind = text.partition("://")[0] if "://" in text else "it"
        raise ValueError(f"this is not an address that can be sent to: {kind} is unknown or something in it is missing")
    return found


def server_of(url: str) -> str:
    """What two addresses have in common that go to the same server."""
    parts = urlsplit(url.strip())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


class AppriseCourier:
    """The real one. ``patience_s`` bounds how long anybody waits for one message."""

    def __init__(self, patience_s: float = PATIENCE_S, socket_s: float = SOCKET_S) -> None:
        self._patience_s = patience_s
        self._socket_s = socket_s
        self._pool = ThreadPoolExecutor(THREADS, "courier")
        self._lock = threading.Lock()
        self._on_the_way: dict[str, int] = {}

    def is_busy(self, url: str) -> bool:
        with self._lock:
            return self._on_the_way.get(server_of(url), 0) >= PER_SERVER

    async def deliver(self, url: str, letter: Letter) -> str:
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._carry, url, letter)
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.shield(work)
        except TimeoutError:
            work.add_done_callback(lambda done: done.cancelled() or done.exception())  # it ends when its socket does
            reason = f"no answer within {self._patience_s:g} s"
            raise Undelivered(reason, is_unknown=True) from None

    def _carry(self, url: str, letter: Letter) -> str:
        server = server_of(url)
        with self._lock:
            self._on_the_way[server] = self._on_the_way.get(server, 0) + 1
        try:
            return _send(url, letter, self._socket_s)
        finally:
            with self._lock:
                self._on_the_way[server] -= 1
                if not self._on_the_way[server]:
                    del self._on_the_way[server]

    def close(self) -> None:
        """Take no more messages; those on their way end with their sockets."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _send(url: str, letter: Letter, socket_s: float) -> str:
    plugin = _plugin(url)
    plugin.socket_connect_timeout = plugin.socket_read_timeout = socket_s
    if hasattr(plugin, "headers"):
        plugin.headers = {**plugin.headers, **_headers(letter)}
    with _Catcher() as caught:
        is_done = plugin.notify(title=letter.title, body=letter.body, body_format="text")
    if not is_done:
        raise Undelivered(scrub(caught.last or "refused", url))
    return f"taken by {server_of(url).partition('://')[2] or plugin.service_name}"


def _headers(letter: Letter) -> dict[str, str]:
    told = {"Idempotency-Key": letter.key, "X-Plantroom-Notice": letter.key}
    return told | ({"X-Plantroom-Possible-Repeat": "yes"} if letter.is_possible_repeat else {})


class _Catcher(logging.Handler):
    """What apprise says in this thread while one message is sent: its only word about a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.last = record.getMessage()

    def __enter__(self) -> Self:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)


def scrub(text: str, url: str) -> str:
    """A reason without anything of the address that could be a secret."""
    parts = urlsplit(url.strip())
    for word in re.split(r"[/@:?&=,;%+]", url.strip()):
        if len(word) >= _SECRET_LENGTH and word not in {parts.scheme, parts.hostname}:
            text = text.replace(word, "…")
    return " ".join(text.split())[:300]
