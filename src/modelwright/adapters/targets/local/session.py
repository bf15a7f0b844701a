"""Questions to the keeper of an environment on this machine, over its socket; it is started where it does not run."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import msgspec

from modelwright.adapters.targets.kept import Take
from modelwright.adapters.targets.local.launching import handed
from modelwright.adapters.targets.wire import Asked, Told, error_from
from modelwright.core.errors.deploying import TargetUnreachable

Answer = TypeVar("Answer")
KEEPER = ("-m", "modelwright.app.keeper.local")
LOCK, LOG, SOCKET = "keeper.lock", "keeper.log", "keeper.sock"
"""The lock is held as long as a keeper runs, and says its pid; the socket lies in the runtime folder."""
_STARTING = 30.0
_LOOK = 0.05
_LARGEST = 1 << 26
_PEER = struct.Struct("3i")
"""Process, user and group at the other end, as `SO_PEERCRED` tells them (unix(7))."""


class Session:
    """An `Ask`; each question is a connection of its own."""

    def __init__(self, folder: Path, runtime: Path, *, env: Mapping[str, str]) -> None:
        """`folder` is the environment's, `runtime` a short path to where its sockets are."""
        self._folder = folder
        self._socket = runtime / SOCKET
        self.runtime = runtime
        self._env = env

    async def __call__(self, question: Any, answer: type[Answer]) -> Answer:
        told = await self._once(question)
        if told is None and not isinstance(question, Take):
            told = await self._once(question)
        if told is None:
            raise self._unreachable("it has ended while it was asked")
        if told.error is not None:
            raise error_from(told.error)
        return msgspec.json.decode(told.answer, type=answer)

    async def begin(self) -> None:
        """See that the keeper runs. Raises TargetUnreachable."""
        _, writer = await self._connected()
        writer.close()

    async def _once(self, question: Any) -> Told | None:
        """None when it was lost on the way."""
        reader, writer = await self._connected()
        try:
            writer.write(msgspec.json.encode(Asked(number=0, question=question)) + b"\n")
            await writer.drain()
            line = await reader.readline()
            return msgspec.json.decode(line, type=Told) if line.endswith(b"\n") else None
        except OSError:
            return None
        finally:
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises TargetUnreachable."""
        until, child = monotonic() + _STARTING, 0
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=_LARGEST)
                if _user_at(writer) == os.geteuid():
                    return reader, writer
                writer.close()
                raise self._unreachable(f"{self._socket} is somebody else's")
            if not child and not keeper_of(self._folder):
                child = await asyncio.to_thread(self._start)
            if monotonic() > until or (child and _has_ended(child) and not keeper_of(self._folder)):
                raise self._unreachable(self._said())
            await asyncio.sleep(_LOOK)

    def _start(self) -> int:
        """Its pid; it outlives whoever starts it."""
        made = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *KEEPER, str(self._folder), str(self.runtime)],
            handed(self._env),
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self._folder / LOG), made, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            setsid=True,
        )

    def _said(self) -> str:
        with suppress(OSError):
            lines = (self._folder / LOG).read_text("utf-8", "replace").splitlines()[-3:]
            return " ".join(lines)
        return "it does not start"

    def _unreachable(self, words: str) -> TargetUnreachable:
        hint = f"see {self._folder / LOG}, then go on with `modelwright resume`"
        return TargetUnreachable(f"the keeper does not answer: {words}", hint=hint, place=str(self._folder))


def _has_ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:
        return True


def _user_at(writer: asyncio.StreamWriter) -> int:
    """Who has opened the other end of a Unix socket: anybody can make a file at a name that can be guessed."""
    peer: bytes = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return _PEER.unpack(peer)[1]


def keeper_of(folder: Path) -> int:
    """The pid of the keeper that runs; 0: none does, or it has not said it yet."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(lock, 32, 0) or b"0")
    finally:
        os.close(lock)
    return 0


def keep(folder: Path) -> int | None:
    """Become the keeper, until the process ends; None when there is one."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(5):  # whoever looks takes it for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(_LOOK)
            continue
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        return lock
    os.close(lock)
    return None
