"""The ingest call: what is answered to whom, and when."""

import gzip
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.people import gateways
from cloud.storage import tables as t
from contract import codec
from contract.messages import DirectiveApplied, Previous
from tests.support.desk import START, Gateway, announcement, desk, raised, rows


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"]
    return answer.status_code, answer.json()["code"]


async def test_only_the_gateways_own_credential_opens_the_door(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        stranger = await gateway.post(gateway.envelope(), {"Authorization": "Bearer nonsense"})
        nobody = await gateway.post(gateway.envelope(), {"Authorization": ""})
        other = await gateway.post(gateway.envelope(gateway="gw_9"))
        assert [code(answer) for answer in (stranger, nobody, other)] == [
            (401, "credential"), (401, "credential"), (403, "other_gateway"),
        ]  # fmt: skip


async def test_a_revoked_gateway_is_refused_at_once_and_its_data_stays(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        async with d.database.write() as connection:
            await gateways.revoke(connection, "gw_1", d.clock.ms)
        assert code(await gateway.post(gateway.envelope())) == (401, "credential")
        assert len(await rows(d.database, t.ticket)) == 1


async def test_an_enrolment_code_works_once_and_only_for_its_gateway(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.gateway()
        async with d.database.write() as connection:
            await gateways.add(connection, "gw_2", "riverside", "CODE-2", d.clock.ms)
        tries = [("gw_2", "CODE"), ("gw_9", "CODE-2"), ("gw_2", "CODE-2"), ("gw_2", "CODE-2")]
        answers = [
            await d.http.post("/api/v1/gateways/enrol", json={"gateway": name, "code": secret})
            for name, secret in tries
        ]
        assert [answer.status_code for answer in answers] == [401, 401, 200, 401]


async def test_an_enrolment_code_ends_after_a_day(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        async with d.database.write() as connection:
            ends = await gateways.add(connection, "gw_1", "riverside", "CODE", d.clock.ms)
        d.clock.ms = ends
        answer = await d.http.post("/api/v1/gateways/enrol", json={"gateway": "gw_1", "code": "CODE"})
        assert code(answer) == (401, "enrolment")


async def test_enrolling_again_replaces_the_credential(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        old = await d.gateway()
        new = await d.gateway()
        assert (await old.post(old.envelope())).status_code == 401
        assert (await new.post(new.envelope())).status_code == 200


async def post(gateway: Gateway, body: bytes, encoding: str = "gzip") -> httpx.Response:
    headers = {"Authorization": f"Bearer {gateway.credential}", "Content-Encoding": encoding}
    return await gateway.desk.http.post("/api/v1/ingest", content=body, headers=headers)


async def test_bytes_that_are_no_envelope_are_answered_with_what_is_wrong(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        other_version = codec.encode_envelope(gateway.envelope(contract=9))
        for body in (b"not gzip", codec.deflate(b"not json"), codec.deflate(b"{}"), codec.deflate(other_version)):
            assert code(await post(gateway, body)) == (400, "contract")
        torn = codec.deflate(codec.encode_envelope(gateway.envelope()))[:-4]
        assert code(await post(gateway, torn)) == (400, "contract")


async def test_a_body_that_is_not_packed_is_read_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        answer = await post(gateway, codec.encode_envelope(gateway.envelope()), encoding="identity")
        assert answer.status_code == 200


async def test_every_answer_is_bound_to_its_request_and_a_changed_body_is_not_taken(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        body = codec.deflate(codec.encode_envelope(gateway.envelope(announcement())))
        headers = {"Authorization": f"Bearer {gateway.credential}", codec.BODY_DIGEST: codec.digest(body[:-1])}
        garbled = await d.http.post("/api/v1/ingest", content=body, headers=headers)
        assert code(garbled) == (400, "garbled")
        assert await rows(d.database, t.record) == []
        headers[codec.BODY_DIGEST] = codec.digest(body)
        taken = await d.http.post(
            "/api/v1/ingest", content=body, headers=headers
        )  # the encoding's header was lost, too
        assert taken.status_code == 200
        for answer in (garbled, taken):
            assert answer.headers[codec.ANSWER_DIGEST] == codec.digest(body, answer.content)


async def test_a_line_that_breaks_in_the_middle_of_a_body_is_no_failure_of_the_cloud(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        told = iter([{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}])
        answered: list[Any] = []

        async def receive() -> Any:
            return next(told)

        async def send(message: Any) -> None:
            answered.append(message)

        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
                 "path": "/api/v1/ingest", "raw_path": b"", "query_string": b"", "headers": [], "server": ("t", 1)}  # fmt: skip
        await d.app(scope, receive, send)
        assert answered[0]["status"] == 400
        assert await rows(d.database, t.record) == []


async def test_a_few_bytes_cannot_become_gigabytes(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        assert code(await post(gateway, gzip.compress(bytes(64 * 1024 * 1024)))) == (413, "too_large")
        assert code(await post(gateway, bytes(9 * 1024 * 1024))) == (413, "too_large")


async def test_an_epoch_that_two_processes_began_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(previous=Previous(epoch=0, events=1, samples=1))
        clone = gateway.envelope(previous=Previous(epoch=0, events=2, samples=1))
        assert code(await gateway.post(clone)) == (409, "epoch_taken")


async def test_the_answer_comes_after_the_commit(tmp_path: Path) -> None:
    """Another connection sees the record at the moment the first byte of the answer is sent."""
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        body = codec.deflate(codec.encode_envelope(gateway.envelope(announcement())))
        seen: list[int] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: object) -> None:
            seen.append(len(await rows(d.database, t.record)))

        headers = [(b"authorization", f"Bearer {gateway.credential}".encode()), (b"content-encoding", b"gzip")]
        scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
                 "path": "/api/v1/ingest", "raw_path": b"", "query_string": b"", "headers": headers, "server": ("t", 1)}  # fmt: skip
        await d.app(scope, receive, send)
        assert seen == [1, 1]


async def test_numbers_that_no_column_holds_are_no_envelope(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        assert code(await gateway.post(gateway.envelope(epoch=2**63))) == (400, "contract")
        assert code(await gateway.post(gateway.envelope(first=2**63))) == (400, "contract")
        assert code(await gateway.post(gateway.envelope(epoch=-1))) == (400, "contract")


async def test_an_event_that_no_column_holds_is_set_aside(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        receipt = await gateway.tell(announcement(interval_ms=2**70), raised(START))
        assert [one.seq for one in receipt.refused] == [1]
        assert len(await rows(d.database, t.alarm)) == 1


async def test_a_record_in_quarantine_is_seen_and_tried_again_after_a_fix(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        other, gateway = await d.gateway("gw_2"), await d.gateway()
        await other.tell(announcement())
        await gateway.tell(raised(START))
        await d.sign_in(role="admin")
        (aside,) = (await d.http.get("/api/v1/quarantine?gateway=gw_1")).json()["quarantine"]
        assert "served by gateway gw_2" in aside["reason"]
        path = f"/api/v1/quarantine/{aside['id']}/replay"
        assert (await d.http.post(path)).json()["applied"] is False
        first = announcement()
        await other.tell(announcement(equipment=[first.equipment[1]], content_hash="2"))
        assert (await d.http.post(path)).json() == {"applied": True, "reason": ""}
        assert len(await rows(d.database, t.ticket)) == 1
        assert (await d.http.post(path)).status_code == 404


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"rule": "entrapment"}, "rule", "a life-safety alarm is never shelved"),
        ({"until": "2026-11-21T07:00:00.000Z"}, "until", "would end before it begins"),
        ({"reason": ""}, "reason", "shelve needs reason"),
    ],
)
async def test_a_shelf_has_a_reason_and_an_end_and_never_holds_life_safety(
    tmp_path: Path, changes: dict[str, str], path: str, said: str
) -> None:
    async with desk(tmp_path) as d:
        await (await d.gateway()).tell(announcement())
        await d.sign_in("chief", role="engineer")
        shelve = {"site": "riverside", "equipment": "lift_1", "kind": "shelve", "rule": "door", "reason": "works",
                  "until": "2026-11-21T09:00:00.000Z"}  # fmt: skip
        answer = await d.http.post("/api/v1/directives", json={**shelve, **changes})
        assert answer.status_code == 422
        assert [(error["path"], said in error["message"]) for error in answer.json()["errors"]] == [(path, True)]
        assert await rows(d.database, t.directive) == []


async def test_a_wish_is_checked_sent_and_its_answer_seen(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        await d.sign_in("chief", role="engineer")
        shelve = {"site": "riverside", "equipment": "lift_1", "kind": "shelve", "rule": "door", "reason": "works"}
        missing = await d.http.post("/api/v1/directives", json=shelve)
        assert [error["path"] for error in missing.json()["errors"]] == ["until"]
        unknown = await d.http.post(
            "/api/v1/directives", json={**shelve, "equipment": "lift_9", "until": "2026-11-21T09:00:00.000Z"}
        )
        assert code(unknown) == (404, "not_found")
        sent = await d.http.post("/api/v1/directives", json={**shelve, "until": "2026-11-21T09:00:00.000Z"})
        assert (sent.status_code, sent.json()["gateway"]) == (202, "gw_1")
        (wish,) = (await gateway.tell()).directives
        assert (wish.kind, wish.by, wish.reason) == ("shelve", "chief", "works")
        await gateway.tell(DirectiveApplied(directive=wish.id, at="2026-11-21T07:00:01.000Z", applied=True))
        (shown,) = (await d.http.get("/api/v1/directives")).json()["directives"]
        assert (shown["applied"], shown["applied_at"]) == (True, "2026-11-21T07:00:01.000Z")
