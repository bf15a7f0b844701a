"""Chooses who keeps the limits of a snapshot: this worker's memory, or Redis, whose library is loaded only then."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from modelwright.adapters.limits.memory import MemoryLimits
from modelwright.core.addresses import redis_remedy
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.limits import Used
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.limits import Limiter

if TYPE_CHECKING:
    from modelwright.adapters.limits.redis import RedisLimits


class Limiters:
    """One per gateway worker; counts outlive the snapshots."""

    def __init__(self, *, clock: Clock, resolve: Callable[[str], str], place: str) -> None:
        """`place` is different in all gateway workers of this machine that live at once."""
        self.lost: Callable[[], object] | None = None
        """Called when Redis knows nothing of budgets."""
        self._clock = clock
        self._resolve = resolve
        self._place = hashlib.blake2b(f"{socket.gethostname()}\0{place}".encode(), digest_size=8).hexdigest()
        self._memory = MemoryLimits(clock.now)
        self._made: dict[tuple[str, str], RedisLimits] = {}

    @property
    def away(self) -> int:
        """How many stores do not answer."""
        return sum(not limits.up for limits in self._made.values())

    def of(self, snapshot: Snapshot) -> Limiter:
        """Raises ModelwrightError when the address of Redis is missing or is none."""
        if not snapshot.redis:
            return self._memory
        url, site = self._resolve(snapshot.redis), f"{snapshot.name}/{snapshot.environment}"
        made = self._made.get((url, site))
        library = import_module("modelwright.adapters.limits.redis")
        limits = snapshot.limits
        away = library.Away(
            cost=limits.cost_down, rates=limits.rates_down, workers=limits.workers, after=limits.down_after
        )
        try:
            if made is None:
                made = library.RedisLimits(url, site=site, place=self._place, clock=self._clock, away=away)
        except ValueError as error:
            raise StartError("the address of Redis is none", hint=redis_remedy(url), place="store.redis") from error
        self._made[url, site] = made
        made.lost = self.lost
        made.follow(away)
        return made

    def restore(self, used: Sequence[Used]) -> None:
        """What was used of budgets before this worker knew of anything."""
        for limiter in (self._memory, *self._made.values()):
            limiter.restore(used)

    async def close(self) -> None:
        """What is held is given back."""
        for limits in self._made.values():
            await limits.close()
