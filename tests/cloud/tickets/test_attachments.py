"""Photos and papers on a ticket, through the API, kept on disk."""

import asyncio
import hashlib
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.errors import Refused
from cloud.storage import tables as t
from cloud.tickets import attachments
from cloud.tickets.attachments import Upload
from cloud.tickets.attachments_routes import room
from cloud.tickets.attachments_sweep import KEPT_MS, Sweeper
from cloud.tickets.service import Actor
from tests.support.desk import START, Desk, announcement, desk, raised, rows
from tests.support.photos import PDF, photo

PATH = "/api/v1/tickets/T-000001/attachments"


@asynccontextmanager
async def a_ticket(folder: Path, role: str = "technician") -> AsyncIterator[Desk]:
    async with desk(folder) as d:
        gateway = await d.gateway()
        await d.sign_in("anna", role)
        await gateway.tell(announcement(), raised(START))
        yield d


async def send(d: Desk, data: bytes, name: str = "IMG_1.jpg", **said: str) -> httpx.Response:
    return await d.http.post(PATH, files={"file": (name, data, "application/x-anything")}, data=said)


def files(folder: Path) -> list[str]:
    root = folder / "files"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def kinds(d: Desk) -> list[str]:
    return [row["kind"] for row in await rows(d.database, t.timeline)]


