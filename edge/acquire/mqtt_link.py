"""acquire, the broker: one MQTT connection on the event loop, with a session that outlives it.

paho-mqtt is driven directly because two things are needed at once that a wrapper hides: acknowledging a message only when
its samples are safe, and not reading the socket while the gateway is behind, so that a flood waits in the network and not
in memory.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.acquire.line import NotConnected, client_context
from edge.clock import Clock
from edge.site import Bus

HANDSHAKE_S = 5.0
VERSION_5_S = 2.0
"""Some brokers that know only 3.1.1 do not refuse a version 5 greeting but wait for the rest of it for ever."""
KEEP_ALIVE_S = 60
MISC_S = 1.0
SESSION_S = 7 * 86_400
"""How long a version 5 broker keeps our subscriptions and messages while we are away."""
IN_FLIGHT = 1000
"""Messages a version 5 broker may send ahead of our acknowledgements; 3.1.1 leaves that to the broker (often 20)."""
TOPICS_PER_SUBSCRIBE = 200
UNSUPPORTED_VERSION = 132

Received = Callable[[paho.MQTTMessage], None]


class MqttLink:
    """One connection. Version 5 is tried first, 3.1.1 is for brokers that refuse it. ``connect`` may be called again."""

    def __init__(self, bus: Bus, clock: Clock, received: Received) -> None:
        self.bus = bus
        self._clock = clock
        self._received = received
        self._version = MQTTProtocolVersion.MQTTv5
        self._client: paho.Client | None = None
        self._socket: socket.socket | None = None
        self._accepted: asyncio.Future[ReasonCode] | None = None
        self._granted: dict[int, asyncio.Future[Sequence[ReasonCode]]] = {}
        self._lost = asyncio.Event()
        self._lost_why = ""
        self._is_paused = False
        self._is_version_in_doubt = False
        self.generation = 0
        """Counts connections: an acknowledgement belongs to the one its message came on."""

    @property
    def is_open(self) -> bool:
        return self._client is not None and not self._lost.is_set()

    # --- connecting ---------------------------------------------------------------------------------------------

    async def connect(self, topics: Sequence[str]) -> list[str]:
        """Connect and subscribe; the topics that the broker refused. Raises NotConnected saying why."""
        try:
            await self._handshake()
        except NotConnected:
            if self._version is not MQTTProtocolVersion.MQTTv5 or not self._is_version_in_doubt:
                raise
            await self._handshake_as_before()
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                return await self._subscribe(topics)
        except TimeoutError:
            raise NotConnected("the broker did not confirm the subscriptions") from None

    async def _handshake_as_before(self) -> None:
        """Version 3.1.1, which is kept only if it works: a broker that was just starting may well speak 5 later."""
        self._version = MQTTProtocolVersion.MQTTv311
        try:
            await self._handshake()
        except NotConnected:
            self._version = MQTTProtocolVersion.MQTTv5
            raise

    async def _handshake(self) -> None:
        self.close()
        self.generation += 1
        self._lost.clear()
        self._is_paused = self._is_version_in_doubt = False
        loop = asyncio.get_running_loop()
        self._accepted = loop.create_future()
        try:
            self._client = client = self._make_client(loop)
            await loop.run_in_executor(None, client.reconnect)
            is_five = self._version is MQTTProtocolVersion.MQTTv5
            async with asyncio.timeout(VERSION_5_S if is_five else HANDSHAKE_S):
                code = await self._accepted
        except TimeoutError:
            self._is_version_in_doubt = True
            raise NotConnected("the broker did not answer the greeting") from None
        except (OSError, ValueError) as error:
            raise NotConnected(f"broker {self.bus.host}:{self.bus.port}: {error}") from error
        if code.is_failure:
            self._is_version_in_doubt = code.value == UNSUPPORTED_VERSION
            raise NotConnected(f"the broker refuses: {code}")

    def _make_client(self, loop: asyncio.AbstractEventLoop) -> paho.Client:
        is_five = self._version is MQTTProtocolVersion.MQTTv5
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=self.bus.client_id, protocol=self._version,
            clean_session=None if is_five else False, reconnect_on_failure=False, manual_ack=True,
        )  # fmt: skip
        client.connect_timeout = HANDSHAKE_S
        login = self.bus.read_login()
        if login is not None:
            client.username_pw_set(*login)
        if self.bus.tls is not None:
            client.tls_set_context(client_context(self.bus.tls))
        self._wire(client, loop)
        properties = None
        if is_five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_S
            properties.ReceiveMaximum = IN_FLIGHT
        client.connect_async(
            self.bus.host, self.bus.port, KEEP_ALIVE_S, properties=properties,
            clean_start=False if is_five else paho.MQTT_CLEAN_START_FIRST_ONLY,
        )  # fmt: skip
        return client

    def _wire(self, client: paho.Client, loop: asyncio.AbstractEventLoop) -> None:
        """Paho calls back from the thread that connects or from the loop; what touches the loop goes there."""
        home = threading.get_ident()

        def at_home(act: Callable[..., object], *arguments: Any) -> None:  # noqa: ANN401
            if not loop.is_running():
                return  # the process ends: paho's destructor still tells of its socket
            if threading.get_ident() == home:
                act(*arguments)
            else:
                loop.call_soon_threadsafe(act, *arguments)

        client.on_socket_open = lambda _c, _u, opened: at_home(self._opened, client, opened)
        client.on_socket_close = lambda _c, _u, closed: at_home(self._closed, client, closed)
        client.on_socket_register_write = lambda _c, _u, sock: at_home(self._want_write, client, sock)
        client.on_socket_unregister_write = lambda _c, _u, sock: at_home(loop.remove_writer, sock)
        client.on_connect = lambda _c, _u, _flags, code, _p: at_home(self._answered, client, code)
        client.on_disconnect = lambda _c, _u, _flags, code, _p: at_home(self._lose, client, str(code))
        client.on_subscribe = lambda _c, _u, mid, codes, _p: at_home(self._confirmed, mid, codes)
        client.on_message = lambda _c, _u, message: self._received(message)

    def _opened(self, client: paho.Client, opened: Any) -> None:  # noqa: ANN401 - plain or TLS socket
        if client is self._client:
            self._socket = opened
            asyncio.get_running_loop().add_reader(opened, self._read, client)

    def _closed(self, client: paho.Client, closed: Any) -> None:  # noqa: ANN401 - plain or TLS socket
        loop = asyncio.get_running_loop()
        loop.remove_reader(closed)
        loop.remove_writer(closed)
        if closed is self._socket:
            self._socket = None
        self._lose(client, "the connection was closed")

    def _want_write(self, client: paho.Client, sock: Any) -> None:  # noqa: ANN401 - plain or TLS socket
        if sock.fileno() >= 0:
            asyncio.get_running_loop().add_writer(sock, client.loop_write)

    def _answered(self, client: paho.Client, code: ReasonCode) -> None:
        if client is self._client and self._accepted is not None and not self._accepted.done():
            self._accepted.set_result(code)

    def _confirmed(self, mid: int, codes: Sequence[ReasonCode]) -> None:
        waiting = self._granted.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(codes)

    def _lose(self, client: paho.Client, why: str) -> None:
        if client is not self._client or self._lost.is_set():
            return
        self._lost_why = why
        self._lost.set()
        gone = NotConnected(f"the broker closed the connection: {why}")
        if self._accepted is not None and not self._accepted.done():
            self._is_version_in_doubt = True
            self._accepted.set_exception(gone)
        for waiting in self._granted.values():
            if not waiting.done():
                waiting.set_exception(gone)
        self._granted.clear()

    async def _subscribe(self, topics: Sequence[str]) -> list[str]:
        refused: list[str] = []
        for start in range(0, len(topics), TOPICS_PER_SUBSCRIBE):
            part = topics[start : start + TOPICS_PER_SUBSCRIBE]
            codes = await self._subscribe_some(part)
            refused += [topic for topic, code in zip(part, codes, strict=False) if code.is_failure]
        return refused

    async def _subscribe_some(self, topics: Sequence[str]) -> Sequence[ReasonCode]:
        if self._client is None or self._lost.is_set():
            raise NotConnected(f"the broker closed the connection: {self._lost_why}")
        wanted: list[tuple[str, Any]] = [(topic, 1) for topic in topics]
        if self._version is MQTTProtocolVersion.MQTTv5:
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            wanted = [(topic, options) for topic in topics]
        result, mid = self._client.subscribe(wanted)
        if result is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise NotConnected(f"cannot subscribe: {paho.error_string(result)}")
        waiting: asyncio.Future[Sequence[ReasonCode]] = asyncio.get_running_loop().create_future()
        self._granted[mid] = waiting
        return await waiting

    # --- running ------------------------------------------------------------------------------------------------

    async def wait_lost(self) -> str:
        """Keep the connection alive until it is lost; why it was."""
        while not self._lost.is_set():
            if self._client is not None:
                self._client.loop_misc()
            try:
                async with asyncio.timeout(MISC_S):
                    await self._lost.wait()
            except TimeoutError:
                continue
        return self._lost_why

    def _read(self, client: paho.Client) -> None:
        """Read what is there, stopping as soon as the gateway is behind. TLS may hold more than the socket shows."""
        while client.loop_read() is MQTTErrorCode.MQTT_ERR_SUCCESS and not self._is_paused:
            pending = getattr(self._socket, "pending", None)
            if pending is None or not pending():
                return

    def pause(self) -> None:
        """Stop reading; the broker and the network hold what comes."""
        if not self._is_paused and self._socket is not None:
            self._is_paused = True
            asyncio.get_running_loop().remove_reader(self._socket)

    def resume(self) -> None:
        """Read on."""
        if self._is_paused and self._socket is not None and self._client is not None:
            self._is_paused = False
            asyncio.get_running_loop().add_reader(self._socket, self._read, self._client)
            self._read(self._client)

    def acknowledge(self, generation: int, messages: Sequence[tuple[int, int]]) -> None:
        """Tell the broker that (mid, qos) are safe. Those of an earlier connection will be sent again and are left."""
        if generation != self.generation or not self.is_open or self._client is None:
            return
        for mid, qos in messages:
            if qos > 0:
                self._client.ack(mid, qos)

    def close(self) -> None:
        """Leave; the broker keeps the session."""
        client, self._client = self._client, None
        if client is not None and self._socket is not None:
            client.disconnect()
            client.loop_write()  # says good-bye and closes the socket, unless the network is stuck
        stuck = self._socket
        if stuck is not None and client is not None:
            self._closed(client, stuck)
            stuck.close()
