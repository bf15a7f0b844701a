"""What a target's memory is asked, and how: journal and lease of one environment, whatever keeps them and wherever.

A question is a value, and so is its answer; a folder answers at once, a keeper on another machine over a wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from modelwright.core.deploying.front import Front
from modelwright.core.deploying.journal import Entry
from modelwright.core.deploying.observed import Served
from modelwright.core.deploying.workloads import Desired, Gate
from modelwright.core.ports.deploying.targets import Lease

Answer = TypeVar("Answer")
EVERYBODY = -1
"""In place of the number of the one user who may read a file, which is a secret then."""


class Asking(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask", tag=str.lower):
    """A question to a keeper."""


class Change(Asking, frozen=True, kw_only=True):
    """One that changes something."""

    epoch: int
    """Of the lease under which it is asked for; a lower one than was given since is refused."""


class Take(Asking, frozen=True, kw_only=True):
    """The lease, for `owner`."""

    owner: str


class Renew(Asking, frozen=True, kw_only=True):
    """The same lease, for longer."""

    lease: Lease


class Leave(Asking, frozen=True, kw_only=True):
    """No lease any more."""

    lease: Lease


class Entries(Asking, frozen=True, kw_only=True):
    """The journal."""


class Append(Asking, frozen=True, kw_only=True):
    """One more entry of it."""

    entry: Entry


class Look(Asking, frozen=True, kw_only=True):
    """All that is remembered, but the journal and older history."""


class History(Asking, frozen=True, kw_only=True):
    """Which releases became current."""


class Place(Change, frozen=True, kw_only=True):
    """Remember what a release is."""

    release: str
    desired: Desired


class Adopt(Change, frozen=True, kw_only=True):
    """Take over the salt of another environment; only where nothing was ever placed."""

    salt: str


class Forget(Change, frozen=True, kw_only=True):
    """Remember releases no more, nor files that no other one has; `unserved`: only those that never served."""

    releases: tuple[str, ...]
    unserved: bool = False


class Record(Change, frozen=True, kw_only=True):
    """A release became the current one, or was tried; the time is put in by whoever answers."""

    served: Served


class Direct(Change, frozen=True, kw_only=True):
    """Remember how traffic is divided."""

    front: Front


class Filled(Change, frozen=True, kw_only=True):
    """Remember what a volume was filled with."""

    volume: str
    digest: str
    """Empty: with nothing whole."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of a release, whatever it does now."""

    host: str
    """By which it is reached from inside."""
    workload: str
    release: str


class Listing(Change, frozen=True, kw_only=True):
    """There are just these: what monitors look for."""

    instances: tuple[Listed, ...]


def discovered(instances: Sequence[Listed]) -> bytes:
    """As Prometheus reads it from a file."""
    found = [{"targets": [one.host], "labels": {"workload": one.workload, "release": one.release}} for one in instances]
    return msgspec.json.encode(found)


class Lacking(Asking, frozen=True, kw_only=True):
    """Which of these files are not kept."""

    files: tuple[tuple[str, int], ...]
    """Digest, and who may read it."""


class Deliver(Change, frozen=True, kw_only=True):
    """A piece of a file; with the last one it is kept, as read-only as can be."""

    digest: str
    offset: int
    piece: bytes
    last: bool
    user: int = EVERYBODY
    """Who may read it."""


class Probe(Asking, frozen=True, kw_only=True):
    """Does an instance pass its gate, now?"""

    address: str
    gate: Gate
    within: float = 5.0
    """Seconds."""


class Streams(Asking, frozen=True, kw_only=True):
    """How many are open at a workload in a release, through the edge?"""

    workload: str
    release: str


class Passed(Asking, frozen=True, kw_only=True):
    """What has the edge passed on since then?"""

    since: float
    """Unix seconds."""


class Mask(Asking, frozen=True, kw_only=True):
    """The text without the secrets that are in it."""

    text: str


Remembered: TypeAlias = (
    Take | Renew | Leave | Entries | Append | Look | History
    | Adopt | Place | Forget | Record | Direct | Filled | Listing | Lacking | Deliver
)  # fmt: skip

Question: TypeAlias = Remembered | Probe | Streams | Passed | Mask


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to Look."""

    salt: str
    releases: dict[str, Desired] = {}
    """Those that were placed; the one first that was current, or was placed, last."""
    current: str = ""
    front: Front = Front()
    volumes: dict[str, str] = {}
    """By name: digest of what each was filled with."""
    disk: int = 0
    """Free bytes."""
    lease: Lease | None = None
    now: float = 0.0
    """Unix seconds."""


class Ask(Protocol):
    """Sends a question; raises what whoever answers it raises, and TargetUnreachable."""

    async def __call__(self, question: Any, answer: type[Answer]) -> Answer:
        """`answer`: the type of it."""
        ...


class KeptJournal:
    """The journal behind it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def entries(self) -> Sequence[Entry]:
        return await self._ask(Entries(), tuple[Entry, ...])

    async def append(self, entry: Entry) -> None:
        await self._ask(Append(entry=entry), type(None))


class KeptLeases:
    """The lease behind it; knows the epoch of the one that it was given last."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.epoch = 0

    async def take(self, owner: str) -> Lease:
        lease = await self._ask(Take(owner=owner), Lease)
        self.epoch = lease.epoch
        return lease

    async def renew(self, lease: Lease) -> Lease:
        return await self._ask(Renew(lease=lease), Lease)

    async def leave(self, lease: Lease) -> None:
        await self._ask(Leave(lease=lease), type(None))
