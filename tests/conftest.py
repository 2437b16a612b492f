"""What holds for every test: a property has no deadline, because CI's machine has two cores and other work."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("plantroom", deadline=None)
settings.load_profile("plantroom")

LONG = ("flow", "system", "browser")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """What a program that a test ran in this process made of the logs ends with that test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for real processes begins first: of two processes neither is left alone with it at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)
