"""Writes the snapshot that gateway workers answer by: the supervisor's base with keys and issuers; it tells nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from modelwright.app.keys.set import KeySet
from modelwright.app.whole_file import write_whole
from modelwright.core.contracts.snapshot import Key, Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.clock import Clock

NextSerial = Callable[[int], Awaitable[int]]
"""Gives a serial past this one, that was never given before."""
Refine = Callable[[Snapshot], Awaitable[Snapshot]]


Changes = Callable[[], Awaitable[object]]
"""Another value whenever somebody has changed what a snapshot is made of."""


async def _unchanged() -> object:
    return None


async def _as_it_is(snapshot: Snapshot) -> Snapshot:
    return snapshot


class Publisher:
    """The only writer of `snapshot.json`."""

    def __init__(
        self,
        runtime: Path,
        keys: KeySet,
        *,
        next_serial: NextSerial,
        clock: Clock,
        refine: Refine = _as_it_is,
        changes: Changes = _unchanged,
    ) -> None:
        """`refine` makes of the manifest's snapshot the one in force; by `changes` it is seen what other hosts do."""
        self.live: tuple[Key, ...] = ()
        """Keys as of the last look at the store; of a large set those changed of late, and all admins'."""
        self.count = 0
        """Of all keys."""
        self.serial = 0
        """Of the snapshot that was written last."""
        self.in_force: Snapshot | None = None
        """What was written last, without its keys."""
        self.behind = False
        """The store has changed, but no snapshot could be written since."""
        self._runtime = runtime
        self._keys = keys
        self._next_serial = next_serial
        self._clock = clock
        self._refine = refine
        self._changes = changes
        self._published: object = None
        """What was changed up to then."""
        self._turn = asyncio.Lock()

    async def publish(self) -> int:
        """Write a new snapshot; its serial. Raises StartError for a base that cannot be read, OSError, DBAPIError."""
        async with self._turn:
            self.behind = True
            published = await self._changes()
            base = await self._refine(self.base())
            known = await self._keys.known(now=self._clock.now())
            self.live, self.count = known.live, known.count
            serial = await self._next_serial(max(base.serial, self.serial or self._serial_of_before()))
            snapshot = msgspec.structs.replace(
                base, serial=serial, keys=known.live, key_table=known.table, keys_gone=known.gone
            )
            write_whole(self._runtime / "snapshot.json", msgspec.json.encode(snapshot), durable=True)
            self.serial, self.in_force, self.behind = serial, base, False
            self._published = published
            return serial

    async def is_behind(self) -> bool:
        """Whether a snapshot is owed, for a change that was made here or by another host. Raises as `publish`."""
        async with self._turn:
            return await self._changes() != self._published or self.behind

    def _serial_of_before(self) -> int:
        """Of the snapshot that an earlier process wrote: the gateways take no older one, whatever the database says."""
        try:
            return msgspec.json.decode((self._runtime / "snapshot.json").read_bytes(), type=Snapshot).serial
        except (OSError, msgspec.MsgspecError):
            return 0

    def base(self) -> Snapshot:
        """The manifest's snapshot, without keys. Raises StartError."""
        path = self._runtime / "base.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Snapshot)
        except (OSError, msgspec.MsgspecError) as error:
            raise StartError(f"{path} cannot be read: {error}", hint="start modelwright up again") from error
