"""A desk with people and permits for tests."""

from typing import Any

import httpx

from contract.conventions import EpochMs, format_instant
from tests.support.desk import HOUR, START, Desk

NIGHT = START + 30 * HOUR
"""Sunday 21:00 at the site: outside office hours, more than a day ahead."""
END = NIGHT + 4 * HOUR
MEASURES = ["isolated", "locked", "tested_dead"]
CLEAR = ["people_clear", "tools_clear", "earths_removed", "guards_back"]


def draft(**changes: Any) -> dict[str, Any]:
    """The body of a draft for the incomer."""
    return {
        "site": "riverside", "equipment": ["incomer_1"], "from": format_instant(NIGHT), "until": format_instant(END),
        "work": "yearly overhaul", "measures": MEASURES, **changes,
    }  # fmt: skip


async def people(d: Desk) -> None:
    """Anna asks, the chief approves."""
    for name, role in (("tom", "technician"), ("anna", "engineer"), ("chief", "manager")):
        await d.sign_in(name, role)
        d.app.state.sessions = {**getattr(d.app.state, "sessions", {}), name: d.http.cookies.get("plantroom_session")}


def be(d: Desk, name: str) -> None:
    """The client is this person from now on."""
    d.http.cookies.clear()
    d.http.cookies.set("plantroom_session", d.app.state.sessions[name])


async def drafted(d: Desk, **changes: Any) -> str:
    """A draft by Anna; its ticket."""
    be(d, "anna")
    answer = await d.http.post("/api/v1/permits", json=draft(**changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["ticket"])


async def step(d: Desk, who: str, ticket: str, name: str, /, **body: Any) -> httpx.Response:
    """One step of a permit by one person."""
    be(d, who)
    return await d.http.post(f"/api/v1/permits/{ticket}/steps/{name}", json=body)


async def walk(d: Desk, ticket: str, *steps: tuple[str, str, dict[str, Any]]) -> None:
    """Steps that must succeed."""
    for who, name, body in steps:
        answer = await step(d, who, ticket, name, **body)
        assert answer.status_code == 200, (name, answer.text)


Taken = tuple[str, str, dict[str, Any]]
"""Who, which step, with what."""
ASK: Taken = ("anna", "ask", {})
APPROVE: Taken = ("chief", "approve_cut", {})
NOTIFY: Taken = ("anna", "notify", {"how": "posted in the lobby"})
CUT: Taken = ("anna", "cut", {"checked": MEASURES})
DONE: Taken = ("tom", "report_done", {"action": "contacts cleaned"})
APPROVE_RESTORE: Taken = ("chief", "approve_restore", {"checked": CLEAR})
RESTORE: Taken = ("anna", "restore", {})
CLOSE: Taken = ("anna", "close", {})


async def cut(d: Desk, at: EpochMs = NIGHT, **changes: Any) -> str:
    """A permit whose equipment is cut at its planned time; its ticket."""
    ticket = await drafted(d, **changes)
    await walk(d, ticket, ASK, APPROVE, NOTIFY)
    d.clock.ms = at
    await walk(d, ticket, CUT)
    return ticket
