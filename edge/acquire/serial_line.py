"""acquire, the serial line: RTU, where nothing but length and time tells whose answer came.

After a silence a unit is in doubt. It is left alone for a while; then, until its late answer came, a question of another
length was answered in order, or the line has drained, nothing is asked whose answer the late one could be taken for.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.acquire.frames import ExceptionReply, Garbled, OutOfStep, Read, RtuBuffer, build_rtu, parse_reply
from edge.acquire.line import Answer, Line, Link, NoResponse, NotConnected, Question, Wire
from edge.acquire.read_plan import wire_ms
from edge.clock import Clock
from edge.site import Bus

PAUSE_MS = 500
"""How long a unit on a serial line is left alone after a silence, at least; its late answer usually comes meanwhile."""
DRAIN_MS = 3_000
"""How long after a silence a serial answer is thought possible, at least."""
QUIET_S = 0.02
"""Silence that ends a spoiled frame."""


class _RtuLink(Link):
    """A serial line, or a converter that passes its bytes on."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = RtuBuffer()
        self.is_spoiled = False
        self.paid: Callable[[int, int, int], None] = lambda _unit, _function, _size: None

    def frame(self, question: Question) -> bytes:
        frame = build_rtu(question.unit, question.read)
        self._buffer.expect(frame)
        return frame

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._buffer.feed(data):
                self._arrived(frame.unit, frame.pdu)
        except OutOfStep as error:
            self.is_spoiled = True
            self.fail(error)

    def _arrived(self, unit: int, pdu: bytes) -> None:
        question = self.question
        if question is None or question.unit != unit or question.answer.done():
            self._is_late(unit, pdu)
            return
        try:
            self.settle(parse_reply(question.read, pdu))
        except Garbled:
            self._is_late(unit, pdu)  # another length or function: an answer to what was asked before

    def _is_late(self, unit: int, pdu: bytes) -> None:
        self.late += 1
        self.paid(unit, pdu[0], len(pdu) - 2)


@dataclass(slots=True)
class _Doubt:
    """What a unit was asked and did not answer in time: (function, size of a right answer) and how often."""

    since_ms: int
    free_ms: int
    owed: Counter[tuple[int, int]] = field(default_factory=Counter)


class SerialLine(Line):
    """RTU on a serial port, or on a TCP converter that passes a line's bytes on."""

    def __init__(
        self, bus: Bus, clock: Clock, open_port: Callable[[Bus, asyncio.Protocol], Wire], pause_s: float
    ) -> None:
        super().__init__(bus, clock)
        self._open_port = open_port
        self._pause_s = pause_s
        self._doubts: dict[int, _Doubt] = {}

    async def _open(self) -> Link:
        if self.bus.kind == "rtu":
            link = _RtuLink()
            self._open_port(self.bus, link)
        else:
            loop = asyncio.get_running_loop()
            link = (await loop.create_connection(_RtuLink, self.bus.host, self.bus.port))[1]
        link.paid = self._paid
        return link

    def is_in_doubt(self, unit: int) -> bool:
        doubt = self._doubts.get(unit)
        if doubt is not None and self._clock.moment().steady_ms - doubt.since_ms >= DRAIN_MS:
            del self._doubts[unit]
        return unit in self._doubts

    def is_ambiguous(self, unit: int, read: Read) -> bool:
        if not self.is_in_doubt(unit):
            return False
        doubt = self._doubts[unit]
        too_early = self._clock.moment().steady_ms < doubt.free_ms
        return too_early or (read.function, read.payload_size) in doubt.owed

    async def exchange(self, unit: int, read: Read, timeout_ms: int) -> Answer:
        timeout_ms += math.ceil(wire_ms(self.bus, read.payload_size))  # a slow wire is no slow device
        if self.is_ambiguous(unit, read):
            raise NoResponse(f"unit {unit} may still answer an earlier question; waiting for the line to drain")
        was_in_doubt = self.is_in_doubt(unit)
        await self._quiet()
        try:
            answer = await super().exchange(unit, read, timeout_ms)
        except (NotConnected, NoResponse, Garbled):
            self._owes(unit, read, timeout_ms)
            if self.bus.kind == "rtu_over_tcp":
                self.close()  # whatever is still on its way then belongs to no connection
            raise
        if was_in_doubt and isinstance(answer, ExceptionReply):
            self._owes(unit, read, timeout_ms)
            raise Garbled(f"{answer} of unit {unit} could be the answer to an earlier question")
        self._doubts.pop(unit, None)
        return answer

    async def _quiet(self) -> None:
        """The pause between frames, longer after a spoiled one so that its rest passes by."""
        link = self._link
        is_spoiled = isinstance(link, _RtuLink) and link.is_spoiled
        if is_spoiled or self._pause_s:
            await self._clock.sleep(max(self._pause_s, QUIET_S if is_spoiled else 0.0))
        if isinstance(link, _RtuLink):
            link.is_spoiled = False

    def _owes(self, unit: int, read: Read, timeout_ms: int) -> None:
        """A unit with a long time-out is given as long again, and three times that to drain."""
        now_ms = self._clock.moment().steady_ms
        doubt = self._doubts.setdefault(unit, _Doubt(now_ms, now_ms))
        doubt.since_ms = now_ms + max(0, 3 * timeout_ms - DRAIN_MS)
        doubt.free_ms = now_ms + max(PAUSE_MS, timeout_ms)
        doubt.owed[read.function, read.payload_size] += 1

    def _paid(self, unit: int, function: int, size: int) -> None:
        """A late answer came after all."""
        doubt = self._doubts.get(unit)
        if doubt is None or (function, size) not in doubt.owed:
            return
        doubt.owed[function, size] -= 1
        doubt.owed = +doubt.owed
        if not doubt.owed:
            del self._doubts[unit]
