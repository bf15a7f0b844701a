"""Writes files of this user alone (0600), whole or not at all; what stands in them it does not know."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace a file so that a reader sees the old or the new content, never a part; `durable`: also after a power cut.

    Raises OSError, with the old file as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_private(part, content, durable=durable)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_private(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file in place. Raises OSError, also for a link."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(descriptor)
