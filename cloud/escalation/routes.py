"""Calls over HTTP: ``/api/v1/calls``, ``/api/v1/notices``. Everything a button does, a call does. No address is ever shown again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud import examples
from cloud.describing import problem_answer
from cloud.errors import Refused, invalid
from cloud.escalation import contacts, courier, message, settings, showing
from cloud.escalation.chain import SHIPPED, to_plain
from cloud.escalation.courier import Letter, Undelivered
from cloud.people.access import RowId, SignedIn, require
from cloud.people.service import User
from cloud.storage import tables as t
from cloud.tickets.listing import instant
from cloud.tickets.ticket import Role, parse_ticket

router = APIRouter(prefix="/api/v1", tags=["calls"])
Manager = Annotated[User, Depends(require(Role.MANAGER))]
_OWN: dict[int | str, dict[str, Any]] = {
    403: problem_answer("Not allowed: everybody changes their own, a manager or admin also others'")
}
_STORABLE = r"^[^\x00]*$"
Name = Annotated[str, Field(max_length=120, pattern=_STORABLE)]
_AT = "2026-11-21T07:20:00.301Z"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StepBody(_Body):
    """One step of a chain. Delays run in the time base of its clock: working time where the clock counts that."""

    whom: list[Name] = Field(min_length=1, max_length=50, examples=[["holder", "role:technician"]])
    clock: Name = Field(default="response", examples=["response"])
    trigger: Name = Field(default="opened", examples=["breached"])
    after_s: int = Field(default=0, ge=0, le=34_560_000)
    by: list[Name] = Field(default=[], max_length=20, examples=[["mailtos", "wecombot"]])
    repeat_every_s: int = Field(default=0, ge=0, le=34_560_000, examples=[1800])
    repeats: int = Field(default=0, ge=0, le=100, examples=[3])
    until: Name = Field(default="", examples=["acknowledged"])
    share: float = Field(default=0.75, gt=0, lt=1)
    event: Name = ""


class ChainBody(_Body):
    """The calling steps of the tickets that site, kind, priority and emergency name; empty means any."""

    site_id: Name = Field(default="", examples=["riverside"])
    kind: Name = Field(default="", examples=["fault"])
    priority: Name = Field(default="", examples=["urgent"])
    emergency: Name = ""
    steps: list[StepBody] = Field(min_length=1, max_length=settings.MOST_STEPS)


class ChannelBody(_Body):
    """One way to tell somebody. ``owner`` is ``person:NAME`` of a user, or ``address:NAME`` of a group, phone or system."""

    owner: Name = Field(examples=["person:duty_engineer"])
    url: str = Field(max_length=2000, pattern=_STORABLE, examples=["mailtos://user:password@smtp.example.com/?to=duty@example.com"])  # fmt: skip


class ContactBody(_Body):
    """Language (en, zh), zone and quiet hours; empty means the user's language, the site's zone, no quiet hours."""

    owner: Name = Field(examples=["person:duty_engineer"])
    language: Name = Field(default="", examples=["en"])
    zone: Name = Field(default="", examples=["Asia/Shanghai"])
    quiet_from: Name = Field(default="", examples=["22:00"])
    quiet_to: Name = Field(default="", examples=["07:00"])


class DutyBody(_Body):
    """Who holds a duty; an empty site means every site, no owners leaves it to the users with that role."""

    site_id: Name = Field(default="", examples=["riverside"])
    role: Name = Field(min_length=1, examples=["manager"])
    owners: list[Name] = Field(max_length=100, examples=[["person:duty_manager"]])


class TestBody(_Body):
    """Whom to send a test message: everything a person or address has."""

    owner: Name = Field(examples=["person:duty_engineer"])


_CHAIN: dict[str, Any] = {
    "id": 1, "site_id": "riverside", "kind": "", "priority": "urgent", "emergency": "", "steps": to_plain(SHIPPED[0].steps[:1]),
    "changed_at": _AT, "changed_by": "chief",
}  # fmt: skip
_CHANNEL = {
    "id": 3, "owner": "person:duty_engineer", "kind": "mailtos", "label": "mailtos://user:****@smtp.example.com/duty%40example.com",
    "created_at": _AT, "last_ok_at": _AT, "last_failed_at": None, "last_error": "",
}  # fmt: skip
_CONTACT = {"owner": "person:duty_engineer", "language": "en", "zone": "", "quiet_from": "22:00", "quiet_to": "07:00"}
_NOTICE = {
    "id": 7, "ticket": "T-000123", "clock": "response", "activation": 1, "step": 0, "repeat": 0, "owner": "person:duty_engineer",
    "trigger": "opened", "state": "sent", "why": "", "key": "7162efe09e92", "attempts": 1, "via": _CHANNEL["label"],
    "receipt": "taken by smtp.example.com", "error": "", "is_possible_repeat": False, "due_at": _AT, "planned_at": _AT,
    "next_at": None, "sent_at": _AT, "failed_at": None,
}  # fmt: skip
_NEXT = {
    "at": _AT, "clock": "response", "activation": 1, "step": 2, "repeat": 0, "trigger": "breached", "owners": ["person:chief"],
}  # fmt: skip
_TESTED = {"label": _CHANNEL["label"], "is_sent": True, "said": "taken by smtp.example.com"}


@router.get("/calls/settings", summary="Chains, contacts, duties and channels", responses=examples.answers(
    {"chains": [_CHAIN], "shipped": [_CHAIN], "contacts": [_CONTACT], "duties": [{"site_id": "", "role": "manager", "owner": "person:chief"}],
     "channels": [_CHANNEL]}
))  # fmt: skip
async def read_settings(request: Request, _user: Manager) -> dict[str, Any]:
    async with request.app.state.database.read() as connection:
        return await everything(connection)


async def everything(connection: Any) -> dict[str, Any]:  # noqa: ANN401
    """All settings of calls, without a secret."""

    async def rows(table: Any, *columns: str) -> list[dict[str, Any]]:  # noqa: ANN401
        query = select(*(table.c[name] for name in columns)).order_by(*table.primary_key)
        found = [dict(row) for row in (await connection.execute(query)).mappings()]
        return [{name: instant(v) if name.endswith("_at") else v for name, v in row.items()} for row in found]

    bound = ("site_id", "kind", "priority", "emergency")
    shipped = [{**{name: getattr(one, name, "") for name in bound}, "steps": to_plain(one.steps)} for one in SHIPPED]
    channel = ("id", "owner", "kind", "label", "created_at", "last_ok_at", "last_failed_at", "last_error")
    return {
        "chains": await rows(t.calls.chain, "id", *bound, "steps", "changed_at", "changed_by"),
        "shipped": [{**one, "site_id": ""} for one in shipped],
        "contacts": await rows(t.calls.contact, "owner", "language", "zone", "quiet_from", "quiet_to"),
        "duties": await rows(t.calls.duty, "site_id", "role", "owner"),
        "channels": await rows(t.calls.channel, *channel),
    }


@router.put(
    "/calls/chains", status_code=204, summary="Set the calling steps of some tickets; planned tickets keep theirs"
)
async def set_chain(body: ChainBody, request: Request, user: Manager) -> None:
    state = request.app.state
    bound = body.model_dump(exclude={"steps"})
    async with state.database.write() as connection:
        steps = [step.model_dump() for step in body.steps]
        await settings.set_chain(connection, bound, steps, state.clock.now_ms(), user.name)


@router.delete("/calls/chains/{chain}", status_code=204, summary="Return to the shipped calling steps")
async def remove_chain(chain: RowId, request: Request, user: Manager) -> None:
    state = request.app.state
    async with state.database.write() as connection:
        await settings.remove_chain(connection, chain, state.clock.now_ms(), user.name)


@router.post("/calls/channels", status_code=201, summary="Add a way to tell somebody; it is checked and never shown again",
             responses={201: {"content": {"application/json": {"example": _CHANNEL}}}, **_OWN})  # fmt: skip
async def add_channel(body: ChannelBody, request: Request, user: SignedIn) -> dict[str, Any]:
    state = request.app.state
    may_change(user, body.owner)
    async with state.database.write() as connection:
        number = await contacts.add_channel(connection, body.owner, body.url, state.clock.now_ms(), user.name)
        row = (await everything(connection))["channels"]
    state.wake(("tickets",))
    found: dict[str, Any] = next(one for one in row if one["id"] == number)
    return found


@router.delete("/calls/channels/{channel}", status_code=204, summary="Take a channel away", responses=_OWN)
async def remove_channel(channel: RowId, request: Request, user: SignedIn) -> None:
    state = request.app.state
    async with state.database.write() as connection:
        query = select(t.calls.channel.c.owner).where(t.calls.channel.c.id == channel)
        may_change(user, (await connection.execute(query)).scalar() or "")
        await contacts.remove_channel(connection, channel, state.clock.now_ms(), user.name)


@router.put("/calls/contacts", status_code=204, summary="Language, zone and quiet hours of somebody", responses=_OWN)
async def set_contact(body: ContactBody, request: Request, user: SignedIn) -> None:
    state = request.app.state
    may_change(user, body.owner)
    async with state.database.write() as connection:
        values = body.model_dump(exclude={"owner"})
        await contacts.set_contact(connection, body.owner, values, state.clock.now_ms(), user.name)


@router.put("/calls/duties", status_code=204, summary="Who holds a duty at a site")
async def set_duty(body: DutyBody, request: Request, user: Manager) -> None:
    state = request.app.state
    async with state.database.write() as connection:
        now = state.clock.now_ms()
        await contacts.set_duty(connection, body.site_id, body.role, body.owners, now, user.name)
    state.wake(("tickets",))


def may_change(user: User, owner: str) -> None:
    """Everybody their own, managers everybody's. Raises Refused (403)."""
    is_own = owner == contacts.PERSON + user.name
    if not is_own and Role(user.role).rank < Role.MANAGER.rank:
        raise Refused(403, "role", f"{user.role} may not change how others are told", "ask a person with role manager")


