"""What runs, since when and how busy: values that workers, supervisor, control and `modelwright status` exchange."""

from __future__ import annotations

import msgspec

from modelwright.core.resources.wants import Given


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's own numbers since it started."""

    in_flight: int = 0
    calls: int = 0
    seconds: float = 0.0
    """That its calls took, together (serving)."""
    errors: int = 0
    """Calls that ended with an outcome other than ok."""
    unpriced: int = 0
    """Calls of remote providers whose cost is not known (gateway)."""
    queued: int = 0
    """Rows or sequences waiting for the engine."""
    connections: int = 0
    """Open upstream connections (gateway)."""
    snapshot: int = 0
    """Serial of the snapshot in force (gateway)."""
    left_alone: tuple[str, ...] = ()
    """Providers that failed too often, with an open breaker (gateway)."""
    memory_mb: float = 0.0
    """Resident set."""


class PartStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One process, or an optional provider that is off."""

    name: str
    kind: str
    """grpc | gateway | serving | control | provider."""
    state: str
    """starting | ready | draining | stopped | died | waiting | broken | off."""
    detail: str = ""
    """What it serves, or why it is not ready."""
    pid: int = 0
    since: float = 0.0
    """Unix seconds of the present state."""
    restarts: int = 0
    socket: str = ""
    """The worker's own Unix socket."""
    busy: Busy | None = None
    given: Given | None = None
    """What it has of the machine, where its model asks for some."""


class SecretStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a secret comes from and how old that is; never what it is."""

    name: str
    source: str = ""
    """environment, .env, file PATH or store NAME; empty while it is nowhere."""
    read: float = 0.0
    """Unix seconds at which its store said so last; 0 without a store."""
    since: float = 0.0
    """Unix seconds at which this value was first seen; likewise."""
    trouble: str = ""
    """Why its store cannot be asked now."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of one `modelwright up`."""

    name: str
    environment: str
    version: str
    pid: int
    """Of the supervisor."""
    since: float
    public: str
    """URL with the real port."""
    admin: str
    grpc: str = ""
    """Address of the gRPC door; empty without one."""
    ready: bool
    parts: tuple[PartStatus, ...] = ()
    secrets: tuple[SecretStatus, ...] = ()
    """Those that the manifest names."""
