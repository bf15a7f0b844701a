"""What became of a plan, written down on the target before and after each step; it survives whoever writes it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from modelwright.core.deploying.steps import Plan


class _Entry(msgspec.Struct, frozen=True, kw_only=True, tag_field="entry"):
    at: float
    """Unix seconds."""
    epoch: int
    """Of the lease under which it was written; a target refuses one that is lower than it has seen."""


class Begun(_Entry, frozen=True, kw_only=True, tag="begun"):
    """A plan is being carried out."""

    plan: Plan
    who: str
    where: str
    """The machine that it is done from."""
    why: str = ""


class Taken(_Entry, frozen=True, kw_only=True, tag="taken"):
    """A step is about to be done, or undone."""

    number: int
    undo: bool = False


class Settled(_Entry, frozen=True, kw_only=True, tag="settled"):
    """It is."""

    number: int
    undo: bool = False


class Failed(_Entry, frozen=True, kw_only=True, tag="failed"):
    """It could not be."""

    number: int
    problem: str
    undo: bool = False


class Turned(_Entry, frozen=True, kw_only=True, tag="turned"):
    """From here on, what was done is undone."""

    reason: str
    hint: str = ""
    """What helps against it."""


class Ended(_Entry, frozen=True, kw_only=True, tag="ended"):
    """Nothing is left to do."""

    outcome: Literal["deployed", "undone", "held"]
    """`held`: it stays on trial, with the share that it has, until somebody decides."""


Entry: TypeAlias = Begun | Taken | Settled | Failed | Turned | Ended
