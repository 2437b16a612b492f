"""outbox → uplink ═ contract: delivery of one lane, decided without touching a wire (pure).

The session says what to do next (send so much, or wait until then) and what an answer means. Whatever is not a receipt
is not an acknowledgement: a captive portal's page, a proxy's error and silence all mean try again. Nothing is given up on
the word of anybody but the cloud: only an answer whose digest is right is believed.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, replace

from contract.codec import ContractError, decode_receipt
from contract.messages import CONTRACT_VERSION, Committed, Directive, Lane, Receipt, Refused
from edge.outbox.retry import wait_s

MOST_RECORDS: dict[Lane, int] = {"events": 500, "samples": 2_000}
MOST_BYTES = 500_000
"""Bytes of records in one request, before compression: compressing them holds the loop for a few milliseconds."""
LEAST_RECORDS = 1
FEWEST_UNANSWERED: dict[Lane, int] = {"events": 16, "samples": 1}
"""No answer may mean a line too bad for so much, or an answer that was lost: a new alarm must travel with what is sent again."""
REFUSED_WAIT_S = 30.0
"""How often a refused credential is tried again: it may have been renewed meanwhile."""
CERTAIN_AFTER = 3
"""What somebody in between says so often in a row about the same record is believed."""


class Outcome(enum.StrEnum):
    """What an answer meant. The words are log events and metric labels."""

    COMMITTED = "committed"
    BEHIND = "behind"
    """The cloud holds less than was acknowledged before: it was restored from a backup."""
    EPOCH_CONFLICT = "epoch_conflict"
    """The cloud knows a newer epoch of this gateway: a cloned or restored gateway."""
    UNAUTHORISED = "unauthorised"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    """The cloud cannot read the envelope."""
    BUSY = "busy"
    FAILED = "failed"
    NOT_A_RECEIPT = "not_a_receipt"
    UNREACHABLE = "unreachable"


_OUTCOMES = {
    0: Outcome.UNREACHABLE, 400: Outcome.REFUSED, 401: Outcome.UNAUTHORISED, 403: Outcome.UNAUTHORISED,
    409: Outcome.EPOCH_CONFLICT, 413: Outcome.TOO_LARGE, 422: Outcome.REFUSED, 429: Outcome.BUSY, 503: Outcome.BUSY,
}  # fmt: skip


_CODES = {Outcome.REFUSED: ("contract", "invalid"), Outcome.EPOCH_CONFLICT: ("epoch_taken",)}
"""What only the cloud can know, with the code of its problem document; from others it is just a failure."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send at most so much."""

    records: int
    size: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until ``until_ms`` (steady), whatever arrives."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, as far as the answer needs it."""

    epoch: int
    first: int
    count: int
    given: int
    """The last number this process gave out in the epoch. What the cloud holds beyond it is another life's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status with its body, or status 0 and a reason when nothing did."""

    status: int
    body: bytes = b""
    retry_after_s: float | None = None
    reason: str = ""
    is_sure: bool = False
    """The cloud itself answered, this request and no other, and nothing was changed on the way."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an answer means for the outbox and for the rest of the gateway."""

    outcome: Outcome
    reason: str = ""
    committed: tuple[Committed, ...] = ()
    refused: tuple[Refused, ...] = ()
    directives: tuple[Directive, ...] = ()
    server_time: str = ""
    start_over: bool = False
    quarantine: int | None = None
    """Number of the one record that must be set aside for the lane to move on."""

    @property
    def is_reached(self) -> bool:
        """True when the cloud itself answered with a receipt."""
        return self.outcome in (Outcome.COMMITTED, Outcome.BEHIND)


