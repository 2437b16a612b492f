"""maintenance: whether evidence proves a periodic test, and which due date it counts for (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cloud.maintenance.occurrence import Occurrence, counts_for
from device_profiles.schema import FormField

Answer = bool | float | int | str


@dataclass(frozen=True, slots=True)
class Problem:
    """A form that cannot be taken as it is: which field, what is wrong, what to do."""

    field: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Passed, or why not; ``problems`` means that nothing was judged because the form is incomplete or unreadable."""

    passed: bool
    reasons: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Fulfils:
    """The evidence closes this due date."""

    due: Occurrence
    late: bool


@dataclass(frozen=True, slots=True)
class TooEarly:
    """The work is recorded but closes nothing: the window opens later."""

    opens_at: datetime


@dataclass(frozen=True, slots=True)
class Failed:
    """The test was made and not passed: it stays due, and a person is needed now."""

    reasons: tuple[str, ...]


Decision = Fulfils | TooEarly | Failed


def decide(due: Occurrence, done_at: datetime, *, passed: bool, reasons: Sequence[str] = ()) -> Decision:
    """What one result means for the due date that is open (architecture: a missed or failed test becomes one ticket)."""
    if not passed:
        return Failed(tuple(reasons))
    if not counts_for(due, done_at):
        return TooEarly(due.opens_at)
    return Fulfils(due, late=done_at >= due.due_at)


def judge_form(form: Mapping[str, FormField], answers: Mapping[str, Answer]) -> Verdict:
    """Judge a filled-in form by its fields' limits. Numbers are in the field's unit.

    A yes_no field passes with yes (true); a number inside ``minimum … maximum``; a choice that is listed; a text or photo
    that is there. An optional field may be left out.
    """
    problems = [Problem(name, "is not a question of this form", _known(form)) for name in answers if name not in form]
    problems += [found for name, field in form.items() if (found := _unreadable(name, field, answers.get(name)))]
    if problems:
        return Verdict(passed=False, problems=tuple(problems))
    failed = [reason for name, field in form.items() if (reason := _falls_short(field, answers.get(name)))]
    return Verdict(passed=not failed, reasons=tuple(failed))


def _known(form: Mapping[str, FormField]) -> str:
    return f"the questions are {', '.join(form) or 'none'}"


def _unreadable(name: str, field: FormField, answer: Answer | None) -> Problem | None:
    if answer is None or answer == "":
        return Problem(name, "is missing", f"answer {field.name.en!r}") if field.required else None
    match field.type:
        case "yes_no" if not isinstance(answer, bool):
            return Problem(name, f"{answer!r} is neither yes nor no", "write true or false")
        case "number" if isinstance(answer, bool) or not isinstance(answer, (int, float)):
            return Problem(name, f"{answer!r} is not a number", f"write a number{_in_unit(field)}")
        case "choice" if answer not in field.choices:
            return Problem(name, f"{answer!r} is not one of the choices", f"choose {', '.join(field.choices)}")
        case _:
            return None


def _falls_short(field: FormField, answer: Answer | None) -> str | None:
    if answer is None or answer == "":
        return None
    if field.type == "yes_no" and answer is False:
        return f"{field.name.en}: no"
    if field.type == "number" and isinstance(answer, (int, float)):
        unit = f" {field.unit}" if field.unit else ""
        if field.minimum is not None and answer < field.minimum:
            return f"{field.name.en}: {answer:g}{unit} is below {field.minimum:g}{unit}"
        if field.maximum is not None and answer > field.maximum:
            return f"{field.name.en}: {answer:g}{unit} is above {field.maximum:g}{unit}"
    return None


def _in_unit(field: FormField) -> str:
    return f" in {field.unit}" if field.unit else ""
