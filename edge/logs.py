"""Beside the flow: the gateway's log. One line an event, and no device that comes and goes fills the disk with them."""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TextIO

import structlog

Line = MutableMapping[str, Any]
MOST = 10
"""Lines of one kind about one thing in a minute."""
WINDOW_MS = 60_000
MOST_KINDS = 2_000
_SUBJECTS = ("device", "bus", "lane", "equipment", "topic", "directive")


@dataclass(slots=True)
class _Kind:
    since_ms: int
    said: int = 0
    kept_back: int = 0


class RateLimit:
    """A structlog processor: of one kind of line about one thing, ten a minute pass.

    The first one of a later minute says in ``kept_back`` how many did not. A kind is the event's name with the device, bus,
    lane or equipment it is about. ``now_ms`` is a steady clock.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._kinds: dict[tuple[str, ...], _Kind] = {}

    def __call__(self, _logger: object, _method: str, line: Line) -> Line:
        now = self._now_ms()
        key = (str(line.get("event")), *(str(line.get(name, "")) for name in _SUBJECTS))
        kind = self._kinds.get(key)
        if kind is None or now - kind.since_ms >= WINDOW_MS:
            kept_back = kind.kept_back if kind else 0
            kind = self._begin(key, now)
            if kept_back:
                line["kept_back"] = kept_back
        if kind.said >= MOST:
            kind.kept_back += 1
            raise structlog.DropEvent
        kind.said += 1
        return line

    def _begin(self, key: tuple[str, ...], now: int) -> _Kind:
        if len(self._kinds) >= MOST_KINDS:  # a line about ever new things must not become a memory of them
            self._kinds = {name: one for name, one in self._kinds.items() if now - one.since_ms < WINDOW_MS}
        self._kinds.pop(key, None)
        self._kinds[key] = found = _Kind(now)
        return found


def configure(to: TextIO, now_ms: Callable[[], int]) -> None:
    """Structlog: key=value on a terminal, JSON lines otherwise; limited before anything is written."""
    last: Callable[..., Any] = structlog.processors.JSONRenderer()
    if sys.stderr.isatty():
        last = structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"], drop_missing=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars, RateLimit(now_ms), structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.format_exc_info, last,
        ],
        logger_factory=structlog.PrintLoggerFactory(to),
    )  # fmt: skip
