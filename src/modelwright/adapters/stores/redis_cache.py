"""The cache of many processes: answers in Redis, and those used here also in memory; Redis away is only a miss.

Questions of one moment travel together. Redis has to answer within a few milliseconds; once it does not, nobody waits
for it until a probe beside the calls has found it well again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import msgspec
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import MovedError, RedisError

from modelwright.adapters.stores.memory_cache import MemoryCache
from modelwright.core.addresses import at_node
from modelwright.core.ports.cache import Kept

PATIENCE = 0.02
"""Seconds within which Redis answers a question, or counts as away, unless its owner has more time."""
MERCY = 0.005
"""Seconds more, so that an answer that has come already is read: the delay may have been our own."""
WRITING = 1.0
"""Seconds for a write, and for a probe."""
PAUSE = 0.5
"""Seconds between two probes while it is away."""
WAITING = 16 << 20
"""Bytes that wait to be written; what comes beyond is kept in memory only."""
PREFIX = b"modelwright:{kept}:"
"""Before all keys; what stands in braces decides on the node of a cluster, so that one has them all."""
HOPS = 5
"""Nodes of a cluster that may point to each other before that counts as a failure."""

_FAILURES = (RedisError, OSError, TimeoutError)
_encode = msgspec.msgpack.Encoder().encode
log = logging.getLogger("modelwright.cache")


class _Timed(msgspec.Struct, array_like=True):
    until: float
    kept: Kept


_decode = msgspec.msgpack.Decoder(_Timed).decode


class RedisCache:
    """The store for several workers; `near` is this worker's own memory, asked first."""

    def __init__(self, url: str, *, near: MemoryCache, now: Callable[[], float], patience: float = PATIENCE) -> None:
        """`now` gives Unix seconds; `patience`: seconds for an answer. Raises ValueError for what is no address."""
        self.up = False
        """Whether Redis answers, as far as is known."""
        self._near = near
        self._now = now
        self._patience = patience
        try:
            ConnectionPool.from_url(url).make_connection()
        except TypeError as error:
            raise ValueError(f"an option of the address is not known: {error}") from None
        self._home = self._url = url
        self._reading, self._writing = _client(url), _client(url)
        self._asked: list[tuple[Sequence[bytes], asyncio.Future[Sequence[bytes | None]]]] = []
        self._posted: list[tuple[bytes, bytes, float]] = []
        self._waiting = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._told = False
        self._closed = False

    @property
    def away(self) -> bool:
        """Whether it was found not to answer, and has not been found well since."""
        return self._told

    async def get(self, keys: Sequence[bytes]) -> Sequence[Kept | None]:
        found = list(await self._near.get(keys))
        missing = [index for index, kept in enumerate(found) if kept is None]
        if not missing:
            return found
        if not self.up:
            self._begin("probe", self._probe)
            return found
        values: asyncio.Future[Sequence[bytes | None]] = asyncio.get_running_loop().create_future()
        self._asked.append(([keys[index] for index in missing], values))
        self._begin("read", self._read)
        for index, value in zip(missing, await values, strict=True):
            found[index] = self._taken(keys[index], value)
        return found

    def put(self, entries: Sequence[tuple[bytes, Kept]], *, ttl: float) -> None:
        self._near.put(entries, ttl=ttl)
        if self._closed or not self.up:
            return
        until = self._now() + ttl
        for key, kept in entries:
            value = _encode(_Timed(until, kept))
            if self._waiting + len(value) <= WAITING:
                self._waiting += len(value)
                self._posted.append((key, value, ttl))
        self._begin("write", self._write)

    def bound(self, size: int) -> None:
        self._near.bound(size)

    async def open(self) -> None:
        """Find out whether Redis is there; it is looked for later, too."""
        await self._is_well()

    async def close(self) -> None:
        """Let go; what is not written yet is lost."""
        self._closed = True
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._break()
        for client in (self._reading, self._writing):
            await client.aclose()

    def _taken(self, key: bytes, value: bytes | None) -> Kept | None:
        if value is None:
            return None
        try:
            timed = _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):  # of another version
            return None
        left = timed.until - self._now()
        if left <= 0:
            return None
        self._near.put([(key, timed.kept)], ttl=left)
        return timed.kept

    async def _read(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, []
            keys = [PREFIX + key for each, _ in asked for key in each]
            try:
                values = await self._in_time(keys)
            except _FAILURES as error:
                self._lose(asked, error)
                return
            at = 0
            for each, future in asked:
                if not future.done():
                    future.set_result(values[at : at + len(each)])
                at += len(each)

    async def _in_time(self, keys: list[bytes]) -> list[bytes | None]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as limit:
            timer = loop.call_later(self._patience, lambda: limit.reschedule(loop.time() + MERCY))
            try:
                return cast("list[bytes | None]", await self._reading.mget(keys))
            finally:
                timer.cancel()

    async def _write(self) -> None:
        while self._posted:
            posted, self._posted = self._posted, []
            self._waiting -= sum(len(value) for _, value, _ in posted)
            try:
                async with asyncio.timeout(WRITING):
                    pipeline = self._writing.pipeline(transaction=False)
                    for key, value, ttl in posted:
                        pipeline.set(PREFIX + key, value, px=max(1, int(ttl * 1000)))
                    await pipeline.execute()
            except _FAILURES as error:
                self._lose([], error)
                return

    async def _probe(self) -> None:
        well = await self._is_well()
        while not well:
            await asyncio.sleep(PAUSE)
            well = await self._is_well()

    async def _is_well(self) -> bool:
        for hop in range(HOPS + 1):
            try:
                async with asyncio.timeout(WRITING):
                    for client in (self._reading, self._writing):
                        await client.pexpire(PREFIX, 1)  # only the node that keeps the answers takes that
                break
            except _FAILURES as error:
                if isinstance(error, MovedError) and hop < HOPS:
                    await self._turn_to(at_node(self._url, error.host, error.port))
                    continue
                self._tell(error)
                await self._turn_to(self._home)
                return False
        if self._told:
            log.warning("Redis keeps answers again")
        self.up, self._told = True, False
        return True

    def _lose(self, asked: list[tuple[Sequence[bytes], asyncio.Future[Sequence[bytes | None]]]], error: object) -> None:
        """Everybody who waits has a miss; Redis is looked for beside the calls."""
        self._tell(error)
        self._asked = [*asked, *self._asked]
        self._break()
        self._begin("probe", self._recover)

    async def _recover(self) -> None:
        await self._hang_up()
        await self._probe()

    async def _turn_to(self, url: str) -> None:
        await self._hang_up()
        if url != self._url:
            for client in (self._reading, self._writing):
                await client.aclose()
            self._url, self._reading, self._writing = url, _client(url), _client(url)

    async def _hang_up(self) -> None:
        """A late answer must not be taken for the next one."""
        for client in (self._reading, self._writing):
            if client.connection is not None:
                await client.connection.disconnect(nowait=True)

    def _break(self) -> None:
        self.up = False
        for each, future in self._asked:
            if not future.done():
                future.set_result([None] * len(each))
        self._asked, self._posted, self._waiting = [], [], 0

    def _tell(self, error: object) -> None:
        """Once per outage."""
        if not self._told:
            log.error("Redis keeps no answers, each worker keeps its own: %s", str(error) or "it does not answer")
        self._told = True

    def _begin(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """At most one task of each kind."""
        if self._closed or name in self._tasks:
            return
        self._tasks[name] = asyncio.get_running_loop().create_task(self._alone(name, work))

    async def _alone(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            self._tasks.pop(name, None)


def _client(url: str) -> Redis:
    return Redis.from_url(url, single_connection_client=True, socket_connect_timeout=WRITING)
