"""Many open pages in a process of their own. Each is read once, and then hears its stream as the page's own script does.

`python -m benchmarks.viewers ADDRESS WARM_S SECONDS COOKIES PATH…` opens one viewer a path, each with its own line of the file of cookies, and
prints one JSON object about the seconds after the warm ones.
"""

import asyncio
import json
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

LINE_LIMIT = 1 << 20
_PART = re.compile(r'id="([^"]+)" data-(live|part)="([^"]+)"')
_HEAD = 200
_EVENT = re.compile(rb"event: (\S+)\ndata: ?([^\n]{0,20})")
_FETCHED = re.compile(r'hx-trigger="[^"]*sse:')


class Viewer:
    """One page. What counts as an update is an event that carries new values for it."""

    def __init__(self, host: str, port: int, cookie: str, path: str) -> None:
        self._at, self._path = (host, port), path
        self._head = f"Host: {host}:{port}\r\nCookie: {cookie}\r\nAccept-Language: en\r\n"
        self.lag_ms: list[float] = []
        self.heard_at: list[float] = []
        self.bytes = 0

    async def look(self) -> None:
        """Open the page, then its stream, until it is cut. Raises RuntimeError when either is refused."""
        address, live = _stream_of((await self._page()).decode(), self._path)
        reader, writer = await asyncio.open_connection(*self._at, limit=LINE_LIMIT)
        writer.write(f"GET {address} HTTP/1.1\r\n{self._head}Accept: text/event-stream\r\n\r\n".encode())
        if b" 200 " not in await reader.readline():
            raise RuntimeError("the stream was refused")
        told_at = 0
        with suppress(asyncio.IncompleteReadError):
            while event := await reader.readuntil(b"\n\n"):
                self.bytes += len(event)
                for name, first in _EVENT.findall(event, 0, _HEAD):
                    if name == b"data":
                        told_at = int(first)
                    elif name.decode() in live:
                        self.heard_at.append(time.perf_counter())
                        self.lag_ms.append(time.time() * 1000 - told_at)

    async def _page(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self._at, limit=LINE_LIMIT)
        writer.write(f"GET {self._path} HTTP/1.1\r\n{self._head}Connection: close\r\n\r\n".encode())
        if b" 200 " not in await reader.readline():
            raise RuntimeError(f"{self._path} was refused")
        page = await reader.read(-1)
        writer.close()
        return page


def _stream_of(page: str, path: str) -> tuple[str, set[str]]:
    """The address of a page's stream, as static/app.js makes it, and the elements that show values. Raises RuntimeError."""
    found = [(id, kind, address.replace("&amp;", "&")) for id, kind, address in _PART.findall(page)]
    if _FETCHED.search(page) or not found:
        raise RuntimeError(f"{path} asks for more than its stream: follow it here too")
    query = [("page", path), *((kind, f"{id} {address}") for id, kind, address in found)]
    return f"/events?{urlencode(query)}", {id for id, kind, _ in found if kind == "live"}


async def _stand(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Let everybody look for so long. Raises RuntimeError when one stops."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
        raise RuntimeError("a viewer was hung up on")


async def main(address: str, warm_s: float, seconds: float, cookies: list[str], paths: list[str]) -> dict[str, float]:
    host, _, port = address.removeprefix("http://").partition(":")
    viewers = [Viewer(host, int(port), cookie, path) for cookie, path in zip(cookies, paths, strict=True)]
    tasks = [asyncio.create_task(one.look()) for one in viewers]
    await _stand(tasks, warm_s)
    from_s, before = time.perf_counter(), sum(one.bytes for one in viewers)
    await _stand(tasks, seconds)
    counts = [sum(at >= from_s for at in one.heard_at) for one in viewers]
    lags = sorted(lag for one, n in zip(viewers, counts, strict=True) for lag in one.lag_ms[-n:] if n)
    return {
        "each_s": sum(counts) / len(counts) / seconds,
        "least_s": min(counts) / seconds,
        "p50_ms": lags[len(lags) // 2],
        "p95_ms": lags[len(lags) * 95 // 100],
        "kb_s": (sum(one.bytes for one in viewers) - before) / len(viewers) / seconds / 1000,
    }


if __name__ == "__main__":
    _, told_address, told_warm_s, told_seconds, told_cookies, *told_paths = sys.argv
    lines = Path(told_cookies).read_text().splitlines()
    print(json.dumps(asyncio.run(main(told_address, float(told_warm_s), float(told_seconds), lines, told_paths))))
