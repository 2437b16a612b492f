"""The demo's voice: a line for each fault that is completed in place when its ticket comes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TextIO

from contract.conventions import from_ms, json_line
from simulators.demo_lines import (
    FaultLine,
    Language,
    as_object,
    describe_fault,
    describe_ticket,
    fault_line,
    say,
    source_lines,
)
from simulators.demo_setup import Setup
from simulators.scenario import Expectation, SeenTicket, Verdict, percentiles
from simulators.site import SimulatedSite


class Teller:
    """Writes for a person to ``stream``, and for a program to ``result`` when asked for JSON."""

    def __init__(self, site: SimulatedSite, language: Language, stream: TextIO, result: TextIO | None = None) -> None:
        self._site, self._language, self._stream, self._result = site, language, stream, result
        self._is_terminal = stream.isatty()
        self._waiting: list[tuple[Expectation, FaultLine, int]] = []
        self._printed = 0

    def say(self, key: str, **figures: object) -> None:
        """One text of its own."""
        self._print(say(key, self._language, **figures))

    def running(self, setup: Setup, link: str, seconds: float, panel: str = "") -> None:
        """What runs, where, and how to get in."""
        for line in source_lines(setup, link, seconds, self._language, panel):
            self._print(line)

    def injected(self, expected: Expectation, known: SeenTicket | None) -> None:
        """A fault has been injected; ``known`` is the ticket it is already on."""
        if known is not None:
            outcome = say("known", self._language, ticket=known.id)
            self._print(self._text(replace(self._line(expected), outcome=outcome)))
            return
        line = self._line(expected)
        if self._is_terminal:
            self._print(self._text(line))
        self._waiting.append((expected, line, self._printed))

    def opened(self, ticket: SeenTicket) -> None:
        """A ticket came: complete its fault's line, or tell that nobody ordered it."""
        found = next((entry for entry in self._waiting if entry[0].key == ticket.key), None)
        if found is None:
            self._print(f"{self._clock(ticket.received_ms)}  {say('unexpected', self._language)}: {ticket.id} "
                        f"{ticket.equipment} {ticket.rule}")  # fmt: skip
            return
        self._waiting.remove(found)
        expected, line, row = found
        told = replace(line, outcome=describe_ticket(expected, ticket, self._site, self._language))
        if self._is_terminal:
            self._rewrite(row, self._text(told))
        else:
            self._print(self._text(told))

    def verdict(self, expected: Sequence[Expectation], tickets: Sequence[SeenTicket], verdict: Verdict) -> None:
        """The end of a timed run: what is missing, the summary, and the object for programs."""
        for one in verdict.missing:
            self._print(self._text(replace(self._line(one), outcome=say("missing", self._language))))
        figures = percentiles(verdict.latency_ms)
        self.say(
            "summary", faults=len(expected), tickets=len(tickets), missing=len(verdict.missing),
            unexpected=len(verdict.unexpected), p50=_figure(figures["p50"]), p99=_figure(figures["p99"]),
        )  # fmt: skip
        if self._result is not None:
            self._result.write(json_line(as_object(expected, tickets, verdict)) + "\n")
            self._result.flush()

    def _line(self, expected: Expectation) -> FaultLine:
        return FaultLine(
            self._clock(expected.injected_ms), self._name(expected.equipment),
            describe_fault(expected, self._site, self._language), say("waiting", self._language),
        )  # fmt: skip

    def _name(self, equipment: str) -> str:
        return getattr(self._site.equipment[equipment].name, self._language) or equipment

    def _clock(self, at_ms: int) -> str:
        local: datetime = from_ms(at_ms).astimezone()
        return f"{local:%H:%M:%S}"

    def _columns(self) -> int:
        return shutil.get_terminal_size((120, 24)).columns if self._is_terminal else 220

    def _text(self, line: FaultLine) -> str:
        return fault_line(line, self._columns())

    def _print(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()
        self._printed += text.count("\n") + 1

    def _rewrite(self, row: int, text: str) -> None:
        up = self._printed - row + 1
        if up >= shutil.get_terminal_size((120, 24)).lines:
            self._print(text)  # its line has scrolled away
            return
        self._stream.write(f"\x1b[{up}A\r\x1b[2K{text}\x1b[{up}B\r")
        self._stream.flush()


def _figure(milliseconds: int | None) -> str:
    return "–" if milliseconds is None else str(milliseconds)
