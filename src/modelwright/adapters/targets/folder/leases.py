"""Who may change an environment, in one file: its owner, its epoch, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from modelwright.adapters.targets.folder import safe
from modelwright.core.errors.deploying import LeaseHeld, LeaseLost
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Lease

LASTS = 30.0
"""Seconds that a lease lives on after its owner has died; whoever lives renews it three times in that time."""


class LeaseFile:
    """Whoever calls has the folder alone meanwhile."""

    def __init__(self, path: Path, *, clock: Clock, lasts: float = LASTS) -> None:
        self._path = path
        self._clock = clock
        self._lasts = lasts

    def now(self) -> Lease | None:
        """As it stands, run out or not."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Lease)
        except FileNotFoundError:
            return None

    def take(self, owner: str) -> Lease:
        before = self.now()
        if before is not None and self._clock.now() < before.until:
            until = datetime.fromtimestamp(before.until, UTC)
            raise LeaseHeld(
                f"{before.owner} is changing it",
                hint=f"wait for the end of that; should it have died, the lease runs out at {until:%H:%M:%S} UTC",
                until=before.until,
            )
        return self._write(owner, 1 if before is None else before.epoch + 1)

    def renew(self, lease: Lease) -> Lease:
        self.fence(lease.epoch)
        return self._write(lease.owner, lease.epoch)

    def leave(self, lease: Lease) -> None:
        before = self.now()
        if before is not None and before.epoch == lease.epoch:
            safe.write(self._path, msgspec.json.encode(msgspec.structs.replace(before, until=0.0)))

    def fence(self, epoch: int) -> None:
        """Raises LeaseLost for whoever somebody has come after."""
        before = self.now()
        if before is not None and epoch < before.epoch:
            raise LeaseLost(
                f"{before.owner} has taken over", hint="`modelwright releases --env NAME` says how it stands"
            )

    def _write(self, owner: str, epoch: int) -> Lease:
        lease = Lease(owner=owner, epoch=epoch, until=self._clock.now() + self._lasts, lasts=self._lasts)
        safe.write(self._path, msgspec.json.encode(lease))
        return lease
