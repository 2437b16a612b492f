"""expectations ↔ facts: what was expected and is not so, each a sentence with the line of the file (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from contract.conventions import EpochMs, from_ms
from simulators.run_facts import Facts, Row, key_of, short_key
from simulators.scenario_expect import (
    Expect,
    ExpectedAlarm,
    ExpectedCall,
    ExpectedClock,
    ExpectedTest,
    ExpectedTicket,
    Window,
)
from simulators.scenario_file import Scenario

_TICKET_FIELDS: Mapping[str, str] = {
    "priority": "priority", "state": "state", "kind": "kind", "holder": "holder", "severity": "severity",
    "occurrences": "occurrences", "activations": "activations", "reopened": "reopened",
}  # fmt: skip
_TICKET_TIMES: Mapping[str, str] = {
    "began": "began_at", "raised": "raised_at", "received": "received_at", "opened": "opened_at",
    "resolved": "resolved_at", "closed": "closed_at",
}  # fmt: skip
_SECOND_MS = 1000


@dataclass(frozen=True, slots=True)
class Times:
    """How a scenario's times become instants, and instants a reader's times."""

    start_ms: EpochMs
    zone: ZoneInfo
    slack_ms: int = 0
    """How much an expected instant or length may be missed by: real clocks and polls are not exact."""

    def written(self, at_ms: EpochMs | None) -> str:
        """``1d 14:20:05`` in the site's zone; ``never`` for None."""
        if at_ms is None:
            return "never"
        local, first = from_ms(at_ms).astimezone(self.zone), from_ms(self.start_ms).astimezone(self.zone)
        days = (local.date() - first.date()).days
        return f"{f'{days}d ' if days else ''}{local:%H:%M:%S}"

    def window(self, when: Window) -> tuple[float, float]:
        """[from, to) in epoch milliseconds."""
        if when.at is not None:
            at = when.at.instant(self.start_ms, self.zone)
            return at - self.slack_ms, at + when.at.width_ms + self.slack_ms
        after = when.after.instant(self.start_ms, self.zone) if when.after else float("-inf")
        before = when.before.instant(self.start_ms, self.zone) + when.before.width_ms if when.before else float("inf")
        return after - self.slack_ms, before + self.slack_ms

    def shown(self, when: Window) -> str:
        """The window as it was written."""
        if when.at is not None:
            return when.at.text
        parts = [f"{word} {at.text}" for word, at in (("after", when.after), ("before", when.before)) if at]
        return " and ".join(parts) or "at any time"


@dataclass(frozen=True, slots=True)
class Miss:
    """An expectation that is not met. ``at_ms`` is where on the timeline to look."""

    what: str
    expected: str
    found: str
    line: int
    at_ms: EpochMs | None = None

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


