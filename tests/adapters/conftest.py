"""Certificates for tests of TLS, made once a run: an authority, a server, a client, and a stranger's authority.

The embedded broker (amqtt) leaves sockets of clients that went first to the garbage collector: collected in their own test.
"""

import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
EMBEDDED = ("test_simulated_models", "test_simulated_recording", "test_simulated_broker", "test_simulated_mqtt")


def openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "extension").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("ca", "other_ca"):
        openssl(folder, f"req -x509 {NEW_KEY} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem")
    for name in ("server", "client"):
        openssl(folder, f"req {NEW_KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        signed_by = "-CA ca.pem -CAkey ca.key -CAcreateserial"
        openssl(folder, f"x509 -req -days 2 -in {name}.csr {signed_by} -extfile extension -out {name}.pem")
    for file in folder.iterdir():
        file.chmod(0o644)  # Mosquitto gives up root and must still read them
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in EMBEDDED:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(autouse=True)
def sockets_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if request.path.stem in EMBEDDED:
        gc.collect()
