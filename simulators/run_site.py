"""A scenario's site file → the file its world reads: on ports of its own, with the scenario's own sampling."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from simulators.scenario_file import Scenario
from simulators.site import load_file
from simulators.site_made import made_site
from simulators.site_worlds import moved_to_memory


def site_of(scenario: Scenario) -> dict[str, Any]:
    """The plain data of its site, sampled as it says. Raises SiteError."""
    head, file = scenario.head, scenario.site_file
    if file is None:
        made = head.generate
        assert made is not None  # noqa: S101 - the file has one of the two
        data = made_site(made.devices, made.points)
    else:
        data = copy.deepcopy(load_file(file))
    if head.sampling is not None:
        for device in data.get("devices", []):
            device["every"] = f"{head.sampling}ms"
    return data


def write_site(data: Mapping[str, Any], original: Path, folder: Path) -> Path:
    """The site for virtual time, every secret in ``folder``; ``original`` is the folder its own paths are seen from."""
    moved = moved_to_memory(data, original)
    moved["gateway"]["credential_file"] = "credential"
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(moved, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file
