"""What a release on trial has to show, and how traffic goes over to it."""

from __future__ import annotations

from typing import Literal

import msgspec

ALL = 100
"""Weights of a route sum to this."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds; one that is not set holds nothing up."""

    success_rate: float | None = None
    """Share of calls, 0 to 1, that has to end well."""
    latency_ms: float | None = None
    """That half of the calls may take at most."""
    errors: int | None = None
    """Calls that may fail while it is watched."""
    calls: int = 50
    """Fewer say nothing."""
    wait: float = 600.0
    """Seconds to wait for as many when the time is over."""
    on_no_data: Literal["hold", "advance", "roll_back"] = "hold"
    """What then. `hold`: it keeps its share until somebody decides."""


class Rise(msgspec.Struct, frozen=True, kw_only=True):
    """How traffic goes over to a new release."""

    steps: tuple[int, ...] = (ALL,)
    """Percent, rising to 100; a canary ends below that and stays."""
    pause: float = 0.0
    """Seconds that it is watched at each share below 100."""
    rules: Rules = Rules()
