"""Contract: the gateway's snapshot, version 1; everything a gateway worker needs to answer, immutable.

It holds digests of API keys and *references* to provider secrets (`${secret:NAME}`), never a secret itself: a worker
resolves the references from its own environment when it takes the snapshot.
"""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.contracts.guard import EndpointGuard
from modelwright.core.contracts.tasks import TaskRules

SNAPSHOT_VERSION = 1
SERVING = "serving"
"""The kind of provider that stands for our own workers; no manifest names it."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `first_token` bounds the wait for an answer's first byte, `idle` the gap between two later ones."""

    connect: float = 2.0
    first_token: float = 60.0
    idle: float = 30.0
    total: float = 600.0


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """When a failed request is sent again; seconds."""

    attempts: int = 0
    """How often at most; 2 makes three requests."""
    backoff: float = 0.25
    """Bound of the first random wait; it doubles with each."""
    longest: float = 8.0
    """Bound of every random wait; and, where another variant is ready, of what an upstream may ask to wait for."""


class BreakerRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a provider that fails is left alone; seconds."""

    failures: int = 5
    """Within the window, at least so many …"""
    share: float = 0.5
    """… and at least this share of its requests."""
    window: float = 30.0
    rest: float = 15.0
    """How long it is left alone, up to half as much again."""


class ProviderEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who serves an API; `kind` is a row of the provider table, or SERVING."""

    name: str
    kind: str
    base_urls: tuple[str, ...]
    """`http(s)://host[:port]/prefix`; for our own workers one `unix:/path.sock` per replica."""
    keys: tuple[str, ...] = ()
    """References or literals; a literal is allowed only in development."""
    options: dict[str, str] = {}
    """What the row's dialect asks for, such as Azure's `api_version`."""
    on_demand: bool = False
    """Of our own workers: a call starts one, so it is not asked beforehand whether one is there."""
    asleep: bool = False
    """Of these: nobody runs it now, and what is asked there starts it."""
    off: str = ""
    """Why an optional provider is off, such as `set OPENAI_API_KEY`; empty when on."""
    breaker: BreakerRule | None = None
    """None: it is asked whatever happens."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What a token costs, in whole 1e-12 units of a currency, so that products and sums are exact."""

    input: int | None = None
    """Of the prompt; None: not known, so that a call with such tokens is unpriced."""
    cached: int | None = None
    """Of the prompt, read from the provider's cache; None: as any other."""
    written: int | None = None
    """Of the prompt, written into the provider's cache; None: as any other."""
    output: int | None = None
    """Of the answer; None: not known."""
    reasoning: int | None = None
    """Of the answer, not seen by the client; None: as any other."""


class RatesAbove(Rates, frozen=True, kw_only=True):
    """Rates of every token of a call whose prompt is longer than `above` tokens."""

    above: int


class RatesAt(Rates, frozen=True, kw_only=True):
    """Rates between two times of day, in seconds since midnight UTC; past midnight when the end is the smaller."""

    begin: int
    end: int


class Price(Rates, frozen=True, kw_only=True):
    """What a variant's calls cost."""

    currency: str = "USD"
    """ISO 4217."""
    request: int = 0
    """Units per call."""
    second: int = 0
    """Units per second of our engine's time."""
    steps: tuple[RatesAbove, ...] = ()
    """In rising order; the last one that a prompt is above replaces the rates."""
    hours: tuple[RatesAt, ...] = ()
    """The first one that the call's arrival falls into replaces the rates."""
    until: float | None = None
    """Unix seconds from which another price holds, that this value does not know."""
    source: str = "manifest"
    """manifest, or the name and version of a price list."""
    dated: str = ""
    """Date of the price list's data, such as 2026-11-09."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way to answer an endpoint."""

    name: str
    provider: str
    model: str
    """The name that the provider knows."""
    weight: float = 1.0
    price: Price | None = None
    """None: its calls are unpriced."""
    prompt: str = ""
    """`name@version` of the prompt whose messages go before the client's; in the base also `name@alias`."""
    parameters: dict[str, Any] = {}
    """Fields of the request's body that this variant sets, whatever the client sends."""
    context: int = 0
    """Tokens that prompt and answer have together at most, where the manifest says so; 0: it does not."""


