"""What is told of variants: made by control, shown by the command line."""

from __future__ import annotations

import msgspec

from modelwright.core.experiments.observations import Observation


class VariantView(msgspec.Struct, frozen=True, kw_only=True):
    """One variant as it stands and as it was seen."""

    variant: str
    provider: str
    model: str
    weight: float
    """In force."""
    manifest_weight: float | None
    """None for a variant that the manifest does not name any more."""
    share: float
    """Of the endpoint's calls, 0 to 1."""
    seen: Observation


class EndpointView(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's variants over a period."""

    endpoint: str
    since: float
    """Unix seconds."""
    calls: int
    whole: bool
    """False when only the newest calls of the period were looked at."""
    variants: tuple[VariantView, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the weights' history."""

    weights: dict[str, float]
    """Empty: the manifest's hold again."""
    who: str
    why: str
    at: float
    """Unix seconds."""
