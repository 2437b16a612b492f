"""Outside contractors → tickets: a link to one ticket that expires, and what its holder may do through it.

The link's secret is told once and kept as a hash. Through it a contractor accepts (the response clock stops), says that he
is on site (the arrival clock stops), reports the work done and, where the engineer who made the link allowed it, closes the
ticket; each is a line of the timeline in the contractor's name. The link opens nothing else, and after its last act, its end
or its revocation it opens only the result.
"""

from __future__ import annotations

import enum
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid, not_found
from cloud.people.secrets import Tokens, hash_secret
from cloud.storage import tables as t
from cloud.tickets import permits_service, repository, service
from cloud.tickets.desk import Desk, record
from cloud.tickets.permits import Step
from cloud.tickets.permits_service import Given
from cloud.tickets.repository import Happening
from cloud.tickets.service import Actor, Details
from cloud.tickets.ticket import Action, Kind, Role, State, ticket_name, transition
from cloud.tickets.work_proof import Reading
from contract.conventions import EpochMs

DAY_MS = 86_400_000
DEFAULT_DAYS = 7
MOST_DAYS = 90
MOST_LINKS = 50
"""Of one ticket."""


class Verb(enum.StrEnum):
    """What a contractor does through the link."""

    ACCEPT = "accept"
    ARRIVE = "arrive"
    DONE = "done"
    CLOSE = "close"


class LinkState(enum.StrEnum):
    """What the link still opens."""

    GOOD = "good"
    USED = "used"
    """All that it allows was done through it."""
    OVER = "over"
    """The ticket is closed or cancelled."""
    REVOKED = "revoked"
    EXPIRED = "expired"


_ACTIONS = {Verb.ACCEPT: Action.ACKNOWLEDGE, Verb.ARRIVE: Action.ARRIVE}
_ENTRIES = {Verb.ACCEPT: "acknowledged", Verb.ARRIVE: "arrived"}
_COLUMNS = {Verb.ACCEPT: "accepted_at", Verb.ARRIVE: "arrived_at", Verb.DONE: "done_at", Verb.CLOSE: "closed_at"}


@dataclass(frozen=True, slots=True)
class Said:
    """What goes with a contractor's act."""

    cause: str = ""
    action: str = ""
    note: str = ""


def link_state(link: RowMapping, ticket_state: str, now: EpochMs) -> LinkState:
    """What a link opens now. An end that was set by people weighs more than the ticket's."""
    if link["revoked_at"] is not None:
        return LinkState.REVOKED
    if link["expires_at"] <= now:
        return LinkState.EXPIRED
    if not State(ticket_state).is_open:
        return LinkState.OVER
    return LinkState.USED if link["done_at"] is not None and not link["may_close"] else LinkState.GOOD


def verbs(link: RowMapping, ticket: RowMapping, stage: str | None) -> tuple[Verb, ...]:
    """What the contractor may do now, the next thing first. ``stage`` is the permit's, where the ticket has one."""
    found = []
    if link["accepted_at"] is None:
        return (Verb.ACCEPT,)
    if link["done_at"] is not None:
        return (Verb.CLOSE,) if stage is None and _may(Action.CLOSE, ticket) else ()
    if link["arrived_at"] is None:
        found.append(Verb.ARRIVE)
    is_ready = stage == "cut" if stage is not None else _may(Action.RESOLVE, ticket)
    return (*found, Verb.DONE) if is_ready else tuple(found)


def _may(action: Action, ticket: RowMapping) -> bool:
    return transition(action, ticket["kind"], ticket["state"]) is not None


# --- making and ending links --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """A link to be made."""

    name: str
    contact: str = ""
    days: int = DEFAULT_DAYS
    may_close: bool = False
    """Whether its holder may also close the ticket once the work is reported done. Nobody follows up then."""


