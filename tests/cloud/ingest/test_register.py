"""Equipment without telemetry, from a form or a CSV file."""

from pathlib import Path

from cloud.ingest.register import Thing, mistakes, parse_csv
from cloud.storage import tables as t
from tests.support.desk import Desk, announcement, desk, rows

HEAD = "id,class,name_en,name_zh,place,serves,roles\n"


async def with_site(d: Desk, role: str = "engineer") -> None:
    await (await d.gateway()).tell(announcement())
    await d.sign_in(role=role)


async def test_equipment_from_a_form_is_in_the_register_without_telemetry(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_site(d)
        body = {"site": "riverside", "id": "fire_pump_9", "class": "fire_pump", "name_en": "Spare pump", "place": "B2"}
        assert (await d.http.post("/api/v1/equipment", json=body)).json() == {"added": 1}
        listed = (await d.http.get("/api/v1/equipment?system=fire")).json()["equipment"]
        assert [(e["id"], e["has_telemetry"], e["place"]) for e in listed] == [("fire_pump_9", False, "B2")]
        again = await d.http.post("/api/v1/equipment", json=body)
        assert (again.status_code, again.json()["code"]) == (409, "id_taken")


async def test_a_technician_may_not_change_the_register(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_site(d, role="technician")
        body = {"site": "riverside", "id": "x", "class": "pump", "name_en": "X"}
        assert (await d.http.post("/api/v1/equipment", json=body)).status_code == 403


async def test_a_csv_file_is_imported_whole_or_not_at_all(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_site(d)
        before = len(await rows(d.database, t.equipment))

        async def send(text: str) -> tuple[int, dict[str, object]]:
            answer = await d.http.post(
                "/api/v1/equipment/import?site=riverside", files={"file": ("plant.csv", text.encode())}
            )
            return answer.status_code, answer.json()

        status, wrong = await send(HEAD + "tank_1,pump,Tank,,B2,,\nTank 2,pumpe,,,,,\n")
        assert status == 422
        assert isinstance(wrong["errors"], list)
        assert [(e["file"], e["line"], e["path"]) for e in wrong["errors"]] == [
            ("plant.csv", 3, "id"), ("plant.csv", 3, "class"), ("plant.csv", 3, "name_en"),
        ]  # fmt: skip
        assert len(await rows(d.database, t.equipment)) == before
        assert await send("\ufeff" + HEAD + "tank_1,pump,Tank,水箱,B2,,\ntank_2,pump,Tank 2,,,,\n") == (
            201,
            {"added": 2},
        )
        assert len(await rows(d.database, t.equipment)) == before + 2


def test_a_csv_file_says_which_columns_it_lacks() -> None:
    _, found = parse_csv("id,name_en\nx,X\n", "plant.csv")
    assert str(found[0]) == f"plant.csv:1: the first line lacks class. The first line is {HEAD.strip()}"
    _, found = parse_csv(HEAD.replace("place", "plaza"), "plant.csv")
    assert "unknown columns plaza" in found[0].message


def test_an_id_that_stands_twice_is_found() -> None:
    _, found = parse_csv(HEAD + "a,pump,A,,,,\na,pump,A,,,,\n", "plant.csv")
    assert [(one.line, one.path) for one in found] == [(3, "id")]


def test_a_misspelt_class_gets_a_suggestion() -> None:
    (found,) = mistakes(Thing("a", "fire_pmp", "A"))
    assert found.remedy == "Did you mean fire_pump?"
