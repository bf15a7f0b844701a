"""Receives the body of a request with binary tensors so that arrays may lie where it arrived; it reads none."""

from __future__ import annotations

import numpy as np

from modelwright.serving.door import Receive, begin_body

ALIGNED = 64
"""Bytes of which the first tensor's place is a multiple: as wide as a processor reads, and as any item is."""


async def read_binary(receive: Receive, *, limit: int, stated: int | None, head: int) -> bytes | memoryview:
    """The whole body, whose JSON part has `head` bytes; raises TooLarge past `limit`, Stopped when the client left.

    The first tensor of a large one is aligned. Later ones are as well where items are of one size.
    """
    body, into = await begin_body(receive, limit=limit, stated=stated)
    if into is None or stated is None:
        return body
    memory = np.empty(ALIGNED + stated, np.uint8)
    start = -(memory.ctypes.data + head) % ALIGNED
    whole = memory.data[start : start + stated]
    await into(whole)
    return whole.toreadonly()
