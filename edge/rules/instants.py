"""decode → rules: what a condition remembers of its past as one instant: held for, since, last (pure). Times are ``steady_ms``."""

from __future__ import annotations

from typing import Any

Held = float | int | bool | str | None
Checkpoint = dict[str, Any]


class NotKnown(LookupError):
    """No value can be given now: data is missing, or a window has not filled yet."""


class HeldFor:
    """True once a condition has been true for the span; time of not knowing does not count and does not reset."""

    __slots__ = ("_held", "_newest", "_span", "_true_since", "_unknown_since")

    def __init__(self, span_ms: int) -> None:
        self._span = span_ms
        self._newest = 0
        self._held: Held = None
        self._true_since: int | None = None
        self._unknown_since: int | None = None

    def push(self, value: Held, at: int) -> None:
        self._newest = at = max(at, self._newest)
        if value is None:
            if self._unknown_since is None:
                self._unknown_since = at
        else:
            if not value:
                self._true_since = None
            elif self._true_since is None:
                self._true_since = at
            elif self._unknown_since is not None:
                self._true_since += max(at - self._unknown_since, 0)
            self._unknown_since = None
        self._held = value

    def value(self, now: int) -> bool:
        if self._held is None:
            raise NotKnown
        return self._true_since is not None and now - self._true_since >= self._span

    def checkpoint(self) -> Checkpoint:
        return {"true_since": self._true_since, "unknown_since": self._unknown_since}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        if saved["true_since"] is not None:
            self._true_since = saved["true_since"] + shift
        if saved["unknown_since"] is not None:
            self._unknown_since = saved["unknown_since"] + shift


class Since:
    """Seconds since a condition was last true; 0 while it is. Never seen true: seconds since it was first looked at."""

    __slots__ = ("_base", "_held", "_newest")

    def __init__(self) -> None:
        self._newest = 0
        self._held: Held = None
        self._base: int | None = None

    def push(self, value: Held, at: int) -> None:
        self._newest = at = max(at, self._newest)
        if value or self._held or (self._base is None and value is not None):
            self._base = at
        self._held = value

    def value(self, now: int) -> float:
        if self._held is None or self._base is None:
            raise NotKnown
        return 0.0 if self._held else (now - self._base) / 1000

    def checkpoint(self) -> Checkpoint:
        return {"base": self._base}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        self._base = None if saved["base"] is None else saved["base"] + shift


class Last:
    """The newest value that was known, also while it is not, up to an age (span 0: any age)."""

    __slots__ = ("_at", "_held", "_newest", "_span", "_value")

    def __init__(self, span_ms: int) -> None:
        self._span = span_ms
        self._held: Held = None
        self._value: Held = None
        self._at = self._newest = 0

    def push(self, value: Held, at: int) -> None:
        self._newest = at = max(at, self._newest)
        if value is not None:
            self._value, self._at = value, at
        elif self._held is not None:
            self._at = at
        self._held = value

    def value(self, now: int) -> Any:  # noqa: ANN401 - what the point holds
        if self._value is None or (self._held is None and self._span and now - self._at > self._span):
            raise NotKnown
        return self._value

    def checkpoint(self) -> Checkpoint:
        return {"value": self._value, "at": self._at}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        self._value, self._at = saved["value"], saved["at"] + shift