class Semantic(msgspec.Struct, frozen=True, kw_only=True):
    """When a question gets the answer of one that means the same."""

    endpoint: str
    """Whose vectors say what a question means."""
    threshold: float = 0.95
    """Least cosine of two questions that mean the same."""
    check: float = 0.05
    """Share of the hits that are asked all the same and compared."""
    wrong: float = 0.02
    """Share of the hits that may be wrong; past it the threshold is raised."""
    agree: float = 0.9
    """Least cosine of two answers that say the same."""


class Caching(msgspec.Struct, frozen=True, kw_only=True):
    """How an endpoint's answers are kept."""

    ttl: float
    """Seconds."""
    ignore: tuple[str, ...] = ()
    """Fields of a request that cannot change the answer."""
    semantic: Semantic | None = None
    """None: only the same question gets the same answer."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A name that clients call."""

    name: str
    operations: tuple[str, ...]
    """Of chat, completions, embeddings, infer."""
    variants: tuple[Variant, ...]
    choose: str = "weight"
    """weight | latency | in_flight | price: what decides between the variants."""
    split_by: str = "user"
    """user | conversation | key | tenant | call: whose hash chooses the variant."""
    split_replicas: bool = False
    """Whether it chooses the replica of a model of ours, too."""
    split_header: str = ""
    """Header that names the user or the conversation; empty: the body tells, then the key."""
    shadow: str = ""
    """The variant that is asked beside the one that answers; empty: none."""
    shadow_share: float = 0.0
    """Of the calls, 0 to 1."""
    override_header: str = ""
    """Header in which a caller names the variant; empty: nobody can."""
    timeouts: Timeouts = Timeouts()
    cache: Caching | None = None
    """None: every call is asked anew."""
    retries: Retries = Retries()
    fallback: tuple[str, ...] = ()
    """Variants that are asked in this order when the chosen one fails before the answer has begun."""
    guard: EndpointGuard | None = None
    """None: nobody looks at questions and answers."""
    versions: tuple[Variant, ...] = ()
    """V2: the versions that a path may name, each as a variant of that name; empty: whoever answers knows them."""
    classifiers: tuple[Variant, ...] = ()
    """Who judges for the guard, by a wire of its own: the variants `input` and `output`, or one of them."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, as the gateway may know it."""

    id: str
    digest: str
    """HMAC-SHA256 under the pepper, 64 hex digits."""
    name: str = ""
    tenant: str = "default"
    role: str = "client"
    """client | admin; an admin key opens the admin door, not the public one."""
    expires: float | None = None
    """Unix seconds."""
    endpoints: tuple[str, ...] = ()
    """Those that it may call; empty: all."""


class GivenKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key that the manifest gives."""

    name: str
    key: str
    """Reference to its text."""
    tenant: str = "default"
    role: str = "client"
    endpoints: tuple[str, ...] = ()


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How much one tenant, key, user, client address or endpoint may use."""

    by: str
    """tenant | key | user | address | endpoint: each one has the whole amount for itself."""
    whose: str = ""
    """The one tenant, key (by its id; in the base by id or name) or endpoint that it is for, in place of the limit of
    the same kind and window for each; empty: for each."""
    of: str
    """requests | tokens | cost | concurrency."""
    amount: int
    """Of cost: units of 1e-12."""
    per: str = ""
    """minute | hour | day | month; empty for concurrency."""
    currency: str = ""
    """ISO 4217, of cost."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """All limits, and what is to be known to keep them."""

    each: tuple[Limit, ...] = ()
    time_zone: str = "UTC"
    """Whose calendar has the days and months."""
    answer: int = 4096
    """Tokens that are reserved for an answer when nobody says how long it may be."""
    unpriced: str = "refuse"
    """What a limit of cost does with a call that has no price in its currency: refuse | allow."""
    trusted: tuple[str, ...] = ()
    """Networks of proxies whose word about a client's address is taken."""
    workers: int = 1
    """Gateway workers that share the limits."""
    down_after: float = 0.025
    """Seconds without an answer after which Redis counts as away."""
    cost_down: str = "closed"
    """While Redis is away: closed | open."""
    rates_down: str = "share"
    """While Redis is away: share (each worker its part) | open | closed."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """An OIDC issuer whose tokens are accepted, with its public keys as they were last read."""

    name: str
    issuer: str
    """The URL that stands in its tokens."""
    audience: str
    algorithms: tuple[str, ...] = ()
    """Those that it may sign with; empty: every asymmetric one."""
    leeway: float = 30.0
    """Seconds by which clocks may differ."""
    tenant: str = "default"
    """Whose calls these are, when no claim says so."""
    tenant_claim: str = ""
    user_claim: str = "sub"
    scope_claim: str = "scope"
    scopes: dict[str, tuple[str, ...]] = {}
    """Endpoints that a scope lets its bearer call, `*` is all; empty: every token may call all."""
    admin: str = ""
    """The scope that opens the admin door."""
    keys: tuple[dict[str, str], ...] = ()
    """JSON Web Keys, their public parts only."""
    problem: str = ""
    """Why the keys could not be read when that was tried last; those read before stay."""


class PromptMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a prompt."""

    role: str
    """system | user | assistant."""
    content: str
    """A template when the prompt has variables, otherwise the text itself."""


class PromptVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A value that calls may fill in."""

    name: str
    type: str
    """string | integer | number | boolean | list."""
    required: bool = True
    default: Any = None
    """Of a variable that is not required."""
    max_length: int = 0
    """Most characters of a string or items of a list; 0 for the other types."""


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a prompt."""

    name: str
    version: str
    digest: str
    """`sha256:…` of its file."""
    messages: tuple[PromptMessage, ...]
    variables: tuple[PromptVariable, ...] = ()
    source: str = ""
    """Its whole file; only in the base, from which control registers it."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; workers swap the whole value at once."""

    v: int = SNAPSHOT_VERSION
    serial: int
    """Goes up with each change; a worker ignores an older one."""
    name: str
    environment: str
    manifest: str
    """sha256 of the resolved manifest (secrets masked)."""
    release: str
    """Digest of the release record."""
    auth: str
    """required | optional | none."""
    split_salt: str
    """Hex; keeps shares stable over restarts and different between installations."""
    max_body: int
    """Bytes."""
    max_in_flight: int
    """Calls that one worker holds at once; one more is answered 429."""
    cache_bytes: int = 64 << 20
    """Memory of one worker for kept answers."""
    endpoints: tuple[Endpoint, ...] = ()
    providers: tuple[ProviderEntry, ...] = ()
    keys: tuple[Key, ...] = ()
    """All; beside a table those that were changed since it was written, and admins'."""
    key_table: str = ""
    """Path of the file that holds the others, as core/wire/key_table.py has it; empty: there are no others."""
    keys_gone: tuple[str, ...] = ()
    """Digests of keys in the table that are revoked since."""
    given_keys: tuple[GivenKey, ...] = ()
    """Those that control is to know; only in the base."""
    limits: Limits = Limits()
    issuers: tuple[Issuer, ...] = ()
    tasks: TaskRules | None = None
    """None: nobody can leave one."""
    redis: str = ""
    """Reference to the address of Redis, or one without a password; empty: each worker counts for itself."""
    prompts: tuple[Prompt, ...] = ()
    """Those that variants name; in the base every version of the manifest's folders."""
    aliases: dict[str, str] = {}
    """Version by `name@alias`, where the manifest lets an alias start; only in the base."""
