"""What control asks the supervisor about the models' processes, and is told: values, one JSON line each way."""

from __future__ import annotations

import msgspec

FLEET = "fleet"
"""Name of the supervisor's socket in the runtime directory; no worker's, so that nobody asks it for metrics."""
WITHIN = 600.0
"""Seconds that a model may take to be loaded."""


class FleetWish(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be done."""

    verb: str
    """models | load | unload | follow | in_use."""
    name: str = ""
    """`digits`, or `digits@v2`; of follow the alias that was moved: `digits@champion`."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model, in the words of the V2 repository extension."""

    name: str
    version: str
    state: str
    """READY | LOADING | UNAVAILABLE."""
    reason: str = ""
    """Why it is not ready."""


class FleetTold(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    models: list[Loaded] = []
    """All, as they are then."""
    problem: str = ""
    digests: list[str] = []
    """Of in_use: what is loaded, being brought here or loaded, or leaving."""
