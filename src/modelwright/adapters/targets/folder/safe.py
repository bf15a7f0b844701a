"""Files that survive whoever writes them: whole or not at all, a line at a time, by one writer at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Nobody else is in here meanwhile; the kernel lets go of it for whoever dies."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(path: Path, content: bytes) -> None:
    """Replace a file; after a power cut it is the old or the new one. Raises OSError, with the old one as it was."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def append(path: Path, line: bytes) -> None:
    """One line more; half a line that somebody has left is cut off before. Raises OSError, with the file as it was."""
    is_new = not path.exists()
    with open(path, "r+b" if not is_new else "x+b", opener=_private) as file:
        size = _whole(file.read())
        try:
            file.truncate(size)
            file.seek(size)
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise
    if is_new:
        sync(path.parent)


def lines(path: Path) -> list[bytes]:
    """All that are whole; none where there is no file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content[: _whole(content)].splitlines()


def sync(folder: Path) -> None:
    """So that names in it are still there after a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
