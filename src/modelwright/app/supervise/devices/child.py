"""One worker process: started with its doors and pipes, heard through its notify pipe, waited for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from modelwright.app.parts import Notice, PartSpec

LOG_BYTES = 16 << 20
"""A log that has grown beyond is moved aside, and one older piece is kept: a part's logs take twice this at most."""


def worker_command(spec: PartSpec, file: Path) -> list[str]:
    """The command of a worker; `-P` keeps the current folder off the import path, so that no file there is imported."""
    return [sys.executable, "-P", "-m", f"modelwright.app.workers.{spec.kind}", os.fspath(file)]


class Child:
    """A running worker process."""

    def __init__(self, process: asyncio.subprocess.Process, ears: Ears) -> None:
        self._process = process
        self._ears = ears
        self.pid = process.pid

    async def wait(self) -> int:
        """Until it has ended and its last words were heard; negative: the number of the signal that killed it."""
        status = await self._process.wait()
        self._ears.close()
        return status

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended meanwhile."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


async def start_child(
    command: Sequence[str],
    *,
    ears: Ears,
    inherit: Sequence[int],
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Child:
    """Start a process in a session of its own, so that a terminal's Ctrl-C reaches only the supervisor.

    It inherits the file descriptors `inherit`, has the variables `env` or ours, and writes to `log`, or to where we
    write. Raises OSError.
    """
    output = _open_log(log) if log else None
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=tuple(inherit),
            env=env,
            start_new_session=True,
        )
    finally:
        ears.started()
        if output is not None:
            os.close(output)
    return Child(process, ears)


class Ears:
    """Our end of a worker's notify pipe: one Notice as a JSON line each."""

    def __init__(self, heard: Callable[[Notice], None]) -> None:
        self._heard = heard
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._read, self.mouth = os.pipe()
        """`mouth` is the end that the worker inherits."""
        os.set_blocking(self._read, False)
        self._loop.add_reader(self._read, self._listen)

    def started(self) -> None:
        """The worker has its end: close ours."""
        os.close(self.mouth)

    def close(self) -> None:
        """Hear what is still in the pipe, and no more."""
        if self._read < 0:
            return
        while self._listen():
            pass
        self._loop.remove_reader(self._read)
        os.close(self._read)
        self._read = -1

    def _listen(self) -> bool:
        try:
            data = os.read(self._read, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._read)
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(msgspec.MsgspecError):
                self._heard(msgspec.json.decode(line, type=Notice))
        return True


def bound_log(path: Path, limit: int = LOG_BYTES) -> None:
    """Move a log that has grown too long aside; its writer appends, so it goes on at the beginning."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > limit:
            aside = os.open(path.with_suffix(".log.1"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with path.open("rb") as log, os.fdopen(aside, "wb") as older:
                shutil.copyfileobj(log, older)
            os.truncate(path, 0)


def _open_log(path: Path) -> int:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    bound_log(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
