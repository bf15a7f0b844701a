"""The lock of whoever may write the database: control while it runs, otherwise a command for a moment."""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from modelwright.core.errors.starting import StartError

BETWEEN = 0.05


class OwnerLock:
    """An flock, so that the kernel gives it back when its holder dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    async def take(self, *, patience: float) -> None:
        """Wait for it for so many seconds; raises StartError."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StartError(
                f"{self._path} cannot be opened: {error.strerror}", hint="let this user write there"
            ) from error
        until = asyncio.get_running_loop().time() + patience
        while not _locked(descriptor):
            if asyncio.get_running_loop().time() >= until:
                os.close(descriptor)
                raise StartError("another process holds the database", hint=f"find it: fuser {self._path}")
            await asyncio.sleep(BETWEEN)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
