"""Certificates for tests of TLS, made once a run: an authority, a server, a client, and a stranger's authority."""

import subprocess
from pathlib import Path

import pytest

NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


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
