"""What a gateway went through stands on its page, in the reader's language."""

from pathlib import Path

import pytest

from cloud.dashboard.gateway_notes import ACTIONS
from cloud.dashboard.present import number
from cloud.dashboard.words import load
from cloud.people import gateways
from contract.conventions import format_instant
from contract.messages import SamplesThinned
from tests.support.desk import HOUR, START, announcement, desk, raised

MANY = number(4100, 0)


@pytest.mark.parametrize(
    ("language", "thinned", "disk"),
    [
        (
            "en",
            f"{MANY} samples from 13:00:00 to 14:00:00 were given up, 240 kept: the outbox is over its 2048 MB",
            "Its disk is new",
        ),
        ("zh", f"{MANY} 个采样被舍弃，保留 240 个", "磁盘为新盘"),
    ],
)
async def test_a_gateways_page_names_what_is_missing_and_what_changed(
    tmp_path: Path, language: str, thinned: str, disk: str
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        lost = SamplesThinned(
            first=1, last=90, from_at=format_instant(START - 2 * HOUR), to_at=format_instant(START - HOUR), dropped=4100,
            kept=240, reason="the outbox is over its 2048 MB",
        )  # fmt: skip
        await gateway.tell(announcement(), raised(START), lost)
        gateway.restart()
        await gateway.tell(announcement())
        async with d.database.write() as connection:
            await gateways.rotate(connection, "gw_1", "CODE", d.clock.ms)
            await gateways.revoke(connection, "gw_1", d.clock.ms)
        await d.sign_in()
        page = (await d.http.get("/gateways/gw_1", headers={"Accept-Language": language})).text
        assert thinned in page
        assert disk in page
        assert page.count("console") == 3, "added, rotated and revoked from the command line"


def test_every_kind_of_note_has_its_words_in_both_languages() -> None:
    missing = [
        action for action in ACTIONS for words in (load("en"), load("zh")) if not words.has(f"gateway.note.{action}")
    ]
    assert missing == []
