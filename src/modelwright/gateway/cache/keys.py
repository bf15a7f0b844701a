"""The key of a kept answer: a keyed hash over everything that can change it; the same in every process.

Tenant, endpoint, the variant with all that defines it, its prompt, the release and the whole body are in the key. Left
out are `stream_options` and, since it is a part of the key of its own, `stream`; and what the manifest says cannot
change the answer. The order of the body's own fields means nothing; deeper down every byte counts, since the order of a
tool's properties is part of the prompt that a model sees.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from modelwright.core.contracts.snapshot import SERVING, ProviderEntry, Variant

SIZE = 32
MOST_FIELDS = 1000
LEFT_OUT = frozenset({"stream", "stream_options"})

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_sorted = msgspec.json.Encoder(order="sorted").encode
_NAME = re.compile(rb'[ \t\r\n]*"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*')
_NEXT = re.compile(rb"[ \t\r\n]*([,}])")


class Seed:
    """The part of the key that all calls of one variant have in common."""

    __slots__ = ("_hash",)

    def __init__(
        self, salt: bytes, *, endpoint: str, variant: Variant, provider: ProviderEntry, settled: tuple[str, ...]
    ) -> None:
        """`salt`, at most 64 bytes, belongs to the installation: without it nobody can tell what a key stands for.

        `settled` are the digests of what answers: of the release, and of the variant's prompt.
        """
        own = provider.kind == SERVING
        entry = msgspec.structs.replace(provider, keys=(), off="", base_urls=() if own else provider.base_urls)
        common = (endpoint, settled, msgspec.structs.replace(variant, weight=1.0, price=None), entry)
        self._hash = hashlib.blake2b(msgspec.json.encode(common), digest_size=SIZE, key=salt, person=b"modelwright-1")

    def key(self, tenant: str, operation: str, *parts: bytes, stream: bool = False) -> bytes:
        """Of one answer; each of `parts` counts with its length, so that no two lists of them look the same."""
        found = self._hash.copy()
        found.update(msgspec.json.encode((tenant, operation, stream, [len(part) for part in parts])))
        for part in parts:
            found.update(part)
        return found.digest()


def read_fields(body: bytes) -> dict[str, msgspec.Raw] | None:
    """The fields of a JSON object; None when a name stands there twice: readers differ in which of them they take.

    None also for more fields than any vendor has.
    """
    fields = _fields.decode(body)
    if len(fields) > MOST_FIELDS:
        return None
    if len(_sorted(fields)) == len(body) or _stands_once(fields, body):
        return fields
    return None


def canonical(fields: dict[str, msgspec.Raw], ignored: Iterable[str]) -> bytes:
    """The body without what cannot change the answer, its fields in order."""
    return _sorted({name: value for name, value in fields.items() if name not in LEFT_OUT and name not in ignored})


def _stands_once(fields: dict[str, msgspec.Raw], body: bytes) -> bool:
    """Whether the body, blanks aside, is exactly these fields one after the other."""
    at = body.index(b"{") + 1
    for value in fields.values():
        name = _NAME.match(body, at)
        if name is None or not body.startswith(bytes(value), name.end()):
            return False
        after = _NEXT.match(body, name.end() + len(bytes(value)))
        if after is None:
            return False
        at = after.end()
    return not fields or body[at - 1 : at] == b"}"
