"""Sends a mixed load at a fixed rate whatever the answers do: `python -m bench.soak.load URL KEY RATE SECONDS SEED`.

Every call has an id that upstream and ledger both see. It prints one JSON object: how often each kind had which status,
and what should not have been.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import uvloop

QUESTIONS = 40
"""Different ones that the endpoint with a cache is asked."""
PLANTED = "Mail me at jane.doe@example.com, my card is 4111 1111 1111 1111."


class Kind(NamedTuple):
    """One kind of call."""

    weight: int
    statuses: frozenset[int]
    """What may come back; 0: the client left."""
    ask: Callable[[Load, str], Awaitable[int]]


class Load:
    """One run."""

    def __init__(self, url: str, key: str, *, seed: int) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        self.wrong: list[str] = []
        self.chance = random.Random(seed)
        self._name = f"{seed}"
        self._url = url
        self._key = key
        self._client: aiohttp.ClientSession

    async def run(self, *, rate: float, seconds: float) -> None:
        """Begin `rate` calls per second for so long, and wait for their ends."""
        names, weights = list(KINDS), [kind.weight for kind in KINDS.values()]
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as self._client, asyncio.TaskGroup() as group:
            begun = time.monotonic()
            for number in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
                group.create_task(self._one(self.chance.choices(names, weights)[0], f"{self._name}-{number}"))

    async def post(self, call: str, path: str, body: dict[str, Any], *, key: str = "") -> aiohttp.ClientResponse:
        """Ask; the answer's body is still to be read."""
        headers = {"Authorization": f"Bearer {key or self._key}", "x-request-id": call}
        content = {**body, "metadata": {"call": call}}
        return await self._client.post(self._url + path, json=content, headers=headers)

    async def chat(self, call: str, text: str, *, stream: bool = False, model: str = "plain") -> aiohttp.ClientResponse:
        """Ask for a completion."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
        return await self.post(call, "/v1/chat/completions", body)

    async def _one(self, name: str, call: str) -> None:
        kind = KINDS[name]
        try:
            status = await asyncio.wait_for(kind.ask(self, call), 60)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self.wrong.append(f"{name} {call}: {error!r}")
            return
        self.seen[name, status] += 1
        if status not in kind.statuses:
            self.wrong.append(f"{name} {call}: status {status}")


async def _whole(answer: aiohttp.ClientResponse) -> int:
    async with answer:
        content = await answer.read()
        is_stream = answer.content_type == "text/event-stream"
        if is_stream and not content.endswith(b"data: [DONE]\n\n"):
            raise ValueError(f"a stream that ends with {content[-60:]!r}")
        return answer.status


async def _chat(load: Load, call: str) -> int:
    return await _whole(await load.chat(call, "What is 3 plus 4?"))


async def _stream(load: Load, call: str) -> int:
    return await _whole(await load.chat(call, "What is 3 plus 4?", stream=True))


async def _cut(load: Load, call: str) -> int:
    answer = await load.chat(call, "What is 3 plus 4?", stream=True)
    await answer.content.readany()
    answer.close()
    return 0


async def _kept(load: Load, call: str) -> int:
    number = load.chance.randrange(QUESTIONS)
    return await _whole(await load.chat(call, f"Question {number}", stream=bool(number % 2), model="kept"))


async def _guarded(load: Load, call: str) -> int:
    number = load.chance.randrange(2)
    return await _whole(await load.chat(call, PLANTED, stream=bool(number), model="guarded"))


async def _flaky(load: Load, call: str) -> int:
    return await _whole(await load.chat(call, "What is 3 plus 4?", model="flaky"))


async def _broken(load: Load, call: str) -> int:
    return await _whole(await load.chat(call, "What is 3 plus 4?", model="broken"))


async def _vectors(load: Load, call: str) -> int:
    body = {"model": "vectors", "input": ["one", "two", call]}
    return await _whole(await load.post(call, "/v1/embeddings", body))


async def _unknown(load: Load, call: str) -> int:
    return await _whole(await load.chat(call, "Hi", model="nobody"))


async def _stranger(load: Load, call: str) -> int:
    return await _whole(await load.post(call, "/v1/chat/completions", {"model": "plain"}, key="mw-wrong"))


async def _malformed(load: Load, call: str) -> int:
    return await _whole(await load.post(call, "/v1/chat/completions", {"model": 7}))


OK = frozenset({200})
KINDS = {
    "chat": Kind(30, OK, _chat),
    "stream": Kind(20, OK, _stream),
    "client leaves a stream": Kind(6, frozenset({0}), _cut),
    "cache": Kind(14, OK, _kept),
    "guarded": Kind(10, OK, _guarded),
    "embeddings": Kind(8, OK, _vectors),
    "first provider fails": Kind(4, OK, _flaky),
    "provider fails": Kind(3, frozenset({502, 503}), _broken),
    "unknown endpoint": Kind(2, frozenset({404}), _unknown),
    "wrong key": Kind(2, frozenset({401}), _stranger),
    "malformed": Kind(1, frozenset({400, 422}), _malformed),
}


def _main(arguments: list[str]) -> None:
    url, key, rate, seconds, seed = arguments
    load = Load(url, key, seed=int(seed))
    uvloop.run(load.run(rate=float(rate), seconds=float(seconds)))
    seen: dict[str, dict[int, int]] = {}
    for (name, status), times in sorted(load.seen.items()):
        seen.setdefault(name, {})[status] = times
    print(json.dumps({"seen": seen, "wrong": load.wrong}))


if __name__ == "__main__":
    _main(sys.argv[1:])
