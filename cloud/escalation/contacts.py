"""Beside escalation: who can be told, by which channels, and who holds which duty at which site. Every query about them.

A channel's address holds secrets: it is read only to send, and shown only as the label that apprise gives it without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import RowMapping, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import invalid, not_found
from cloud.escalation.chain import Kept, Step, from_plain
from cloud.escalation.courier import look_at
from cloud.escalation.decide import Quiet
from cloud.people.service import audit
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared
from cloud.storage.sql import insert_new, upsert
from contract.conventions import EpochMs

PERSON, ADDRESS = "person:", "address:"
_HHMM = len("22:00")
_user, _channel, _duty = t.app_user.c, t.calls.channel.c, t.calls.duty.c
_USERS = Prepared(select(_user.name, _user.role, _user.language).where(_user.disabled_at.is_(None)).order_by(_user.id))
_KINDS = Prepared(select(_channel.owner, _channel.kind).order_by(_channel.owner, _channel.position, _channel.id))
_DUTIES = Prepared(select(_duty.site_id, _duty.role, _duty.owner).order_by(*t.calls.duty.primary_key))
_CONTACTS = Prepared(select(t.calls.contact))
_ZONES = Prepared(select(t.site.c.id, t.site.c.zone))
_CHAINS = Prepared(select(t.calls.chain).order_by(t.calls.chain.c.id))


@dataclass(frozen=True, slots=True)
class Directory:
    """Everybody who can be told, at one moment. Built once for many tickets."""

    roles: Mapping[str, str]
    """User to role, without who was disabled."""
    languages: Mapping[str, str]
    duties: Sequence[tuple[str, str, str]] = ()
    """Site (empty: every), role, owner."""
    channels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Owner to the kinds of its channels, in order."""
    contacts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    zones: Mapping[str, str] = field(default_factory=dict)
    """Site to zone."""
    chains: Sequence[Kept] = ()

    def zone(self, site: str) -> str:
        return self.zones.get(site) or "UTC"

    def whom(self, step: Step, site: str, holder: str, watchers: Sequence[str]) -> tuple[str, ...]:
        """The owners whom a step calls and who have a channel of its kinds, in the step's order, each once."""
        named: list[str] = []
        for one in step.whom:
            named += self._named(one, site, holder, watchers)
        return tuple(owner for owner in dict.fromkeys(named) if self.kinds(owner, step.by))

    def _named(self, one: str, site: str, holder: str, watchers: Sequence[str]) -> list[str]:
        if one == "holder":
            return [PERSON + holder] if holder else []
        if one == "watchers":
            return [PERSON + name for name in watchers]
        if one.startswith("role:"):
            return self.holding(one.removeprefix("role:"), site)
        return [one]

    def holding(self, role: str, site: str) -> list[str]:
        """Who holds a duty: those named for it at the site, else at every site, else the users whose role has this name."""
        for place in (site, ""):
            named = [owner for at, what, owner in self.duties if (at, what) == (place, role)]
            if named:
                return named
        return [PERSON + name for name, of in self.roles.items() if of == role]

    def kinds(self, owner: str, by: Sequence[str] = ()) -> tuple[str, ...]:
        """The kinds of channel by which an owner can be told; none for a user who was disabled."""
        if owner.startswith(PERSON) and owner.removeprefix(PERSON) not in self.roles:
            return ()
        return tuple(kind for kind in self.channels.get(owner, ()) if not by or kind in by)

    def language(self, owner: str) -> str:
        told = self.contacts.get(owner, {}).get("language") or self.languages.get(owner.removeprefix(PERSON))
        return told or "zh"

    def quiet(self, site: str) -> dict[str, Quiet]:
        """Everybody's quiet hours, in their own zone or else the site's."""
        return {
            owner: Quiet(time.fromisoformat(row["quiet_from"]), time.fromisoformat(row["quiet_to"]), row["zone"] or self.zone(site))
            for owner, row in self.contacts.items() if row["quiet_from"]
        }  # fmt: skip


async def directory(connection: AsyncConnection) -> Directory:
    """Everybody who can be told, now."""
    users = await _USERS.rows(connection)
    channels: dict[str, tuple[str, ...]] = {}
    for owner, kind in await _KINDS.tuples(connection):
        channels[owner] = (*channels.get(owner, ()), kind)
    return Directory(
        roles={row["name"]: row["role"] for row in users},
        languages={row["name"]: row["language"] for row in users},
        duties=[(site, role, owner) for site, role, owner in await _DUTIES.tuples(connection)],
        channels=channels,
        contacts={row["owner"]: row for row in await _CONTACTS.rows(connection)},
        zones=dict(await _ZONES.tuples(connection)),
        chains=await chains(connection),
    )


async def channel_rows(connection: AsyncConnection, owner: str = "") -> Sequence[RowMapping]:
    """Channels in the order in which they are tried, of one owner or of all."""
    query = select(t.calls.channel).order_by(t.calls.channel.c.owner, t.calls.channel.c.position, t.calls.channel.c.id)
    if owner:
        query = query.where(t.calls.channel.c.owner == owner)
    return (await connection.execute(query)).mappings().all()


