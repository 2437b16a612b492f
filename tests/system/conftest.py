"""What a proof takes an hour for runs beside the others: it begins when the tests are collected and is looked at last."""

import pytest

from tests.support.resident import HOUR, begin

LAST = "test_an_hour_of_reading_takes_no_more_memory"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.name == LAST)


def pytest_collection_finish(session: pytest.Session) -> None:
    if not session.config.option.collectonly and any(item.name == LAST for item in session.items):
        session.config.stash[HOUR] = begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if (process := config.stash.get(HOUR, None)) is not None:
        process.terminate()
        process.wait()
