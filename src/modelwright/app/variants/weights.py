"""Live weights: the registry's history of who gave which variant what share, and why; they go before the manifest's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from modelwright.app.variants.facts import Change
from modelwright.core.contracts.snapshot import Endpoint, Snapshot
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.registry import NotRegistered
from modelwright.core.nearest import nearest
from modelwright.registry.line import Line
from modelwright.registry.registry import By, Registry

KIND = "weights"
LIVE = "live"
"""The one version of an endpoint's line: each change gives it other content, and the history keeps them all."""

Weights = Mapping[str, float]
"""By variant; none at all: the manifest's hold."""


class LiveWeights:
    """The weights in force beside the manifest's."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def all(self) -> dict[str, Weights]:
        """By endpoint."""
        found = {name: await self._of(await self._registry.line(name)) for name in await self._registry.names()}
        return {name: weights for name, weights in found.items() if weights}

    async def set(self, endpoint: str, weights: Weights, *, by: By) -> None:
        """From now on; empty weights give way to the manifest's. Raises RegistryError."""
        content = msgspec.json.encode(dict(weights), order="sorted")
        await self._registry.put(endpoint, LIVE, content, by=by, revise=True)

    async def history(self, endpoint: str) -> list[Change]:
        """The newest first; empty when nobody has changed anything."""
        line = await self._line(endpoint)
        if line is None:
            return []
        return [
            Change(weights=await self._content(entry.to), who=entry.who, why=entry.why, at=entry.at)
            for entry in reversed(line.history)
        ]

    async def _line(self, endpoint: str) -> Line | None:
        try:
            return await self._registry.line(endpoint)
        except NotRegistered:
            return None

    async def _of(self, line: Line) -> Weights:
        return await self._content(line.versions[LIVE])

    async def _content(self, digest: str) -> dict[str, float]:
        return msgspec.json.decode(await self._registry.content(digest), type=dict[str, float])


def with_weights(snapshot: Snapshot, live: Mapping[str, Weights]) -> Snapshot:
    """The snapshot with the live weights of its endpoints.

    A variant that the live weights do not name keeps the manifest's. Where nothing above zero would be left, since the
    manifest has lost the variants that had a share, the endpoint keeps the manifest's weights.
    """
    changed = tuple(_weighed(endpoint, live.get(endpoint.name, {})) for endpoint in snapshot.endpoints)
    return msgspec.structs.replace(snapshot, endpoints=changed)


def checked(endpoint: Endpoint, wanted: Weights) -> dict[str, float]:
    """Weights of every variant: those that are wanted, the others as they are. Raises Unprocessable."""
    weights = {variant.name: variant.weight for variant in endpoint.variants}
    for name, weight in wanted.items():
        if name not in weights:
            close = nearest(name, weights)
            hint = f"did you mean {close}?" if close else f"known: {', '.join(weights)}"
            raise Unprocessable(f"endpoint {endpoint.name} has no variant {name!r}", hint=hint, param="weights")
        if not (math.isfinite(weight) and 0 <= weight <= 1e9):
            raise Unprocessable(
                f"the weight of {name} is not between 0 and 1e9", hint="write such as 90", param="weights"
            )
        weights[name] = float(weight)
    if not any(weights.values()):
        raise Unprocessable("every weight would be zero", hint="give one variant a weight above 0", param="weights")
    return weights


def shares(weights: Sequence[float]) -> list[float]:
    """Parts of 1."""
    total = math.fsum(weights)
    return [weight / total if total > 0 else 0.0 for weight in weights]


def _weighed(endpoint: Endpoint, live: Weights) -> Endpoint:
    variants = tuple(
        msgspec.structs.replace(variant, weight=live.get(variant.name, variant.weight)) for variant in endpoint.variants
    )
    if not any(variant.weight > 0 for variant in variants):
        return endpoint
    return msgspec.structs.replace(endpoint, variants=variants)