async def make(
    desk: Desk, connection: AsyncConnection, number: int, wanted: Wanted, actor: Actor, now: EpochMs, tokens: Tokens
) -> tuple[int, str]:
    """A new link to an open ticket: its number and its secret. Raises Refused: 403 not this role, 404, 409, 422."""
    _check_role(actor)
    if not wanted.name.strip():
        raise invalid("name", "the link names no contractor", "say who gets it")
    if not 1 <= wanted.days <= MOST_DAYS:
        raise invalid("days", f"{wanted.days} days cannot be", f"choose 1 to {MOST_DAYS} days")
    ticket = await repository.ticket(connection, number, is_locked=True)
    if not State(ticket["state"]).is_open:
        raise conflict("state", f"{ticket_name(number)} is {ticket['state']}", "reopen it first")
    if len(await links(connection, number)) >= MOST_LINKS:
        raise conflict("too_many", f"{ticket_name(number)} has {MOST_LINKS} links already", "use one of them")
    token, name = tokens(), wanted.name.strip()
    values = {
        "ticket_id": number, "token_hash": hash_secret(token), "name": name, "contact": wanted.contact.strip(),
        "created_by": actor.name, "created_at": now, "expires_at": now + wanted.days * DAY_MS,
        "may_close": wanted.may_close,
    }  # fmt: skip
    c = t.permits.contractor_link
    link = int((await connection.execute(c.insert().values(**values).returning(c.c.id))).scalar_one())
    data = {"link": link, "name": name, "until": values["expires_at"], "may_close": wanted.may_close}
    await record(desk, connection, ticket, Happening(now, "link_made", actor.kind, actor.name, data), now)
    return link, token


async def revoke(desk: Desk, connection: AsyncConnection, link_id: int, actor: Actor, now: EpochMs) -> RowMapping:
    """End a link at once; again changes nothing. Raises Refused: 403 not this role, 404 no such link."""
    _check_role(actor)
    c = t.permits.contractor_link
    number = (await link_of(connection, link_id))["ticket_id"]
    ticket = await repository.ticket(connection, number, is_locked=True)
    link = await link_of(connection, link_id)
    if link["revoked_at"] is None:
        await connection.execute(update(c).where(c.c.id == link_id).values(revoked_at=now, revoked_by=actor.name))
        data = {"link": link_id, "name": link["name"]}
        await record(desk, connection, ticket, Happening(now, "link_revoked", actor.kind, actor.name, data), now)
    return await link_of(connection, link_id)


def _check_role(actor: Actor) -> None:
    if Role(actor.role).rank < Role.ENGINEER.rank:
        raise Refused(403, "role", f"{actor.role} may not make or end links", "ask a person with role engineer")


async def links(connection: AsyncConnection, number: int) -> list[RowMapping]:
    """Every link of a ticket, newest first."""
    c = t.permits.contractor_link
    query = select(c).where(c.c.ticket_id == number).order_by(c.c.id.desc())
    return list((await connection.execute(query)).mappings())


async def link_of(connection: AsyncConnection, link_id: int) -> RowMapping:
    """One link. Raises Refused (404)."""
    c = t.permits.contractor_link
    found = (await connection.execute(select(c).where(c.c.id == link_id))).mappings().one_or_none()
    if found is None:
        raise not_found("link", str(link_id))
    return found


# --- through the link ---------------------------------------------------------------------------------------------


async def find(connection: AsyncConnection, token: str) -> RowMapping:
    """The link of a secret. Raises Refused (404), which says nothing of what there is.

    The database is asked for a hash, so how long it takes tells nothing of the secret; the answer is compared in constant
    time besides.
    """
    hashed = hash_secret(token)
    c = t.permits.contractor_link
    found = (await connection.execute(select(c).where(c.c.token_hash == hashed))).mappings().one_or_none()
    if found is None or not hmac.compare_digest(found["token_hash"], hashed):
        raise not_found("link", "of this address")
    return found


