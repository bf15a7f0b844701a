"""Explains calls by the snapshot in force, for whoever may ask control."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from fastapi import FastAPI, Response
from pydantic import BaseModel, ConfigDict, Field

from modelwright.access.keys import named_key
from modelwright.app.explaining.explain import explain
from modelwright.app.explaining.facts import Caller, Explanation
from modelwright.app.explaining.rules_in_force import running
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import KeyStore

_OTHERS = "/"
"""Stands in the ids of callers who bear a token; keys have none."""


class CallWish(BaseModel):
    """A call to be explained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(default="", description="The body's `user` field.")
    tenant: str = Field(default="", description="Of the caller; by default the key's.")
    key: str = Field(default="", description="Id or name of the API key.")
    headers: dict[str, str] = Field(default_factory=dict, description="Of the call.")


class ExplainDesk:
    """It asks nobody but the store of keys."""

    def __init__(self, in_force: Callable[[], Snapshot | None], keys: KeyStore, clock: Clock) -> None:
        """`in_force` gives the snapshot that was handed out last."""
        self._in_force = in_force
        self._keys = keys
        self._clock = clock

    async def explain(self, endpoint: str, wish: CallWish) -> Explanation:
        """Raises UnknownEndpoint, KeyNotFound, and StartError while there is no snapshot."""
        snapshot = self._in_force()
        if snapshot is None:
            raise StartError("no snapshot is in force yet", hint="ask again in a moment")
        return explain(running(snapshot), endpoint, caller=await self._caller(wish))

    async def _caller(self, wish: CallWish) -> Caller:
        key, tenant, endpoints = wish.key, wish.tenant, ()
        if key and _OTHERS not in key:
            found = named_key(await self._keys.list(key), key, now=self._clock.now()).key
            key, tenant, endpoints = found.id, found.tenant, found.endpoints
        return Caller(user=wish.user, tenant=tenant or "default", key=key, headers=wish.headers, endpoints=endpoints)


def add_explain(api: FastAPI, desk: ExplainDesk) -> None:
    """The route."""

    @api.post("/explain/{endpoint}")
    async def explained(endpoint: str, wish: CallWish) -> Response:
        """Which variant would answer this call and why, with its prompt, limits, guard, cache and fallback."""
        found = await desk.explain(endpoint, wish)
        return Response(msgspec.json.encode(found), media_type="application/json")
