"""A LedgerSink for tests that keeps rows in memory and can be told to fail; nothing of it outlives the process."""

from __future__ import annotations

import msgspec

from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import LedgerUnavailable


class MemoryLedger:
    """Holds a copy of each line in the order of writing."""

    def __init__(self) -> None:
        self.lines: list[LedgerRow] = []
        self.said: list[Feedback] = []
        self.full = False
        """While true no intent can be written, and outcomes wait."""
        self._waiting: list[LedgerRow] = []

    def intent(self, row: LedgerRow) -> None:
        if self.full:
            raise LedgerUnavailable("the ledger cannot be written", hint="this is a test", retry_after=5.0)
        self.tend()
        self.lines.append(msgspec.structs.replace(row))

    def outcome(self, row: LedgerRow) -> None:
        self._waiting.append(msgspec.structs.replace(row))
        if not self.full:
            self.tend()

    def feedback(self, said: Feedback) -> None:
        if self.full:
            raise LedgerUnavailable("the ledger cannot be written", hint="this is a test", retry_after=5.0)
        self.said.append(said)

    def tend(self) -> None:
        """Write what waits."""
        if not self.full:
            self.lines += self._waiting
            self._waiting.clear()
