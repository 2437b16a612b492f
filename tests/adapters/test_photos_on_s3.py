"""Photos in an S3-compatible store, over real HTTP on loopback."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer

from cloud.errors import Misconfigured
from cloud.storage import tables as t
from cloud.storage.files import FileGone, Files, FilesAt, FilesAway
from cloud.tickets.attachments_sweep import KEPT_MS, Sweeper
from tests.cloud.tickets.test_attachments import PATH, send
from tests.support.desk import START, Desk, announcement, desk, raised, rows
from tests.support.photos import photo


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/plant").raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


def at(endpoint: str, bucket: str = "plant") -> FilesAt:
    return FilesAt(f"s3://{bucket}/riverside/photos", endpoint, "us-east-1", "key", "secret")


async def test_a_photo_goes_to_the_bucket_comes_back_and_is_swept(endpoint: str, tmp_path: Path) -> None:
    files = Files(at(endpoint))
    await files.check()
    async with desk(tmp_path, files=files.at) as d:
        await ready(d)
        told = (await send(d, photo())).json()
        (row,) = await rows(d.database, t.proof.attachment)
        assert await files.names(row["file"][:2]) == [row["file"], row["file"] + ".small"]
        assert (await d.http.get(f"{PATH}/{told['id']}/content")).content == await files.read(row["file"])
        assert (await send(d, photo())).status_code == 200
        assert (await d.http.post(f"{PATH}/{told['id']}/remove", json={"reason": "blurred"})).status_code == 200
        d.clock.ms += KEPT_MS
        assert await Sweeper(d.database, d.app.state.files, d.clock).sweep() == 2
        with pytest.raises(FileGone):
            await files.read(row["file"])


async def ready(d: Desk) -> None:
    gateway = await d.gateway()
    await d.sign_in("anna", "technician")
    await gateway.tell(announcement(), raised(START))


async def test_a_store_that_is_away_is_answered_with_503_and_loses_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, files=at("http://127.0.0.1:9")) as d:
        await ready(d)
        answer = await send(d, photo())
        assert (answer.status_code, answer.json()["code"]) == (503, "files_unavailable")
        assert await rows(d.database, t.proof.attachment) == []
        assert (await d.act("T-000001", "acknowledge")).status_code == 200
    with pytest.raises(FilesAway, match="Could not connect"):
        await Files(at("http://127.0.0.1:9")).check()


async def test_a_bucket_that_is_not_there_keeps_the_cloud_from_starting(endpoint: str) -> None:
    with pytest.raises(Misconfigured, match=r"files_url.*bucket does not exist"):
        await Files(at(endpoint, "nothing")).check()
