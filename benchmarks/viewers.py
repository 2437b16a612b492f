"""Many open pages in a process of their own: each hears the stream and fetches its live part after every change, as a browser does.

`python -m benchmarks.viewers ADDRESS SECONDS COOKIE PATH…` opens one viewer a path and prints one JSON object.
"""

import asyncio
import json
import sys
import time

LINE_LIMIT = 1 << 20


class Viewer:
    """One page. A change that comes while a part is on its way is fetched once more afterwards."""

    def __init__(self, host: str, port: int, cookie: str, path: str) -> None:
        self._at, self._path = (host, port), path
        self._head = f"Host: {host}:{port}\r\nCookie: {cookie}\r\nAccept-Language: en\r\nHX-Request: true\r\n"
        self._changed = asyncio.Event()
        self.spent_ms: list[float] = []
        self.events = 0

    async def listen(self) -> None:
        reader, writer = await asyncio.open_connection(*self._at, limit=LINE_LIMIT)
        writer.write(f"GET /events HTTP/1.1\r\n{self._head}\r\n".encode())
        if b" 200 " not in await reader.readline():
            raise RuntimeError("the stream was refused")
        while line := await reader.readline():
            if line.startswith((b"event: data", b"event: work")):
                self.events += 1
                self._changed.set()

    async def fetch(self) -> None:
        reader, writer = await asyncio.open_connection(*self._at, limit=LINE_LIMIT)
        while True:
            await self._changed.wait()
            self._changed.clear()
            began = time.perf_counter()
            writer.write(f"GET {self._path} HTTP/1.1\r\n{self._head}\r\n".encode())
            status, length = await reader.readline(), 0
            while (line := await reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            await reader.readexactly(length)
            if b" 200 " not in status:
                raise RuntimeError(f"{self._path}: {status.decode().strip()}")
            self.spent_ms.append((time.perf_counter() - began) * 1000)


async def main(address: str, seconds: float, cookie: str, paths: list[str]) -> dict[str, float]:
    host, _, port = address.removeprefix("http://").partition(":")
    viewers = [Viewer(host, int(port), cookie, path) for path in paths]
    tasks = [asyncio.create_task(work()) for one in viewers for work in (one.listen, one.fetch)]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
        raise RuntimeError("a viewer was hung up on")
    spent = sorted(one for viewer in viewers for one in viewer.spent_ms)
    return {
        "updates": float(len(spent)),
        "least": float(min(len(one.spent_ms) for one in viewers)),
        "events": float(sum(one.events for one in viewers)),
        "p50_ms": spent[len(spent) // 2],
        "p95_ms": spent[len(spent) * 95 // 100],
    }


if __name__ == "__main__":
    _, told_address, told_seconds, told_cookie, *told_paths = sys.argv
    print(json.dumps(asyncio.run(main(told_address, float(told_seconds), told_cookie, told_paths))))