class Session:
    """One lane of one gateway."""

    def __init__(self, gateway: str, lane: Lane) -> None:
        self.gateway, self.lane = gateway, lane
        self.records = MOST_RECORDS[lane]
        self.failures = 0
        self._last, self._repeats = Outcome.COMMITTED, 0
        self._has_digests = False
        """An older cloud gives none; one that gave one always does."""
        self._wait_until = 0

    def next_action(self, now_ms: int) -> Send | Wait:
        """What to do at ``now_ms`` (steady)."""
        if now_ms < self._wait_until:
            return Wait(self._wait_until)
        return Send(self.records, MOST_BYTES)

    def receive(self, sent: Sent, answer: Answer, now_ms: int, jitter: float) -> Decision:
        """Understand an answer and set when and how much to send next. ``jitter`` lies between 0 and 1."""
        decision = self._understand(sent, answer)
        self._note(decision.outcome)
        self._has_digests = self._has_digests or answer.is_sure
        if sent.count == 1 and self._is_hopeless(decision.outcome, answer):
            decision = replace(decision, quarantine=sent.first)
        if decision.outcome is Outcome.COMMITTED:
            self.failures, self._wait_until = 0, 0
            self.records = min(self.records * 2, MOST_RECORDS[self.lane])
        else:
            self._badly(decision, answer, now_ms, jitter)
        return decision

    def _note(self, outcome: Outcome) -> None:
        self._repeats = self._repeats + 1 if outcome is self._last else 1
        self._last = outcome

    def _is_hopeless(self, outcome: Outcome, answer: Answer) -> bool:
        """Whether one record alone is refused for what it is."""
        is_believed = answer.is_sure or self._repeats >= CERTAIN_AFTER
        return outcome is Outcome.REFUSED or (outcome is Outcome.TOO_LARGE and is_believed)

    def _badly(self, decision: Decision, answer: Answer, now_ms: int, jitter: float) -> None:
        self.failures += 1
        before, is_content = self.records, decision.outcome in (Outcome.TOO_LARGE, Outcome.REFUSED)
        if is_content:
            self.records = max(self.records // 2, LEAST_RECORDS)
        elif decision.outcome is Outcome.UNREACHABLE:
            self.records = max(self.records // 2, min(self.records, FEWEST_UNANSWERED[self.lane]))
        seconds = wait_s(self.failures, jitter, answer.retry_after_s)
        if (
            decision.outcome is Outcome.UNAUTHORISED and self._repeats > 1
        ):  # once may be a credential garbled on the way
            seconds = REFUSED_WAIT_S
        if is_content and (self.records != before or decision.quarantine is not None):
            seconds = 0.0  # the next try is a different one
        self._wait_until = now_ms + round(seconds * 1000)

    # --- understanding ------------------------------------------------------------------------------------------

    def _understand(self, sent: Sent, answer: Answer) -> Decision:
        if answer.status == 200:
            return self._receipt(sent, answer)
        outcome = _OUTCOMES.get(answer.status, Outcome.FAILED)
        if outcome in _CODES and not (answer.is_sure and _code(answer) in _CODES[outcome]):
            outcome = Outcome.FAILED
        reason = _problem(answer) if answer.status else answer.reason
        return Decision(outcome, reason, start_over=outcome is Outcome.EPOCH_CONFLICT)

    def _receipt(self, sent: Sent, answer: Answer) -> Decision:
        try:
            receipt = decode_receipt(answer.body)
        except ContractError as error:
            return Decision(Outcome.NOT_A_RECEIPT, f"200 without a receipt ({error}); is a sign-in page in between?")
        if self._has_digests and not answer.is_sure:
            return Decision(Outcome.NOT_A_RECEIPT, "a receipt without the digest that this cloud gives")
        if receipt.contract != CONTRACT_VERSION or receipt.gateway != self.gateway:
            return Decision(Outcome.NOT_A_RECEIPT, f"a receipt for {receipt.gateway}, contract {receipt.contract}")
        return self._committed(sent, receipt)

    def _committed(self, sent: Sent, receipt: Receipt) -> Decision:
        mine = [one for one in receipt.committed if (one.epoch, one.lane) == (sent.epoch, self.lane)]
        if not mine:
            return Decision(Outcome.NOT_A_RECEIPT, f"a receipt that does not name epoch {sent.epoch} of {self.lane}")
        through = mine[0].through
        is_behind = bool(sent.count) and through < sent.first - 1
        if through > sent.given:  # never forget what was not sent: it was numbered by another life of this gateway
            return Decision(Outcome.EPOCH_CONFLICT, f"the cloud holds up to {through}", start_over=True)
        if sent.count and through == sent.first - 1:
            return Decision(Outcome.FAILED, f"a receipt that commits nothing: through {through}")
        return Decision(
            Outcome.BEHIND if is_behind else Outcome.COMMITTED, committed=() if is_behind else tuple(mine),
            refused=tuple(receipt.refused), directives=tuple(receipt.directives), server_time=receipt.server_time,
            start_over=is_behind,
        )  # fmt: skip


def _code(answer: Answer) -> str:
    """The code of a problem document, or nothing."""
    try:
        return str(json.loads(answer.body)["code"])
    except (ValueError, LookupError, TypeError):
        return ""


def _problem(answer: Answer) -> str:
    """A line for the log: the status and the beginning of what came with it."""
    return f"{answer.status} {answer.body[:300].decode('utf-8', 'replace')}".strip()
