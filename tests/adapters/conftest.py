"""The embedded broker (amqtt) leaves sockets of clients that went first to the garbage collector: collected in their own test."""

import gc
from collections.abc import Iterator

import pytest

EMBEDDED = ("test_simulated_models", "test_simulated_recording", "test_simulated_broker", "test_simulated_mqtt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in EMBEDDED:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True)
def sockets_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if request.path.stem in EMBEDDED:
        gc.collect()
