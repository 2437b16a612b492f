"""Faults in, tickets out: the scenario played on the running product, each fault followed to its ticket.

``plantroom-sim demo`` starts everything on free ports, tells where the dashboard is, injects the scenario's faults and
follows each through the cloud's own API. Whatever ends it, no process is left behind.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any

from contract.conventions import Exit
from simulators.demo_cloud import CloudUnreachable
from simulators.demo_setup import Options, Setup
from simulators.demo_teller import Teller
from simulators.player import endless
from simulators.scenario import Expectation, SeenTicket, Step, expectations, judge, schedule
from simulators.stack import Stack

LOOK_S = 0.1
TAIL_MS = 6_000
"""No fault is injected so late that its ticket could not come before the end."""


class Demo:
    """One run."""

    def __init__(self, options: Options, setup: Setup, teller: Teller) -> None:
        self._options, self._setup, self._teller = options, setup, teller
        self._stack = Stack(setup, seed=options.seed)
        self._clock = self._stack.clock
        self._expected: list[Expectation] = []
        self._tickets: dict[str, SeenTicket] = {}
        self._told = 0
        """How many changes of the plant have been told."""

    async def run(self) -> Exit:
        """Start, play, judge, stop. Raises ProcessFailed when a process ends that should run."""
        began = self._clock.monotonic_s()
        self._teller.say("preparing")
        try:
            await self._stack.start()
            self._teller.running(self._setup, self._stack.link, self._clock.monotonic_s() - began, self._stack.panel)
            await self._play()
            return self._finish()
        finally:
            self._teller.say("stopping")
            await self._stack.stop()
            self._teller.say("stopped")

    async def _play(self) -> None:
        """Faults and repairs at their times, tickets as they come, until the time is up or for ever."""
        began, end_s = self._clock.monotonic_s(), self._options.seconds
        steps = self._steps()
        upcoming = next(steps, None)
        while end_s is None or self._clock.monotonic_s() - began < end_s:
            self._stack.family.check()
            while upcoming is not None and upcoming.at_ms <= (self._clock.monotonic_s() - began) * 1000:
                await self._stack.change(upcoming.do, upcoming.equipment, upcoming.fault)
                upcoming = next(steps, None)
            await self._look()
            await self._clock.sleep(LOOK_S)

    def _steps(self) -> Iterator[Step]:
        faults = self._setup.scenario.faults
        if self._options.seconds is None:
            return endless(faults, self._options.seed)
        return iter(schedule(faults, self._options.seconds * 1000 - TAIL_MS))

    async def _look(self) -> None:
        """Tell of the faults that came, by the scenario or by hand, and of the tickets that followed."""
        try:
            tickets = await self._stack.cloud.tickets()
        except CloudUnreachable:
            return  # a cloud that is gone for good is found by the family's check
        await self._look_at_plant()
        for ticket in tickets:
            if ticket.id not in self._tickets:
                self._tickets[ticket.id] = ticket
                self._teller.opened(ticket)

    async def _look_at_plant(self) -> None:
        changes = await self._stack.history(self._told)
        self._told += len(changes)
        for change in changes:
            if change.do == "clear":
                continue
            for expected in expectations(change.equipment, change.fault, change.at_ms, self._setup.site):
                known = next((one for one in self._tickets.values() if one.key == expected.key), None)
                self._teller.injected(expected, known)
                self._expected.append(expected)

    def _finish(self) -> Exit:
        verdict = judge(self._expected, list(self._tickets.values()))
        self._teller.verdict(self._expected, list(self._tickets.values()), verdict)
        return Exit.DONE if verdict.is_right else Exit.FINDING


async def run_demo(options: Options, setup: Setup, teller: Teller) -> Exit:
    """Run the demo until its time is up or a signal comes; the folder is removed unless something went wrong.

    Raises ProcessFailed, after everything has been stopped, when a process failed.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _once(task))
    try:
        outcome = await Demo(options, setup, teller).run()
    except asyncio.CancelledError:
        outcome = Exit.INTERRUPTED
    if setup.is_temporary:
        shutil.rmtree(setup.folder, ignore_errors=True)
    return outcome


def _once(task: asyncio.Task[Any] | None) -> Callable[[], None]:
    """Cancel at the first signal; a second one must not disturb the stopping."""

    def interrupt() -> None:
        if task is not None and not task.cancelling():
            task.cancel()

    return interrupt
