"""The policy chain: which policies there are, in which order, and how they are joined; composed once per snapshot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

from modelwright.core.contracts.events import Event
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.ports.cache import CacheStore
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.guards import MakeGuard
from modelwright.core.ports.http import Transport
from modelwright.core.ports.limits import Limiter
from modelwright.core.ports.stores import LedgerSink
from modelwright.core.ports.tokens import Keyrings
from modelwright.gateway.asides.judges import Judges
from modelwright.gateway.cache.alike import Meanings
from modelwright.gateway.cache.embedder import Embedder
from modelwright.gateway.call import Call, Handler, Policy, Reply
from modelwright.gateway.identity.renewal import Renewal
from modelwright.gateway.identity.source import KeySource
from modelwright.gateway.inflight import InFlight
from modelwright.gateway.lanes import Table
from modelwright.gateway.policies.admit import Admit
from modelwright.gateway.policies.authenticate import Authenticate
from modelwright.gateway.policies.cache import Cache
from modelwright.gateway.policies.dispatch import Dispatch
from modelwright.gateway.policies.guard import Inspect
from modelwright.gateway.policies.in_chat import InChat, in_chat
from modelwright.gateway.policies.limit import Limit
from modelwright.gateway.policies.meter import Meter
from modelwright.gateway.policies.mirror import Mirror, Shadows
from modelwright.gateway.policies.read import Read
from modelwright.gateway.policies.retry import Retry
from modelwright.gateway.policies.route import ChooseRoute
from modelwright.gateway.policies.vouch import Vouch


class Parts:
    """What policies ask for; the same objects for every snapshot."""

    __slots__ = (
        "caches",
        "chance",
        "clock",
        "emit",
        "guards",
        "in_flight",
        "key_source",
        "keyrings",
        "ledger",
        "limiters",
        "meanings",
        "pepper",
        "renewal",
        "shadows",
        "sleep",
        "transport",
    )

    def __init__(
        self,
        *,
        caches: Callable[[Snapshot], CacheStore],
        clock: Clock,
        guards: MakeGuard,
        in_flight: InFlight,
        key_source: KeySource,
        keyrings: Keyrings,
        ledger: LedgerSink,
        limiters: Callable[[Snapshot], Limiter],
        pepper: bytes,
        renewal: Renewal,
        shadows: Shadows,
        transport: Transport,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        emit: Callable[[Event], None],
    ) -> None:
        """`caches` and `limiters` give who keeps a snapshot's answers and limits; `chance` draws evenly from [0, 1),
        such as random.random; `emit` takes what policies have to tell.
        """
        self.caches = caches
        self.meanings = Meanings(now=clock.now, chance=chance, emit=emit)
        self.clock = clock
        self.limiters = limiters
        self.guards = guards
        self.in_flight = in_flight
        self.key_source = key_source
        self.keyrings = keyrings
        self.ledger = ledger
        self.pepper = pepper
        self.renewal = renewal
        self.shadows = shadows
        self.transport = transport
        self.chance = chance
        self.sleep = sleep
        self.emit = emit


class Chains(NamedTuple):
    """Two ways in; from where it is known whose call it is, they are one."""

    clients: Handler
    tasks: Handler | None
    """For calls that control makes for whoever has left a task; None where nobody can."""


def build_chain(table: Table, parts: Parts, *, authenticate: Authenticate) -> Chains:
    """From the outermost to the innermost; what the manifest does not ask for is not there."""
    snapshot, meter = table.snapshot, Meter(parts.ledger, parts.clock)
    route = ChooseRoute(table, parts.clock, chance=parts.chance)
    asking = _asking(table, parts)
    policies: list[Policy] = [
        Admit(parts.in_flight, limit=snapshot.max_in_flight),
        Read(limit=snapshot.max_body),
        route,
    ]
    if snapshot.limits.each:
        policies.append(Limit(table, parts.limiters(snapshot)))
    translated = in_chat(table)
    if translated:
        policies.append(InChat(translated))
    guards = {
        endpoint.name: parts.guards(endpoint.guard) for endpoint in snapshot.endpoints if endpoint.guard is not None
    }
    if guards:
        judges = Judges(
            table.routes,
            choose=compose([meter, route, *asking]),
            ask=compose([meter, asking[-1]]),
            clock=parts.clock,
        )
        policies.append(Inspect(guards, ask=judges.of))
    keeping = [endpoint.cache for endpoint in snapshot.endpoints if endpoint.cache is not None]
    if keeping:
        cache = Cache(table, parts.caches(snapshot), parts.clock, meanings=parts.meanings)
        if any(caching.semantic is not None for caching in keeping):
            cache.embed = Embedder(compose([meter, route, cache, *asking]), parts.clock)
        policies.append(cache)
    shadowed = {name: route for name, route in table.routes.items() if route.shadow is not None}
    if shadowed:
        ask = compose([meter, asking[-1]])
        policies.append(Mirror(shadowed, parts.shadows, ask=ask, chance=parts.chance))
    known = compose([*policies, *asking])
    tasks = compose([meter, Vouch(authenticate)], known) if snapshot.tasks is not None else None
    return Chains(compose([meter, authenticate], known), tasks)


def _asking(table: Table, parts: Parts) -> list[Policy]:
    """The part that asks upstreams."""
    dispatch = Dispatch(parts.transport, parts.ledger, parts.clock)
    persistent = {name: route for name, route in table.routes.items() if route.persists}
    if not persistent:
        return [dispatch]
    retry = Retry(
        persistent,
        parts.ledger,
        clock=parts.clock,
        chance=parts.chance,
        sleep=parts.sleep,
        emit=parts.emit,
    )
    return [retry, dispatch]


def compose(policies: Sequence[Policy], last: Handler | None = None) -> Handler:
    """Join policies so that each gets the call and the rest of the chain; the last one, or `last`, must answer."""
    handler: Handler = last or _nobody
    for policy in reversed(policies):
        handler = partial(policy, proceed=handler)
    return handler


async def _nobody(call: Call) -> Reply:
    raise RuntimeError(f"no policy answered {call.operation}")
