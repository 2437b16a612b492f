"""Lists of tickets over HTTP: filters, search, one step on many, exports. What the list's page does, these calls do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.describing import needs
from cloud.errors import Refused, invalid
from cloud.people.access import SignedIn
from cloud.storage import tables as t
from cloud.tickets import listing, search_bulk, search_export, search_index, search_pages
from cloud.tickets.routes import TicketList, TicketShown, number_of
from cloud.tickets.search_bulk import MOST, Done, Hands
from cloud.tickets.search_export import COLUMNS, Reader
from cloud.tickets.search_filter import CHOICES, After, Reading, Wrong, read
from cloud.tickets.search_ranked import best
from cloud.tickets.search_words import ask
from cloud.tickets.service import Actor, Details
from cloud.tickets.ticket import Action, Role, parse_ticket, ticket_name
from device_profiles.reading import Finding

router = APIRouter(prefix="/api/v1", tags=["tickets"])
_ROWS = "number,title,kind\r\nT-000123,LV incomer 1: power factor low,fault\r\n"
_CSV, _XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _text(of: str, example: str = "") -> Any:  # noqa: ANN401  pydantic's own way
    return Field(default="", max_length=200, description=of, examples=[example])


class TicketFilter(BaseModel):
    """Which tickets; conditions that are left out bind nothing. Several values of one are separated by commas."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    is_open: str = Field(
        default="", alias="open", max_length=5, description="1: open, 0: closed; left out: both", examples=["1"]
    )
    state: str = _text(f"Of {', '.join(CHOICES['state'])}", "new,dispatched")
    priority: str = _text(f"Of {', '.join(CHOICES['priority'])}")
    kind: str = _text(f"Of {', '.join(CHOICES['kind'])}")
    system: str = _text("System of the equipment")
    site: str = _text("Site")
    equipment: str = _text("Equipment")
    rule: str = _text("Rule")
    clause: str = _text("Clause that the ticket answers for")
    holder: str = _text("Who has it: a name, me or nobody")
    late: str = _text("1: with a breached clock or one past due, 0: without")
    breached: str = _text(f"Which clock was breached, of {', '.join(CHOICES['breached'])}")
    past: str = _text("1: began and ended while the gateway was cut off")
    reopened: str = _text("1: reopened at least once")
    due: str = _text("Open, with a clock that is due within so many minutes from now", "60")
    since: str = Field(
        default="", alias="from", max_length=200, description="Opened from this day (UTC) or instant", examples=[""]
    )
    until: str = Field(
        default="",
        alias="to",
        max_length=200,
        description="Opened until this day, itself included, or before this instant",
        examples=[""],
    )
    text: str = _text(
        "Words in number, title, equipment, place, description, cause, action, notes; Chinese and English"
    )
    sort: str = _text(f"Of {', '.join(CHOICES['sort'])}; by default due for open ones and newest otherwise")

    def given(self) -> dict[str, str]:
        """As the address says it."""
        return {
            name: value
            for name, value in self.model_dump(by_alias=True, include=set(TicketFilter.model_fields)).items()
            if value
        }


class TicketQuery(TicketFilter):
    """Which tickets, and which page of them."""

    limit: int = Field(default=200, ge=1, le=1000)
    before: str = Field(default="", max_length=60, description="The ``next`` of the page before", examples=[""])


async def _understood(connection: AsyncConnection, asked: TicketFilter, who: str) -> Reading:
    """Raises Refused (422) with every value that no filter can use."""
    given = asked.given()
    reading = read(given, who, ZoneInfo("UTC"))
    if "sort" not in given and "sort" not in reading.given:
        reading = read({**given, "sort": "newest"}, who, ZoneInfo("UTC"))
    wrong = (*reading.wrong, *await search_pages.unknown(connection, reading))
    if wrong:
        found = [_finding(one) for one in wrong]
        raise Refused(422, "invalid", found[0].message, found[0].remedy, found)
    return reading


