"""Which share of traffic a call belongs to: a keyed hash that is the same in every process and after a restart."""

import hashlib
from collections.abc import Sequence

_SCALE = 1 << 64


def position(salt: bytes, endpoint: str, subject: str) -> float:
    """Where a subject stands in [0, 1): BLAKE2b-64 keyed with the salt (at most 64 bytes), over endpoint and subject."""
    digest = hashlib.blake2b(f"{endpoint}\0{subject}".encode(), digest_size=8, key=salt).digest()
    return int.from_bytes(digest, "big") / _SCALE


def choose(weights: Sequence[float], at: float) -> int:
    """The index whose cumulative share covers `at` in [0, 1); weights are at least zero and not all zero.

    Raising one weight at the cost of its last neighbour moves only subjects between those two.
    """
    total = sum(weights)
    if total <= 0:
        raise ValueError("at least one weight must be above zero")
    edge = 0.0
    chosen = 0
    for index, weight in enumerate(weights):
        if weight <= 0:
            continue
        chosen = index
        edge += weight / total
        if at < edge:
            break
    return chosen
