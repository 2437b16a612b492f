"""Tickets → sla → escalation: how long people have, and since when. Pure; needs the standard library and zone data.

``due(start, target, calendar, holds)`` and its inverse ``elapsed(start, end, calendar, holds)`` are public, with
``Calendar`` and ``Calendar.from_dict``.
"""

from cloud.sla.calendar import Calendar, CalendarError, Hold, due, elapsed

__all__ = ["Calendar", "CalendarError", "Hold", "due", "elapsed"]
