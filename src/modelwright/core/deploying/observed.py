"""What was seen on a target: instances, traffic, images, releases, room; it judges nothing."""

from __future__ import annotations

from typing import Literal

import msgspec

from modelwright.core.deploying.workloads import Desired

State = Literal["starting", "ready", "draining", "stopped", "failed"]


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One running copy of a workload."""

    name: str
    workload: str
    release: str
    """That it was started in; later ones in which its workload is the same leave it running. Empty for what lasts."""
    digest: str
    """That it was started with: of its description, and of those of the workloads that it reaches."""
    state: State
    restarts: int = 0
    address: str = ""
    """Where the edge reaches it."""
    peers: dict[str, str] = {}
    """As it was started with: by name of another workload, the release whose instances it reaches."""
    image: str = ""
    """As it was started from; empty: not known."""
    since: float = 0.0
    """Unix seconds by the target's clock; 0: it does not run."""
    index: int = 0
    """Among those of its workload in its release."""
    host: str = ""
    """That it runs on, where the target has several; empty: there is one, or the target places instances itself."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """One of several that a target has, and what is there already."""

    name: str
    images: frozenset[str] = frozenset()
    volumes: dict[str, str] = {}
    """By name: digest of what they were filled with; empty for data."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A release that the target knows."""

    name: str
    desired: Desired
    """All that it is."""
    missing: tuple[str, ...] = ()
    """What of it is not there any more, such as an image; a rollback to it needs that nothing is."""


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything of one project in one environment; what belongs to others is not seen."""

    instances: tuple[Instance, ...] = ()
    traffic: dict[str, dict[str, int]] = {}
    """By route: weights of the releases whose instances answer; they sum to 100 where anything serves."""
    current: str = ""
    """The release that serves; empty before the first."""
    releases: tuple[Stored, ...] = ()
    """The one first that was current, or was placed, last."""
    images: frozenset[str] = frozenset()
    volumes: dict[str, str] = {}
    """By name: digest of what they were filled with; empty for data."""
    salt: str = ""
    """Of this project and environment, for digests of secrets: nobody can try a short secret by its digest."""
    gpus: int = 0
    """Devices that nobody has."""
    disk: int = 0
    """Free bytes; 0: not known."""
    hosts: tuple[Host, ...] = ()
    """Where instances may be placed, where the target leaves that to us: what lasts is on the first one, whose images,
    volumes and disk are those above.
    """


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A release became the current one, or was tried beside it."""

    release: str
    at: float
    """Unix seconds by the target's clock."""
    digest: str
    """Of what it is."""
    who: str
    where: str
    why: str = ""
    share: int = 100
    """Of the traffic, in percent; the release before had the rest."""
