"""The cloud as a process on a real port: it says where it is, answers, and ends cleanly."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import httpx
import pytest

from cloud.config import Config
from cloud.server import _listen
from contract.conventions import Exit

_WAIT_S = 40


async def started(folder: Path, *more: str) -> tuple[Process, dict[str, str]]:
    command = [sys.executable, "-m", "cloud.cli", "serve", "--port", "0", "--data", str(folder), "--json", *more]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(_WAIT_S):
        return process, json.loads(await process.stdout.readline())


async def ended(process: Process, number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    async with asyncio.timeout(_WAIT_S):
        _, err = await process.communicate()
    return process.returncode or 0, err.decode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, Exit.DONE), (signal.SIGINT, Exit.INTERRUPTED)])
async def test_it_answers_until_it_is_stopped_and_ends_without_a_traceback(
    tmp_path: Path, number: signal.Signals, code: Exit
) -> None:
    process, told = await started(tmp_path / "a folder", "--sign-in-link")
    async with httpx.AsyncClient(base_url=told["url"]) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        sign_in = {"code": told["sign_in"].rsplit("/", 1)[1]}
        assert (await http.post("/api/v1/sign-in", json=sign_in)).json()["role"] == "admin"
        assert (await http.get("/api/v1/tickets")).json() == {"tickets": [], "next": None}
    assert await ended(process, number) == (code, "")


async def test_no_answer_waits_until_the_other_side_has_acknowledged_its_first_bytes(tmp_path: Path) -> None:
    is_prompt: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        is_prompt.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = _listen(Config(tmp_path, "sqlite://", port=0))
    async with await asyncio.start_server(answer, sock=listener), asyncio.timeout(_WAIT_S):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await is_prompt
        writer.close()
