"""What an iCal file says of holidays: every day of it or a refusal that names the event, never a day less."""

import pytest

from cloud.errors import Refused
from cloud.sla.plan import CalendarPlan
from cloud.tickets.targets_holidays import with_ical

OFFICE = CalendarPlan("office", {"week": {"mon": [["09:00", "18:00"]]}}, country="CN")


def file(*lines: str) -> bytes:
    """An iCal file with one event."""
    inside = "\r\n".join(("BEGIN:VEVENT", "UID:1", "SUMMARY:Spring Festival", *lines, "END:VEVENT"))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:tests\r\n{inside}\r\nEND:VCALENDAR\r\n".encode()


@pytest.mark.parametrize("end", ["DTEND;VALUE=DATE:20270209", "DURATION:P3D"])
def test_every_day_of_an_event_is_closed_however_its_end_is_written(end: str) -> None:
    plan = with_ical(OFFICE, file("DTSTART;VALUE=DATE:20270206", end))
    assert list(plan.holidays) == ["2027-02-06", "2027-02-07", "2027-02-08"]


@pytest.mark.parametrize(
    "lines",
    [
        ("DTSTART;VALUE=DATE:20270230",), ("DTSTART;VALUE=DATE:20270206", "DTEND;VALUE=DATE:soon"),
        ("DTSTART;VALUE=DATE:20270206", "DTSTART;VALUE=DATE:20270207"), (), ("DTSTART;VALUE=DATE:99991231",),
        ("DTSTART;VALUE=DATE:20270206", "DURATION:P999999999D"),
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_read_is_named_and_not_left_out(lines: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="Spring Festival"):
        with_ical(OFFICE, file(*lines))
