"""Ports: where keys, the ledger and secrets are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Key


class LedgerSink(Protocol):
    """Where a gateway worker writes its rows; a row is safe from the death of the process when the verb returns."""

    def intent(self, row: LedgerRow) -> None:
        """Before the call is dispatched; raises LedgerUnavailable when it cannot be written."""
        ...

    def outcome(self, row: LedgerRow) -> None:
        """When the call has ended, before its last byte is acknowledged to the client.

        Never raises and never blocks: what cannot be written is kept and written later.
        """
        ...

    def feedback(self, said: Feedback) -> None:
        """What somebody thought of an answer; raises LedgerUnavailable when it cannot be written."""
        ...


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the store knows it."""

    key: Key
    created: float
    revoked: float | None = None
    successor: str = ""
    """Id of the key that takes its place, since it was rotated; it lives on for the overlap only."""


class KeyStore(Protocol):
    """Keeps keys by digest; never the key itself."""

    async def add(self, row: KeyRow) -> None:
        """Raises AccessError when a live key of that name exists in the tenant."""
        ...

    async def replace(self, key_id: str, successor: KeyRow, *, until: float) -> KeyRow:
        """Add the successor of the same name, and let the old key expire at `until` if not before; the old one's row.

        Both or nothing. Raises AccessError when no live key has this public id, or it has a successor already.
        """
        ...

    async def revoke(self, key_id: str, *, at: float) -> KeyRow:
        """Raises AccessError when no live key has this public id."""
        ...

    async def list(self, named: str = "", *, most: int | None = None) -> list[KeyRow]:
        """The newest first, revoked ones included: all, those of one id or name, or the first so many."""
        ...


class KeyDump(Protocol):
    """All clients' keys that are not revoked, as of one moment."""

    mark: int
    """Of the last change before."""
    count: int
    pages: AsyncIterator[Sequence[Key]]
    """Sorted by digest."""


class KeyLog(Protocol):
    """Large sets of keys, which nobody holds in memory as a whole."""

    async def changes(self, since: int, *, most: int) -> tuple[int, list[KeyRow]] | None:
        """The last change's mark, what was changed after another, and all admins' keys; None when it is too much."""
        ...

    def dump(self) -> AbstractAsyncContextManager[KeyDump]:
        """Read them in order."""
        ...

    async def table(self) -> int:
        """The number of the table that was made of a dump last; 0: none was."""
        ...

    async def remember_table(self, number: int) -> None:
        """Write it down here, so that a store that was put back to an earlier time knows no table of a later one."""
        ...


class SecretStore(Protocol):
    """Where a provider's key and the like are kept; it is asked in a thread, since vendors' clients block."""

    def read(self, names: Collection[str]) -> Mapping[str, str]:
        """The values of those names that it holds, each NAME or name#field; the others are left out.

        Raises StartError, which says what is wrong and shows no value, when it cannot tell.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