async def test_a_photo_is_kept_with_who_when_and_what_it_was_and_served_to_people_only(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        sent = photo()
        answer = await send(d, sent, "../..\\evil <é>.png", shows="repair", note="fuse of stage 3")
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        assert told["sha256"] == hashlib.sha256(sent).hexdigest()
        assert (told["name"], told["shows"], told["added_by"]) == ("evil é.png", "repair", "anna")
        assert (told["media_type"], told["device_time"]) == ("image/jpeg", "2026-11-21T15:40:12+08:00")
        served = await d.http.get(f"{PATH}/{told['id']}/content")
        assert hashlib.sha256(served.content).hexdigest() == told["stored_sha256"]
        assert b"SecretMaker" not in served.content
        assert served.headers["content-type"] == "image/jpeg"
        assert served.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in served.headers["content-security-policy"]
        assert served.headers["content-disposition"].startswith('inline; filename="attachment-1.jpg"; filename*=UTF-8')
        again = await d.http.get(f"{PATH}/{told['id']}/content", headers={"If-None-Match": served.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        small = await d.http.get(f"{PATH}/{told['id']}/content?size=small")
        assert small.headers["content-type"] == "image/jpeg"
        assert await kinds(d) == ["opened", "attached"]
        d.http.cookies.clear()
        assert (await d.http.get(f"{PATH}/{told['id']}/content")).status_code == 401
        assert (await send(d, photo(colour="blue"))).status_code == 401


async def test_a_paper_is_saved_and_never_opened_in_the_page(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        told = (await send(d, PDF, "permit.pdf")).json()
        served = await d.http.get(f"{PATH}/{told['id']}/content")
        assert served.content == PDF
        assert served.headers["content-type"] == "application/pdf"
        assert served.headers["content-disposition"].startswith("attachment;")
        assert (await d.http.get(f"{PATH}/{told['id']}/content?size=small")).status_code == 404


async def test_the_same_photo_twice_is_one_attachment(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        first, second = await send(d, photo()), await send(d, photo(), "renamed.jpg")
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json() == second.json()
        upload, actor = Upload(photo(colour="blue")), Actor("anna", "technician")
        both = await asyncio.gather(
            *(attachments.add(room_of(d), 1, upload, actor, d.clock.ms) for _ in range(2))
        )  # fmt: skip
        assert sorted(is_new for _, is_new in both) == [False, True]
        assert len(await rows(d.database, t.proof.attachment)) == 2
        assert len(files(tmp_path)) == 4  # each photo with its small one; the slower of two left nothing behind


def room_of(d: Desk) -> attachments.Room:
    class Asked:
        app = d.app

    return room(Asked())  # type: ignore[arg-type]


async def test_removing_leaves_its_line_with_who_and_why_and_its_file_goes_with_a_later_sweep(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        number = (await send(d, photo())).json()["id"]
        assert (await d.http.post(f"{PATH}/{number}/remove", json={"reason": " "})).status_code == 422
        await d.sign_in("ben", "technician")
        refused = await d.http.post(f"{PATH}/{number}/remove", json={"reason": "blurred"})
        assert (refused.status_code, refused.json()["remedy"]) == (403, "ask anna or an engineer")
        await d.sign_in("chief", "engineer")
        (told,) = (await d.http.post(f"{PATH}/{number}/remove", json={"reason": "a tenant's face"})).json()[
            "attachments"
        ]
        assert (told["removed_by"], told["removed_why"]) == ("chief", "a tenant's face")
        assert (await d.http.get(f"{PATH}/{number}/content")).status_code == 410
        assert (await kinds(d))[-1] == "detached"
        assert [row["action"] for row in await rows(d.database, t.audit)][-1] == "attachment_removed"
        sweeper = Sweeper(d.database, d.app.state.files, d.clock)
        assert await sweeper.sweep() == 0
        d.clock.ms += KEPT_MS
        assert await sweeper.sweep() == 2
        assert files(tmp_path) == []
        assert (await send(d, photo())).status_code == 201  # taken off by mistake: it may come again


class Killed(BaseException):
    """The process ends here."""


class Killing:
    """A transaction in whose place the process ends."""

    async def __aenter__(self) -> None:
        raise Killed

    async def __aexit__(self, *_: object) -> None:
        return None


async def test_a_kill_between_file_and_row_leaves_a_file_that_the_sweep_takes_and_nothing_else(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        kept = (await send(d, photo())).json()["id"]

        real, d.app.state.database.write = d.app.state.database.write, Killing
        with pytest.raises(Killed):
            await attachments.add(room_of(d), 1, Upload(photo(colour="blue")), Actor("anna", "technician"), d.clock.ms)
        d.app.state.database.write = real
        assert len(await rows(d.database, t.proof.attachment)) == 1
        assert len(files(tmp_path)) == 4
        (tmp_path / "files" / "ab").mkdir(exist_ok=True)
        (tmp_path / "files" / "ab" / "somebody-elses.txt").write_text("not ours")
        d.clock.ms += KEPT_MS
        assert await Sweeper(d.database, d.app.state.files, d.clock).sweep() == 2
        assert len(files(tmp_path)) == 3
        assert (await d.http.get(f"{PATH}/{kept}/content")).status_code == 200


async def test_a_full_disk_records_nothing_and_says_so(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        large = photo(size=(400, 300))
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
        try:
            answer = await send(d, large)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert (answer.status_code, answer.json()["code"]) == (503, "files_unavailable")
        assert "nothing is lost" in answer.json()["remedy"]
        assert await rows(d.database, t.proof.attachment) == []
        assert await kinds(d) == ["opened"]
        assert (await send(d, large)).status_code == 201


async def test_a_folder_that_cannot_be_written_is_answered_with_503(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        (tmp_path / "files").write_text("a file stands where the folder should be")
        answer = await send(d, photo())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert (await d.http.get("/api/v1/tickets/T-000001")).status_code == 200


async def test_a_file_that_was_lost_or_changed_is_said_and_not_served(tmp_path: Path) -> None:
    async with a_ticket(tmp_path) as d:
        number = (await send(d, photo())).json()["id"]
        (row,) = await rows(d.database, t.proof.attachment)
        path = tmp_path / "files" / row["file"]
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        answer = await d.http.get(f"{PATH}/{number}/content")
        assert (answer.status_code, answer.json()["code"]) == (404, "file_lost")
        assert "changed" in answer.json()["title"]
        path.unlink()
        assert (await d.http.get(f"{PATH}/{number}/content")).json()["code"] == "file_lost"


@pytest.mark.parametrize(
    ("data", "said", "status"),
    [(b"<html>", {}, 415), (photo(), {"shows": "me"}, 422), (bytes(21 * 2**20), {}, 413)],
    ids=["page", "shows", "large"],
)  # fmt: skip
async def test_what_cannot_be_attached_leaves_no_file(
    tmp_path: Path, data: bytes, said: dict[str, str], status: int
) -> None:
    async with a_ticket(tmp_path) as d:
        assert (await send(d, data, **said)).status_code == status
        assert files(tmp_path) == []


async def test_who_may_only_look_attaches_nothing_and_a_ticket_must_exist(tmp_path: Path) -> None:
    async with a_ticket(tmp_path, "viewer") as d:
        assert (await send(d, photo())).status_code == 403
        with pytest.raises(Refused):
            await attachments.add(room_of(d), 1, Upload(photo()), Actor("anna", "viewer"), d.clock.ms)
        await d.sign_in("chief", "engineer")
        answer = await d.http.post("/api/v1/tickets/T-000099/attachments", files={"file": ("x.jpg", photo())})
        assert answer.status_code == 404
        assert (await d.http.post(PATH, content=b"no form", headers={"Content-Type": "text/plain"})).status_code == 422
        assert (await d.http.post(PATH, data={"shows": "fault"})).status_code == 422


async def test_a_stream_without_an_end_is_cut_where_no_file_may_be_larger(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        while True:
            yield bytes(2**20)

    async with a_ticket(tmp_path) as d:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await d.http.post(PATH, content=endless(), headers=headers)).status_code == 413