@router.post("/calls/test", summary="Send a test message by every channel of somebody",
             responses={**examples.answers({"results": [_TESTED]}), **_OWN})  # fmt: skip
async def send_test(body: TestBody, request: Request, user: SignedIn) -> dict[str, Any]:
    may_change(user, body.owner)
    state = request.app.state
    async with state.database.read() as connection:
        await contacts.check_owner(connection, body.owner)
        rows = await contacts.channel_rows(connection, body.owner)
        language = (await contacts.directory(connection)).language(body.owner)
    key = state.tokens()
    return {"results": [await tested(state.courier, row["url"], row["label"], language, key) for row in rows]}


async def tested(carrier: courier.Courier, url: str, label: str, language: str, key: str) -> dict[str, Any]:
    """Send a test message to one address and say what came of it."""
    title, body = message.test_message(language)
    try:
        said = await carrier.deliver(url, Letter(f"test-{key}"[:40], title, body))
    except Undelivered as error:
        return {"label": label, "is_sent": False, "said": error.reason}
    return {"label": label, "is_sent": True, "said": said}


@router.get(
    "/notices", summary="Messages about tickets, newest first", responses=examples.answers({"notices": [_NOTICE]})
)
async def list_notices(
    request: Request,
    _user: SignedIn,
    state: Annotated[str, Query(max_length=20, examples=["failed"])] = "",
    before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    states = [state] if state else []
    async with request.app.state.database.read() as connection:
        return {
            "notices": [
                plain(one) for one in await showing.notices(connection, states=states, before=before, limit=limit)
            ]
        }


@router.get("/tickets/{ticket}/calls", summary="Who was told of a ticket, and who is called next", responses=examples.answers(
    {"told": [_NOTICE], "next": [_NEXT]}
))  # fmt: skip
async def ticket_calls(ticket: str, request: Request, _user: SignedIn) -> dict[str, Any]:
    state = request.app.state
    try:
        number = parse_ticket(ticket)
    except ValueError as error:
        raise invalid("ticket", str(error), "write T- and the number") from error
    async with state.database.read() as connection:
        ahead = await showing.coming(state.desk, connection, number, state.clock.now_ms())
        told = await showing.notices(connection, ticket=number, limit=1000)
    return {
        "told": [plain(one) for one in reversed(told)],
        "next": [{**plain_next, "at": instant(plain_next["at"])} for plain_next in map(showing.next_as_plain, ahead)],
    }


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A notice with its instants as the API writes them."""
    return {name: instant(value) if name.endswith("_at") else value for name, value in row.items()}
