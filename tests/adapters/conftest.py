"""Certificates for tests of TLS, made once a run: an authority, a server, a client, and a stranger's authority."""

import subprocess
from pathlib import Path

import pytest


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "other_ca"):
        openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{folder}/{name}.key",
            "-out",
            f"{folder}/{name}.pem",
        )
    extension = folder / "extension"
    extension.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in ("server", "client"):
        openssl(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            f"{folder}/{name}.key",
            "-out",
            f"{folder}/{name}.csr",
        )
        openssl(
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            f"{folder}/{name}.csr",
            "-CA",
            f"{folder}/ca.pem",
            "-CAkey",
            f"{folder}/ca.key",
            "-CAcreateserial",
            "-extfile",
            str(extension),
            "-out",
            f"{folder}/{name}.pem",
        )
    for file in folder.iterdir():
        file.chmod(0o644)  # Mosquitto gives up root and must still read them
    return folder
