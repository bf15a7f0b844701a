"""Sends requests at a fixed rate whatever the answers do: python -m bench.open_loop PORT RATE SECONDS FILE.

The file holds the bytes of one HTTP request. Prints one JSON object; latencies are counted from the planned time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import cast

import httptools
import uvloop

CONNECTIONS = 1000
"""More than what may wait at the server; a request that finds none free is counted as `unsent`."""


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, load: OpenLoop) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._planned = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._load.free.append(self)

    def send(self, planned: float, request: bytes) -> None:
        self._planned = planned
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost += 1

    def on_message_complete(self) -> None:
        self._load.done(self, self._parser.get_status_code(), time.perf_counter() - self._planned)
        self._parser = httptools.HttpResponseParser(self)


class OpenLoop:
    """One run."""

    def __init__(self) -> None:
        self.free: list[Connection] = []
        self.latencies: dict[int, list[float]] = {}
        self.unsent = 0
        self.lost = 0

    def done(self, connection: Connection, status: int, seconds: float) -> None:
        self.latencies.setdefault(status, []).append(seconds)
        self.free.append(connection)

    async def run(self, port: int, *, rate: float, seconds: float, request: bytes) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", port)
        start, sent, total = time.perf_counter(), 0, int(rate * seconds)
        while sent < total:
            due = min(total, int((time.perf_counter() - start) * rate) + 1)
            for number in range(sent, due):
                if self.free:
                    self.free.pop().send(start + number / rate, request)
                else:
                    self.unsent += 1
            sent = due
            await asyncio.sleep(0.001)
        for _ in range(1000):
            if len(self.free) == CONNECTIONS:
                return
            await asyncio.sleep(0.01)


def _summary(load: OpenLoop) -> dict[str, object]:
    counts = Counter({status: len(latencies) for status, latencies in load.latencies.items()})
    milliseconds = {
        status: [1000 * sorted(latencies)[int(share * (len(latencies) - 1))] for share in (0.5, 0.99, 1.0)]
        for status, latencies in load.latencies.items()
    }
    return {"counts": counts, "ms": milliseconds, "unsent": load.unsent, "lost": load.lost}


if __name__ == "__main__":
    port, rate, seconds, file = sys.argv[1:]
    one = OpenLoop()
    uvloop.run(one.run(int(port), rate=float(rate), seconds=float(seconds), request=Path(file).read_bytes()))
    print(json.dumps(_summary(one)))
