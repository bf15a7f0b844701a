"""Which share of traffic a call belongs to: a keyed hash that is the same in every process and after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_BITS = 53
"""What a float holds exactly: more would round the last positions up to 1."""


def subject(
    by: str,
    *,
    header: str = "",
    conversation: str = "",
    user: str = "",
    tenant: str = "",
    key: str = "",
    call: str = "",
) -> str:
    """Whose hash decides, for `by` of user | conversation | key | tenant | call.

    `user`: the value of the configured header, otherwise the body's `user` field, otherwise the key's id.
    `conversation`: the header, otherwise what the conversation began with, otherwise as for `user`. A call
    without any of them stands for itself, so that anonymous traffic is spread by the weights.
    """
    if by == "call":
        return call
    if by == "tenant":
        return tenant or call
    if by == "user":
        return header or user or key or call
    if by == "conversation":
        return header or conversation or user or key or call
    return key or call


def position(salt: bytes, endpoint: str, subject: str) -> float:
    """Where a subject stands in [0, 1): BLAKE2b keyed with the salt (at most 64 bytes), over endpoint and subject."""
    message = f"{endpoint}\0{subject}".encode(errors="surrogatepass")
    digest = hashlib.blake2b(message, digest_size=8, key=salt).digest()
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) / (1 << _BITS)


def spans(weights: Sequence[float]) -> list[tuple[float, float]]:
    """(from, to) of each weight's share in [0, 1]; weights are at least zero and not all zero."""
    total = sum(weights)
    if total <= 0:
        raise ValueError("at least one weight must be above zero")
    edges: list[tuple[float, float]] = []
    edge = 0.0
    for weight in weights:
        edges.append((edge, edge + weight / total))
        edge = edges[-1][1]
    return edges


def choose(weights: Sequence[float], at: float) -> int:
    """The index whose cumulative share covers `at` in [0, 1); weights are at least zero and not all zero.

    Raising one weight at the cost of its last neighbour moves only subjects between those two.
    """
    chosen = 0
    for index, (_, end) in enumerate(spans(weights)):
        if weights[index] <= 0:
            continue
        chosen = index
        if at < end:
            break
    return chosen


def rank(salt: bytes, subject: str, names: Sequence[str]) -> int:
    """The index of the name that a subject keeps (rendezvous hashing): when one leaves, only its subjects move."""
    return max(range(len(names)), key=lambda index: position(salt, names[index], subject))
