"""deeds → world: plays a scenario's timeline on a stage, looks where it is told to look, and notes what it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from contract.conventions import EpochMs, format_instant
from simulators import scenario_steps as s
from simulators.expect import Miss, Times, duration
from simulators.raw_reply import HEALTHY, Misbehaviour
from simulators.run_facts import Row, alarms_of, tickets_of
from simulators.run_forms import changed_targets, good_answers
from simulators.run_plan import Deed
from simulators.run_stage import Reply, Stage
from simulators.run_timeline import Event
from simulators.scenario_times import parse_at

_INSTANTS = ("until", "made_at", "begins_at", "ends_at", "from", "to")
"""Keys of a call whose value may be written as a time of the scenario."""
_SETTINGS: Mapping[str, tuple[str, str]] = {
    "targets": ("POST", "/api/v1/targets"), "calendar": ("PUT", "/api/v1/calendars/{name}"),
    "confirm_year": ("POST", "/api/v1/calendars/{name}/confirm"), "chain": ("PUT", "/api/v1/calls/chains"),
    "contact": ("PUT", "/api/v1/calls/contacts"), "channel": ("POST", "/api/v1/calls/channels"),
    "duty": ("PUT", "/api/v1/calls/duties"), "limit": ("POST", "/api/v1/directives"),
    "equipment": ("POST", "/api/v1/equipment"),
}  # fmt: skip
_VERSIONED = ("targets", "calendar", "confirm_year")


class Conductor:
    """Does one scenario's deeds."""

    def __init__(self, stage: Stage, times: Times) -> None:
        self._stage, self._times = stage, times
        self.misses: list[Miss] = []
        self.met = 0
        self.events: list[Event] = []
        self._deed: Deed
        self._calls = 0
        self._do: Mapping[type[s.Step], Callable[[Any], Awaitable[None]]] = {
            s.Inject: self._inject, s.Clear: self._clear, s.Act: self._act, s.Call: self._call,
            s.Settings: self._settings, s.Shelve: self._shelve, s.OutOfService: self._out_of_service,
            s.Form: self._form, s.Cut: self._cut, s.Mend: self._mend, s.Kill: self._kill, s.Stop: self._stop,
            s.Launch: self._launch, s.Restart: self._restart, s.ClockJump: self._jump,
            s.Misbehave: self._misbehave, s.Sensor: self._sensor, s.ExpectTicket: self._expect_ticket,
            s.ExpectAlarm: self._expect_alarm, s.ExpectValue: self._expect_value,
        }  # fmt: skip

    async def do(self, deed: Deed) -> None:
        """Do one thing, now."""
        self._deed = deed
        await self._do[type(deed.step)](deed.step)

    @property
    def _is_end(self) -> bool:
        """Whether what lasts is over."""
        return self._deed.is_end

    # --- plant --------------------------------------------------------------------------------------------------

    async def _inject(self, step: s.Inject) -> None:
        await self._stage.change(
            "clear" if self._is_end else "inject", step.equipment, step.inject, (step.onset or 0) / 1000
        )

    async def _clear(self, step: s.Clear) -> None:
        await self._stage.change("clear", step.equipment, step.clear, 0.0)

    async def _misbehave(self, step: s.Misbehave) -> None:
        how = HEALTHY if self._is_end else Misbehaviour(step.misbehave, step.delay / 1000, step.every)  # type: ignore[arg-type]
        await self._stage.misbehave(step.device, how)
        self._note("plant", f"{step.device} is well again" if self._is_end else f"{step.device} is {step.misbehave}")

    async def _sensor(self, step: s.Sensor) -> None:
        if self._is_end:
            await self._stage.truth(step.device, step.point, step.sensor)
        else:
            await self._stage.lie(step.device, step.point, step.sensor, step.with_)
        self._note(
            "plant", f"{step.device}/{step.point}: " + ("tells the truth" if self._is_end else f"lies: {step.sensor}")
        )

    # --- processes and lines ------------------------------------------------------------------------------------

    async def _cut(self, step: s.Cut) -> None:
        await self._stage.cut(step.cut, is_cut=not self._is_end)
        self._note("world", f"{step.cut} " + ("works again" if self._is_end else "is cut"))

    async def _mend(self, step: s.Mend) -> None:
        await self._stage.cut(step.mend, is_cut=False)
        self._note("world", f"{step.mend} works again")

    async def _kill(self, step: s.Kill) -> None:
        await (self._start(step.kill) if self._is_end else self._stage.kill(step.kill))
        if not self._is_end:
            self._note("world", f"{step.kill} loses its power")

    async def _stop(self, step: s.Stop) -> None:
        await (self._start(step.stop) if self._is_end else self._stage.stop(step.stop))
        if not self._is_end:
            self._note("world", f"{step.stop} is stopped")

    async def _restart(self, step: s.Restart) -> None:
        await (self._start(step.restart) if self._is_end else self._stage.stop(step.restart))

    async def _launch(self, step: s.Launch) -> None:
        await self._start(step.start)

    async def _start(self, process: s.Process) -> None:
        await self._stage.start(process)
        self._note("world", f"{process} is started")

    async def _jump(self, step: s.ClockJump) -> None:
        await self._stage.jump(step.clock, step.jump)
        self._note("world", f"the {step.clock}'s clock jumps {'+' if step.jump > 0 else '-'}{duration(abs(step.jump))}")

    # --- people -------------------------------------------------------------------------------------------------

    async def _act(self, step: s.Act) -> None:
        row = self._ticket(step.ticket, step.number)
        what = f"{step.by}: {step.act} {step.ticket}"
        if row is None:
            self._miss(what, "a ticket to act on", "none")
            return
        path = f"/api/v1/tickets/T-{row['id']:06d}/actions/{step.act}"
        await self._ask(what, step.by, "POST", path, self._instants(step.with_), step.answers)

    async def _call(self, step: s.Call) -> None:
        method, path = step.call.split(" ", 1)
        path = path.replace("{site}", self._stage.site_id)
        body = None if method in ("GET", "DELETE") else self._instants(step.with_)
        await self._ask(f"{step.by}: {step.call}", step.by, method, path, body, step.answers)

    async def _settings(self, step: s.Settings) -> None:
        method, path = _SETTINGS[step.settings]
        body = self._instants(step.with_)
        if step.settings in _VERSIONED:
            body = await self._from_version(step, body)
        if step.settings in ("limit", "equipment"):
            body.setdefault("site", self._stage.site_id)
        if step.settings == "limit":
            body = {"kind": "set_limit", "reason": "as agreed", **body}
        what = f"{step.by}: {step.settings} {step.name}".rstrip()
        await self._ask(what, step.by, method, path.replace("{name}", step.name), body, step.answers)

    async def _from_version(self, step: s.Settings, body: dict[str, Any]) -> dict[str, Any]:
        """A change to the targets in force, as they are: what a person's form starts from."""
        known = await self._stage.ask(step.by, "GET", "/api/v1/targets")
        if not known.is_done:
            return body
        if step.settings == "targets" and "body" not in body:
            body = {"body": changed_targets(known.body["body"], body)}
        return {"seen": known.body["version"], **body}

    async def _shelve(self, step: s.Shelve) -> None:
        equipment, rule, *_ = step.shelve.split("/")
        wish = {"equipment": equipment, "rule": rule, "kind": "shelve"}
        await self._wish(f"{step.by}: shelve {step.shelve}", step.by, wish, step.reason, step.lasts)

    async def _out_of_service(self, step: s.OutOfService) -> None:
        kind = "in_service" if self._is_end else "out_of_service"
        wish = {"equipment": step.out_of_service, "kind": kind}
        await self._wish(f"{step.by}: {step.out_of_service} {kind}", step.by, wish, step.reason, None)

    async def _wish(self, what: str, by: str, wish: dict[str, Any], reason: str, lasts: int | None) -> None:
        wish |= {"site": self._stage.site_id, "reason": reason}
        if lasts is not None:
            wish["until"] = format_instant(self._stage.instant(self._stage.now_ms() + lasts))
        await self._ask(what, by, "POST", "/api/v1/directives", wish, None)

    async def _form(self, step: s.Form) -> None:
        equipment, test, *_ = step.form.split("/")
        path = f"/api/v1/equipment/{self._stage.site_id}/{equipment}/tests/{test}"
        shown = await self._stage.ask(step.by, "GET", f"{path}/form")
        fields = shown.body["fields"] if shown.is_done else {}
        body = {"answers": {**good_answers(fields), **step.with_}}
        await self._ask(f"{step.by}: form {step.form}", step.by, "POST", f"{path}/results", body, step.answers)

    async def _ask(self, what: str, by: str, method: str, path: str, body: object, answers: int | None) -> None:
        self._calls += 1
        reply = await self._stage.ask(by, method, path, body, key=f"scenario-{self._calls}")
        is_right = reply.is_done if answers is None else reply.status == answers
        if is_right:
            self.met += 1
        else:
            self._miss(what, "done" if answers is None else f"answer {answers}", _said(reply))
        self._note("people", what if reply.is_done else f"{what}: {_said(reply)}")

    def _instants(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """A call's body, with times of the scenario as instants."""
        return {key: self._instant(value) if key in _INSTANTS else value for key, value in details.items()}

    def _instant(self, value: object) -> object:
        try:
            at = parse_at(value)
        except ValueError:
            return value
        return format_instant(self._stage.instant(at.instant(self._times.start_ms, self._times.zone)))

    # --- looks --------------------------------------------------------------------------------------------------

    def _ticket(self, key: str, number: int | None) -> Row | None:
        found = tickets_of(self._stage.database, key)
        if number is not None:
            return found[number - 1] if number <= len(found) else None
        return found[-1] if found else None

    async def _expect_ticket(self, step: s.ExpectTicket) -> None:
        found = tickets_of(self._stage.database, step.expect_ticket)
        row = self._ticket(step.expect_ticket, step.number)
        if step.count is not None:
            self._same(f"tickets of {step.expect_ticket}", step.count, len(found))
        elif row is None:
            self._miss(f"ticket {step.expect_ticket}", "one", "none")
        if row is None:
            return
        for said in ("state", "priority", "occurrences"):
            if (expected := getattr(step, said)) is not None:
                self._same(f"ticket {step.expect_ticket}: {said}", expected, row[said])
        if step.past is not None:
            self._same(f"ticket {step.expect_ticket}: past", step.past, bool(row["is_past"]))
        if step.count is None and not (step.state or step.priority or step.occurrences is not None):
            self.met += 1

    async def _expect_alarm(self, step: s.ExpectAlarm) -> None:
        found = alarms_of(self._stage.database, step.expect_alarm)
        self._same(f"alarm {step.expect_alarm}", step.state, found[-1]["state"] if found else "none")

    async def _expect_value(self, step: s.ExpectValue) -> None:
        shown = await self._stage.shown(step.equipment, step.expect_value)
        what = f"value {step.equipment}/{step.expect_value}"
        if shown is None:
            self._miss(what, "a value", "none")
            return
        if step.quality is not None or shown.quality == "bad":
            self._same(f"{what}: quality", step.quality or "good", shown.quality)
        if step.between is not None:
            low, high = step.between
            is_within = isinstance(shown.value, int | float) and low <= shown.value <= high
            self._same(what, f"{low:g} to {high:g}", f"{low:g} to {high:g}" if is_within else str(shown.value))
        if step.is_ is not None:
            self._same(what, step.is_, shown.value)

    def _same(self, what: str, expected: object, found: object) -> None:
        if expected == found:
            self.met += 1
        else:
            self._miss(what, str(expected), str(found))

    def _miss(self, what: str, expected: str, found: str) -> None:
        at_ms: EpochMs = self._deed.at_ms
        when = self._times.written(at_ms)
        self.misses.append(Miss(f"{when} {what}", expected, found, self._deed.line, at_ms))

    def _note(self, who: str, text: str) -> None:
        self.events.append(Event(self._deed.at_ms, who, text))


def _said(reply: Reply) -> str:
    """A refusal in words."""
    if reply.status == 0:
        return f"no answer ({reply.body})"
    body = reply.body if isinstance(reply.body, Mapping) else {}
    errors = "; ".join(f"{one['path']} {one['message']}".strip() for one in body.get("errors", ()))
    return ": ".join(filter(None, (str(reply.status), str(body.get("title", "")), errors)))
