"""Many keys as one sorted table of bytes, to be looked up where it lies, such as in a mapped file; it opens nothing.

Head: magic, version, number of keys, mark of the store. Then one record per key, sorted by digest: digest, id, expiry,
place of its rights. Then the rights, each once: tenant and endpoints as JSON, with its length before it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from mmap import mmap
from typing import TypeAlias

import msgspec

from modelwright.core.contracts.snapshot import Key

_HEAD = struct.Struct(">8sIQQQ")
_RECORD = struct.Struct(">32s16sdQ")
_LENGTH = struct.Struct(">I")
_MAGIC, _VERSION = b"mw-keys\n", 1
MOST_RIGHTS = 65_536
"""Rights that the writer remembers; whoever has more tenants than these has some of them twice in the table."""

Buffer: TypeAlias = bytes | mmap


class KeyTable:
    """Keys by their digest, in some 20 steps for a million."""

    def __init__(self, buffer: Buffer) -> None:
        """Raises ValueError for what is no table of this version, or cut short."""
        if len(buffer) < _HEAD.size:
            raise ValueError("it is too short for a table of keys")
        magic, version, self.count, self.mark, self._rights = _HEAD.unpack(buffer[: _HEAD.size])
        if (magic, version) != (_MAGIC, _VERSION):
            raise ValueError("it is no table of keys of this version")
        if len(buffer) < self._rights or self._rights != _HEAD.size + self.count * _RECORD.size:
            raise ValueError("it is cut short")
        self._buffer = buffer

    def __len__(self) -> int:
        return self.count

    def get(self, digest: str) -> Key | None:
        """The key of a digest in hex digits."""
        wanted = bytes.fromhex(digest)
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self._digest(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return self._key(low) if low < self.count and self._digest(low) == wanted else None

    def _digest(self, number: int) -> bytes:
        begin = _HEAD.size + number * _RECORD.size
        return self._buffer[begin : begin + 32]

    def _key(self, number: int) -> Key:
        begin = _HEAD.size + number * _RECORD.size
        digest, key_id, expires, place = _RECORD.unpack(self._buffer[begin : begin + _RECORD.size])
        (length,) = _LENGTH.unpack(self._buffer[place : place + _LENGTH.size])
        rights = self._buffer[place + _LENGTH.size : place + _LENGTH.size + length]
        tenant, endpoints = msgspec.json.decode(rights, type=tuple[str, tuple[str, ...]])
        return Key(
            id=key_id.rstrip(b"\0").decode(),
            digest=digest.hex(),
            tenant=tenant,
            endpoints=endpoints,
            expires=None if math.isinf(expires) else expires,
        )


class KeyTableWriter:
    """Makes a table piece by piece: clients' keys come sorted by digest, their number was counted before."""

    def __init__(self, *, count: int, mark: int) -> None:
        self._rights_at = _HEAD.size + count * _RECORD.size
        self._places: dict[tuple[str, tuple[str, ...]], int] = {}
        self._rights = bytearray()
        self._last = b""
        self._missing = count
        self.head = _HEAD.pack(_MAGIC, _VERSION, count, mark, self._rights_at)
        """The first bytes."""

    def records(self, keys: Iterable[Key]) -> bytes:
        """The next bytes; raises ValueError for keys that are not sorted."""
        packed: list[bytes] = []
        add, pack, places, last = packed.append, _RECORD.pack, self._places, self._last
        for key in keys:
            digest = bytes.fromhex(key.digest)
            if digest <= last:
                raise ValueError("the keys are not sorted")
            last = digest
            place = places.get((key.tenant, key.endpoints)) or self._new_place(key)
            add(pack(digest, key.id.encode(), math.inf if key.expires is None else key.expires, place))
        self._last = last
        self._missing -= len(packed)
        if self._missing < 0:
            raise ValueError("there are more keys than were counted")
        return b"".join(packed)

    def rights(self) -> bytes:
        """The last bytes; raises ValueError when there were fewer keys than was said."""
        if self._missing:
            raise ValueError(f"{self._missing} keys are missing")
        return bytes(self._rights)

    def _new_place(self, key: Key) -> int:
        if len(self._places) >= MOST_RIGHTS:
            self._places.clear()
        rights = (key.tenant, key.endpoints)
        place = self._places[rights] = self._rights_at + len(self._rights)
        content = msgspec.json.encode(rights)
        self._rights += _LENGTH.pack(len(content)) + content
        return place
