"""A raw client for many concurrent streams: counts tokens and measures gaps; one process, one processor, loopback only.

Run as a process: `python -m bench.load.streams URL KEY STREAMS TOKENS` prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from urllib.parse import urlsplit

import uvloop

BETWEEN = 0.002
"""Seconds between the beginnings of two streams."""


class _Stream(asyncio.Protocol):
    """Sends one streaming chat request and notes when each read came and how many events it held."""

    def __init__(self, request: bytes, done: asyncio.Future[None]) -> None:
        self._request = request
        self._done = done
        self.arrivals: list[tuple[float, int]] = []
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.started = time.perf_counter()
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.arrivals.append((time.perf_counter(), data.count(b"data: ")))
        self.tail = (self.tail + data)[-64:]
        if b"[DONE]" in self.tail and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)


async def measure(url: str, key: str, *, streams: int, tokens: int) -> dict[str, float]:
    """All streams at once; times in milliseconds."""
    at = urlsplit(url)
    body = json.dumps(
        {"model": "m", "stream": True, "max_tokens": tokens, "messages": [{"role": "user", "content": "hi"}]}
    ).encode()
    head = (
        f"POST {at.path} HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    clients: list[_Stream] = []
    ends: list[asyncio.Future[None]] = []
    for _ in range(streams):
        end: asyncio.Future[None] = loop.create_future()
        _, client = await loop.create_connection(
            lambda end=end: _Stream(head + body, end), at.hostname or "", at.port or 0
        )
        clients.append(client)
        ends.append(end)
        await asyncio.sleep(BETWEEN)
    async with asyncio.timeout(120):
        await asyncio.gather(*ends)
    return _summary(clients)


def _summary(clients: list[_Stream]) -> dict[str, float]:
    first = [client.arrivals[0][0] - client.started for client in clients if client.arrivals]
    gaps = [
        later - earlier
        for client in clients
        for (earlier, _), (later, _) in zip(client.arrivals[1:], client.arrivals[2:], strict=False)
    ]
    spans = [client.arrivals[-1][0] - client.arrivals[0][0] for client in clients if len(client.arrivals) > 1]
    events = sum(count for client in clients for _, count in client.arrivals)
    return {
        "events": events,
        "whole": sum(1 for client in clients if b"[DONE]" in client.tail),
        "first_p50": 1000 * _quantile(first, 0.5),
        "first_p99": 1000 * _quantile(first, 0.99),
        "gap_p50": 1000 * _quantile(gaps, 0.5),
        "gap_p99": 1000 * _quantile(gaps, 0.99),
        "rate": statistics.mean(
            sum(count for _, count in client.arrivals) / span for client, span in zip(clients, spans, strict=False)
        ),
    }


def _quantile(values: list[float], share: float) -> float:
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


if __name__ == "__main__":
    result = uvloop.run(measure(sys.argv[1], sys.argv[2], streams=int(sys.argv[3]), tokens=int(sys.argv[4])))
    print(json.dumps(result))
