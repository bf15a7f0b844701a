"""Limits of single keys: people name a key, calls carry its id; it counts nothing."""

from __future__ import annotations

import msgspec

from modelwright.access.keys import is_live
from modelwright.core.contracts.snapshot import Limit, Limits
from modelwright.core.ports.stores import KeyStore


async def with_ids(limits: Limits, store: KeyStore, *, now: float) -> Limits:
    """The same limits, those of single keys once for each live key of that name or id, by its id.

    A key that was rotated and its successor bear one name, so that both have the limit, each for itself.
    """
    if not any(limit.by == "key" and limit.whose for limit in limits.each):
        return limits
    each: list[Limit] = []
    for limit in limits.each:
        if limit.by != "key" or not limit.whose:
            each.append(limit)
            continue
        rows = await store.list(limit.whose)
        each += [msgspec.structs.replace(limit, whose=row.key.id) for row in rows if is_live(row, now=now)]
    return msgspec.structs.replace(limits, each=tuple(each))
