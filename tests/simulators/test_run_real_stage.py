"""A world in real time refuses what it cannot do in words, also where a step comes past the check of the file."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from simulators.run_real_stage import RealStage
from simulators.scenario_file import ScenarioWrong

STAGE = object.__new__(RealStage)


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        (STAGE.jump("gateway", 5000), "the gateway's clock cannot jump by 5000 ms in real time"),
        (STAGE.cut("replies", is_cut=True), "replies cannot be lost alone in real time"),
    ],
)
def test_what_only_virtual_time_can_do_is_refused(deed: Coroutine[Any, Any, None], said: str) -> None:
    with pytest.raises(ScenarioWrong, match=said):
        asyncio.run(deed)
