"""What holds for every test: a property has no deadline, because CI's machine has two cores and other work; a file of the
shipped library is read as YAML once a process, because nearly every test needs all of them."""

import functools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from device_profiles import library
from device_profiles.reading import LineMap, load_yaml

settings.register_profile("plantroom", deadline=None)
settings.load_profile("plantroom")

LONG = ("flow", "system", "browser")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for real processes begins first: no process is left alone with it at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@functools.lru_cache(maxsize=256)
def _as_it_stands(path: Path, _changed_ns: int) -> tuple[Any, LineMap]:
    return load_yaml(path)


def _load_yaml(path: Path) -> tuple[Any, LineMap]:
    return _as_it_stands(path, path.stat().st_mtime_ns) if library.SHIPPED in path.parents else load_yaml(path)


library.load_yaml = _load_yaml
