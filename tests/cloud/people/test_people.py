"""Who is signed in, how they got there, and what other sites' pages cannot do."""

from pathlib import Path

import pytest

from cloud.errors import Refused
from cloud.people import passwords, service
from cloud.people.door import TRIES, WINDOW_MS
from cloud.people.secrets import new_code, new_token
from cloud.people.service import CODE_MS, SESSION_MS
from cloud.storage import tables as t
from tests.support.desk import Desk, desk, rows

PASSWORD = "correct horse battery"


async def add(d: Desk, name: str, password: str | None = None, role: str = "technician") -> int:
    async with d.database.write() as connection:
        return await service.add_user(connection, name, role, password, d.clock.ms)


async def code_for(d: Desk, user_id: int) -> str:
    async with d.database.write() as connection:
        return await service.new_sign_in_code(connection, user_id, d.clock.ms, new_token)


async def test_name_and_password_start_a_session_that_scripts_on_pages_cannot_read(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await add(d, "anna", PASSWORD)
        answer = await d.http.post("/api/v1/sign-in", json={"name": "anna", "password": PASSWORD})
        assert answer.json() == {"name": "anna", "display_name": "anna", "role": "technician"}
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert (await d.http.get("/api/v1/me")).json()["name"] == "anna"


async def test_a_wrong_name_and_a_wrong_password_look_the_same(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await add(d, "anna", PASSWORD)
        await add(d, "ben")
        tries = [("anna", "wrong password"), ("nobody", PASSWORD), ("ben", PASSWORD)]
        answers = [await d.http.post("/api/v1/sign-in", json={"name": n, "password": p}) for n, p in tries]
        assert {(answer.status_code, answer.json()["title"]) for answer in answers} == {
            (401, "name or password is wrong")
        }


async def test_guessing_is_slowed_down_and_a_one_time_sign_in_still_works(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        user_id = await add(d, "anna", PASSWORD)

        async def guess(password: str) -> tuple[int, str | None]:
            answer = await d.http.post("/api/v1/sign-in", json={"name": "anna", "password": password})
            return answer.status_code, answer.headers.get("retry-after")

        assert [await guess("wrong password") for _ in range(TRIES)] == [(401, None)] * TRIES
        assert await guess(PASSWORD) == (429, "300")
        assert (await d.http.post("/api/v1/sign-in", json={"code": await code_for(d, user_id)})).status_code == 200
        d.clock.ms += WINDOW_MS
        assert await guess(PASSWORD) == (200, None)


async def test_a_one_time_sign_in_is_used_up_by_signing_in_and_not_by_looking(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        code = await code_for(d, await add(d, "anna"))
        async with d.database.read() as connection:
            assert [await service.peek_code(connection, code, d.clock.ms) for _ in range(2)] == [True, True]
        answers = [(await d.http.post("/api/v1/sign-in", json={"code": code})).status_code for _ in range(2)]
        assert answers == [200, 401]


async def test_a_one_time_sign_in_ends_after_an_hour(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        code = await code_for(d, await add(d, "anna"))
        d.clock.ms += CODE_MS
        answer = await d.http.post("/api/v1/sign-in", json={"code": code})
        assert (answer.status_code, answer.json()["code"]) == (401, "code_used")


async def test_a_session_ends_by_signing_out_by_time_and_with_the_user(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        user_id = await add(d, "anna", PASSWORD)

        async def is_in() -> bool:
            return (await d.http.get("/api/v1/me")).status_code == 200

        async def sign_in() -> None:
            await d.http.post("/api/v1/sign-in", json={"name": "anna", "password": PASSWORD})

        await sign_in()
        token = d.http.cookies["plantroom_session"]
        assert (await d.http.post("/api/v1/sign-out")).status_code == 204
        d.http.cookies.set("plantroom_session", token)
        assert not await is_in()
        d.http.cookies.clear()
        await sign_in()
        d.clock.ms += SESSION_MS
        assert not await is_in()
        await sign_in()
        assert await is_in()
        async with d.database.write() as connection:
            await connection.execute(t.app_user.update().where(t.app_user.c.id == user_id).values(disabled_at=1))
        assert not await is_in()


async def test_another_sites_page_cannot_act_with_our_cookie(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.sign_in()
        path = "/api/v1/tickets/T-000001/actions/acknowledge"
        foreign = await d.http.post(path, json={}, headers={"Origin": "https://evil.example"})
        own = await d.http.post(path, json={}, headers={"Origin": "http://desk.test"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "other_origin")
        assert own.status_code == 404


async def test_nothing_is_told_to_nobody(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        for path in ("tickets", "tickets/T-000001", "tickets/T-000001/clocks", "alarms", "equipment", "gateways", "me"):
            answer = await d.http.get(f"/api/v1/{path}")
            assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), path


async def test_a_user_needs_a_known_role_a_free_name_and_a_password_that_is_long_enough(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await add(d, "anna")
        for name, role, password, code in (
            ("anna", "viewer", None, "name_taken"), ("ben", "boss", None, "invalid"), ("ben", "viewer", "short", "invalid"),
        ):  # fmt: skip
            with pytest.raises(Refused) as refused:
                await add(d, name, password, role)
            assert refused.value.code == code
        assert [user["name"] for user in await rows(d.database, t.app_user)] == ["anna"]


async def test_who_did_what_is_noted(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await add(d, "anna", PASSWORD)
        await d.http.post("/api/v1/sign-in", json={"name": "anna", "password": PASSWORD})
        await d.gateway()
        assert [(row["actor"], row["action"]) for row in await rows(d.database, t.audit)] == [
            ("console", "user_added"), ("anna", "signed_in"), ("console", "gateway_added"), ("gw_1", "gateway_enrolled"),
        ]  # fmt: skip


async def test_a_password_is_kept_as_argon2id_and_nobody_takes_as_long_as_somebody() -> None:
    hashed = await passwords.hash_password(PASSWORD)
    assert hashed.startswith("$argon2id$")
    assert await passwords.is_password(PASSWORD, hashed)
    assert not await passwords.is_password(PASSWORD, None)
    nobody = passwords._NOBODY.split("$")
    assert nobody[:4] == hashed.split("$")[:4]
    assert [len(part) for part in nobody[4:]] == [len(part) for part in hashed.split("$")[4:]]


def test_secrets_do_not_repeat_and_codes_can_be_typed() -> None:
    assert len({new_token() for _ in range(50)}) == 50
    codes = {new_code() for _ in range(50)}
    assert len(codes) == 50
    assert all(len(code) == 19 and not set("01OI") & set(code) for code in codes)
