"""What a snapshot means to the hot path: routes, lanes and keys, looked up by name; made once per snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from weakref import WeakSet

import msgspec

from modelwright.core.contracts.snapshot import SERVING, Endpoint, ProviderEntry, Snapshot, Variant
from modelwright.core.errors.calls import ModelUnavailable, ProviderUnavailable
from modelwright.core.ports.http import Deadlines
from modelwright.core.ports.providers import Dialect
from modelwright.core.prices import ceiling
from modelwright.core.wire.openai import RequestHead
from modelwright.gateway.identity.keys import Keys
from modelwright.gateway.prompting.preamble import Preamble
from modelwright.gateway.routing.breaker import Breaker, State
from modelwright.gateway.routing.load import Load
from modelwright.gateway.routing.standing import Standing

Dialects = Callable[[ProviderEntry, str], Dialect]
"""Makes the dialect of one base URL; raises ModelwrightError when the entry does not fit."""

SLACK = 1.0
"""Seconds that the transport waits longer for a stream than its call may: the sweep over calls says why one ended."""
_OF_RESPONSES = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_ANSWER_LIMITS = frozenset(_OF_RESPONSES)
"""Parameters that say how long an answer may be."""


class Replica:
    """One address that answers for a provider, and how busy it is."""

    __slots__ = ("breaker", "dialect", "doubted", "in_flight", "reached", "ready", "up", "url", "watched")

    def __init__(self, url: str, dialect: Dialect, *, breaker: Breaker | None = None, watched: bool = True) -> None:
        self.url = url
        self.watched = watched
        """Whether our own worker is asked again and again if it is there; one that a call starts is not."""
        self.dialect = dialect
        self.breaker = breaker
        self.in_flight = 0
        self.reached = True
        """False since a provider could not be reached, so that an outage is told of once and not per call."""
        self.up = True
        """False after a connection to our own worker broke, until it answers again."""
        self.ready = True
        """False while our own worker says that its model is not ready, or is too busy to say anything."""
        self.doubted = asyncio.Event()
        """Set when a call lost its connection: whoever watches our own worker asks it at once."""

    def lose(self) -> None:
        """A connection to our own worker broke: no call is sent there until it has answered a question."""
        if self.watched:
            self.up = False
            self.doubted.set()

    def admits(self, now: float) -> bool:
        """Whether a call may be sent there now (monotonic)."""
        return self.up and (self.breaker is None or self.breaker.admits(now))


class Lane:
    """One variant, ready to be asked."""

    __slots__ = (
        "__weakref__",
        "answer",
        "asleep",
        "ceiling",
        "deadlines",
        "header",
        "limits_answers",
        "load",
        "model",
        "off",
        "own",
        "parameters",
        "patient",
        "preamble",
        "price",
        "provider",
        "replicas",
        "standing",
        "total",
        "variant",
    )

    def __init__(
        self, variant: Variant, endpoint: Endpoint, *, provider: ProviderEntry, replicas: tuple[Replica, ...]
    ) -> None:
        self.variant = variant.name
        self.header = (b"x-modelwright-variant", variant.name.encode())
        self.model = variant.model
        self.price = variant.price
        self.ceiling = None if variant.price is None else ceiling(variant.price)
        self.provider = provider.name
        self.own = provider.kind == SERVING
        self.off = provider.off
        self.asleep = provider.asleep
        """Nobody runs our model now; what is asked of it starts it."""
        self.replicas = replicas
        self.standing = Standing()
        self.load = Load()
        self.parameters: dict[str, object] = variant.parameters
        self.limits_answers = not _ANSWER_LIMITS.isdisjoint(variant.parameters)
        """It sets how long an answer may be."""
        self.answer = 0
        """Tokens that are reserved for an answer when nobody says how long it may be."""
        self.preamble: Preamble | None = None
        """None when no variant of the endpoint has a prompt."""
        limits = endpoint.timeouts
        self.deadlines = Deadlines(connect=limits.connect, first_byte=limits.first_token, idle=limits.idle)
        # A stream's first content may take as long as its head: from the head on, the gateway itself looks at the time.
        self.patient = Deadlines(
            connect=limits.connect, first_byte=limits.first_token, idle=max(limits.idle, limits.first_token) + SLACK
        )
        self.total = limits.total

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no client may see."""
        return self.standing.ring.keys

    def parameters_of(self, operation: str) -> dict[str, object]:
        """What this variant sets in a body; the most tokens of an answer have another name on the wire of responses."""
        if operation != "responses":
            return self.parameters
        return {_OF_RESPONSES.get(name, name): value for name, value in self.parameters.items()}

    def most_tokens(self, head: RequestHead) -> int | None:
        """Tokens that an answer may have at most, with what this variant sets; None when nobody says."""
        told = {"max_tokens": head.max_tokens, "max_completion_tokens": head.max_completion_tokens}
        told |= {name: value for name, value in self.parameters.items() if name in told}
        return msgspec.structs.replace(head, **told).most_tokens

    def admits(self, now: float) -> bool:
        """Whether a call may be sent there now (monotonic)."""
        return not self.off and any(replica.admits(now) for replica in self.replicas)

    def pick(self, now: float, keeper: Callable[[Sequence[str]], int] | None = None) -> Replica:
        """The ready replica that has the least in flight, or the one that a `keeper` of its addresses chooses.

        One that is up but not ready is asked when there is no other: it says itself why it is not. Raises
        ModelUnavailable or ProviderUnavailable.
        """
        replicas = self.replicas
        if len(replicas) == 1 and replicas[0].up and replicas[0].breaker is None:
            return replicas[0]
        admitted = [replica for replica in replicas if replica.admits(now)]
        if not admitted:
            raise lost_model(self.model) if self.own else self._left_alone(now)
        admitted = [replica for replica in admitted if replica.ready] or admitted
        if keeper is not None and len(replicas) > 1:
            return admitted[keeper([replica.url for replica in admitted])]
        return min(admitted, key=lambda replica: replica.in_flight)

    def _left_alone(self, now: float) -> ProviderUnavailable:
        waits = [replica.breaker.wait(now) for replica in self.replicas if replica.breaker is not None]
        return ProviderUnavailable(
            f"provider {self.provider} failed too often and is left alone for a while",
            hint="send again after the time in Retry-After",
            retry_after=min(waits, default=1.0),
        )


