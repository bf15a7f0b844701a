"""Sends requests in a closed loop (so many clients) or an open one (so many a second); it knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from modelwright.app.bench.figures import Figures, Load, Sample, figures_of
from modelwright.core.ports.clock import Clock

MOST = 4096
"""Requests that an open loop has under way; more are not sent, and counted as errors."""
UNSENT = "not sent: too many are under way"

Send = Callable[[float], Awaitable[Sample]]
"""Sends one request that was to be sent at this moment of the monotonic clock; every failure is in the sample."""


async def under(load: Load, send: Send, *, seconds: float, clock: Clock) -> Figures:
    """Put an endpoint under this load for so long, and wait for the last answers."""
    begin = clock.monotonic()
    if load.rate:
        samples, late = await _open(send, load.rate, begin=begin, seconds=seconds, clock=clock)
    else:
        samples, late = await _closed(send, load.concurrency, until=begin + seconds, clock=clock), 0.0
    took = clock.monotonic() - begin
    return figures_of(load, samples, seconds=max(took, seconds) if load.rate else took, late=late)


async def _closed(send: Send, concurrency: int, *, until: float, clock: Clock) -> list[Sample]:
    samples: list[Sample] = []

    async def client() -> None:
        while (now := clock.monotonic()) < until:
            samples.append(await send(now))

    async with asyncio.TaskGroup() as clients:
        for _ in range(concurrency):
            clients.create_task(client())
    return samples


async def _open(send: Send, rate: float, *, begin: float, seconds: float, clock: Clock) -> tuple[list[Sample], float]:
    samples: list[Sample] = []
    under_way = 0
    late = 0.0

    async def one(planned: float) -> None:
        nonlocal under_way
        under_way += 1
        samples.append(await send(planned))
        under_way -= 1

    async with asyncio.TaskGroup() as requests:
        for number in range(max(1, round(rate * seconds))):
            planned = begin + number / rate
            if (ahead := planned - clock.monotonic()) > 0:
                await asyncio.sleep(ahead)
            late = max(late, clock.monotonic() - planned)
            if under_way < MOST:
                requests.create_task(one(planned))
                await asyncio.sleep(0)
            else:
                samples.append(Sample(0.0, UNSENT))
    return samples, late
