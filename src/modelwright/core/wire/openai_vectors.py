"""The OpenAI wire of embeddings: a request's inputs one by one, and an answer's vectors apart and together again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from modelwright.core.contracts.ledger import Count
from modelwright.core.wire.unreadable import UNREADABLE

_list = msgspec.json.Decoder(list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
MOST_INPUTS = 4096
"""Twice as many as vendors take in one request."""
_COMMAS = 1 << 19
"""More of them need not be taken apart to know that there are too many."""


class _Vector(msgspec.Struct):
    index: int


class _Counts(msgspec.Struct):
    prompt_tokens: Count | None = None
    total_tokens: Count | None = None


class Vectors(msgspec.Struct, frozen=True):
    """An answer, taken apart."""

    each: list[bytes]
    """In the order of the inputs: the object that holds the vector, without its index."""
    around: bytes
    """The answer without vectors and counts."""
    tokens: int | None
    """Of all inputs together."""


def read_inputs(given: bytes) -> list[bytes] | None:
    """The inputs in a request's `input`, each as it stands there; None for too many, or what cannot be told apart."""
    if given[:1] == b'"':
        return [given]
    if given.count(b",") > _COMMAS:
        return None
    try:
        items = [bytes(item) for item in _list.decode(given)]
    except UNREADABLE:
        return None
    if not items:
        return None
    if all(item[:1].isdigit() for item in items):  # the tokens of one input
        return [given]
    if len(items) > MOST_INPUTS:
        return None
    return items if all(item[:1] in {b'"', b"["} for item in items) else None


def with_inputs(body: bytes, inputs: Sequence[bytes]) -> bytes:
    """The same request for these inputs."""
    content = _fields.decode(body)
    content["input"] = msgspec.Raw(b"[" + b",".join(inputs) + b"]")
    return msgspec.json.encode(content)


def read_vectors(body: bytes, count: int) -> Vectors | None:
    """An answer for so many inputs; None when it is none, or holds not exactly one vector for each."""
    try:
        content = _fields.decode(body)
        rows = _list.decode(content.pop("data"))
        counts = msgspec.json.decode(content.pop("usage", b"{}"), type=_Counts | None)
        each = [b""] * count
        for row in rows:
            index = msgspec.json.decode(row, type=_Vector).index
            fields = _fields.decode(row)
            del fields["index"]
            if each[index] or index < 0 or not bytes(fields["embedding"]).startswith((b"[", b'"')):
                return None
            each[index] = msgspec.json.encode(fields)
    except (*UNREADABLE, KeyError, IndexError):
        return None
    if not all(each) or content.get("error", b"null") != b"null":
        return None
    tokens = None if counts is None else counts.prompt_tokens
    return Vectors(each, msgspec.json.encode(content), tokens)


def write_vectors(each: Sequence[bytes], *, around: bytes, tokens: int | None) -> bytes:
    """An answer for these vectors, in this order."""
    content: dict[str, object] = {}
    content.update(_fields.decode(around))
    rows = [b'{"index":%d,%b' % (index, row[1:]) for index, row in enumerate(each)]
    content["data"] = msgspec.Raw(b"[" + b",".join(rows) + b"]")
    if tokens is not None:
        content["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode(content)


def shares(total: int, sizes: Sequence[int]) -> list[int]:
    """A total in whole parts after these sizes, at least one of which is above zero; the parts add up to it exactly."""
    whole, so_far, given = sum(sizes), 0, 0
    parts: list[int] = []
    for size in sizes:
        so_far += size
        parts.append(total * so_far // whole - given)
        given += parts[-1]
    return parts
