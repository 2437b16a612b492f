"""scenario → what cannot be: a start of what runs, a stop of what is stopped, a mend of what is whole (pure).

Every instant of a file is known before it is played, so its outages are walked through here. Two outages that both end
by themselves may overlap: whichever ends first ends them both.
"""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from device_profiles.reading import Finding, finding
from simulators import scenario_steps as s
from simulators.run_plan import Deed, plan
from simulators.scenario_file import Scenario

_NEVER = {
    "clear": ("is repaired and no step injects it", "Name what was injected, or leave this step out"),
    "mend": ("is mended and no step cuts it", "Name what was cut, or leave this step out"),
    "start": ("is started and no step stops it", "It runs from the beginning: leave this step out"),
}
_WHOLE = {"clear": "is not there", "mend": "is not cut", "start": "runs"}


def out_of_order(scenario: Scenario, zone: ZoneInfo) -> Iterator[Finding]:
    """Steps that would do nothing at their instant, each with the line that made it so."""
    causes = {_what(step) for step in scenario.steps if _begins(step)}
    down: dict[str, Deed] = {}
    ended: dict[str, Deed] = {}
    for deed in plan(scenario, scenario.head.start, zone):
        if not (what := _what(deed.step)):
            continue
        if _begins(deed.step) and not deed.is_end:
            before = down.setdefault(what, deed)
            if before is not deed and _collide(before.step, deed.step):
                yield _wrong(scenario, deed.step, *_twice(what, deed.step, before))
        else:
            if down.pop(what, None) is None and not deed.is_end:
                said = _nothing(what, deed.step, ended.get(what)) if what in causes else _never(what, deed.step)
                yield _wrong(scenario, deed.step, *said)
            ended[what] = deed


def _begins(step: s.Step) -> bool:
    return isinstance(step, s.Inject | s.Cut | s.Kill | s.Stop | s.Restart)


def _what(step: s.Step) -> str:
    """What it takes away or gives back; "" for any other step. A cut of the cloud is a stop of its process."""
    match step:
        case s.Inject(inject=fault) | s.Clear(clear=fault):
            return f"{fault} of {step.equipment}"
        case s.Cut() | s.Mend() | s.Kill() | s.Stop() | s.Restart() | s.Launch():
            return str(getattr(step, s.verb_of(step)))
        case _:
            return ""


def _collide(before: s.Step, step: s.Step) -> bool:
    return not isinstance(step, s.Inject) and not (_lasts(before) and _lasts(step))


def _lasts(step: s.Step) -> bool:
    return isinstance(step, s.Restart) or getattr(step, "lasts", None) is not None


def _twice(what: str, step: s.Step, before: Deed) -> tuple[str, str]:
    state = "cut" if isinstance(before.step, s.Cut) else "down"
    message = f"{what} is {state} already at {step.at.text}, by the step on line {before.line}"
    return message, "Leave one of them out, or end the first one before"


def _nothing(what: str, step: s.Step, ended: Deed | None) -> tuple[str, str]:
    if ended is None:
        why = "what it ends comes later"
    else:
        why = f"the step on line {ended.line} ended " + ("by itself" if ended.is_end else "it")
    return f"{what} {_WHOLE[s.verb_of(step)]} at {step.at.text}: {why}", "Change the time, or leave this step out"


def _never(what: str, step: s.Step) -> tuple[str, str]:
    """A repair of what never comes does nothing: mostly a slip of the pen."""
    message, remedy = _NEVER[s.verb_of(step)]
    return f"{what} {message}", remedy


def _wrong(scenario: Scenario, step: s.Step, message: str, remedy: str) -> Finding:
    index = next(index for index, one in enumerate(scenario.steps) if one is step)
    return finding(scenario.file, scenario.lines, ("timeline", index, s.verb_of(step)), message, remedy)
