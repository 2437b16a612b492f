"""Calls in tests: a courier without network that remembers and may refuse, and the people it goes to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.escalation import contacts
from cloud.escalation.courier import Letter, Undelivered
from cloud.escalation.notifier import Notifier
from cloud.people import service
from cloud.storage import tables as t
from tests.support.desk import Desk, rows


@dataclass
class Postbox:
    """A courier. ``refusing`` holds addresses that take nothing, ``silent`` those of which nobody knows whether they did."""

    sent: list[tuple[str, Letter]] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    refusing: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)

    def is_busy(self, url: str) -> bool:
        return False

    async def deliver(self, url: str, letter: Letter) -> str:
        self.tried.append(url)
        if url in self.refusing:
            raise Undelivered("refused")
        if url in self.silent:
            raise Undelivered("no answer within 15 s", is_unknown=True)
        self.sent.append((url, letter))
        return "250 taken"

    def told(self) -> list[str]:
        """Who was told since the last question, by the last word of the address."""
        found = [url.rpartition("/")[2] for url, _ in self.sent]
        self.sent.clear()
        return found


def address(name: str) -> str:
    return f"json://127.0.0.1:9/{name}"


async def people(desk: Desk, **roles: str) -> None:
    """Users with one channel each."""
    for name, role in roles.items():
        async with desk.database.write() as connection:
            await service.add_user(connection, name, role, None, desk.clock.ms)
            await contacts.add_channel(connection, f"person:{name}", address(name), desk.clock.ms, "tests")


def notifier(desk: Desk, postbox: Postbox, **how: Any) -> Notifier:
    """One process's notifier over this desk."""
    state = desk.app.state
    return Notifier(state.database, state.desk, desk.clock, lambda *_: None, postbox, "https://desk.example", **how)


async def notices(desk: Desk, *columns: str, **where: Any) -> Sequence[tuple[Any, ...]]:
    """Columns of every notice, in the order of writing."""
    return [tuple(row[name] for name in columns) for row in await rows(desk.database, t.calls.notice, **where)]
