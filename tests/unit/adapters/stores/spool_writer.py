"""A writer of spool files for the tests: appends lines, holds the lock, rotates, and dies on demand."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec

from modelwright.core.contracts.ledger import LedgerRow


class SpoolWriter:
    """Keeps to the naming and locking that readers rely on."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.folder = folder
        self.writer = writer
        self.number = 0
        self.descriptor = self._open()

    @property
    def name(self) -> str:
        return f"{self.writer}.{self.number}.jsonl"

    def write(self, row: LedgerRow) -> None:
        self.raw(msgspec.json.encode(row) + b"\n")

    def raw(self, data: bytes) -> None:
        assert os.write(self.descriptor, data) == len(data)

    def rotate(self) -> None:
        old, self.number = self.descriptor, self.number + 1
        self.descriptor = self._open()
        os.close(old)

    def die(self) -> None:
        os.close(self.descriptor)

    def _open(self) -> int:
        descriptor = os.open(self.folder / self.name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor


def row(call: str, outcome: str = "intent", **fields: object) -> LedgerRow:
    """A row with the fields that a test names, plausible otherwise."""
    known = {"at": 1_700_000_000.0, "operation": "chat", "endpoint": "assistant", "tenant": "default"}
    return msgspec.convert({"call": call, "outcome": outcome} | known | fields, LedgerRow)