def _finding(wrong: Wrong) -> Finding:
    remedy = f"one of {', '.join(wrong.possible)}" if wrong.possible else "see /api/v1/openapi.json, or leave it out"
    return Finding("", 0, f"query.{wrong.name}", f"{wrong.name} cannot be {wrong.value!r}", remedy)


def _place(text: str) -> After | None:
    """Where a page begins: ``T-000123``, or ``DUE-NUMBER`` in the order of due instants. Raises Refused (422)."""
    if not text:
        return None
    due, _, number = text.partition("-")
    if due.isdecimal() and number.isdecimal() and text.isascii():
        return After(int(number), int(due))
    try:
        return After(parse_ticket(text))
    except ValueError as error:
        raise invalid("before", str(error), "take next from the page before") from error


@router.get("/tickets", summary="List tickets")
async def list_tickets(request: Request, user: SignedIn, asked: Annotated[TicketQuery, Query()]) -> TicketList:
    state = request.app.state
    if asked.text:
        await search_index.catch_up(state.database)
    async with state.database.read() as connection:
        wanted = (await _understood(connection, asked, user.name)).wanted
        page = await search_pages.page(
            connection, wanted, state.clock.now_ms(), asked.limit, after=_place(asked.before)
        )
        found = await listing.tickets(connection, page.numbers)
    following = None
    if page.next is not None:
        following = f"{page.next.due}-{page.next.number}" if wanted.sort == "due" else ticket_name(page.next.number)
    return TicketList(tickets=[TicketShown(**ticket) for ticket in found], next=following)


class Found(BaseModel):
    """A ticket that was found; ``excerpt`` is the text that says why, ``field`` where it stands."""

    ticket: TicketShown
    field: str = Field(examples=["cause"])
    excerpt: str = Field(examples=["contactor K5 welded"])


class FoundList(BaseModel):
    """The best of the newest tickets with every word. ``count`` is exact unless ``is_more``; ``unwritten`` changed tickets were not searched yet."""

    tickets: list[Found]
    count: int = Field(examples=[1])
    is_more: bool
    unwritten: int = Field(examples=[0])


