"""Chooses where a snapshot's answers are kept: in memory, or in Redis too, whose library is loaded only then."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from modelwright.adapters.stores.memory_cache import MemoryCache
from modelwright.core.addresses import redis_remedy
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.cache import CacheStore
from modelwright.core.ports.clock import Clock

if TYPE_CHECKING:
    from modelwright.adapters.stores.redis_cache import RedisCache


class Caches:
    """One per gateway worker; what is kept outlives the snapshots."""

    def __init__(self, *, clock: Clock, resolve: Callable[[str], str]) -> None:
        """`resolve` looks up a reference."""
        self.memory = MemoryCache(clock.now)
        self._clock = clock
        self._resolve = resolve
        self._made: dict[str, RedisCache] = {}

    @property
    def away(self) -> int:
        """How many stores do not answer."""
        return sum(store.away for store in self._made.values())

    def of(self, snapshot: Snapshot) -> CacheStore:
        """Raises ModelwrightError when the address of Redis is missing or is none."""
        if not snapshot.redis:
            return self.memory
        url = self._resolve(snapshot.redis)
        if url not in self._made:
            library = import_module("modelwright.adapters.stores.redis_cache")
            try:
                self._made[url] = library.RedisCache(url, near=self.memory, now=self._clock.now)
            except ValueError as error:
                raise StartError("the address of Redis is none", hint=redis_remedy(url), place="store.redis") from error
        return self._made[url]

    async def close(self) -> None:
        """Let go of what is elsewhere."""
        for store in self._made.values():
            await store.close()
