"""What holds for every test: a property has no deadline, because CI's machine has two cores and other work."""

import pytest
from hypothesis import settings

settings.register_profile("plantroom", deadline=None)
settings.load_profile("plantroom")

LONG = ("flow", "system", "browser")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for real processes begins first: of two processes neither is left alone with it at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)
