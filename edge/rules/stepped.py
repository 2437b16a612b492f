"""decode → rules: what a value added up to in each step of a window, in memory that is made once (pure).

A window is cut into steps of a sixtieth of its span. It covers the steps that lie wholly inside the span, so it looks
back between 59 and 60 sixtieths. A value holds from its sample to the next one; ``None`` is a time of not knowing.
Times are ``steady_ms``. A window that knows less than four fifths of its span gives no value: it raises NotKnown.
"""

from __future__ import annotations

from array import array

from edge.rules.instants import Checkpoint, Held, NotKnown

STEPS = 60
COVERAGE = 0.8


class Stepped:
    """Known time and its integral for each step, in two rings of numbers that are made once.

    A window takes the same memory from its first minute to its last year.
    """

    __slots__ = (
        "_area",
        "_held",
        "_held_at",
        "_integral",
        "_known",
        "_ms",
        "_oldest",
        "_span",
        "_step",
        "_sum_anew_at",
    )

    def __init__(self, span_ms: int) -> None:
        self._span = max(span_ms, 1)
        self._step = max(self._span // STEPS, 1)
        size = self._span // self._step + 2
        self._ms = array("q", bytes(8 * size))
        self._area = array("d", bytes(8 * size))
        self._oldest = 0
        self._known = 0
        self._integral = 0.0
        self._sum_anew_at = 0
        self._held: Held = None
        self._held_at: int | None = None

    def push(self, value: Held, at: int) -> None:
        self._advance(at)
        self._held = value

    def _advance(self, now: int) -> None:
        """Forget what left the window, then credit the held value with the time since it was last credited.

        Time never goes back: what comes late counts from the newest instant that was seen.
        """
        at = self._held_at
        if at is not None and now <= at:
            return
        first = (now - self._span) // self._step + 1
        if at is not None and at <= first * self._step:
            self._renew(first, now)
        elif self._oldest < first:
            self._expire(first)
        if at is not None and at > first * self._step and self._held is not None:
            self._credit(float(self._held), at, now)
        self._held_at = now

    def _renew(self, first: int, now: int) -> None:
        """Nothing of the window is older than the held value: fill it at once instead of step by step."""
        value, step, size = self._held, self._step, len(self._ms)
        self._ms, self._area = array("q", bytes(8 * size)), array("d", bytes(8 * size))
        self._oldest, self._sum_anew_at = first, first + STEPS
        self._known, self._integral = 0, 0.0
        whole = (now - 1) // step - first
        if value is None or whole < 0:
            return
        held = float(value)
        start = first % size
        head = min(whole, size - start)
        rest = whole - head
        each, area = array("q", [step]), array("d", [held * step])
        self._ms[start : start + head], self._ms[:rest] = each * head, each * rest
        self._area[start : start + head], self._area[:rest] = area * head, area * rest
        self._add(first + whole, held, now - (first + whole) * step)
        self._known = now - first * step
        self._integral = held * self._known

    def _credit(self, value: float, start: int, end: int) -> None:
        step = self._step
        index, last = start // step, (end - 1) // step
        if index < last:  # the rest of a step, whole steps, the beginning of one
            self._add(index, value, (index + 1) * step - start)
            for whole in range(index + 1, last):
                self._add(whole, value, step)
            self._add(last, value, end - last * step)
        else:
            self._add(index, value, end - start)
        self._known += end - start
        self._integral += value * (end - start)

    def _add(self, index: int, value: float, ms: int) -> None:
        slot = index % len(self._ms)
        self._ms[slot] += ms
        self._area[slot] += value * ms

    def _expire(self, first: int) -> None:
        known, area, size = self._ms, self._area, len(self._ms)
        for index in range(max(self._oldest, first - size), first):
            slot = index % size
            self._known -= known[slot]
            self._integral -= area[slot]
            known[slot], area[slot] = 0, 0.0
        self._oldest = first
        if first >= self._sum_anew_at:  # so that no error piles up over weeks
            self._integral = sum(area)
            self._sum_anew_at = first + STEPS

    def _require(self, now: int) -> None:
        self._advance(now)
        if self._held is None or self._known < COVERAGE * self._span:
            raise NotKnown

    def checkpoint(self) -> Checkpoint:
        size = len(self._ms)
        slots = [(index, index % size) for index in range(self._oldest, self._oldest + size)]
        steps = [[index, self._ms[slot], self._area[slot]] for index, slot in slots if self._ms[slot]]
        return {"step": self._step, "steps": steps, "at": self._held_at}

    def restore(self, saved: Checkpoint, shift: int) -> None:
        if saved["step"] != self._step or not saved["steps"]:
            return  # the span was edited meanwhile: fill anew
        moved, size = round(shift / self._step), len(self._ms)
        newest = saved["steps"][-1][0]
        for index, ms, area in saved["steps"]:
            if index > newest - size:
                slot = (index + moved) % size
                self._ms[slot], self._area[slot] = round(ms), area
        self._held, self._held_at = None, None  # what was held before is not what these steps are of
        self._oldest = newest + moved - size + 1
        self._known = sum(self._ms)
        self._integral = sum(self._area)
