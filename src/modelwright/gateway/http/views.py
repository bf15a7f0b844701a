"""Questions that are no calls: which endpoints there are, what they take, whether they are ready; never paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from modelwright.core.errors.calls import UnknownEndpoint
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.http import Deadlines
from modelwright.core.ports.providers import Outbound
from modelwright.core.wire import v2
from modelwright.core.wire.extensions.statistics import ModelStatistics, Statistics, summed
from modelwright.gateway.call import HeaderPairs, Reply
from modelwright.gateway.http.described import described
from modelwright.gateway.http.paths import Match
from modelwright.gateway.lanes import Lane, Replica, Route, lost_model
from modelwright.gateway.live import Gateway
from modelwright.gateway.policies.route import out_of_scope, unknown_endpoint, version_of

_ASK = Deadlines(connect=0.5, first_byte=1.0, idle=1.0)
"""A worker that does not answer such a question at once is not ready."""
_WORTH_WAITING = frozenset({"metadata", "config", "schema"})
"""Questions that wait for a model that they wake, as a call does."""
_MAX_METADATA = 1 << 20


class Views:
    """Answers from the snapshot; asks only our own workers."""

    def __init__(self, gateway: Gateway, *, version: str) -> None:
        self._gateway = gateway
        self._version = version

    async def answer(self, found: Match, headers: dict[bytes, bytes]) -> Reply:
        """Raises CallError."""
        match found.view:
            case "live":
                return _json({"live": True})
            case "ready" if not found.model:
                return self._ready()
            case "v2_ready":
                return self._models_ready()
            case "server":
                return _json(
                    {
                        "name": "modelwright",
                        "version": self._version,
                        "extensions": (*v2.EXTENSIONS, "model_repository"),
                    }
                )
            case "docs" | "openapi":
                return described(found.view)
            case _:
                return await self._of_models(found, headers)

    async def _of_models(self, found: Match, headers: dict[bytes, bytes]) -> Reply:
        in_force = self._gateway.in_force()
        caller = await in_force.authenticate.identify_patiently(headers)
        routes, scope = in_force.table.routes, caller.endpoints
        if found.view == "models":
            data = [_card(route) for name, route in sorted(routes.items()) if not scope or name in scope]
            ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
            return _json({"object": "list", "data": data, "has_more": False, **ends})
        if found.view == "statistics" and not found.model:
            return await self._counts_of_all(route for name, route in routes.items() if not scope or name in scope)
        if scope and found.model not in scope:
            raise out_of_scope(found.model[:128], caller.id)
        route = routes.get(found.model)
        if route is None:
            raise unknown_endpoint(found.model[:128], routes, scope)
        if found.view == "model":
            return _json(_card(route))
        lane = version_of(route, found.version) if found.version and route.versions else _own_lane(route, found.view)
        if found.view == "statistics":
            return await self._counts(lane, found)
        reply = await self._ask(lane, found)
        return _with_versions(reply, route) if found.view == "metadata" and route.versions else reply

    def _ready(self) -> Reply:
        gateway = self._gateway
        if gateway.ready:
            return _json({"ready": True})
        reason = "draining" if gateway.draining else "waiting for the first snapshot"
        return _json({"ready": False, "reason": reason}, status=503)

    def _models_ready(self) -> Reply:
        gateway = self._gateway
        if gateway.ready and all(replica.up and replica.ready for replica in gateway.own_replicas):
            return _json({"ready": True})
        return _json({"ready": False}, status=503)

    async def _ask(self, lane: Lane, found: Match) -> Reply:
        """Metadata, description, readiness or configuration of one of our models, from a worker that has it."""
        return await self._asked(lane, found, lane.pick(self._gateway.parts.clock.monotonic()))

    async def _counts(self, lane: Lane, found: Match) -> Reply:
        """What all replicas of one of our models have counted; the refusal of all of them is passed on.

        Of one that sleeps there is nothing: whoever watches models must not keep them all awake.
        """
        if lane.asleep:
            return _json(Statistics(model_stats=[]))
        replicas = [replica for replica in lane.replicas if replica.up] or list(lane.replicas)
        asked = await asyncio.gather(
            *(self._asked(lane, found, replica) for replica in replicas), return_exceptions=True
        )
        replies = [reply for reply in asked if isinstance(reply, Reply)]
        told = [reply.body for reply in replies if reply.status == 200]
        if told:
            return _json(Statistics(model_stats=summed(_decoded(told))))
        if replies:
            return replies[0]
        raise lost_model(lane.model)

    async def _counts_of_all(self, routes: Iterable[Route]) -> Reply:
        """Likewise of all models that these endpoints have; nothing of one that cannot be asked now."""
        lanes = {lane.provider: lane for route in routes for lane in _tensors(route)}
        question = Match("", view="statistics")
        asked = await asyncio.gather(*(self._counts(lane, question) for lane in lanes.values()), return_exceptions=True)
        told = [reply.body for reply in asked if isinstance(reply, Reply) and reply.status == 200]
        return _json(Statistics(model_stats=summed(_decoded(told))))

    async def _asked(self, lane: Lane, found: Match, replica: Replica) -> Reply:
        question = Outbound(operation=found.view, model=lane.model, version=found.version)
        try:
            within = lane.deadlines if lane.asleep and found.view in _WORTH_WAITING else _ASK
            response = await self._gateway.parts.transport.send(replica.dialect.request(question), within)
            body = await response.read(_MAX_METADATA)
        except ProviderError:
            raise lost_model(lane.model) from None
        headers: HeaderPairs = [pair for pair in response.headers if pair[0] in {b"content-type", b"retry-after"}]
        return Reply(response.status, headers=headers, body=body)


_statistics = msgspec.json.Decoder(Statistics)


def _decoded(bodies: Iterable[bytes]) -> list[ModelStatistics]:
    return [one for body in bodies for one in _statistics.decode(body).model_stats]


def _tensors(route: Route) -> list[Lane]:
    """Lanes of our own tensor models."""
    lanes = dict.fromkeys((*route.lanes, *route.versions.values()))
    return [lane for lane in lanes if lane.own and "infer" in route.endpoint.operations]


def _own_lane(route: Route, view: str) -> Lane:
    lanes = _tensors(route)
    if lanes:
        return lanes[0]
    name = route.endpoint.name
    if "infer" in route.endpoint.operations:
        raise UnknownEndpoint(
            f"endpoint {name!r} is served elsewhere, and only its answers are passed on",
            hint="ask the server that has the model what it takes",
        )
    where = f"at /predict/{name}" if view == "schema" else "over the V2 protocol"
    raise UnknownEndpoint(
        f"endpoint {name!r} is not answered {where}",
        hint=f"it answers {', '.join(route.endpoint.operations)}; see /v1/models and /openapi.json",
    )


def _with_versions(reply: Reply, route: Route) -> Reply:
    """Metadata of one version, with all of those that are up."""
    if reply.status != 200:
        return reply
    up = [name for name, lane in route.versions.items() if any(each.up and each.ready for each in lane.replicas)]
    return _json({**msgspec.json.decode(reply.body), "versions": up})


def _card(route: Route) -> dict[str, object]:
    """What OpenAI's and Anthropic's clients read of a model, and what it answers."""
    owners = sorted({lane.provider for lane in route.lanes})
    name = route.endpoint.name
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": ",".join(owners),
        "operations": route.endpoint.operations,
        "type": "model",
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
    }


def _json(content: object, *, status: int = 200) -> Reply:
    return Reply(status, headers=[(b"content-type", b"application/json")], body=msgspec.json.encode(content))
