"""The admin's verbs on variants: look at them, shift their weights, go back; control does them, nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from modelwright.adapters.stores.sql_feedback import SqlVariants
from modelwright.app.keys.desk import Tell
from modelwright.app.variants.facts import Change, EndpointView, VariantView
from modelwright.app.variants.types import RollbackWish, WeightsChanged, WeightsWish
from modelwright.app.variants.weights import LiveWeights, checked, shares, with_weights
from modelwright.core.contracts.snapshot import Endpoint, Snapshot
from modelwright.core.errors.calls import UnknownEndpoint, Unprocessable
from modelwright.core.experiments.observations import observe
from modelwright.core.nearest import nearest
from modelwright.core.ports.clock import Clock
from modelwright.core.quantities import parse_duration
from modelwright.registry.registry import By

MOST = 200_000
"""Calls that one look goes through, the newest first."""


class VariantDesk:
    """Raises UnknownEndpoint, Unprocessable and RegistryError."""

    def __init__(
        self, base: Callable[[], Snapshot], live: LiveWeights, seen: SqlVariants, *, clock: Clock, tell: Tell
    ) -> None:
        """`base` is the manifest's snapshot."""
        self._base = base
        self._live = live
        self._seen = seen
        self._clock = clock
        self._tell = tell
        self._turn = asyncio.Lock()

    async def look(self, endpoint: str | None, *, within: str) -> list[EndpointView]:
        """One endpoint, or all; `within` is a duration such as 24h."""
        try:
            since = self._clock.now() - parse_duration(within)
        except ValueError as error:
            raise Unprocessable(str(error), hint="write such as 30m, 24h or 7d", param="since") from None
        base = self._base()
        wanted = [self._find(base, endpoint)] if endpoint is not None else list(base.endpoints)
        now = with_weights(base, await self._live.all())
        in_force = {each.name: each for each in now.endpoints}
        return [await self._view(each, in_force[each.name], since=since) for each in wanted]

    async def weigh(self, endpoint: str, wish: WeightsWish, *, who: str) -> WeightsChanged:
        """When this returns, the gateways answer by the new weights."""
        self._find(self._base(), endpoint)
        async with self._turn:  # what is not named keeps its weight: as it is now, not as it was
            wanted: dict[str, float] = {}
            if wish.weights:
                present = self._find(with_weights(self._base(), await self._live.all()), endpoint)
                wanted = checked(present, wish.weights)
            await self._live.set(endpoint, wanted, by=By(who, wish.why))
        return await self._changed(endpoint)

    async def roll_back(self, endpoint: str, wish: RollbackWish, *, who: str) -> WeightsChanged:
        """To the weights before the present ones; before the first change those are the manifest's."""
        self._find(self._base(), endpoint)
        async with self._turn:
            history = await self._live.history(endpoint)
            if not history:
                raise Unprocessable(
                    f"the weights of {endpoint} are the manifest's and were never changed", hint="there is no way back"
                )
            before = history[1].weights if len(history) > 1 else {}
            await self._live.set(endpoint, before, by=By(who, wish.why))
        return await self._changed(endpoint)

    async def history(self, endpoint: str) -> list[Change]:
        """The newest first."""
        self._find(self._base(), endpoint)
        return await self._live.history(endpoint)

    async def _changed(self, endpoint: str) -> WeightsChanged:
        spread = await self._tell()
        now = with_weights(self._base(), await self._live.all())
        found = self._find(now, endpoint)
        return WeightsChanged(
            endpoint=endpoint,
            weights={variant.name: variant.weight for variant in found.variants},
            spread=spread,
        )

    async def _view(self, manifest: Endpoint, now: Endpoint, *, since: float) -> EndpointView:
        rows = await self._seen.seen(manifest.name, since=since, limit=MOST)
        parts = dict(zip((each.name for each in now.variants), shares([v.weight for v in now.variants]), strict=True))
        of_manifest = {variant.name: variant.weight for variant in manifest.variants}
        known = {variant.name: variant for variant in now.variants}
        views = [
            VariantView(
                variant=seen.variant,
                provider=known[seen.variant].provider if seen.variant in known else "",
                model=known[seen.variant].model if seen.variant in known else "",
                weight=known[seen.variant].weight if seen.variant in known else 0.0,
                manifest_weight=of_manifest.get(seen.variant),
                share=parts.get(seen.variant, 0.0),
                seen=seen,
            )
            for seen in observe(rows, tuple(known))
        ]
        return EndpointView(
            endpoint=manifest.name, since=since, calls=len(rows), whole=len(rows) < MOST, variants=tuple(views)
        )

    @staticmethod
    def _find(snapshot: Snapshot, name: str) -> Endpoint:
        known = {endpoint.name: endpoint for endpoint in snapshot.endpoints}
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close}?" if close else f"known: {', '.join(known)}"
            raise UnknownEndpoint(f"there is no endpoint {name!r}", hint=hint)
        return known[name]
