"""What HTTP alone costs: the same envelopes through the same server into an application that reads them and answers, and no more.

It runs in a process of its own, on uvicorn as the cloud does. What the cloud's own framework, credential and routing cost is not in it.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import uvicorn

from benchmarks import ingest_load
from benchmarks.ingest_load import Clouds, Load
from contract.codec import encode_receipt
from contract.messages import CONTRACT_VERSION, Committed, Receipt

_RECEIPT = encode_receipt(
    Receipt(
        contract=CONTRACT_VERSION,
        gateway="gw_bench",
        server_time="2026-11-21T07:20:01.000Z",
        committed=[Committed(epoch=7, lane="events", through=40)],
    )
)
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_RECEIPT)).encode()),
    (b"plantroom-answer-digest", b"sha-256=:" + b"x" * 44 + b":"),
]


async def _application(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own callables
    assert scope["type"] == "http"  # noqa: S101  lifespan is off
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _RECEIPT})


@contextmanager
def bare_http() -> Iterator[Clouds]:
    """A server that only answers, until the block ends."""
    command = [sys.executable, "-m", "benchmarks.bare_http"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None  # noqa: S101  it was asked for
            port = int(child.stdout.readline())
            yield Clouds("", (f"http://127.0.0.1:{port}",), (psutil.Process(child.pid),))
        finally:
            child.terminate()


def rate(running: Clouds, load: Load) -> float:
    """Records a processor second of that server."""
    cpu = running.cpu_s()
    asyncio.run(ingest_load.send(running.addresses[0], load, "x" * 43))
    return load.items / (running.cpu_s() - cpu)


def _serve() -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    settings = uvicorn.Config(_application, log_config=None, access_log=False, lifespan="off")
    asyncio.run(uvicorn.Server(settings).serve(sockets=[listener]))


if __name__ == "__main__":
    _serve()
