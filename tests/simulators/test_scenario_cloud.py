"""What a scenario's cloud.yaml would hold is judged before anything is played."""

from pathlib import Path

import pytest

from simulators.run import prepare
from simulators.scenario_file import ScenarioWrong, load_scenario_file

TEXT = """\
title: {en: x, zh: x}
start: 2026-01-01T08:00:00+08:00
lasts: 1h
generate: {devices: 1, points: 3}
cloud: {tragets: []}
timeline: []
expect: {}
"""


def test_a_mistyped_key_of_the_cloud_is_told_with_its_line_and_the_right_word(tmp_path: Path) -> None:
    file = tmp_path / "typo.yaml"
    file.write_text(TEXT, encoding="utf-8")
    with pytest.raises(ScenarioWrong, match=r"typo\.yaml:5: cloud: tragets: is not a key here\. Did you mean targets"):
        prepare(load_scenario_file(file), tmp_path)
