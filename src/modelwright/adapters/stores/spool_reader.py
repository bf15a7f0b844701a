"""Reads the ledger's spool files while gateway workers append to them; it neither writes rows nor knows the database.

A file is named `<part>-<pid>-<boot>[.<n>].jsonl`; what stands before the first dot is its writer. A writer holds
`flock(LOCK_EX)` on each file that it may still write: a file whose lock can be taken has ended.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import msgspec

from modelwright.core.contracts.feedback import FEEDBACK_VERSION, Feedback
from modelwright.core.contracts.ledger import LEDGER_VERSION, OUTCOMES, LedgerRow
from modelwright.core.ports.clock import Clock

CHUNK = 1 << 20
"""Bytes read at once; also the length past which a line cannot be one."""
REJECTED = "rejected"
YOUNG = 60.0
"""Seconds in which an empty file without a lock is left alone: its writer may be about to take the lock."""
_SUFFIX = ".jsonl"

_FEEDBACK = b'{"feedback":'
_feedback_decoder = msgspec.json.Decoder(Feedback)
_decoder = msgspec.json.Decoder(LedgerRow)


class Lines(msgspec.Struct, frozen=True):
    """What a piece of a spool file holds."""

    rows: list[LedgerRow]
    said: list[Feedback]
    bad: list[bytes]
    """Lines that are no rows, as they are."""
    problem: str
    """What is wrong with the first bad one."""
    consumed: int
    """Bytes up to where the next read begins."""


def read_lines(data: bytes, *, ended: bool) -> Lines:
    """The complete lines of `data`; with `ended` also what stands after the last line break, since nothing follows."""
    end = len(data) if ended else data.rfind(b"\n") + 1
    if end == 0 and len(data) >= CHUNK:
        end = len(data)
    rows: list[LedgerRow] = []
    said: list[Feedback] = []
    bad: list[bytes] = []
    problem = ""
    for line in data[:end].split(b"\n"):
        if not line:
            continue
        try:
            if line.startswith(_FEEDBACK):
                said.append(_said(line))
            else:
                rows.append(_row(line))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            problem = problem or str(error)
            bad.append(line)
    return Lines(rows=rows, said=said, bad=bad, problem=problem, consumed=end)


def writer_of(name: str) -> str:
    """The writer of a file: the same for all files that one process filled one after another."""
    return name.partition(".")[0]


class SpoolReader:
    """The spool folder."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self.folder = folder
        self._clock = clock

    def names(self) -> list[str]:
        """Files that may hold rows, in the order of their names."""
        try:
            with os.scandir(self.folder) as entries:
                return sorted(e.name for e in entries if e.name.endswith(_SUFFIX) and e.is_file(follow_symlinks=False))
        except FileNotFoundError:
            return []

    def open(self, name: str) -> SpoolFile | None:
        """None when the file is gone, or empty and so young that even looking at its lock could be in the way."""
        path = self.folder / name
        try:
            found = path.stat()
            if found.st_size == 0 and self._clock.now() - found.st_mtime < YOUNG:
                return None
            return SpoolFile(path)
        except FileNotFoundError:
            return None

    def set_aside(self, name: str, offset: int, lines: Iterable[bytes], *, kind: str = "bad") -> Path:
        """Keep lines that cannot go into the ledger, named by their place: doing it twice leaves one copy."""
        folder = self.folder / REJECTED
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{name.removesuffix(_SUFFIX)}@{offset}.{kind}{_SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(descriptor)
        return path

    def remove(self, name: str) -> None:
        """Delete a file whose rows are all in the database."""
        (self.folder / name).unlink(missing_ok=True)


class SpoolFile:
    """One open file; while it is open and has ended, this process holds its lock."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        # The lock first: once it is held nothing is added, and then the size is final.
        self.ended = self._try_lock()
        self.size = os.fstat(self._descriptor).st_size

    def read(self, offset: int) -> bytes:
        """At most CHUNK bytes from there, none past the size that was found at opening."""
        return os.pread(self._descriptor, max(0, min(CHUNK, self.size - offset)), offset)

    def close(self) -> None:
        """Let go of file and lock."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _said(line: bytes) -> Feedback:
    said = _feedback_decoder.decode(line)
    if said.feedback > FEEDBACK_VERSION:
        raise ValueError(f"written in version {said.feedback} of feedback, which is newer than {FEEDBACK_VERSION}")
    return said


def _row(line: bytes) -> LedgerRow:
    row = _decoder.decode(line)
    if row.v > LEDGER_VERSION:
        raise ValueError(f"written in version {row.v} of the ledger row, which is newer than {LEDGER_VERSION}")
    if row.outcome not in OUTCOMES:
        raise ValueError(f"unknown outcome {row.outcome!r}")
    if not row.call:
        raise ValueError("no call id")
    return row