async def may(connection: AsyncConnection, token: str, verb: Verb, now: EpochMs) -> tuple[RowMapping, bool]:
    """The link, and whether this act is still to be done; false: it was done before.

    Raises Refused: 404 no such link, 410 it is revoked, expired, used up or the ticket is over, 409 not yet possible.
    """
    link = await find(connection, token)
    if link[_COLUMNS[verb]] is not None and link["revoked_at"] is None:
        return link, False
    ticket = await repository.ticket(connection, link["ticket_id"])
    _check_link(link, ticket, now)
    stage = await _stage(connection, ticket)
    if verb not in verbs(link, ticket, stage):
        what = f"{ticket_name(ticket['id'])} is {stage or ticket['state']}: {verb} does not apply"
        raise conflict("state", what, "accept first, or ask who sent the link")
    return link, True


async def do(
    desk: Desk, connection: AsyncConnection, token: str, verb: Verb, said: Said, now: EpochMs,
    seen: Sequence[Reading] = (),
) -> RowMapping:  # fmt: skip
    """One act of a contractor; the link as it is then. Again it changes nothing.

    ``seen`` are the readings that may prove a repair (``work.readings``). Raises Refused as ``may`` does, and 422 when
    something is missing.
    """
    number = (await find(connection, token))["ticket_id"]
    ticket = await repository.ticket(connection, number, is_locked=True)
    link, is_new = await may(connection, token, verb, now)
    if not is_new:
        return link
    actor = Actor(link["name"], Role.TECHNICIAN, "contractor")
    if verb is Verb.DONE:
        await _report(desk, connection, ticket, actor, said, now, seen)
    elif verb is Verb.CLOSE:  # by the right of the engineer who made the link so
        actor = Actor(link["name"], Role.ENGINEER, "contractor")
        await service.act(desk, connection, number, Action.CLOSE, actor, now, Details(note=said.note))
    else:
        await _say(desk, connection, ticket, verb, actor, said, now)
    c = t.permits.contractor_link
    await connection.execute(update(c).where(c.c.id == link["id"]).values({_COLUMNS[verb]: now}))
    return await link_of(connection, link["id"])


def _check_link(link: RowMapping, ticket: RowMapping, now: EpochMs) -> None:
    state = link_state(link, ticket["state"], now)
    if state is not LinkState.GOOD:
        raise Refused(410, f"link_{state}", f"this link is {state}", "ask who sent it for another one")


async def _stage(connection: AsyncConnection, ticket: RowMapping) -> str | None:
    if ticket["kind"] != Kind.OUTAGE:
        return None
    return str((await permits_service.permit_of(connection, ticket["id"]))["stage"])


async def _say(
    desk: Desk, connection: AsyncConnection, ticket: RowMapping, verb: Verb, actor: Actor, said: Said, now: EpochMs
) -> None:
    """Accepted, or on site: as the table of transitions has it, or beside it where our own people are further already."""
    if _may(_ACTIONS[verb], ticket):
        await service.act(desk, connection, ticket["id"], _ACTIONS[verb], actor, now, Details(note=said.note))
        return
    data = {"note": said.note} if said.note else {}
    await record(desk, connection, ticket, Happening(now, _ENTRIES[verb], actor.kind, actor.name, data), now)


async def _report(
    desk: Desk, connection: AsyncConnection, ticket: RowMapping, actor: Actor, said: Said, now: EpochMs,
    seen: Sequence[Reading],
) -> None:  # fmt: skip
    """The work is done: a fault's ticket is resolved; of an outage it is reported, and our own people restore."""
    if ticket["kind"] == Kind.OUTAGE:
        given = Given(action=said.action, note=said.note)
        await permits_service.take(desk, connection, ticket["id"], Step.REPORT_DONE, actor, now, given)
        return
    details = Details(cause=said.cause, action=said.action, note=said.note)
    await service.act(desk, connection, ticket["id"], Action.RESOLVE, actor, now, details, seen={ticket["id"]: seen})


async def note_seen(connection: AsyncConnection, link: RowMapping, now: EpochMs) -> None:
    """The first time a link is opened."""
    c = t.permits.contractor_link
    await connection.execute(update(c).where(c.c.id == link["id"], c.c.seen_at.is_(None)).values(seen_at=now))
