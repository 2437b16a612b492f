"""dashboard: deadline → clock chip, and the three clocks of a ticket. Pure. A breach is never hidden again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.dashboard.present import WARN_SHARE, ClockState, Here, duration, iso
from cloud.dashboard.rows import DeadlineRow

ORDER: Final = ("response", "arrival", "service", "resolution")
_ICONS: Final = {
    "running": "ck-run", "warn": "ck-warn", "breached": "ck-late", "held": "ck-hold", "met": "ck-met",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock of a ticket, ready to be written small (chip) or large (three clocks)."""

    kind: str
    state: ClockState
    icon: str
    name: str
    """Response, Arrival, Resolution."""
    label: str
    """What the chip says before the figure: respond, response late, response met, held."""
    short_label: str
    """The same where room is scarce: respond, late, met."""
    figure: str
    target: str
    used: float
    """Per cent of the target, 0 to 100."""
    note: str
    """When it was met, or is due."""
    status: str
    """met, breached, running, 41 % used."""
    due: str = ""
    """ISO instant; empty when it has none or no longer matters."""
    due_ms: int = 0
    start_ms: int = 0
    is_ticking: bool = False
    counts_up: bool = False

    @property
    def is_pressing(self) -> bool:
        return self.state != "met"


def state_of(deadline: DeadlineRow, now: int) -> ClockState:
    """What the chip shows. Breached is sticky; a due instant that has passed is late before the ticker says so."""
    if deadline.breached_at is not None or deadline.state == "breached":
        return "breached"
    if deadline.met_at is not None or deadline.state == "met":
        return "met"
    if deadline.state == "held" or deadline.due_at is None:
        return "held"
    if now > deadline.due_at:
        return "breached"
    return "warn" if used_share(deadline, now) >= WARN_SHARE else "running"


def used_share(deadline: DeadlineRow, now: int) -> float:
    """Share of the target that is used, 0 to 1; the rest of the target ends at the due instant."""
    if deadline.target_s <= 0:
        return 1.0
    if deadline.met_at is not None or deadline.state == "held" or deadline.due_at is None:
        return min(1.0, deadline.used_s / deadline.target_s)
    left = (deadline.due_at - now) / 1000
    return min(1.0, max(0.0, 1 - left / deadline.target_s))


def clock(deadline: DeadlineRow, here: Here) -> Clock:
    """One deadline as it stands now."""
    state = state_of(deadline, here.now)
    words = here.words
    share = used_share(deadline, here.now)
    seconds = _seconds(deadline, state, here.now)
    is_over = deadline.met_at is not None
    name = words(f"clock.{deadline.clock}.name")
    return Clock(
        kind=deadline.clock, state=state, icon=_ICONS[state], name=name,
        label=words(f"clock.{deadline.clock}.{state}"),
        short_label=words(f"clock.short.{state}") if state in {"breached", "met"} else words(f"clock.{deadline.clock}.{state}"),
        figure=duration(seconds, words, short=True),
        target=words(f"clock.of.{'target' if state in {'met', 'breached'} else 'left'}",
                     target=duration(deadline.target_s, words)) if state != "breached" else words("clock.of.late"),
        used=100.0 if state == "breached" else round(share * 100, 1),
        note=_note(deadline, state, here),
        status=words(f"clock.status.{state}", share=_percent(share, here)),
        due=iso(deadline.due_at) if deadline.due_at is not None and not is_over else "",
        due_ms=deadline.due_at or 0, start_ms=deadline.start_at,
        is_ticking=state in {"running", "warn"} or (state == "breached" and not is_over),
        counts_up=state == "breached",
    )  # fmt: skip


def _percent(share: float, here: Here) -> str:
    return f"{share * 100:.0f}%" if here.words.language == "zh" else f"{share * 100:.0f}\u00a0%"


def _seconds(deadline: DeadlineRow, state: ClockState, now: int) -> float:
    """What the figure counts: time left, time late, or time used when it stopped."""
    due = deadline.due_at
    if state == "breached":
        return ((deadline.met_at or now) - due) / 1000 if due is not None else deadline.used_s - deadline.target_s
    if state == "met":
        return deadline.used_s or ((deadline.met_at or now) - deadline.start_at) / 1000
    if state == "held" or due is None:
        return deadline.target_s - deadline.used_s
    return (due - now) / 1000


def _note(deadline: DeadlineRow, state: ClockState, here: Here) -> str:
    words = here.words
    due = here.when(deadline.due_at, seconds=True) if deadline.due_at is not None else ""
    if deadline.met_at is not None:
        key = "clock.note.met_late" if state == "breached" else "clock.note.met"
        return words(
            key, done=words(f"clock.{deadline.clock}.done"), at=here.when(deadline.met_at, seconds=True), due=due
        )
    if state == "held":
        return words("clock.note.held")
    return words("clock.note.due", at=due)


def newest(deadlines: Iterable[DeadlineRow]) -> list[DeadlineRow]:
    """The clocks of the newest activation, in the fixed order; a clock the policy does not set is left out."""
    latest: dict[str, DeadlineRow] = {}
    for deadline in deadlines:
        known = latest.get(deadline.clock)
        if known is None or deadline.activation >= known.activation:
            latest[deadline.clock] = deadline
    return [latest[kind] for kind in ORDER if kind in latest]


def clocks(deadlines: Iterable[DeadlineRow], here: Here) -> tuple[Clock, ...]:
    return tuple(clock(deadline, here) for deadline in newest(deadlines))


def pressing(all_clocks: Sequence[Clock], most: int = 2) -> tuple[Clock, ...]:
    """The chips of one row: what is late, then what is due next; where there is room, the last one that was met.

    With three places every clock is shown, in the fixed order.
    """
    late = [one for one in all_clocks if one.state == "breached"]
    running = sorted((one for one in all_clocks if one.state in {"running", "warn"}), key=lambda one: one.due_ms)
    held = [one for one in all_clocks if one.state == "held"]
    met = [one for one in all_clocks if one.state == "met"]
    if most > 2:
        return tuple(all_clocks)
    told = [*late, *(running or held)[:1]]
    return tuple([*(met[-1:] if len(told) < most else ()), *told][:most])


def next_due(all_clocks: Sequence[Clock]) -> int:
    """For sorting: the earliest due instant of a clock that still runs; the far future when none does."""
    return min((one.due_ms for one in all_clocks if one.is_ticking and one.due_ms), default=2**53)


def is_late(all_clocks: Sequence[Clock]) -> bool:
    return any(one.state == "breached" for one in all_clocks)
