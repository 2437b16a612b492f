"""Sites made for measuring are sites that a gateway runs."""

from pathlib import Path

import pytest
import yaml

from edge.config import load_site
from simulators.site import SiteError
from simulators.site_made import made_site


def test_a_made_site_has_what_was_asked_for_and_can_run(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(made_site(30, 12)), encoding="utf-8")
    site = load_site(file)
    assert [len(device.bindings) for device in site.devices] == [12] * 30
    assert {binding.every_ms for device in site.devices for binding in device.bindings} == {900_000}


def test_more_points_than_a_device_has_are_refused() -> None:
    with pytest.raises(SiteError, match="1 to 12 points"):
        made_site(3, 13)
