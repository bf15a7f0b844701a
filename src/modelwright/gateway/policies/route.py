"""Policy: which variant of an endpoint answers; the share of traffic is a keyed hash of the subject."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from modelwright.core import split
from modelwright.core.contracts.snapshot import SERVING
from modelwright.core.errors.calls import Forbidden, ModelUnavailable, ProviderOff, UnknownEndpoint, Unprocessable
from modelwright.core.ports.clock import Clock
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Lane, Route, Table
from modelwright.gateway.routing.choice import choose
from modelwright.gateway.routing.conversation import opening

UNLOADED = 10.0
"""Seconds after which a model that an operator has unloaded may be there again."""
_LISTED = 10
"""Endpoints that an error names."""
_HOW = {
    "chat": "POST /v1/chat/completions",
    "completions": "POST /v1/completions",
    "embeddings": "POST /v1/embeddings",
    "messages": "POST /v1/messages",
    "responses": "POST /v1/responses",
    "infer": "POST /v2/models/{name}/infer",
    "predict": "POST /predict/{name}",
}


class ChooseRoute:
    """Puts the lane into the call."""

    def __init__(self, table: Table, clock: Clock, *, chance: Callable[[], float]) -> None:
        """`chance` draws evenly from [0, 1)."""
        self._routes = table.routes
        self._salt = table.salt
        self._monotonic = clock.monotonic
        self._chance = chance

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        row = call.row
        scope = call.caller.endpoints
        if scope and row.endpoint not in scope:
            raise out_of_scope(row.endpoint, row.key)
        route = self._routes.get(row.endpoint)
        if route is None:
            raise unknown_endpoint(row.endpoint, self._routes, scope)
        if call.operation not in route.endpoint.operations:
            raise _unfit(call.operation, route)
        if route.override and route.override in call.headers:
            lane = _named(call.headers[route.override], route)
        elif call.version and route.versions:
            lane = version_of(route, call.version)
        else:
            lane = route.lanes[0] if route.alone else self._choose(call, route)
        if lane.off:
            lane = next((other for other in route.fallback if not other.off), lane)
        call.lane = lane
        row.variant = lane.variant
        row.provider = lane.provider
        row.model = lane.model
        if lane.preamble is not None:
            lane.preamble.note(row)
        if lane.off and lane.own:
            label = lane.provider.removeprefix(f"{SERVING}:")
            raise ModelUnavailable(f"model {label} is not loaded", hint=lane.off, retry_after=UNLOADED)
        if lane.off:
            raise ProviderOff(f"provider {lane.provider} is off", hint=lane.off)
        call.deadline = call.started + lane.total
        return proceed(call)

    def _choose(self, call: Call, route: Route) -> Lane:
        row, endpoint = call.row, route.endpoint
        if endpoint.choose != "weight":
            return choose(call, route, now=self._monotonic(), chance=self._chance())
        subject = split.subject(
            endpoint.split_by,
            header=call.headers.get(route.split_header, b"").decode("latin-1") if route.split_header else "",
            conversation=opening(call.body) if endpoint.split_by == "conversation" else "",
            user=call.caller.user or (call.head.user or "" if call.head is not None else ""),
            tenant=row.tenant,
            key=row.key,
            call=row.call,
        )
        if endpoint.split_replicas:
            call.keeper = partial(split.rank, self._salt, subject)
        return route.lanes[split.choose(route.weights, split.position(self._salt, endpoint.name, subject))]


def out_of_scope(name: str, caller: str) -> Forbidden:
    """The error of a caller who may not call this endpoint; it does not say whether there is one."""
    what = "token of" if "/" in caller else "API key"
    return Forbidden(
        f"the {what} {caller} may not call endpoint {name!r}",
        hint="see GET /v1/models for those that it may call, or ask the operator",
        param="model",
    )


def _named(variant: bytes, route: Route) -> Lane:
    """The lane that a tester asks for, whatever its weight."""
    name = variant.decode("latin-1")
    for lane in route.lanes:
        if lane.variant == name:
            return lane
    known = ", ".join(lane.variant for lane in route.lanes)
    problem = f"endpoint {route.endpoint.name!r} has no variant {name[:64]!r}"
    raise Unprocessable(problem, hint=f"name one of {known} in {route.override.decode('latin-1')}")


def version_of(route: Route, version: str) -> Lane:
    """Who answers a version that a path names; raises UnknownEndpoint."""
    lane = route.versions.get(version)
    if lane is None:
        problem = f"endpoint {route.endpoint.name!r} has no version {version[:64]!r}"
        raise UnknownEndpoint(problem, hint=f"its versions are {', '.join(route.versions)}")
    return lane


def unknown_endpoint(name: str, routes: dict[str, Route], scope: tuple[str, ...] = ()) -> UnknownEndpoint:
    """The error that lists what there is, and within the key's scope only."""
    served = sorted(routes.keys() & scope if scope else routes)
    listed = ", ".join(served[:_LISTED]) + (", …" if len(served) > _LISTED else "")
    hint = f"one of {listed}" if served else "the manifest names no endpoint"
    return UnknownEndpoint(f"endpoint {name!r} is not served", hint=hint, param="model")


def _unfit(operation: str, route: Route) -> Unprocessable:
    name, operations = route.endpoint.name, route.endpoint.operations
    ways = ", ".join(_HOW[known].replace("{name}", name) for known in operations if known in _HOW)
    return Unprocessable(f"endpoint {name!r} does not answer {operation}", hint=f"it answers {ways}", param="model")
