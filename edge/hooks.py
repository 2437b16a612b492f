"""rules → people on site: a command and a web address that are told of life-safety alarms, cloud or no cloud.

Runs beside the flow and never holds it up: each call has a timeout, failures are logged, and while one runs the next
ones wait in line.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from contract.messages import AlarmChanged, AlarmCleared, AlarmRaised, Record, Severity
from edge.site import Hooks
from edge.store import Log

if TYPE_CHECKING:
    import httpx

MOST_WAITING = 100


@dataclass(frozen=True, slots=True)
class Call:
    """What the hooks are told, as JSON on the command's standard input and as the body of the web request."""

    event: str
    """``raised`` or ``cleared``."""
    equipment: str
    rule: str
    at: str

    def body(self) -> bytes:
        return msgspec.json.encode({"event": self.event, "equipment": self.equipment, "rule": self.rule, "at": self.at})


Key = tuple[str, str]
"""Equipment and rule."""


@dataclass(slots=True)
class LifeSafety:
    """Picks the life-safety alarms out of the events.

    Those silenced by a permit to work call nobody until the permit ends; an alarm that becomes life safety later calls then.
    """

    calling: set[Key] = field(default_factory=set)
    severity: dict[Key, Severity] = field(default_factory=dict)
    """Of every active alarm."""
    silenced: set[Key] = field(default_factory=set)

    def calls(self, records: Sequence[Record]) -> list[Call]:
        """What people on site must be told of these events."""
        found = []
        for record in records:
            match record:
                case AlarmRaised():
                    found += self.begin(
                        (record.equipment, record.rule), record.severity, record.suppressed_by, record.raised_at
                    )
                case AlarmChanged():
                    found += self._change((record.equipment, record.rule), record)
                case AlarmCleared():
                    found += self._end((record.equipment, record.rule), record.cleared_at)
        return found

    def begin(self, key: Key, severity: Severity, suppressed_by: str, at: str) -> list[Call]:
        """An alarm is active; also one that a restart finds active."""
        self.severity[key] = severity
        if suppressed_by:
            self.silenced.add(key)
        return self._call(key, at)

    def _change(self, key: Key, changed: AlarmChanged) -> list[Call]:
        if key not in self.severity:
            return []
        if changed.severity is not None:
            self.severity[key] = changed.severity
        if changed.what == "suppressed":
            self.silenced.add(key)
        if changed.what == "unsuppressed":
            self.silenced.discard(key)
        return self._call(key, changed.at)

    def _call(self, key: Key, at: str) -> list[Call]:
        is_due = self.severity[key] is Severity.LIFE_SAFETY and key not in self.silenced and key not in self.calling
        if not is_due:
            return []
        self.calling.add(key)
        return [Call("raised", *key, at)]

    def _end(self, key: Key, at: str) -> list[Call]:
        was_calling = key in self.calling
        self.calling.discard(key)
        self.silenced.discard(key)
        self.severity.pop(key, None)
        return [Call("cleared", *key, at)] if was_calling else []


class Caller:
    """Runs the calls one after another."""

    def __init__(self, hooks: Hooks, log: Log, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._hooks, self._log, self._transport = hooks, log, transport
        self._queue: asyncio.Queue[Call] = asyncio.Queue(MOST_WAITING)

    def use(self, hooks: Hooks) -> None:
        """Call these from now on."""
        self._hooks = hooks

    def ring(self, calls: Sequence[Call]) -> None:
        """Put calls in line; never waits."""
        if not (self._hooks.command or self._hooks.webhook):
            return
        for call in calls:
            try:
                self._queue.put_nowait(call)
            except asyncio.QueueFull:
                self._log.warning("hook_dropped", equipment=call.equipment, rule=call.rule, waiting=MOST_WAITING)

    async def run(self) -> None:
        while True:
            call = await self._queue.get()
            if self._hooks.command:
                await self._command(call)
            if self._hooks.webhook:
                await self._webhook(call, self._hooks.webhook)

    async def _command(self, call: Call) -> None:
        environment = {
            **os.environ, "PLANTROOM_EVENT": call.event, "PLANTROOM_EQUIPMENT": call.equipment,
            "PLANTROOM_RULE": call.rule, "PLANTROOM_AT": call.at,
        }  # fmt: skip
        try:
            process = await asyncio.create_subprocess_exec(
                *self._hooks.command, env=environment, stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        except OSError as error:
            self._log.warning("hook_failed", command=self._hooks.command[0], reason=str(error))
            return
        try:
            async with asyncio.timeout(self._hooks.timeout_ms / 1000):
                await process.communicate(call.body())
        except TimeoutError:
            process.kill()
            await process.wait()
            self._log.warning("hook_failed", command=self._hooks.command[0], reason="it ran into its timeout")
            return
        self._tell("hook_ran", process.returncode == 0, command=self._hooks.command[0], status=process.returncode)

    async def _webhook(self, call: Call, address: str) -> None:
        import httpx

        headers = {"Content-Type": "application/json"}
        try:
            async with httpx.AsyncClient(transport=self._transport, timeout=self._hooks.timeout_ms / 1000) as client:
                answer = await client.post(address, content=call.body(), headers=headers)
        except (httpx.HTTPError, OSError) as error:
            self._log.warning("hook_failed", webhook=address, reason=f"{type(error).__name__} {error}")
            return
        self._tell("hook_ran", answer.is_success, webhook=address, status=answer.status_code)

    def _tell(self, event: str, is_well: bool, **values: object) -> None:  # noqa: FBT001
        (self._log.info if is_well else self._log.warning)(event if is_well else "hook_failed", **values)
