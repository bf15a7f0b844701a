"""What a deploy does, one step at a time, as data: each can be checked, done and undone, whatever the target is.

A step says what is to be true afterwards, never how: to do it twice is to do it once.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from modelwright.core.deploying.trials import Rules
from modelwright.core.deploying.workloads import Desired, Gate, Route


class _Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="step"):
    deadline: float = 60.0
    """Seconds within which it has to be done."""


class Bring(_Step, frozen=True, kw_only=True, tag="bring"):
    """An image is on the target."""

    image: str
    hosts: tuple[str, ...] = ()
    """On each of these; empty: wherever it is needed."""


class Fill(_Step, frozen=True, kw_only=True, tag="fill"):
    """A volume holds exactly the content of this digest; one of data is made with what first uses it."""

    volume: str
    digest: str
    hosts: tuple[str, ...] = ()
    """On each of these; empty: wherever it is needed."""


class Place(_Step, frozen=True, kw_only=True, tag="place"):
    """The target knows what a release is, and has its files and secrets where its instances will find them."""

    release: str
    desired: Desired
    known: bool = False
    """It was there before, and stays when this is undone."""


class Keep(_Step, frozen=True, kw_only=True, tag="keep"):
    """A workload that lasts runs by this description; its data stay."""

    workload: str
    release: str
    """Which describes it."""
    digest: str
    before: str = ""
    """Description by which it was there, to go back to, whether it ran or not; empty: it was not."""


class Run(_Step, frozen=True, kw_only=True, tag="run"):
    """The command that a release runs once has ended well."""

    workload: str
    release: str


class Start(_Step, frozen=True, kw_only=True, tag="start"):
    """All instances of a workload run in a release, without traffic; those that do already go on."""

    workload: str
    release: str
    replicas: int
    digest: str
    """That its instances are known by: of its description, and of those of the workloads that it reaches."""
    peers: dict[str, str] = {}
    """By name: the release whose instances of another workload it reaches by that name, as long as it runs."""
    hosts: tuple[str, ...] = ()
    """By index, where each runs; empty: where the target wants it."""
    known: bool = False
    """Some of them ran before: it is mended, and nothing of it is taken away when the plan is undone."""


class Prove(_Step, frozen=True, kw_only=True, tag="prove"):
    """All of them have passed their gate."""

    workload: str
    release: str
    gate: Gate


class Shift(_Step, frozen=True, kw_only=True, tag="shift"):
    """These are the ways in, all of them, and they divide their traffic so."""

    routes: tuple[Route, ...]
    shares: dict[str, dict[str, int]]
    """By route: weights of the releases whose instances answer; they sum to 100."""
    trusted: tuple[str, ...] = ()
    """Networks of proxies in front of the edge."""
    old_routes: tuple[Route, ...] = ()
    """To go back to, with their shares and proxies."""
    old_shares: dict[str, dict[str, int]] = {}
    old_trusted: tuple[str, ...] = ()


class Watch(_Step, frozen=True, kw_only=True, tag="watch"):
    """A release that is on trial was seen for a time, and nothing spoke against it; nothing is done on the target."""

    release: str
    stable: str
    """That it is compared with."""
    share: int
    seconds: float
    rules: Rules = Rules()


class Record(_Step, frozen=True, kw_only=True, tag="record"):
    """The release is the current one: from here there is no way back but another deploy.

    With a share below 100 it is on trial, and the one before is still the current one.
    """

    release: str
    before: str = ""
    share: int = 100


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


Step: TypeAlias = Bring | Fill | Place | Keep | Run | Start | Prove | Shift | Watch | Record | Drain | Retire | Prune


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a description that changes."""

    field: str
    """Such as `image`, `env LOG_LEVEL` or `file /etc/app.ini`."""
    before: str = ""
    after: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one thing, for people."""

    act: Literal["create", "replace", "restart", "repair", "move", "remove"]
    """`replace`: new instances beside the old ones; `restart`: it is away meanwhile; `move`: of traffic."""
    kind: Literal["workload", "route", "release"]
    name: str
    edits: tuple[Edit, ...] = ()


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What an hour costs, by the prices of the target and what workloads ask for; exact decimals."""

    before: str
    """Empty: nothing served."""
    after: str
    currency: str
    unknown: tuple[str, ...] = ()
    """Workloads without a bound on something that has a price: what they take is not counted."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What will be done, in order, and in which world it was decided."""

    project: str
    environment: str
    release: str
    """That will serve afterwards."""
    world: str
    """Digest of what was seen; another one means that the plan is out of date."""
    steps: tuple[Step, ...]
    changes: tuple[Change, ...] = ()
    """The same for people: what will be another thing afterwards."""
    notices: tuple[str, ...] = ()
    """What a person should know before: downtime, missing devices, a rollback that will not exist any more."""
    cost: Cost | None = None
    """None: nobody has named a price."""
