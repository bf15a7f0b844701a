"""The fake of a store of blobs: contents in memory, gone with the process."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path

from modelwright.adapters.blobs.local import write_checked
from modelwright.adapters.blobs.names import compare_content, missing, name_of
from modelwright.core.ports.registry import Blob


class MemoryBlobs:
    """Keeps what it is given."""

    place = "memory"

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, float]] = {}

    def put(self, file: Path, digest: str) -> bool:
        content, was_held = file.read_bytes(), digest in self._held
        compare_content(content, digest, place=str(file))
        self._held[digest] = (content, time.time())
        return not was_held

    def fetch(self, digest: str, to: Path, *, lasting: bool = False) -> None:
        name_of(digest)
        if digest not in self._held:
            raise missing(digest, self.place)
        write_checked(io.BytesIO(self._held[digest][0]), to, digest=digest, place=self.place)

    def held(self) -> Iterator[Blob]:
        for digest, (content, since) in self._held.items():
            yield Blob(digest=digest, size=len(content), since=since)

    def drop(self, digest: str, *, before: float = inf) -> bool:
        is_old = digest in self._held and self._held[digest][1] < before
        if is_old:
            del self._held[digest]
        return is_old