async def chains(connection: AsyncConnection) -> list[Kept]:
    """The site's own chains."""
    return [
        Kept(from_plain(row["steps"]), row["site_id"], row["kind"], row["priority"], row["emergency"])
        for row in await _CHAINS.rows(connection)
    ]


async def add_channel(connection: AsyncConnection, owner: str, url: str, now: EpochMs, actor: str) -> int:
    """A further way to tell somebody; it is tried after those there are. Raises Refused: 404 no such person, 422 not an address."""
    await check_owner(connection, owner)
    try:
        looked = look_at(url)
    except ValueError as error:
        raise invalid("url", str(error), "write an address as docs/calls.md shows, such as mailtos://…") from error
    last = select(func.coalesce(func.max(t.calls.channel.c.position), 0)).where(t.calls.channel.c.owner == owner)
    position = (await connection.execute(last)).scalar_one() + 1
    values = {"owner": owner, "position": position, "url": url.strip(), "kind": looked.kind, "label": looked.label}
    statement = t.calls.channel.insert().values(**values, created_at=now).returning(t.calls.channel.c.id)
    number = int((await connection.execute(statement)).scalar_one())
    await audit(connection, actor, "channel_added", owner, now, {"kind": looked.kind, "label": looked.label})
    await look_again(connection)
    return number


async def remove_channel(connection: AsyncConnection, number: int, now: EpochMs, actor: str) -> None:
    """Take a channel away. Raises Refused (404)."""
    row = (await connection.execute(select(t.calls.channel).where(t.calls.channel.c.id == number))).mappings().first()
    if row is None:
        raise not_found("channel", str(number))
    await connection.execute(delete(t.calls.channel).where(t.calls.channel.c.id == number))
    await audit(connection, actor, "channel_removed", row["owner"], now, {"kind": row["kind"], "label": row["label"]})


async def check_owner(connection: AsyncConnection, owner: str) -> None:
    """Raises Refused: 404 no such user, 422 for something that is neither a person nor an address."""
    name = owner.partition(":")[2]
    if owner.startswith(PERSON):
        if not (await connection.execute(select(t.app_user.c.id).where(t.app_user.c.name == name))).first():
            raise not_found("user", name)
    elif not owner.startswith(ADDRESS) or not name.strip() or len(name) > 100:
        raise invalid(
            "owner", f"{owner!r} is nobody", "write person:NAME of a user, or address:NAME of a group or phone"
        )


async def set_contact(
    connection: AsyncConnection, owner: str, values: Mapping[str, str], now: EpochMs, actor: str
) -> None:
    """Language, zone and quiet hours of somebody. Raises Refused: 404 no such person, 422 not an hour or a zone."""
    await check_owner(connection, owner)
    if values["language"] not in {"", "en", "zh"}:
        raise invalid("language", f"{values['language']!r} is not a language here", "write en or zh, or leave it empty")
    if bool(values["quiet_from"]) != bool(values["quiet_to"]):
        raise invalid(
            "quiet_to", "quiet hours need a beginning and an end", "write both, such as 22:00 and 07:00, or neither"
        )
    for name in ("quiet_from", "quiet_to"):
        _check_hour(name, values[name])
    if values["quiet_from"] and values["quiet_from"] == values["quiet_to"]:
        raise invalid("quiet_to", "quiet hours that end when they begin", "write two different hours, or neither")
    check_zone(values["zone"])
    await upsert(connection, t.calls.contact, ("owner",), [{"owner": owner, **values}])
    await audit(connection, actor, "contact_changed", owner, now, values)


def _check_hour(name: str, text: str) -> None:
    try:
        is_right = not text or (len(text) == _HHMM and time.fromisoformat(text) is not None)
    except ValueError:
        is_right = False
    if not is_right:
        raise invalid(name, f"{text!r} is not an hour", "write hours and minutes, such as 22:00")


def check_zone(zone: str) -> None:
    """Raises Refused (422) for what is no IANA zone."""
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise invalid("zone", f"{zone!r} is not a zone", "write an IANA zone such as Asia/Shanghai") from error


async def set_duty(
    connection: AsyncConnection, site: str, role: str, owners: Sequence[str], now: EpochMs, actor: str
) -> None:
    """Who holds a duty at a site (empty: at every site); nobody named leaves it to the users whose role has this name."""
    for owner in owners:
        await check_owner(connection, owner)
    if site and not (await connection.execute(select(t.site.c.id).where(t.site.c.id == site))).first():
        raise not_found("site", site)
    where = (t.calls.duty.c.site_id == site) & (t.calls.duty.c.role == role)
    await connection.execute(delete(t.calls.duty).where(where))
    for owner in dict.fromkeys(owners):
        await insert_new(connection, t.calls.duty, {"site_id": site, "role": role, "owner": owner})
    await audit(connection, actor, "duty_changed", f"{site}/{role}", now, {"owners": list(owners)})
    await look_again(connection)


async def look_again(connection: AsyncConnection) -> None:
    """Tickets of which nobody could be told are planned anew: now there may be somebody."""
    troubled = select(t.calls.notice.c.ticket_id).where(t.calls.notice.c.state.in_(("nobody", "failed")))
    await connection.execute(update(t.ticket).where(t.ticket.c.id.in_(troubled)).values(planned_version=-1))
