"""decode → rules: what a value did over time, at a cost per sample that does not grow with the window (pure)."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Protocol

from edge.rules.instants import Checkpoint, Held, HeldFor, Last, NotKnown, Since
from edge.rules.stepped import COVERAGE, STEPS, Stepped

__all__ = ["COVERAGE", "STEPS", "Checkpoint", "Held", "NotKnown", "Window", "create"]


class Window(Protocol):
    """One window over one argument of one piece of equipment."""

    def push(self, value: Held, at: int) -> None:
        """The argument's value from ``at`` on; None when it is not known."""

    def value(self, now: int) -> Any:  # noqa: ANN401 - a number, a truth or a word, as the kind says
        """The window's value at ``now``. Raises NotKnown."""

    def checkpoint(self) -> Checkpoint:
        """JSON that ``restore`` understands."""

    def restore(self, saved: Checkpoint, shift: int) -> None:
        """Continue from a checkpoint whose times are ``shift`` ms behind this process's; the gap is not known."""


class Mean(Stepped):
    """Time-weighted mean."""

    __slots__ = ()

    def value(self, now: int) -> float:
        self._require(now)
        return self._integral / self._known


class Extreme(Stepped):
    """Smallest (sign -1) or largest (sign +1) value held: a queue in which every later entry is less extreme."""

    __slots__ = ("_queue", "_sign")

    def __init__(self, span_ms: int, sign: int) -> None:
        super().__init__(span_ms)
        self._sign = sign
        self._queue: deque[tuple[int, float]] = deque()

    def _credit(self, value: float, start: int, end: int) -> None:
        super()._credit(value, start, end)
        index = (end - 1) // self._step
        while self._queue and self._queue[-1][1] * self._sign <= value * self._sign:
            self._queue.pop()
        if not self._queue or self._queue[-1][0] != index:  # a worse one that leaves at the same time says it all
            self._queue.append((index, value))

    def _renew(self, first: int, now: int) -> None:
        super()._renew(first, now)
        self._queue.clear()
        if self._known:
            self._queue.append(((now - 1) // self._step, float(self._held or 0)))

    def _expire(self, first: int) -> None:
        super()._expire(first)
        while self._queue and self._queue[0][0] < first:
            self._queue.popleft()

    def value(self, now: int) -> float:
        self._require(now)
        current = float(self._held or 0)
        best = self._queue[0][1] if self._queue else current
        return max(best * self._sign, current * self._sign) * self._sign

    def checkpoint(self) -> Checkpoint:
        return {**super().checkpoint(), "queue": [list(entry) for entry in self._queue]}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        super().restore(saved, shift)
        if self._known:
            moved = round(shift / self._step)
            self._queue = deque((index + moved, value) for index, value in saved["queue"])


class Change:
    """How much the value changed across the window; of a counter, how much it counted, resets left out.

    ``marks``: what it stood at when it was first known in each step, oldest first.
    """

    __slots__ = ("_held", "_held_at", "_is_counter", "_is_rate", "_last", "_marks", "_span", "_step", "_sum")

    def __init__(self, span_ms: int, *, is_rate: bool, is_counter: bool) -> None:
        self._span = max(span_ms, 1)
        self._step = max(self._span // STEPS, 1)
        self._is_rate, self._is_counter = is_rate, is_counter
        self._marks: deque[tuple[int, float]] = deque()
        self._sum = 0.0
        self._last: float | None = None
        self._held: Held = None
        self._held_at: int | None = None

    def push(self, value: Held, at: int) -> None:
        self._advance(at)
        self._held = value
        if value is None:
            return
        number = float(value)
        if not self._is_counter:
            self._sum = number
        elif self._last is not None:
            self._sum += max(number - self._last, 0.0)
        self._last = number

    def _advance(self, now: int) -> None:
        at, marks, step = self._held_at, self._marks, self._step
        if at is not None and now <= at:
            return
        first = (now - self._span) // step + 1
        if at is not None and self._held is not None:
            for index in range(max(at // step, first), (now - 1) // step + 1):
                if not marks or marks[-1][0] < index * step:
                    marks.append((max(at, index * step), self._sum))
        self._held_at = now
        while marks and marks[0][0] < first * step:
            marks.popleft()

    def value(self, now: int) -> float:
        self._advance(now)
        if self._held is None or not self._marks:
            raise NotKnown
        at, then = self._marks[0]
        if now - at < COVERAGE * self._span:
            raise NotKnown
        change = self._sum - then
        return change * 1000 / (now - at) if self._is_rate else change

    def checkpoint(self) -> Checkpoint:
        marks = [list(mark) for mark in self._marks]
        return {"step": self._step, "marks": marks, "sum": self._sum, "last": self._last}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        if saved["step"] == self._step:  # else the span was edited meanwhile: fill anew
            self._marks = deque((at + shift, value) for at, value in saved["marks"])
            self._sum, self._last = saved["sum"], saved["last"]


class Count:
    """How often the value changed (a truth changes twice a cycle). What it saw so far counts from the start.

    ``events``: ``[index of a step, changes in it]``, oldest first.
    """

    __slots__ = ("_events", "_held", "_newest", "_previous", "_span", "_step", "_total")

    def __init__(self, span_ms: int) -> None:
        self._span = max(span_ms, 1)
        self._step = max(self._span // STEPS, 1)
        self._events: deque[list[int]] = deque()
        self._total = 0
        self._held: Held = None
        self._previous: Held = None
        self._newest: int | None = None

    def push(self, value: Held, at: int) -> None:
        self._newest = at if self._newest is None else max(at, self._newest)
        self._held = value
        if value is None:
            return
        if self._previous is not None and value != self._previous:
            index = self._newest // self._step
            if not self._events or self._events[-1][0] != index:
                self._events.append([index, 0])
            self._events[-1][1] += 1
            self._total += 1
        self._previous = value

    def value(self, now: int) -> int:
        if self._held is None:
            raise NotKnown
        first = (now - self._span) // self._step + 1
        while self._events and self._events[0][0] < first:
            self._total -= self._events.popleft()[1]
        return self._total

    def checkpoint(self) -> Checkpoint:
        return {"step": self._step, "events": [list(one) for one in self._events], "previous": self._previous}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        if saved["step"] != self._step:
            return
        moved = round(shift / self._step)
        self._events = deque([index + moved, count] for index, count in saved["events"])
        self._total = sum(count for _, count in self._events)
        self._previous = saved["previous"]


class Repeats:
    """How often the value that came most often came; nothing (0, false, no word) does not count as a value."""

    __slots__ = ("_came", "_held", "_newest", "_previous", "_span", "_step", "_totals")

    def __init__(self, span_ms: int) -> None:
        self._span = max(span_ms, 1)
        self._step = max(self._span // STEPS, 1)
        self._came: deque[tuple[int, dict[Held, int]]] = deque()
        self._totals: Counter[Held] = Counter()
        self._held: Held = None
        self._previous: Held = None
        self._newest = 0

    def push(self, value: Held, at: int) -> None:
        self._newest = max(at, self._newest)
        self._held = value
        if value is None:
            return
        if self._previous is not None and value != self._previous and value:
            index = self._newest // self._step
            if not self._came or self._came[-1][0] != index:
                self._came.append((index, {}))
            came = self._came[-1][1]
            came[value] = came.get(value, 0) + 1
            self._totals[value] += 1
        self._previous = value

    def value(self, now: int) -> int:
        if self._held is None:
            raise NotKnown
        first = (now - self._span) // self._step + 1
        while self._came and self._came[0][0] < first:
            self._totals -= Counter(self._came.popleft()[1])
        return max(self._totals.values(), default=0)

    def checkpoint(self) -> Checkpoint:
        came = [[index, list(counts.items())] for index, counts in self._came]
        return {"step": self._step, "came": came, "previous": self._previous}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        if saved["step"] != self._step:
            return
        moved = round(shift / self._step)
        self._came = deque((index + moved, dict(counts)) for index, counts in saved["came"])
        self._totals = Counter()
        for _, counts in self._came:
            self._totals.update(counts)
        self._previous = saved["previous"]


def create(kind: str, span_ms: int, *, is_counter: bool = False) -> Window:  # noqa: PLR0911 - one line a kind
    """The window that a call in an expression asks for."""
    match kind:
        case "avg":
            return Mean(span_ms)
        case "min" | "max":
            return Extreme(span_ms, 1 if kind == "max" else -1)
        case "rate" | "delta":
            return Change(span_ms, is_rate=kind == "rate", is_counter=is_counter)
        case "count":
            return Count(span_ms)
        case "repeats":
            return Repeats(span_ms)
        case "held_for":
            return HeldFor(span_ms)
        case "since":
            return Since()
        case _:
            return Last(span_ms)
