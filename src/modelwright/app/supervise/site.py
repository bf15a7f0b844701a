"""One `modelwright up` as values: what shall run, what its parts' states mean together, and who is told; no process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.app.supervise.fleet.units import Unit
from modelwright.core.resources.machine import Machine
from modelwright.core.status import PartStatus, Status

TIERS = ("grpc", "gateway", "serving", "control")
"""The order of a drain: who asks ends before who is asked, and control takes in what both have written."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor is to run."""

    name: str
    environment: str
    version: str
    specs: tuple[PartSpec, ...]
    """Of the parts that stay the same as long as it runs."""
    units: tuple[Unit, ...] = ()
    """The models, whose processes come and go."""
    off: tuple[PartStatus, ...] = ()
    """Optional providers that are off."""
    remote: bool = False
    """A provider is on: something can be answered though no model of ours is."""
    env: Mapping[str, str] = {}
    """Variables of the workers that run models."""
    own_env: Mapping[str, str] | None = None
    """Variables of the other workers; None: the supervisor's own."""
    secrets: int = -1
    """Memory with the secrets of stores, for the other workers."""
    machine: Machine = Machine()
    """What there is for the models' processes."""
    logs: Path | None = None
    """Folder for the workers' output; None: they write where we write."""


class Audience(Protocol):
    """Who watches: a terminal, plain lines, JSON lines."""

    def changed(self, part: PartStatus) -> None:
        """A part went to another state, or has something else to say about it."""
        ...

    def settled(self, status: Status, lines: Sequence[str]) -> None:
        """For the first time nothing is starting any more; `lines` is what to do next."""
        ...

    def said(self, line: str) -> None:
        """Something happened that is no part's state."""
        ...


class Verdict(msgspec.Struct, frozen=True):
    """Why a start has come to nothing."""

    code: str
    """The error's code (core/errors/): the command line makes an exit status of it."""
    reason: str


def judge_start(parts: Sequence[PartStatus], *, remote: bool) -> Verdict | None:
    """Whether a start that has settled is worth keeping: None when something can be answered, now or soon.

    A model that cannot be loaded is broken while its neighbours serve. Only when every model is broken, and no
    provider is on, or when a door or control cannot run at all, `up` ends.
    """
    for kind in ("gateway", "control", "grpc"):
        broken = [part for part in parts if part.kind == kind and part.state == "broken"]
        if broken and len(broken) == sum(part.kind == kind for part in parts):
            return Verdict("start_failed", f"{broken[0].name}: {broken[0].detail}")
    models = [part for part in parts if part.kind == "serving"]
    if models and not remote and all(part.state == "broken" for part in models):
        return Verdict("bad_model_file", f"no model can be served; {models[0].name}: {models[0].detail}")
    return None


def is_hopeless(parts: Sequence[PartStatus]) -> bool:
    """Control cannot run, and no gateway is ever more than starting without its snapshot: do not wait."""
    return any(part.kind == "control" and part.state == "broken" for part in parts)


def is_ready(parts: Sequence[PartStatus]) -> bool:
    """Everything that is on is ready."""
    return all(part.state in {"ready", "off"} for part in parts)
