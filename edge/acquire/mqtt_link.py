"""acquire, the broker: one MQTT connection on the event loop, with a session that outlives it.

Two things a general client hides are needed at once: acknowledging a message only when its samples are safe, and not
reading the socket while the gateway is behind, so that a flood waits in the network and not in memory.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from socket import gaierror
from typing import Any

from edge.acquire.line import NotConnected, client_context
from edge.acquire.mqtt_packets import (
    CONNACK,
    DISCONNECT,
    DISCONNECT_PACKET,
    FAILED,
    PINGREQ_PACKET,
    SUBACK,
    UNSUPPORTED_VERSION,
    Greeting,
    NotMqtt,
    Packet,
    PacketBuffer,
    Version,
    build_acknowledgements,
    build_connect,
    build_subscribe,
    parse_farewell,
    parse_granted,
    parse_greeting,
    say,
)
from edge.clock import Clock
from edge.decode.payload import Publication
from edge.site import Bus

CONNECT_S = 5.0
HANDSHAKE_S = 5.0
VERSION_5_S = 2.0
"""Some brokers that know only 3.1.1 do not refuse a version 5 greeting but wait for the rest of it for ever."""
KEEP_ALIVE_S = 60
SESSION_S = 7 * 86_400
"""How long a version 5 broker keeps our subscriptions and messages while we are away."""
IN_FLIGHT = 65_535
"""Messages a version 5 broker may send ahead of our acknowledgements; 3.1.1 leaves that to the broker (often 20)."""
TOPICS_PER_SUBSCRIBE = 200

Received = Callable[[list[Publication]], None]


class _Talk(asyncio.Protocol):
    """One connection's bytes."""

    def __init__(self, version: Version, received: Received) -> None:
        loop = asyncio.get_running_loop()
        self.version = version
        self.greeting: asyncio.Future[Greeting] = loop.create_future()
        self.granted: dict[int, asyncio.Future[Sequence[int]]] = {}
        self.lost = asyncio.Event()
        self.why = ""
        self.is_cut = False
        """Whether the other side ended it without a word."""
        self.heard_at = loop.time()
        self.wire: asyncio.Transport | None = None
        self._buffer, self._received, self._loop = PacketBuffer(version), received, loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.wire = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_cut = not self.lost.is_set() and not isinstance(exc, ssl.SSLError)
        self.end(_ended(exc) if exc is not None else "the broker closed the connection")

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        try:
            found = self._buffer.feed(data)
            messages = [one for one in found if isinstance(one, Publication)]
            for one in found if len(messages) < len(found) else ():
                if isinstance(one, Packet):
                    self._understand(one)
        except NotMqtt as error:
            self.end(str(error))
            return
        if messages:
            self._received(messages)

    def _understand(self, packet: Packet) -> None:
        if packet.kind == CONNACK and not self.greeting.done():
            self.greeting.set_result(parse_greeting(packet.body))
        elif packet.kind == SUBACK:
            mid, codes = parse_granted(packet.body, self.version)
            waiting = self.granted.pop(mid, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(codes)
        elif packet.kind == DISCONNECT:
            self.end(f"the broker says good-bye: {parse_farewell(packet.body)}")

    def write(self, data: bytes) -> None:
        if self.wire is not None and not self.wire.is_closing():
            self.wire.write(data)

    def end(self, why: str) -> None:
        """Nothing more is said or heard. The first reason counts."""
        if self.lost.is_set():
            return
        self.why = why
        self.lost.set()
        _disappoint(self.greeting, why)
        for waiting in self.granted.values():
            _disappoint(waiting, why)
        if self.wire is not None:
            self.wire.close()


def _disappoint(waiting: asyncio.Future[Any], why: str) -> None:
    if not waiting.done():
        waiting.set_exception(NotConnected(why))
        waiting.exception()  # read, for nobody may be waiting


class MqttLink:
    """One connection. Version 5 is tried first, 3.1.1 is for brokers that refuse it, unless the site file names one.

    ``connect`` may be called again.
    """

    def __init__(self, bus: Bus, clock: Clock, received: Received, session_s: int = SESSION_S) -> None:
        self.bus = bus
        self._clock = clock
        self._received = received
        self._session_s = session_s
        self._version: Version = 4 if bus.mqtt_version == "3.1.1" else 5
        self._talk: _Talk | None = None
        self._is_paused = False
        self._is_version_in_doubt = False
        self._keep_alive_s = KEEP_ALIVE_S
        self._mid = 0
        self.generation = 0
        """Counts connections: an acknowledgement belongs to the one its message came on."""

    @property
    def is_open(self) -> bool:
        return self._talk is not None and not self._talk.lost.is_set()

    @property
    def version(self) -> str:
        """What is spoken: ``3.1.1`` or ``5``."""
        return "5" if self._version == 5 else "3.1.1"

    # --- connecting ---------------------------------------------------------------------------------------------

    async def connect(self, topics: Sequence[str]) -> list[str]:
        """Connect and subscribe; the topics that the broker refused. Raises NotConnected saying why and what to do."""
        try:
            await self._handshake()
        except NotConnected:
            if self._version == 4 or self.bus.mqtt_version or not self._is_version_in_doubt:
                raise
            await self._handshake_as_before()
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                return await self._subscribe(topics)
        except TimeoutError:
            raise NotConnected(f"{self._where} did not confirm the subscriptions") from None

    @property
    def _where(self) -> str:
        return f"broker {self.bus.host}:{self.bus.port}"

    async def _handshake_as_before(self) -> None:
        """Version 3.1.1, which is kept only if it works: a broker that was just starting may well speak 5 later."""
        self._version = 4
        try:
            await self._handshake()
        except NotConnected:
            self._version = 5
            raise

    async def _handshake(self) -> None:
        self.close()
        self.generation += 1
        self._is_paused = self._is_version_in_doubt = False
        try:
            hello = build_connect(
                self._version, self.bus.client_id, KEEP_ALIVE_S, self.bus.read_login(), self._session_s, IN_FLIGHT
            )
            self._talk = talk = await self._open()
        except TimeoutError:
            raise NotConnected(f"{self._where} did not accept within {CONNECT_S:g} s; check host and port") from None
        except (OSError, ValueError) as error:
            raise NotConnected(f"{self._where}: {_refused(error)}") from error
        talk.write(hello)
        try:
            async with asyncio.timeout(VERSION_5_S if self._version == 5 else HANDSHAKE_S):
                greeting = await talk.greeting
        except TimeoutError:
            self._is_version_in_doubt = True
            raise NotConnected(f"{self._where} did not answer the greeting; check that it is an MQTT port") from None
        except NotConnected as error:
            self._is_version_in_doubt = True
            raise NotConnected(f"{self._where}: {error}{self._hint() if talk.is_cut else ''}") from None
        if greeting.code:
            self._is_version_in_doubt = greeting.code in UNSUPPORTED_VERSION
            reason = f" ({greeting.reason})" if greeting.reason else ""
            raise NotConnected(f"{self._where} refuses: {say(greeting.code)}{reason}")
        self._keep_alive_s = greeting.keep_alive_s or KEEP_ALIVE_S

    def _hint(self) -> str:
        """What often makes a broker hang up before a word was said."""
        if self.bus.tls is None:
            return "; if that is its TLS port, write mqtts:// instead of mqtt://"
        if self.bus.tls.cert_file is None:
            return "; if it wants a client certificate, name cert_file and key_file"
        return "; its log says why"

    async def _open(self) -> _Talk:
        context = client_context(self.bus.tls) if self.bus.tls is not None else None
        async with asyncio.timeout(CONNECT_S):
            version, received = self._version, self._received
            loop = asyncio.get_running_loop()
            opened = await loop.create_connection(
                lambda: _Talk(version, received), self.bus.host, self.bus.port, ssl=context
            )
        return opened[1]

    async def _subscribe(self, topics: Sequence[str]) -> list[str]:
        refused: list[str] = []
        for start in range(0, len(topics), TOPICS_PER_SUBSCRIBE):
            part = topics[start : start + TOPICS_PER_SUBSCRIBE]
            codes = await self._subscribe_some(part)
            refused += [topic for topic, code in zip(part, codes, strict=False) if code >= FAILED]
        return refused

    async def _subscribe_some(self, topics: Sequence[str]) -> Sequence[int]:
        talk = self._talk
        if talk is None or talk.lost.is_set():
            raise NotConnected(f"{self._where}: {talk.why if talk else 'not connected'}")
        self._mid = self._mid % 65_535 + 1
        waiting: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
        talk.granted[self._mid] = waiting
        talk.write(build_subscribe(self._version, self._mid, topics))
        try:
            return await waiting
        except NotConnected as error:
            raise NotConnected(f"{self._where}: {error}") from None

    # --- running ------------------------------------------------------------------------------------------------

    async def wait_lost(self) -> str:
        """Keep the connection alive until it is lost; why it was."""
        talk = self._talk
        if talk is None:
            return "not connected"
        loop = asyncio.get_running_loop()
        while not talk.lost.is_set():
            try:
                async with asyncio.timeout(self._keep_alive_s / 2):
                    await talk.lost.wait()
            except TimeoutError:
                if not self._is_paused and loop.time() - talk.heard_at > self._keep_alive_s * 1.5:
                    talk.end(f"the broker said nothing for {loop.time() - talk.heard_at:.0f} s")
                talk.write(PINGREQ_PACKET)
        again = f"; if that repeats, see its log: often a second client has the client_id {self.bus.client_id}"
        return f"{self._where}: {talk.why}{again if talk.is_cut else ''}"

    def pause(self) -> None:
        """Stop reading; the broker and the network hold what comes."""
        if not self._is_paused and self._talk is not None and self._talk.wire is not None:
            self._is_paused = True
            self._talk.wire.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._is_paused and self._talk is not None and self._talk.wire is not None:
            self._is_paused = False
            self._talk.heard_at = asyncio.get_running_loop().time()
            self._talk.wire.resume_reading()

    def acknowledge(self, generation: int, mids: Sequence[int]) -> None:
        """Tell the broker that messages are safe. Those of an earlier connection will be sent again and are left."""
        if generation == self.generation and self.is_open and self._talk is not None and mids:
            self._talk.write(build_acknowledgements(mids))

    def close(self) -> None:
        """Leave; the broker keeps the session."""
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.write(DISCONNECT_PACKET)
            talk.end("closed here")


# --- what went wrong, for a person ------------------------------------------------------------------------------------


def _refused(error: OSError | ValueError) -> str:
    """Why no connection came about, and what to do."""
    if isinstance(error, ssl.SSLError):
        return _ended(error)
    if isinstance(error, gaierror):
        return f"its name is not known here ({error.strerror}); check mqtt: or write the address in numbers"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; check host and port (1883 plain, 8883 TLS) and that the broker runs"
    if isinstance(error, FileNotFoundError | PermissionError):
        return f"{error.filename or 'a file of the bus'} cannot be read: {error.strerror}; check credential_file, ca_file, cert_file, key_file"
    if isinstance(error, ConnectionResetError | ConnectionAbortedError):
        return "it hung up on TLS; write mqtt:// instead of mqtts://, or its TLS port (usually 8883)"
    return str(error)


def _ended(error: Exception) -> str:
    """Why a connection broke, with what TLS has to say about it."""
    if not isinstance(error, ssl.SSLError):
        return f"the connection broke: {error}"
    told = f"{error.reason or ''} {getattr(error, 'verify_message', '')} {error}".upper()
    for signs, words in _TLS_WORDS:
        if any(sign in told for sign in signs):
            return words
    return f"TLS failed: {error.reason or error}"


_TLS_WORDS = (
    (("IP ADDRESS MISMATCH", "HOSTNAME MISMATCH", "DOESN'T MATCH"), "its certificate is for another host; write the name that stands in it"),
    (("EXPIRED", "NOT YET VALID"), "its certificate is not valid now; renew it, and check the clocks of both sides"),
    (("CERTIFICATE_VERIFY_FAILED",), "its certificate is not signed by an authority known here; name the authority's certificate as ca_file"),
    (("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "BAD_CERTIFICATE"), "it wants a client certificate that it knows; name cert_file and key_file"),
    (("UNKNOWN_CA",), "it does not know who signed our client certificate; let its authority sign cert_file"),
    (("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF", "EOF", "RECORD_LAYER"), "it speaks no TLS there; write mqtt:// instead of mqtts://, or its TLS port (usually 8883)"),
)  # fmt: skip
