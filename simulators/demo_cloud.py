"""The demo as a user of the cloud: it registers its gateway, signs in and reads tickets, through public ways only."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

import httpx

from contract.conventions import instant_ms
from simulators.demo_setup import Setup
from simulators.processes import Family, ProcessFailed, program
from simulators.scenario import SeenTicket

WATCHER = "demo_watcher"
_LINK = re.compile(r"https?://\S+/sign-in/[^\s\"']+")


class CloudUnreachable(RuntimeError):
    """The cloud does not answer at this moment."""


class DemoCloud:
    """A signed-in client of the cloud's API."""

    def __init__(self, address: str) -> None:
        self._client = httpx.AsyncClient(base_url=address, timeout=5.0, trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def sign_in(self, name: str, password: str) -> None:
        """Start a session. Raises ProcessFailed when the cloud refuses, which it should not."""
        reply = await self._client.post("/api/v1/sign-in", json={"name": name, "password": password})
        if reply.is_error:
            raise ProcessFailed(f"the cloud refused the demo's own sign-in: {reply.status_code} {reply.text}")

    @property
    def cookie(self) -> str:
        """The session as a request's header names it."""
        return "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())

    async def tickets(self) -> list[SeenTicket]:
        """Every ticket, in the order of their numbers. Raises CloudUnreachable."""
        found = (await self.get("/api/v1/tickets?limit=1000"))["tickets"]
        return sorted((_seen(one) for one in found), key=lambda ticket: ticket.id)

    async def gateways(self) -> list[Mapping[str, Any]]:
        """Every gateway as the cloud sees it. Raises CloudUnreachable."""
        found: list[Mapping[str, Any]] = (await self.get("/api/v1/gateways"))["gateways"]
        return found

    async def act(self, ticket: str, action: str) -> None:
        """Press a button of a ticket. Raises CloudUnreachable, also when it is refused."""
        try:
            (await self._client.post(f"/api/v1/tickets/{ticket}/actions/{action}", json={})).raise_for_status()
        except httpx.HTTPError as error:
            raise CloudUnreachable(str(error)) from error

    async def get(self, path: str) -> dict[str, Any]:
        """One GET. Raises CloudUnreachable, also for an error status."""
        try:
            reply = await self._client.get(path)
            reply.raise_for_status()
        except httpx.HTTPError as error:
            raise CloudUnreachable(str(error)) from error
        answer: dict[str, Any] = reply.json()
        return answer


def _seen(ticket: Mapping[str, Any]) -> SeenTicket:
    return SeenTicket(
        id=ticket["id"],
        equipment=ticket["equipment"],
        rule=ticket["rule"],
        clause=ticket["clause"],
        priority=ticket["priority"],
        raised_at=ticket["raised_at"],
        received_at=ticket["received_at"],
        received_ms=instant_ms(ticket["received_at"] or ticket["opened_at"]),
        response_due=ticket["response_due"],
        resolution_due=ticket["resolution_due"],
    )


async def gateway_code(family: Family, setup: Setup) -> str:
    """Register the gateway; the one-time code it enrols with."""
    command = [
        *program("plantroom-cloud"), "gateway", "add", setup.gateway_id, "--site", setup.site_id,
        "--data", str(setup.folder), "--json",
    ]  # fmt: skip
    code: str = json.loads(await family.run("registration of the gateway", command))["code"]
    return code


async def add_watcher(family: Family, setup: Setup, role: str = "viewer") -> str:
    """A user of the demo's own, who may only look unless more is asked for; the password, known to nobody else."""
    password, file = secrets.token_urlsafe(24), setup.folder / "watcher.password"
    file.touch(mode=0o600)
    file.write_text(password, encoding="utf-8")
    command = [
        *program("plantroom-cloud"), "user", "add", WATCHER, "--role", role, "--password-file", str(file),
        "--data", str(setup.folder),
    ]  # fmt: skip
    await family.run("registration of the demo's user", command)
    return password


def find_link(log: str) -> str | None:
    """The one-time sign-in address in what the cloud printed."""
    found = _LINK.search(log)
    return found[0] if found else None
