"""An address is understood or refused with what would be right; it never makes an empty list."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.tickets.search_filter import Wrong, read
from contract.conventions import to_ms

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_without_anything_a_page_shows_open_ones_by_due_and_the_api_everything_by_age() -> None:
    page, api = read({}, "me", SHANGHAI, is_open="1"), read({}, "me", SHANGHAI)
    assert (page.wanted.is_open, page.wanted.sort, page.given) == (True, "due", {"open": "1"})
    assert (api.wanted.is_open, api.wanted.sort, api.given) == (None, "newest", {})


def test_every_filter_is_understood_together() -> None:
    given = {
        "state": "new,on_hold", "priority": "urgent", "holder": "me", "late": "1", "breached": "response", "due": "60", "from": "2026-11-01", "to": "2026-11-21",
        "text": "电梯 door", "sort": "oldest", "clause": "h-5.3.1-pf", "past": "no", "reopened": "yes",
    }  # fmt: skip
    wanted = read(given, "chief", SHANGHAI).wanted
    assert wanted.equal == {"state": ("new", "on_hold"), "priority": ("urgent",), "clause": ("h-5.3.1-pf",)}
    assert (wanted.holder, wanted.is_late, wanted.breached, wanted.due_ms) == ("chief", True, "response", 3_600_000)
    assert wanted.since == to_ms(datetime(2026, 10, 31, 16, tzinfo=UTC))
    assert wanted.until == to_ms(datetime(2026, 11, 21, 16, tzinfo=UTC))
    assert (wanted.is_past, wanted.is_reopened, wanted.sort, wanted.is_only_open) == (False, True, "oldest", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("state", "neww"), ("state", "new,x"), ("priority", "high"), ("kind", "bug"), ("late", "maybe"), ("due", "soon"), ("due", "0"), ("due", "-5"),
     ("from", "yesterday"), ("to", "2026-13-01"), ("from", "9999-12-31T"), ("sort", "worst"), ("open", "2"), ("breached", "lunch"), ("text", "?!")],
)  # fmt: skip
def test_a_value_that_no_filter_can_use_is_told(name: str, value: str) -> None:
    (wrong,) = read({name: value}, "me", SHANGHAI).wrong
    assert (wrong.name, wrong.value) == (name, value)


def test_what_would_be_right_is_told_too() -> None:
    assert read({"sort": "worst"}, "me", SHANGHAI).wrong == (Wrong("sort", "worst", ("due", "newest", "oldest")),)


def test_a_state_that_is_over_is_not_only_open() -> None:
    assert not read({"state": "new,closed"}, "me", SHANGHAI).wanted.is_only_open
    assert read({"state": "new"}, "me", SHANGHAI).wanted.is_only_open
