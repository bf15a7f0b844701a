"""Writes a gateway worker's ledger rows to spool files that outlive the process; it never reads them back.

A file is named `<part>-<pid>-<boot>[.<n>].jsonl` and locked (flock) as long as this process may write to it. A row is
one line and one system call: once it returns, the kernel has the row, whatever becomes of the process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from collections import deque
from pathlib import Path

import msgspec

from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import LedgerUnavailable

ROTATE = 16 << 20
"""Bytes after which the next file is begun."""
WAITING = 100_000
"""Outcomes that wait in memory for a disk that takes them; past it the oldest is given up, loudly."""

log = logging.getLogger("modelwright.ledger")


class SpoolLedger:
    """The LedgerSink of one process, for one thread."""

    def __init__(self, folder: Path, *, part: str, boot: str, rotate: int = ROTATE) -> None:
        """`boot` tells two processes apart that get the same pid. The first row opens the first file."""
        self.intent_failures = 0
        self.outcome_failures = 0
        self.lost = 0
        self._folder = folder
        self._writer = f"{part}-{os.getpid()}-{boot}"
        self._rotate = rotate
        self._encode = msgspec.json.Encoder().encode
        self._waiting: deque[bytes] = deque()
        self._number = 0
        self._descriptor = -1
        self._size = 0
        self._torn = False

    @property
    def waiting(self) -> int:
        """Outcomes that are not on disk yet."""
        return len(self._waiting)

    def intent(self, row: LedgerRow) -> None:
        try:
            if self._waiting:
                self._flush()
            self._write(self._encode(row) + b"\n")
        except OSError as error:
            self.intent_failures += 1
            raise _unavailable(error, "nothing was dispatched") from None

    def feedback(self, said: Feedback) -> None:
        try:
            self._write(self._encode(said) + b"\n")
        except OSError as error:
            raise _unavailable(error, "nothing was kept") from None

    def outcome(self, row: LedgerRow) -> None:
        line = self._encode(row) + b"\n"
        try:
            if self._waiting:
                self._flush()
            self._write(line)
        except OSError as error:
            self._keep(line, error)

    def tend(self) -> None:
        """To be called every second or so: write what waits; begin a new file when ours was deleted under us."""
        try:
            if self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0:
                log.error("the ledger's spool file was deleted while in use; a new one is begun")
                self._open_next()
            self._flush()
        except OSError as error:
            log.error("%d outcomes wait for the ledger: %s", len(self._waiting), error)  # noqa: TRY400 - no trace needed

    def close(self) -> None:
        """Write what waits and let go of the file, so that it is taken in to its end."""
        self.tend()
        if self._waiting:
            log.critical("%d outcomes could not be written and are lost with this process", len(self._waiting))
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _keep(self, line: bytes, error: OSError) -> None:
        self.outcome_failures += 1
        if not self._waiting:
            log.error("an outcome cannot be written to the ledger and waits in memory: %s", error)
        self._waiting.append(line)
        if len(self._waiting) > WAITING:
            self.lost += 1
            log.critical("the ledger lost an outcome: %s", self._waiting.popleft().decode().strip())

    def _flush(self) -> None:
        while self._waiting:
            self._write(self._waiting[0])
            self._waiting.popleft()

    def _write(self, line: bytes) -> None:
        if self._descriptor < 0:
            self._open_next()
        elif self._size >= self._rotate:
            with contextlib.suppress(OSError):  # the file in use still takes rows
                self._open_next()
        if self._torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        if written != len(line):
            self._take_back()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False
        self._size += written

    def _take_back(self) -> None:
        """Part of a line was written: remove it, or else begin the next line on a new one."""
        self._torn = True
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self._size)
            self._torn = False

    def _open_next(self) -> None:
        """Begin the next file before the one in use is let go: no reader may think that this writer has ended."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = f".{self._number}" if self._number else ""
        path = self._folder / f"{self._writer}{number}.jsonl"
        self._number += 1
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._size, self._torn = descriptor, 0, False


def _unavailable(error: OSError, done: str) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"the ledger cannot be written ({error.strerror})",
        hint=f"the operator must make room in or give access to the spool directory; {done}",
        retry_after=5.0,
    )