@dataclass(slots=True)
class Judge:
    """Compares one scenario's expectations; collects what is missed and counts what is met."""

    scenario: Scenario
    facts: Facts
    times: Times
    misses: list[Miss] = field(default_factory=list)
    met: int = 0

    def judge(self) -> None:
        """Compare everything."""
        expect = self.scenario.head.expect
        self._tickets(expect)
        for index, alarm in enumerate(expect.alarms):
            self._alarm(alarm, self._line("alarms", index))
        for index, test in enumerate(expect.tests):
            self._test(test, self._line("tests", index))
        self._calls(expect)
        self._same("quarantined records", expect.quarantine, len(self.facts.quarantine), self._line("quarantine"))
        self._same("lost events", expect.lost, self.facts.lost, self._line("lost"))

    def _line(self, *path: str | int) -> int:
        return self.scenario.line("expect", *path)

    def _same(self, what: str, expected: object, found: object, line: int, at_ms: EpochMs | None = None) -> None:
        if expected == found:
            self.met += 1
        else:
            self.misses.append(Miss(what, str(expected), str(found), line, at_ms))

    def _when(self, what: str, expected: Window, found: EpochMs | None, line: int) -> None:
        start, end = self.times.window(expected)
        if found is not None and start <= found < end:
            self.met += 1
            return
        look = found if found is not None else round(start if start != float("-inf") else end)
        self.misses.append(Miss(what, self.times.shown(expected), self.times.written(found), line, look))

    # --- tickets ------------------------------------------------------------------------------------------------

    def _tickets(self, expect: Expect) -> None:
        if expect.tickets is None:
            return
        for index, one in enumerate(expect.tickets):
            line, found = self._line("tickets", index), self.facts.tickets_of(one.ticket)
            if one.number is not None:
                self._numbered(one, found, line)
                continue
            self._same(f"tickets of {one.ticket}", one.count, len(found), line, _opened(found))
            for row in found:
                self._ticket(one, row, line)
        if expect.others == "none":
            named = [one.ticket for one in expect.tickets]
            for row in self.facts.tickets:
                self._ordered(row, named)

    def _numbered(self, one: ExpectedTicket, found: Sequence[Row], line: int) -> None:
        number = one.number or 1
        if number <= len(found):
            self._ticket(one, found[number - 1], line)
        else:
            self._same(f"tickets of {one.ticket}", f"at least {number}", len(found), line, _opened(found))

    def _ordered(self, row: Row, named: Sequence[str]) -> None:
        key, short = key_of(row), short_key(row)
        if key in named or short in named:
            return
        found = f"one, opened {self.times.written(row['opened_at'])}, {row['priority']}, {row['state']}"
        self.misses.append(Miss(f"ticket {key}", "none", found, self._line("tickets"), row["opened_at"]))

    def _ticket(self, one: ExpectedTicket, row: Row, line: int) -> None:
        name = f"{one.ticket}" + (f" number {one.number}" if one.number else "")
        for said, column in _TICKET_FIELDS.items():
            if (expected := getattr(one, said)) is not None:
                self._same(f"{name}: {said}", expected, row[column], line, row["opened_at"])
        if one.past is not None:
            self._same(f"{name}: past", one.past, bool(row["is_past"]), line, row["opened_at"])
        for said, column in _TICKET_TIMES.items():
            if (when := getattr(one, said)) is not None:
                self._when(f"{name}: {said}", when, row[column], line)
        for clock, clocks in one.clocks.items():
            self._clocks(f"{name}: {clock}", clocks, self.facts.clocks_of(row["id"], clock), line)
        lines = [entry["kind"] for entry in self.facts.timeline if entry["ticket_id"] == row["id"]]
        for kind, count in one.timeline.items():
            self._same(f"{name}: timeline lines {kind}", count, lines.count(kind), line, row["opened_at"])

    def _clocks(self, name: str, expected: Sequence[ExpectedClock], found: Sequence[Row], line: int) -> None:
        if len(expected) != len(found):
            self._same(f"{name}: clocks", len(expected), len(found), line)
            return
        for number, (one, row) in enumerate(zip(expected, found, strict=True), start=1):
            self._clock(name if len(found) == 1 else f"{name} of activation {number}", one, row, line)

    def _clock(self, name: str, one: ExpectedClock, row: Row, line: int) -> None:
        if one.state is not None:
            self._same(f"{name} clock", one.state, row["state"], line, row["breached_at"] or row["met_at"])
        ended = row["breached_at"] if row["state"] == "breached" else row["met_at"]
        for word, when, at in (
            ("at", one.at, ended),
            ("due", one.due, row["due_at"]),
            ("start", one.start, row["start_at"]),
        ):
            if when is not None:
                self._when(f"{name} clock: {word}", when, at, line)
        for word, expected_ms, seconds in (("used", one.used, row["used_s"]), ("target", one.target, row["target_s"])):
            if expected_ms is not None:
                self._length(f"{name} clock: {word}", expected_ms, float(seconds) * 1000, line, row["start_at"])

    def _length(self, what: str, expected_ms: int, found_ms: float, line: int, at_ms: EpochMs) -> None:
        if abs(expected_ms - found_ms) <= _SECOND_MS + self.times.slack_ms:
            self.met += 1
        else:
            self.misses.append(Miss(what, duration(expected_ms), duration(found_ms), line, at_ms))

    # --- alarms, tests, calls -----------------------------------------------------------------------------------

    def _alarm(self, one: ExpectedAlarm, line: int) -> None:
        rows = [row for row in self.facts.alarms if one.alarm in (key_of(row), short_key(row))]
        self._same(f"alarms of {one.alarm}", one.count, len(rows), line, rows[0]["raised_at"] if rows else None)
        for row in rows[-1:]:
            for said in ("state", "severity"):
                if (expected := getattr(one, said)) is not None:
                    self._same(f"alarm {one.alarm}: {said}", expected, row[said], line, row["raised_at"])
            for said in ("raised", "cleared"):
                if (when := getattr(one, said)) is not None:
                    self._when(f"alarm {one.alarm}: {said}", when, row[f"{said}_at"], line)

    def _test(self, one: ExpectedTest, line: int) -> None:
        found = sorted(_test_instants(one, self.facts))
        within = self.times.window(one.at) if one.at else (float("-inf"), float("inf"))
        matching = [at for at in found if within[0] <= at < within[1]]
        when = f" {self.times.shown(one.at)}" if one.at else ""
        shown = f"{len(matching)}" + (f" (all: {', '.join(map(self.times.written, found[:8]))})" if found else "")
        if one.count == len(matching):
            self.met += 1
        else:
            what = f"test {one.equipment}/{one.test} {one.result}{when}"
            self.misses.append(Miss(what, f"{one.count} times", shown, line, found[0] if found else None))

    def _calls(self, expect: Expect) -> None:
        if expect.calls is None:
            return
        told = [Call.of(row, self.facts) for row in self.facts.calls if row["state"] == "sent"]
        left = list(told)
        for index, one in enumerate(expect.calls):
            matching = [call for call in left if self._is_call(one, call)]
            line = self._line("calls", index)
            when = f" at {self.times.shown(one.at)}" if one.at else ""
            what = f"calls to {one.to} about {one.ticket}{when}"
            nearest = next((call.at_ms for call in told if (call.ticket, call.to) == (one.ticket, one.to)), None)
            self._same(what, one.count, len(matching), line, nearest)
            left = [call for call in left if call not in matching]
        if expect.other_calls == "none":
            for call in left:
                what = f"call to {call.to} about {call.ticket}"
                found = f"told at {self.times.written(call.at_ms)}, step {call.step}"
                self.misses.append(Miss(what, "none", found, self._line("calls"), call.at_ms))

    def _is_call(self, one: ExpectedCall, call: Call) -> bool:
        start, end = self.times.window(one.at) if one.at else (float("-inf"), float("inf"))
        return (
            call.ticket == one.ticket
            and call.to == one.to
            and (one.step is None or one.step == call.step)
            and (one.about is None or one.about == call.about)
            and start <= call.at_ms < end
        )


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody was told: when, of which ticket, by which step."""

    number: int
    at_ms: EpochMs
    ticket: str
    to: str
    step: int
    about: str

    @classmethod
    def of(cls, row: Row, facts: Facts) -> Call:
        """From a row of the cloud."""
        ticket = next(one for one in facts.tickets if one["id"] == row["ticket_id"])
        return cls(
            row["id"], row["sent_at"], short_key(ticket),
            str(row["owner"]).rpartition(":")[2], row["step"], row["clock"],
        )  # fmt: skip


def _opened(rows: Sequence[Row]) -> EpochMs | None:
    return rows[0]["opened_at"] if rows else None


def _test_instants(one: ExpectedTest, facts: Facts) -> Iterator[EpochMs]:
    """When each result of that kind came, or fell due."""
    if one.result in ("passed", "failed"):
        for row in facts.results:
            if _is_of(row, one) and bool(row["passed"]) == (one.result == "passed"):
                yield row["ended_at"]
        return
    column: Callable[[Row], EpochMs | None] = _OCCURRED[one.result]
    for row in facts.occurrences:
        state = "done" if one.result == "late" else one.result
        if _is_of(row, one) and row["state"] == state and (one.result != "late" or row["is_late"]):
            yield column(row) or row["due_at"]


_OCCURRED: Mapping[str, Callable[[Row], EpochMs | None]] = {
    "done": lambda row: row["done_at"], "late": lambda row: row["done_at"],
    "missed": lambda row: row["missed_at"], "due": lambda row: row["due_at"],
}  # fmt: skip


def _is_of(row: Row, one: ExpectedTest) -> bool:
    return (row["equipment_id"], row["test"]) == (one.equipment, one.test)


def duration(ms: float) -> str:
    """``2d 3h 5min 1s``, without the parts that are zero."""
    seconds = round(ms / 1000)
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0s"
