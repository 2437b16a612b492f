"""The whole product on one machine: plant, broker, gateway and cloud as processes, faults in, tickets out.

``plantroom-sim demo`` starts everything on free ports, tells where the dashboard is, injects the scenario's faults and
follows each to its ticket through the cloud's own API. Whatever ends it, no process is left behind.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
from collections.abc import Iterator

from contract.conventions import Exit
from simulators.clock import SystemClock
from simulators.control import ControlError, command
from simulators.demo_cloud import WATCHER, CloudUnreachable, DemoCloud, add_watcher, find_link, gateway_code
from simulators.demo_setup import Options, Setup
from simulators.demo_teller import Teller
from simulators.processes import Family, ProcessFailed, last_lines, program
from simulators.scenario import Expectation, SeenTicket, Step, expectations, judge, schedule

LOOK_S = 0.1
TAIL_MS = 6_000
"""No fault is injected so late that its ticket could not come before the end."""
PAUSE_S = (8.0, 16.0)
"""Between two faults once the scenario is through."""
START_LIMIT_S = 60.0


class Demo:
    """One run."""

    def __init__(self, options: Options, setup: Setup, teller: Teller) -> None:
        self._options, self._setup, self._teller = options, setup, teller
        self._clock = SystemClock()
        self._family = Family(setup.logs)
        self._cloud = DemoCloud(setup.address)
        self._expected: list[Expectation] = []
        self._tickets: dict[str, SeenTicket] = {}

    async def run(self) -> Exit:
        """Start, play, judge, stop. Raises ProcessFailed when a process ends that should run."""
        try:
            await self._start()
            await self._play()
            return self._finish()
        finally:
            self._teller.say("stopping")
            await self._cloud.close()
            await self._family.stop()
            self._teller.say("stopped")

    # --- start ----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        began, setup = self._clock.monotonic_s(), self._setup
        self._teller.say("preparing")
        await self._family.start("broker", setup.broker_command)
        code = await gateway_code(self._family, setup)
        await self._listening("broker", setup.ports.broker)
        await self._family.start("plant", self._plant_command())
        link = await self._start_cloud()
        await self._listening("plant", setup.control_port)
        await self._start_gateway(code)
        self._teller.running(setup, link, self._clock.monotonic_s() - began)

    def _plant_command(self) -> list[str]:
        setup = self._setup
        return [
            *program("plantroom-sim"), "plant", str(setup.site_file), "--control", str(setup.control_port),
            "--seed", str(self._options.seed),
        ]  # fmt: skip

    async def _start_cloud(self) -> str:
        """Start the cloud and sign in; the visitor's one-time address."""
        setup = self._setup
        password = await add_watcher(self._family, setup)
        cloud = await self._family.start(
            "cloud",
            [
                *program("plantroom-cloud"), "serve", "--port", str(setup.ports.cloud), "--data", str(setup.folder),
                "--sign-in-link",
            ],
        )  # fmt: skip
        await self._listening("cloud", setup.ports.cloud)
        await self._cloud.sign_in(WATCHER, password)
        link = find_link(cloud.log.read_text(encoding="utf-8"))
        if link is None:
            raise ProcessFailed(f"the cloud printed no sign-in address:\n{last_lines(cloud.log)}")
        return link

    async def _start_gateway(self, code: str) -> None:
        edge, setup = program("plantroom-edge"), self._setup
        await self._family.run("enrolment", [*edge, "enrol", str(setup.site_file), code])
        await self._family.start("gateway", [*edge, "run", str(setup.site_file), "--data", str(setup.folder)])
        await self._listening("gateway", setup.ports.status)

    async def _listening(self, name: str, port: int) -> None:
        try:
            async with asyncio.timeout(START_LIMIT_S):
                while not await _answers(port):
                    self._family.check()
                    await self._clock.sleep(0.05)
        except TimeoutError as error:
            raise ProcessFailed(f"{name} did not open port {port} within {START_LIMIT_S:.0f} s") from error

    # --- play -----------------------------------------------------------------------------------------------------

    async def _play(self) -> None:
        """Faults and repairs at their times, tickets as they come, until the time is up or for ever."""
        began, end_s = self._clock.monotonic_s(), self._options.seconds
        steps = self._steps()
        upcoming = next(steps, None)
        while end_s is None or self._clock.monotonic_s() - began < end_s:
            self._family.check()
            while upcoming is not None and upcoming.at_ms <= (self._clock.monotonic_s() - began) * 1000:
                await self._do(upcoming)
                upcoming = next(steps, None)
            await self._look()
            await self._clock.sleep(LOOK_S)

    def _steps(self) -> Iterator[Step]:
        faults = self._setup.scenario.faults
        if self._options.seconds is not None:
            last_ms = self._options.seconds * 1000 - TAIL_MS
            yield from schedule(faults, last_ms)
            return
        yield from schedule(faults)
        chance, at_ms = random.Random(self._options.seed), max((one.at + one.lasts for one in faults), default=0)
        while faults:
            chosen = chance.choice(faults)
            at_ms += round(chance.uniform(*PAUSE_S) * 1000)
            yield Step(at_ms, "inject", chosen.equipment, chosen.fault)
            at_ms += chosen.lasts
            yield Step(at_ms, "clear", chosen.equipment, chosen.fault)

    async def _do(self, step: Step) -> None:
        wish = {"do": step.do, "equipment": step.equipment, "fault": step.fault}
        try:
            at_ms = (await command(self._setup.control_port, wish))["at_ms"]
        except ControlError as error:
            self._family.check()
            raise ProcessFailed(f"the simulated plant refused: {error}") from error
        if step.do != "inject":
            return
        for expected in expectations(step.equipment, step.fault, at_ms, self._setup.site):
            known = next((one for one in self._tickets.values() if one.key == expected.key), None)
            self._teller.injected(expected, known)
            self._expected.append(expected)

    async def _look(self) -> None:
        try:
            tickets = await self._cloud.tickets()
        except CloudUnreachable:
            return  # a cloud that is gone for good is found by the family's check
        for ticket in tickets:
            if ticket.id not in self._tickets:
                self._tickets[ticket.id] = ticket
                self._teller.opened(ticket)

    # --- finish ---------------------------------------------------------------------------------------------------

    def _finish(self) -> Exit:
        verdict = judge(self._expected, list(self._tickets.values()))
        self._teller.verdict(self._expected, list(self._tickets.values()), verdict)
        return Exit.DONE if verdict.is_right else Exit.FINDING


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def run_demo(options: Options, setup: Setup, teller: Teller) -> Exit:
    """Run the demo until its time is up or a signal comes; the folder is removed unless something went wrong.

    Raises ProcessFailed, after everything has been stopped, when a process failed.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
    try:
        outcome = await Demo(options, setup, teller).run()
    except asyncio.CancelledError:
        outcome = Exit.INTERRUPTED
    if setup.is_temporary:
        shutil.rmtree(setup.folder, ignore_errors=True)
    return outcome