class Route(msgspec.Struct, frozen=True):
    """An endpoint with its lanes."""

    endpoint: Endpoint
    lanes: tuple[Lane, ...]
    weights: tuple[float, ...]
    split_header: bytes
    """Lower case; empty when none names the user."""
    override: bytes
    """Lower case; the header that names the variant, empty when none does."""
    fallback: tuple[Lane, ...] = ()
    shadow: Lane | None = None
    shadow_share: float = 0.0
    classifiers: dict[str, Lane] = {}
    """Who judges for its guard, by side."""
    versions: dict[str, Lane] = {}
    """V2: by the version that a path names; empty when whoever answers knows them."""

    @property
    def alone(self) -> bool:
        """Whether there is nothing to choose, neither a lane nor a replica to keep."""
        return len(self.lanes) == 1 and not self.endpoint.split_replicas

    @property
    def persists(self) -> bool:
        """Whether a failed call may be tried again, here or elsewhere."""
        tried = self.endpoint.retries.attempts > 0 or bool(self.fallback)
        return tried or any(len(lane.standing.ring) > 1 for lane in self.lanes)


class Table(msgspec.Struct, frozen=True):
    """Everything of one snapshot that the policies look up."""

    snapshot: Snapshot
    routes: dict[str, Route]
    keys: Keys
    """By digest."""
    salt: bytes
    replicas: tuple[Replica, ...]
    """Of our own models, for the watch over them."""


def lost_model(model: str) -> ModelUnavailable:
    """The error of a call whose worker is gone: it may be sent again."""
    return ModelUnavailable(
        f"the worker of model {model} was lost or is not up yet",
        hint="it is being restarted; send the same request again",
        retry_after=1.0,
    )


class Replicas:
    """Keeps each replica's and each provider's state across snapshots."""

    def __init__(
        self,
        dialects: Dialects,
        *,
        chance: Callable[[], float] = lambda: 0.0,
        tell: Callable[[str, str, State], None] = lambda _provider, _url, _state: None,
    ) -> None:
        """`chance` is for breakers, whose changes `tell` hears."""
        self._dialects = dialects
        self._chance = chance
        self._tell = tell
        self._known: dict[tuple[str, str], tuple[ProviderEntry, Replica]] = {}
        self._standings: dict[str, Standing] = {}
        self._loads: dict[tuple[str, str, str, str], Load] = {}
        self._own: WeakSet[Lane] = WeakSet()
        """Lanes to models of ours, also those of snapshots before, as long as calls are under way on them."""

    def of(self, provider: ProviderEntry) -> tuple[Replica, ...]:
        """One per base URL; the same objects as long as the entry, its keys aside, stays the same."""
        entry = msgspec.structs.replace(provider, keys=(), off="", asleep=False, base_urls=())
        return tuple(self._one(entry, url) for url in provider.base_urls or ("",))

    def standing(self, provider: str, keys: tuple[str, ...]) -> Standing:
        """What is known of a provider with these keys; with others only its budget stays."""
        known = self._standings.get(provider)
        if known is None or known.ring.keys != keys:
            known = self._standings[provider] = Standing(keys, budget=known.budget if known is not None else None)
        return known

    def load(self, endpoint: str, variant: Variant) -> Load:
        """What was measured of a variant, as long as it is asked for the same model."""
        return self._loads.setdefault((endpoint, variant.name, variant.provider, variant.model), Load())

    def follow(self, lane: Lane) -> None:
        """A lane to a model of ours: when others answer for the model, its calls shall go to them, too."""
        self._own.add(lane)

    def left_alone(self) -> dict[str, int]:
        """Providers with a breaker, and how many of their addresses are left alone."""
        found: dict[str, int] = {}
        for (provider, _), (_, replica) in self._known.items():
            if replica.breaker is not None:
                found[provider] = found.get(provider, 0) + (not replica.breaker.closed)
        return found

    def keep_only(self, providers: Collection[ProviderEntry], endpoints: Collection[Endpoint]) -> None:
        """Forget what the snapshot in force does not name."""
        asked = {(endpoint.name, variant.name) for endpoint in endpoints for variant in endpoint.variants}
        self._loads = {key: load for key, load in self._loads.items() if key[:2] in asked}
        names = {provider.name for provider in providers}
        self._standings = {name: known for name, known in self._standings.items() if name in names}
        live = {(provider.name, url) for provider in providers for url in provider.base_urls or ("",)}
        self._known = {key: known for key, known in self._known.items() if key in live}
        own = {
            provider.name: self.of(provider) for provider in providers if provider.kind == SERVING and not provider.off
        }
        for lane in self._own:
            lane.replicas = own.get(lane.provider) or lane.replicas

    def _one(self, entry: ProviderEntry, url: str) -> Replica:
        known = self._known.get((entry.name, url))
        if known is not None and known[0] == entry:
            return known[1]
        rule = entry.breaker
        breaker = Breaker(rule, chance=self._chance, tell=partial(self._tell, entry.name, url)) if rule else None
        replica = Replica(url, self._dialects(entry, url), breaker=breaker, watched=not entry.on_demand)
        self._known[entry.name, url] = (entry, replica)
        return replica
