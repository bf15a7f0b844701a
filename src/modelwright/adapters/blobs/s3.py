"""Blobs in a bucket, under a prefix: S3 shows an object only when all of it is there."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path

from modelwright.adapters.blobs.local import write_checked
from modelwright.adapters.blobs.names import check_file, digest_from, missing, name_of
from modelwright.adapters.blobs.s3_bucket import PIECE, S3Bucket
from modelwright.core.errors.artifacts import ArtifactDamaged, ArtifactMissing, SourceUnavailable
from modelwright.core.ports.registry import Blob

AGED = 3600.0
"""Seconds after which one that is there already is sent once more: S3 has no other way to make it count as new."""


TRIES = 4
"""Times that a content is asked for, from where it broke off."""


class S3Blobs:
    """Those of one bucket and prefix."""

    def __init__(self, bucket: S3Bucket, prefix: str) -> None:
        """`prefix` is empty or ends with a slash."""
        self.place = f"{bucket.place}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._prefix = prefix

    def put(self, file: Path, digest: str) -> bool:
        key = self._prefix + name_of(digest)
        before = _marks(file)
        check_file(file, digest)
        held = self._bucket.look(key)
        is_whole = held is not None and held.size == before[0] and held.mark in mark_of(file)
        if is_whole and held is not None and held.since > time.time() - AGED:
            return False
        self._bucket.write(key, file)
        sent = self._bucket.look(key)
        if sent is None or sent.size != before[0] or _marks(file) != before:
            self._bucket.remove(key)
            raise ArtifactDamaged("it was changed while it was being sent", hint="push it again", place=str(file))
        return not is_whole

    def fetch(self, digest: str, to: Path, *, lasting: bool = False) -> None:
        key = self._prefix + name_of(digest)
        try:
            source = io.BufferedReader(_Stream(self._content(key)), buffer_size=1 << 20)  # type: ignore[arg-type]
            with source:
                write_checked(source, to, digest=digest, place=f"{self._bucket.place}/{key}")
        except ArtifactMissing:
            raise missing(digest, self.place) from None

    def _content(self, key: str) -> Iterator[bytes]:
        """All of it, continued where it broke off; the digest tells whether it is one content."""
        at = 0
        for left in reversed(range(TRIES)):
            try:
                for chunk in self._bucket.read(key, start=at):
                    at += len(chunk)
                    yield chunk
            except SourceUnavailable:
                if not left:
                    raise
            else:
                return

    def held(self) -> Iterator[Blob]:
        for found in self._bucket.list(f"{self._prefix}sha256/"):
            digest = digest_from(found.key.removeprefix(self._prefix))
            if digest is not None:
                yield Blob(digest=digest, size=found.size, since=found.since)

    def drop(self, digest: str, *, before: float = inf) -> bool:
        key = self._prefix + name_of(digest)
        held = self._bucket.look(key)
        is_old = held is not None and held.since < before
        if is_old:
            self._bucket.remove(key)
        return is_old


def mark_of(file: Path) -> tuple[str, ...]:
    """What S3 calls a content that it was sent: its MD5, or that of its parts' MD5s; another name is no harm.

    Buckets with keys of their own say something else: what is pushed there again is sent again.
    """
    whole, parts = hashlib.md5(usedforsecurity=False), []
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            whole.update(piece)
            parts.append(hashlib.md5(piece, usedforsecurity=False).digest())
    joined = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
    return f'"{whole.hexdigest()}"', f'"{joined}-{len(parts)}"'


def _marks(file: Path) -> tuple[int, int, int, int]:
    """Others as soon as somebody has written it."""
    found = file.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


class _Stream(io.RawIOBase):
    """Chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._left or next(self._chunks, b"")
        taken = piece[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = piece[len(taken) :]
        return len(taken)
