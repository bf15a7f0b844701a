"""Processes as Linux knows them: a pid means one process only together with the time at which it was started."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from modelwright.core.errors.deploying import DeployError

MARK = "MODELWRIGHT_KEPT"
"""The variable by which all processes of an instance are known as such."""
_PROC = Path("/proc")
_STATE, _SESSION, _STARTED = 0, 3, 19
"""Of the fields of `stat` behind the name."""


def started(pid: int) -> str:
    """When the process was started, in words that no other one has before or after; empty: it does not run."""
    fields = _fields(pid)
    if not fields or fields[_STATE] in "ZX":
        return ""
    return f"{_boot()}:{fields[_STARTED]}"


def require_linux() -> None:
    """Raises DeployError elsewhere."""
    if not hasattr(os, "pidfd_open") or not (_PROC / "self" / "stat").exists():
        raise DeployError("a target of kind local needs Linux", hint="use a target of kind docker")


class Alive:
    """A process that runs, whoever's child it is; `close` it."""

    def __init__(self, pid: int, since: str) -> None:
        """Raises ProcessLookupError when it is not the one that was started then."""
        self.pid = pid
        self._file = os.pidfd_open(pid)
        if started(pid) != since:
            self.close()
            raise ProcessLookupError(pid)

    async def end(self) -> None:
        """Wait for it."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._file, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self._file)

    def signal(self, number: signal.Signals) -> None:
        """Harmless when it has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._file, number)

    def close(self) -> None:
        os.close(self._file)


def kill_all(mark: str, *, session: int = 0) -> None:
    """At once, all that bear this mark: what a process that has ended may have left behind.

    `session`: of that process, where it has ended a moment ago; some programs wash marks off.
    """
    wanted = f"{MARK}={mark}".encode()
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                _kill(int(entry.name), wanted, session=session)


def _kill(pid: int, wanted: bytes, *, session: int) -> None:
    """Raises OSError when it has ended, or is somebody else's."""
    if not _is_meant(pid, wanted, session=session):
        return
    file = os.pidfd_open(pid)
    try:
        if _is_meant(pid, wanted, session=session):
            signal.pidfd_send_signal(file, signal.SIGKILL)
    finally:
        os.close(file)


def _is_meant(pid: int, wanted: bytes, *, session: int) -> bool:
    fields = _fields(pid)
    if session and len(fields) > _SESSION and int(fields[_SESSION]) == session:
        return True
    return wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0")


def _fields(pid: int) -> list[str]:
    """Of its `stat`, behind the name, in which anything may stand."""
    try:
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def _boot() -> str:
    return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text("ascii").strip()
