"""Hands secrets from the supervisor to its workers: through memory that has no name, inherited as a file descriptor.

Nothing of it is in a folder, a variable or a command line. Light enough for a gateway worker: it knows no store.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from modelwright.core.status import SecretStatus

TOLD = "secrets.json"
"""In the runtime directory: what status tells of secrets."""
WANTED = "secrets.wanted"
"""Likewise: touched when a provider has refused a key, which may have been exchanged."""
_HEAD = 24
"""Bytes before the content: its length, and a digest by which a reader sees that it met a writer."""
_TRIES = 50
_BETWEEN = 0.002


class Hand:
    """The giving side."""

    def __init__(self, folder: Path) -> None:
        """Where the system has no memory without a name, `folder` holds a file whose name is gone at once."""
        self.descriptor = _nameless(folder)
        """What workers inherit."""
        self._given: Mapping[str, str] | None = None

    def give(self, values: Mapping[str, str]) -> bool:
        """These are the secrets from now on; whether they are others than before."""
        if values == self._given:
            return False
        self._given = dict(values)
        content = msgspec.json.encode(self._given)
        whole = len(content).to_bytes(8, "big") + _digest(content) + content
        written = 0
        while written < len(whole):
            written += os.pwrite(self.descriptor, whole[written:], written)
        os.ftruncate(self.descriptor, len(whole))
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class Handed:
    """The taking side; without a descriptor nothing was handed over."""

    def __init__(self, descriptor: int = -1) -> None:
        self._descriptor = descriptor
        self._head = b""
        self._values: dict[str, str] = {}
        if descriptor >= 0:
            for _ in range(_TRIES):
                if self.look():
                    break
                time.sleep(_BETWEEN)

    def get(self, name: str) -> str | None:
        """As it was at the last look."""
        return self._values.get(name)

    def look(self) -> bool:
        """Whether the secrets are others than at the last look; a small read when they are not."""
        if self._descriptor < 0:
            return False
        head = os.pread(self._descriptor, _HEAD, 0)
        if head == self._head or len(head) < _HEAD:
            return False
        content = os.pread(self._descriptor, int.from_bytes(head[:8], "big"), _HEAD)
        if _digest(content) != head[8:]:
            return False  # it is being written: the next look sees it whole
        self._head = head
        self._values = msgspec.json.decode(content, type=dict[str, str])
        return True


def told_of(runtime: Path) -> tuple[SecretStatus, ...]:
    """Every secret of a run, where it comes from and how old that is; nothing when the run has not said it."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((runtime / TOLD).read_bytes(), type=tuple[SecretStatus, ...])
    return ()


def want(runtime: Path) -> None:
    """Ask for the stores to be read soon; nobody waits for it."""
    with contextlib.suppress(OSError):
        (runtime / WANTED).touch()


def wanted_at(runtime: Path) -> int:
    """A mark of when that was asked last."""
    try:
        return (runtime / WANTED).stat().st_mtime_ns
    except OSError:
        return 0


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_HEAD - 8).digest()


def _nameless(folder: Path) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("modelwright-secrets", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())
