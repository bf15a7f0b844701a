"""Sends requests at a fixed rate whatever the answers do, as a process of its own, and counts what came back.

`python -m bench.load.open_loop PORT RATE SECONDS CONNECTIONS FILE`; the file holds the bytes of one HTTP request. It
prints one JSON object; latencies are counted from the planned time.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one run saw, by status."""

    counts: dict[int, int]
    ms: dict[int, list[float]]
    """Half, 99 of 100 and all came within so many milliseconds."""
    unsent: int
    """Requests for which no connection was free."""
    lost: int
    """Connections that broke."""
    late: float
    """Milliseconds by which sending was behind its plan at the worst: the load's own fault."""

    def within(self, status: int, share: int) -> float:
        """Milliseconds: the half (0), 99 of 100 (1) or all (2) of the answers of this status."""
        return self.ms[status][share] if status in self.ms else float("nan")

    def rest(self, *statuses: int) -> int:
        """Answers of no status of these, requests that were not sent, and connections that broke."""
        others = sum(count for status, count in self.counts.items() if status not in statuses)
        return others + self.unsent + self.lost


def open_loop(
    port: int, *, rate: float, seconds: float, request: bytes, folder: Path, cpu: int | None, connections: int = 1000
) -> Told:
    """One run; `connections` is to be more than what may wait at the server."""
    file = folder / "request.http"
    file.write_bytes(request)
    arguments = [str(port), str(rate), str(seconds), str(connections), str(file)]
    pinned = [] if cpu is None else ["taskset", "-c", str(cpu)]
    command = [*pinned, sys.executable, "-m", "bench.load.open_loop", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=seconds + 120)
    return msgspec.json.decode(done.stdout, type=Told, strict=False)


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, load: _Load) -> None:
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


class _Load:
    """One run."""

    def __init__(self) -> None:
        self.free: list[_Connection] = []
        self.latencies: dict[int, array[float]] = {}
        self.unsent = 0
        self.lost = 0
        self.late = 0.0

    def done(self, connection: _Connection, status: int, seconds: float) -> None:
        self.latencies.setdefault(status, array("d")).append(seconds)
        self.free.append(connection)

    async def run(self, port: int, *, rate: float, seconds: float, request: bytes, connections: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: _Connection(self), "127.0.0.1", port)
        start, sent, total = time.perf_counter(), 0, int(rate * seconds)
        while sent < total:
            passed = time.perf_counter() - start
            self.late = max(self.late, passed - sent / rate)
            due = min(total, int(passed * rate) + 1)
            for number in range(sent, due):
                if self.free:
                    self.free.pop().send(start + number / rate, request)
                else:
                    self.unsent += 1
            sent = due
            await asyncio.sleep(0.001)
        for _ in range(1000):
            if len(self.free) == connections:
                return
            await asyncio.sleep(0.01)

    def told(self) -> Told:
        sorted_ones = {status: sorted(latencies) for status, latencies in self.latencies.items()}
        return Told(
            counts={status: len(latencies) for status, latencies in sorted_ones.items()},
            ms={
                status: [1000 * _at(latencies, share) for share in (0.5, 0.99, 1)]
                for status, latencies in sorted_ones.items()
            },
            unsent=self.unsent,
            lost=self.lost,
            late=1000 * self.late,
        )


def _at(values: list[float], share: float) -> float:
    return values[int(share * (len(values) - 1))]


def _main(arguments: list[str]) -> None:
    port, rate, seconds, connections, file = arguments
    load = _Load()
    request = Path(file).read_bytes()
    uvloop.run(
        load.run(int(port), rate=float(rate), seconds=float(seconds), request=request, connections=int(connections))
    )
    print(json.dumps(msgspec.to_builtins(load.told(), str_keys=True)))


if __name__ == "__main__":
    _main(sys.argv[1:])