@router.get("/search", summary="Find tickets by words, in Chinese and English, best first")
async def search(
    request: Request, _user: SignedIn, q: Annotated[str, Query(min_length=1, max_length=200, examples=["contactor"])],
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> FoundList:  # fmt: skip
    state, question = request.app.state, ask(q)
    if not question:
        raise invalid("q", "there is no letter and no digit in it", "write a word, or T- and a number")
    unwritten = await search_index.catch_up(state.database)
    async with state.database.read() as connection:
        hits, total = await best(connection, question, state.clock.now_ms(), limit)
        shown = {ticket["id"]: ticket for ticket in await listing.tickets(connection, [hit.number for hit in hits])}
    found = [
        Found(ticket=TicketShown(**shown[ticket_name(hit.number)]), field=hit.field, excerpt="".join(text for text, _ in hit.pieces))
        for hit in hits
    ]  # fmt: skip
    return FoundList(tickets=found, count=total.n, is_more=total.is_more, unwritten=unwritten)


BulkAction = Literal["acknowledge", "hand_over", "dispatch", "note", "set_priority", "close"]


class BulkBody(BaseModel):
    """One thing to do to many tickets."""

    model_config = ConfigDict(extra="forbid")
    tickets: list[Annotated[str, Field(max_length=20)]] = Field(
        min_length=1, max_length=MOST, examples=[["T-000123", "T-000124"]]
    )
    action: BulkAction = Field(examples=["note"])
    reason: str = Field(default="", max_length=4000, examples=[""])
    holder: str = Field(default="", max_length=4000, examples=[""])
    priority: str = Field(default="", max_length=4000, examples=[""])
    note: str = Field(default="", max_length=4000, examples=["water is off until noon"])
    key: str = Field(
        default="", max_length=100, description="Repeating a call with the same key does nothing more", examples=[""]
    )


class BulkItem(BaseModel):
    """What happened to one ticket: its state then, or why nothing did."""

    ticket: str = Field(examples=["T-000123"])
    is_done: bool
    state: str = Field(examples=["new"])
    status: int = Field(description="As the single call would have answered", examples=[200])
    code: str = Field(examples=[""])
    title: str = Field(examples=[""])
    remedy: str = Field(examples=[""])


class BulkResult(BaseModel):
    """What happened to each, in the order in which they were named."""

    done: int = Field(examples=[1])
    refused: int = Field(examples=[0])
    tickets: list[BulkItem]


@router.post("/tickets/bulk", summary="Do one thing to many tickets, each by itself", responses=needs(Role.TECHNICIAN))
async def bulk(body: BulkBody, request: Request, user: SignedIn) -> BulkResult:
    if Role(user.role).rank < Role.TECHNICIAN.rank:
        raise Refused(403, "role", f"{user.role} may not {body.action}", "ask a person with role technician")
    state = request.app.state
    numbers = [number_of(name) for name in body.tickets]
    details = Details(reason=body.reason, holder=body.holder, priority=body.priority, note=body.note)
    hands, actor = Hands(state.desk, state.database, state.clock), Actor(user.name, user.role)
    found = await search_bulk.act_on_each(hands, numbers, Action(body.action), actor, details, body.key or None)
    state.hub.publish("tickets", "alarms")
    state.wake(("tickets",))
    items = [_item(one) for one in found]
    done = sum(item.is_done for item in items)
    return BulkResult(done=done, refused=len(items) - done, tickets=items)


def _item(done: Done) -> BulkItem:
    name, why = ticket_name(done.number), done.refused
    if why is None:
        return BulkItem(ticket=name, is_done=True, state=done.state, status=200, code="", title="", remedy="")
    return BulkItem(
        ticket=name, is_done=False, state="", status=why.status, code=why.code, title=why.message, remedy=why.remedy
    )


class ExportQuery(TicketFilter):
    """Which tickets, and in which form."""

    form: Literal["csv", "xlsx"] = Field(default="csv", alias="as", examples=["csv"])
    language: Literal["en", "zh"] = Field(default="en", description="Of titles and names", examples=["en"])


@router.get(
    "/tickets/export", summary="All tickets that the filters leave, with every clock, as CSV or XLSX", response_class=Response,
    responses={200: {"description": "A row a ticket; columns named by ids", "content": {_CSV: {"example": _ROWS}, _XLSX: {}}}},
)  # fmt: skip
async def export(request: Request, user: SignedIn, asked: Annotated[ExportQuery, Query()]) -> Response:
    state = request.app.state
    if asked.text:
        await search_index.catch_up(state.database)
    async with state.database.read() as connection:
        wanted = (await _understood(connection, asked, user.name)).wanted
        zones = {row.id: _zone(row.zone) for row in await connection.execute(select(t.site.c.id, t.site.c.zone))}
    reader = Reader(asked.language, ZoneInfo("UTC"), lambda _family, name: name, zones)
    found = search_export.rows(state.database, wanted, state.clock.now_ms(), reader)
    headers = {"Content-Disposition": f'attachment; filename="tickets.{asked.form}"', "Cache-Control": "no-store"}
    if asked.form == "csv":
        return StreamingResponse(
            search_export.csv_lines(_heads(COLUMNS), found), media_type=f"{_CSV}; charset=utf-8", headers=headers
        )
    file = await search_export.xlsx_file(_heads(COLUMNS), found, "tickets")
    return StreamingResponse(search_export.chunks(file), media_type=_XLSX, headers=headers)


def _heads(columns: Sequence[str]) -> list[str]:
    return [column.replace(".", "_") for column in columns]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
