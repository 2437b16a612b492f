"""A desk of one large site: 500 devices of 12 points announced as a gateway announces them."""

import random
from collections.abc import Sequence
from pathlib import Path

import httpx
import yaml

from benchmarks.years import START_MS, YEAR_MS
from cloud.people import gateways
from cloud.storage.session import Database
from cloud.telemetry.store import Key, Row, Sample, Store
from contract.codec import deflate, encode_envelope, encode_record, raw_records
from contract.conventions import format_instant
from contract.messages import CONTRACT_VERSION, Envelope
from edge.announce import announcement
from edge.config import load_site
from edge.decode.sample import Moment
from edge.plans import device_plans, plan_site
from edge.rules.engine import Engine
from edge.site import Site
from simulators.site_made import made_site

POINTS = 12
NOW_MS = START_MS + YEAR_MS


def site_of(folder: Path, devices: int) -> Site:
    """The site as its gateway reads it."""
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(made_site(devices, POINTS, every="10s")), encoding="utf-8")
    return load_site(file)


async def announce(http: httpx.AsyncClient, database: Database, site: Site) -> None:
    """Tell the cloud of everything there is, through its own front door."""
    async with database.write() as connection:
        await gateways.add(connection, site.gateway.id, site.id, "code", NOW_MS)
        credential = await gateways.enrol(connection, site.gateway.id, "code", NOW_MS, lambda: "credential")
    records = announcement(site, Engine(site, Moment(NOW_MS, 0)), device_plans(plan_site(site)), "bench")
    for number, one in enumerate(records, start=1):
        envelope = Envelope(
            contract=CONTRACT_VERSION, gateway=site.gateway.id, epoch=1, lane="events", first=number,
            sent_at=format_instant(NOW_MS), records=raw_records([encode_record(one)]),
        )  # fmt: skip
        headers = {"Authorization": f"Bearer {credential}", "Content-Encoding": "deflate"}
        reply = await http.post("/api/v1/ingest", content=deflate(encode_envelope(envelope)), headers=headers)
        if reply.status_code != 200 or reply.json()["refused"]:
            raise RuntimeError(f"the announcement was refused: {reply.status_code} {reply.text[:300]}")


def keys_of(site: Site) -> list[Key]:
    """Every measured point of a gauge."""
    return [
        (site.id, binding.equipment, binding.point_id)
        for device in site.devices
        for binding in device.bindings
        if binding.point.kind == "gauge"
    ]


async def show_all(store: Store, keys: Sequence[Key]) -> None:
    """A newest value of every point."""
    noise = random.Random(1)
    rows = [Row(*key, Sample(NOW_MS - 3_000, round(noise.gauss(100, 2), 1), "good", "none")) for key in keys]
    await store.write(rows)
