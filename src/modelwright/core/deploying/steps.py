"""What a deploy does, one step at a time, as data: each can be checked, done and undone, whatever the target is.

A step says what is to be true afterwards, never how: to do it twice is to do it once.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from modelwright.core.deploying.workloads import Desired, Gate


class _Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="step"):
    deadline: float = 60.0
    """Seconds within which it has to be done."""


class Bring(_Step, frozen=True, kw_only=True, tag="bring"):
    """An image is on the target."""

    image: str


class Fill(_Step, frozen=True, kw_only=True, tag="fill"):
    """A volume holds exactly the content of this digest."""

    volume: str
    digest: str


class Place(_Step, frozen=True, kw_only=True, tag="place"):
    """The target knows what a release is, and has its files and secrets where its instances will find them."""

    release: str
    desired: Desired


class Keep(_Step, frozen=True, kw_only=True, tag="keep"):
    """A workload that lasts runs by this description; its data stay."""

    workload: str
    release: str
    """Which describes it."""
    digest: str
    before: str = ""
    """Description by which it ran, to go back to; empty: it did not."""


class Run(_Step, frozen=True, kw_only=True, tag="run"):
    """The command that a release runs once has ended well."""

    workload: str
    release: str


class Start(_Step, frozen=True, kw_only=True, tag="start"):
    """All instances of a workload run in a release, without traffic."""

    workload: str
    release: str
    replicas: int


class Prove(_Step, frozen=True, kw_only=True, tag="prove"):
    """All of them have passed their gate."""

    workload: str
    release: str
    gate: Gate


class Shift(_Step, frozen=True, kw_only=True, tag="shift"):
    """The routes divide their traffic so."""

    routes: tuple[str, ...]
    shares: dict[str, int]
    """Weights of releases; they sum to 100."""
    before: dict[str, int] = {}
    """To go back to."""
    pause: float = 0.0
    """Seconds to stay there, and be judged, before the next step."""


class Record(_Step, frozen=True, kw_only=True, tag="record"):
    """The release is the current one: from here there is no way back but another deploy."""

    release: str
    before: str = ""


class Drain(_Step, frozen=True, kw_only=True, tag="drain"):
    """No stream is open any more at a workload in a release, or its grace is over."""

    workload: str
    release: str


class Retire(_Step, frozen=True, kw_only=True, tag="retire"):
    """Nothing of a workload runs in a release."""

    workload: str
    release: str


class Prune(_Step, frozen=True, kw_only=True, tag="prune"):
    """Releases that nobody can go back to any more leave nothing behind."""

    releases: tuple[str, ...]


Step: TypeAlias = Bring | Fill | Place | Keep | Run | Start | Prove | Shift | Record | Drain | Retire | Prune


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be done, in order, and in which world it was decided."""

    project: str
    environment: str
    release: str
    """That will serve afterwards."""
    world: str
    """Digest of what was seen; another one means that the plan is out of date."""
    steps: tuple[Step, ...]
    notices: tuple[str, ...] = ()
    """What a person should know before: downtime, missing devices, a rollback that will not exist any more."""
