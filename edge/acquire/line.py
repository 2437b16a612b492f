"""acquire, the wire: one connection to one bus, one request on it at a time, and no answer given to the wrong question.

On TCP, TLS and UDP the transaction number tells whose answer came. A serial line has none: ``serial_line``.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from edge.acquire.frames import (
    MBAP_HEAD,
    ExceptionReply,
    Garbled,
    MbapBuffer,
    OutOfStep,
    Read,
    build_mbap,
    mbap_head,
    parse_reply,
)
from edge.clock import Clock
from edge.errors import Transient
from edge.site import Bus, Tls

CONNECT_S = 3.0
LEAVE_TRIES, LEAVE_S = 20, 0.01
ANY_UNIT = (0, 255)
"""Addresses that mean the TCP device itself; such devices answer with whatever number they like."""

Answer = bytes | ExceptionReply


class NotConnected(Transient):
    """The line, or the way to it, is down."""


class NoResponse(Transient):
    """The device did not answer in time."""


class Wire(Protocol):
    """What carries bytes: an asyncio transport or a serial port."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Question:
    transaction: int
    unit: int
    read: Read
    answer: asyncio.Future[Answer]


class Link(asyncio.Protocol):
    """One connection's bytes, in either framing. ``late`` counts answers that came to no open question."""

    def __init__(self) -> None:
        self.question: Question | None = None
        self.late = 0
        self.is_lost = False
        self.is_gone = False
        self.wire: Any = None
        self._alarm: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - stream, datagram or serial
        self.wire = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = self.is_gone = True
        self.fail(NotConnected(f"the connection was lost: {exc}" if exc else "the other side closed the connection"))

    def data_received(self, data: bytes) -> None:
        raise NotImplementedError

    def frame(self, question: Question) -> bytes:
        raise NotImplementedError

    def ask(self, question: Question) -> None:
        self.question = question
        self.send(self.frame(question))

    def send(self, frame: bytes) -> None:
        self.wire.write(frame)

    def expect_within(self, timeout_ms: int) -> None:
        """Give up the open question after so long. One timer a link, moved only when it rings: most answers come in time."""
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + timeout_ms / 1000
        if self._alarm is not None and self._alarm.when() > self._deadline:
            self._alarm.cancel()
            self._alarm = None
        if self._alarm is None:
            self._alarm = loop.call_at(self._deadline, self._look_at_time, loop)

    @property
    def is_torn(self) -> bool:
        """Whether half a frame waits for its rest: the next answer, whosever it is, would be taken for that."""
        return False

    def rest(self) -> None:
        """Close it; nothing is waited for any more."""
        self.is_lost = True
        self.wire.close()
        if self._alarm is not None:
            self._alarm.cancel()

    def _look_at_time(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        if self.question is None or self.question.answer.done():
            return
        if loop.time() < self._deadline:
            self._alarm = loop.call_at(self._deadline, self._look_at_time, loop)
        else:
            self.fail(TimeoutError())

    def fail(self, error: Exception) -> None:
        if self.question is not None and not self.question.answer.done():
            self.question.answer.set_exception(error)

    def settle(self, answer: Answer) -> None:
        if self.question is not None and not self.question.answer.done():
            self.question.answer.set_result(answer)


class _MbapLink(Link):
    """TCP and TLS streams."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = MbapBuffer()
        self._wanted = b""
        """How the whole answer to the open question begins; an exception begins otherwise."""

    def frame(self, question: Question) -> bytes:
        number, (asked, head) = question.transaction.to_bytes(2, "big"), _after_number(question.unit, question.read)
        self._wanted = number + head
        return number + asked

    def data_received(self, data: bytes) -> None:
        if self._is_whole_answer(data):
            self.settle(data[MBAP_HEAD:])
            return
        try:
            for header, pdu in self._buffer.feed(data):
                self._arrived(header.transaction, header.unit, pdu)
        except OutOfStep as error:
            self.fail(error)
            self.is_lost = True
            self.wire.close()

    @property
    def is_torn(self) -> bool:
        """See ``Link``; a datagram is whole or worthless and leaves nothing here."""
        return not self._buffer.is_empty

    def _is_whole_answer(self, data: bytes) -> bool:
        """By far the most frequent case: the answer to the open question, whole and alone."""
        question = self.question
        return (
            question is not None
            and len(data) == MBAP_HEAD + question.read.payload_size
            and data.startswith(self._wanted)
            and self._buffer.is_empty
            and not question.answer.done()
        )

    def _arrived(self, transaction: int, unit: int, pdu: bytes) -> None:
        question = self.question
        if question is None or question.transaction != transaction or question.answer.done():
            self.late += 1
        elif unit != question.unit and question.unit not in ANY_UNIT:
            self.fail(Garbled(f"unit {unit} answers for unit {question.unit}"))
        else:
            try:
                self.settle(parse_reply(question.read, pdu))
            except Garbled as error:
                self.fail(error)


@lru_cache(maxsize=1024)
def _after_number(unit: int, read: Read) -> tuple[bytes, bytes]:
    """A request and the head of its answer, both after the transaction number: the same is asked for years."""
    return build_mbap(0, unit, read)[2:], mbap_head(0, unit, read)[2:]


class _UdpLink(_MbapLink):
    """Each datagram is one frame, whole or worthless."""

    def send(self, frame: bytes) -> None:
        self.wire.sendto(frame)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        try:
            for header, pdu in MbapBuffer().feed(data):
                self._arrived(header.transaction, header.unit, pdu)
        except OutOfStep:
            self.late += 1

    def error_received(self, exc: Exception) -> None:
        """The network said that nobody listens there."""
        self.fail(NotConnected(f"the network refuses: {exc}"))


class Line:
    """The connection of one bus. ``exchange`` is called by one task, one request at a time."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self.bus = bus
        self._clock = clock
        self._link: Link | None = None
        self._transaction = 0
        self._late_before = 0

    @property
    def is_open(self) -> bool:
        return self._link is not None and not self._link.is_lost

    @property
    def late(self) -> int:
        """Answers that came too late or to no question, since the start; all were thrown away."""
        return self._late_before + (self._link.late if self._link else 0)

    async def connect(self) -> None:
        """Open it anew. Raises NotConnected saying why not."""
        self.close()
        try:
            async with asyncio.timeout(CONNECT_S):
                self._link = await self._open()
        except TimeoutError:
            raise NotConnected(f"{self.bus.host}:{self.bus.port} did not accept within {CONNECT_S:g} s") from None
        except (OSError, ValueError) as error:
            raise NotConnected(f"{self._where} cannot be opened: {error}") from error

    @property
    def _where(self) -> str:
        return self.bus.serial_port or f"{self.bus.host}:{self.bus.port}"

    async def _open(self) -> Link:
        loop = asyncio.get_running_loop()
        host, port = self.bus.host, self.bus.port
        if self.bus.kind == "udp":
            return (await loop.create_datagram_endpoint(_UdpLink, remote_addr=(host, port)))[1]
        context = client_context(self.bus.tls) if self.bus.tls is not None else None
        return (await loop.create_connection(_MbapLink, host, port, ssl=context))[1]

    def close(self) -> None:
        """Give the connection up; what still arrives on it goes nowhere."""
        if self._link is not None:
            self._late_before += self._link.late
            self._link.rest()
            self._link = None

    async def leave(self) -> None:
        """Close, and wait a little until the network has taken leave; TLS does that in words."""
        link = self._link
        self.close()
        tries = 0 if link is None or self.bus.serial_port else LEAVE_TRIES
        while tries and link is not None and not link.is_gone:
            tries -= 1
            await self._clock.sleep(LEAVE_S)

    def is_ambiguous(self, unit: int, read: Read) -> bool:  # noqa: ARG002 - what a serial line asks
        """Whether a late answer to an earlier question could be taken for the answer to this one."""
        return False

    def is_in_doubt(self, unit: int) -> bool:  # noqa: ARG002 - what a serial line asks
        """Whether a unit still owes answers that could come late."""
        return False

    async def exchange(self, unit: int, read: Read, timeout_ms: int) -> Answer:
        """Ask and wait. Raises NotConnected, NoResponse, or Garbled for bytes that are no answer to this question."""
        link = self._link
        if link is None or link.is_lost:
            raise NotConnected(f"{self._where} is not connected")
        self._transaction = self._transaction % 0xFFFF + 1
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            link.ask(Question(self._transaction, unit, read, answer))
            if not answer.done():
                link.expect_within(timeout_ms)
            return await answer
        except TimeoutError:
            if link.is_torn:
                link.rest()
                raise NoResponse(f"unit {unit} sent half an answer and no more within {timeout_ms} ms") from None
            raise NoResponse(f"unit {unit} did not answer within {timeout_ms} ms") from None
        finally:
            link.question = None


def client_context(tls: Tls) -> ssl.SSLContext:
    """Checks the other side against ``ca_file`` or the system's authorities, and shows our certificate if we have one.

    Raises OSError, naming the file, for one that cannot be read or holds no certificate or key.
    """
    named = [str(file) for file in (tls.ca_file, tls.cert_file, tls.key_file) if file is not None]
    for file in named:
        with open(file, "rb"):  # noqa: PTH123 - so that the error names it
            pass
    try:
        context = ssl.create_default_context(cafile=None if tls.ca_file is None else str(tls.ca_file))
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except ssl.SSLError as error:
        raise OSError(f"{', '.join(named)}: no certificate, or no key to it: {error}") from error
    return context
