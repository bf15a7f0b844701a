"""The frozen contracts: their shape may change only together with their version.

After a change of a version, `python -m tests.unit.core.contracts.test_golden` writes the golden files again.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.events import (
    CATALOGUE,
    EVENTS_VERSION,
    AttemptFailed,
    BatchFailed,
    BreakerChanged,
    Event,
    KeptChecked,
    KeyChanged,
    ModelLoaded,
    ModelTuned,
    PartChanged,
    RequestFinished,
    SnapshotApplied,
    SnapshotRefused,
    TaskChanged,
    WebhookSent,
)
from modelwright.core.contracts.guard import EndpointGuard, GuardRule, GuardSide
from modelwright.core.contracts.ledger import LEDGER_VERSION, OUTCOMES, LedgerRow
from modelwright.core.contracts.release import RELEASE_VERSION, Release, release_digest
from modelwright.core.contracts.snapshot import (
    SNAPSHOT_VERSION,
    BreakerRule,
    Caching,
    Endpoint,
    Issuer,
    Key,
    Limit,
    Limits,
    Price,
    Prompt,
    PromptMessage,
    PromptVariable,
    ProviderEntry,
    RatesAbove,
    RatesAt,
    Retries,
    Semantic,
    Snapshot,
    Timeouts,
    Variant,
)
from modelwright.core.contracts.tasks import TaskRules, WebhookRules

GOLDEN = Path(__file__).parents[3] / "golden"
CALL = "0190b8a4-5b1c-7d2e-8f00-123456789abc"
DIGEST = "sha256:" + "ab" * 32

ROW = LedgerRow(
    call=f"{CALL}.1",
    request_id="req-1",
    at=1_700_000_000.25,
    operation="chat",
    endpoint="assistant",
    tenant="acme",
    key="abcdefgh",
    user="user-7",
    variant="canary",
    provider="openai",
    model="gpt-4o-mini",
    release=DIGEST,
    stream=True,
    outcome="upstream_truncated",
    status=200,
    error="upstream_truncated",
    input_tokens=12,
    cached_tokens=4,
    cache_write_tokens=2,
    output_tokens=34,
    reasoning_tokens=0,
    machine_us=1234,
    cost="0.00012",
    currency="USD",
    reserved="0.01",
    latency_ms=812.5,
    first_token_ms=95.25,
    bytes_in=345,
    bytes_out=6789,
    chunks=35,
    attempts=1,
    cache="hit",
    saved="0.00034",
    saved_tokens=46,
    tags={"task": "summary"},
    guards={"input.card": "mask:2"},
    attempt_of=CALL,
    shadow_of=CALL,
    prompt="support@v2",
    prompt_digest=DIGEST,
)
PRICE = Price(
    currency="USD",
    input=150_000,
    cached=75_000,
    written=187_500,
    output=600_000,
    reasoning=600_000,
    request=1_000_000_000,
    second=100_000_000,
    steps=(RatesAbove(above=200_000, input=300_000, output=900_000),),
    hours=(RatesAt(begin=1800, end=59_400, input=75_000, output=300_000),),
    until=1_800_000_000.0,
    source="genai-prices 0.2.3 (openai: gpt-4o-mini)",
    dated="2026-11-09",
)
LAST = msgspec.structs.replace(ROW, call=CALL, attempts=2, attempt_of="", shadow_of="")
SNAPSHOT = Snapshot(
    serial=7,
    name="support",
    environment="production",
    manifest=DIGEST,
    release=DIGEST,
    auth="required",
    split_salt="00ff",
    max_body=33_554_432,
    max_in_flight=1024,
    cache_bytes=67_108_864,
    endpoints=(
        Endpoint(
            name="assistant",
            operations=("chat", "completions"),
            variants=(
                Variant(
                    name="stable",
                    provider="openai",
                    model="gpt-4o-mini",
                    weight=9,
                    price=PRICE,
                    prompt="support@v2",
                    parameters={"temperature": 0.2},
                ),
                Variant(name="canary", provider="serving:small-chat", model="small-chat"),
            ),
            choose="weight",
            split_by="user",
            split_replicas=True,
            split_header="x-user-id",
            override_header="x-variant",
            shadow="canary",
            shadow_share=0.5,
            timeouts=Timeouts(connect=2, first_token=20, idle=15, total=300),
            cache=Caching(
                ttl=3600,
                ignore=("user",),
                semantic=Semantic(endpoint="vectors", threshold=0.96, check=0.1, wrong=0.01, agree=0.85),
            ),
            guard=EndpointGuard(
                input=GuardSide(
                    pii="mask",
                    kinds=("card", "email"),
                    rules=(GuardRule(name="invoices", action="mask", words=("invoice",), shapes=("INV-####",)),),
                    injection="block",
                    threshold=9,
                    leak="flag",
                    max_chars=1000,
                ),
                output=GuardSide(pii="block"),
                on_error="allow",
            ),
            retries=Retries(attempts=2, backoff=0.5, longest=4),
            fallback=("stable", "canary"),
        ),
    ),
    providers=(
        ProviderEntry(
            name="openai",
            kind="openai",
            base_urls=("https://api.openai.com/v1",),
            keys=("${secret:OPENAI_API_KEY}",),
            options={"api_version": "2024-10-21"},
            off="set OPENAI_API_KEY",
            breaker=BreakerRule(failures=10, share=0.25, window=60, rest=20),
        ),
        ProviderEntry(name="serving:small-chat", kind="serving", base_urls=("unix:/run/mw/serving-small-chat-0.sock",)),
    ),
    keys=(
        Key(
            id="abcdefgh",
            digest="cd" * 32,
            name="app",
            tenant="acme",
            role="client",
            expires=1_800_000_000.0,
            endpoints=("assistant",),
        ),
    ),
    limits=Limits(
        each=(
            Limit(by="key", of="requests", amount=600, per="minute"),
            Limit(by="tenant", of="concurrency", amount=50),
            Limit(by="user", of="cost", amount=10**13, per="day", currency="USD"),
        ),
        time_zone="Europe/Berlin",
        trusted=("10.0.0.0/8",),
        workers=2,
        down_after=0.05,
        unpriced="allow",
        cost_down="open",
        rates_down="closed",
    ),
    issuers=(
        Issuer(
            name="company",
            issuer="https://login.example.com",
            audience="modelwright",
            algorithms=("ES256",),
            leeway=30.0,
            tenant="default",
            tenant_claim="org",
            scopes={"llm.chat": ("assistant",)},
            admin="llm.admin",
            keys=({"kty": "EC", "kid": "1", "crv": "P-256", "x": "AA", "y": "AA"},),
            problem="it cannot be reached",
        ),
    ),
    tasks=TaskRules(
        concurrency=4,
        queue=100,
        max_body=65_536,
        max_answer=1_048_576,
        deadline=3600,
        keep=86_400,
        webhook=WebhookRules(secrets=("${secret:WEBHOOK_SECRET}",), attempts=5, timeout=3, allow=("10.0.0.0/8",)),
    ),
    redis="${secret:REDIS_URL}",
    prompts=(
        Prompt(
            name="support",
            version="v2",
            digest=DIGEST,
            messages=(PromptMessage(role="system", content="You answer questions about {{ product }}."),),
            variables=(PromptVariable(name="product", type="string", required=False, default="all", max_length=100),),
            source="---\nvariables: {product: {type: string}}\n---\n…",
        ),
    ),
    aliases={"support@live": "v2"},
)
RELEASE = Release(
    name="support",
    environment="production",
    target="local",
    manifest=DIGEST,
    models={"small-chat": DIGEST},
    prompts={"support": DIGEST},
    images={"gateway": DIGEST},
)
EVENTS: tuple[Event, ...] = (
    RequestFinished(
        at=1.5,
        method="POST",
        path="/v1/chat/completions",
        status=200,
        duration_ms=812.5,
        client="192.0.2.1",
        request_id="req-1",
        error="upstream_truncated",
        call=LAST,
    ),
    AttemptFailed(at=1.5, attempt=ROW),
    BreakerChanged(at=1.5, provider="openai", address="https://api.openai.com/v1", state="open"),
    SnapshotApplied(at=1.5, serial=7, endpoints=1, keys=1),
    SnapshotRefused(at=1.5, problem="version 2 is newer than 1"),
    PartChanged(at=1.5, part="serving-small-chat-0", state="ready", pid=1234, detail="small-chat"),
    ModelLoaded(at=1.5, model="digits", engine="onnxruntime", digest=DIGEST, load_ms=40.5, warmup_ms=1.25),
    ModelTuned(
        at=1.5, model="digits", chosen="tuned to 2 threads and batches of 8", trials=("2 threads, 8 rows: 9 rows/s",)
    ),
    BatchFailed(at=1.5, model="digits", rows=31, error="engine_failed"),
    KeptChecked(at=1.5, endpoint="assistant", agreed=False, raised=True, threshold=0.975),
    KeyChanged(at=1.5, key="abcdefgh", tenant="acme", action="created"),
    TaskChanged(
        at=1.5,
        task=f"task_{CALL}",
        tenant="acme",
        key="abcdefgh",
        endpoint="assistant",
        status="failed",
        attempts=2,
        call=CALL,
        error="unauthenticated",
    ),
    WebhookSent(at=1.5, task=f"task_{CALL}", tenant="acme", attempt=1, result="pending", problem="it answered 500"),
)

CONTRACTS: dict[str, tuple[int, Any, Any]] = {
    "ledger_row": (LEDGER_VERSION, LedgerRow, ROW),
    "snapshot": (SNAPSHOT_VERSION, Snapshot, SNAPSHOT),
    "release": (RELEASE_VERSION, Release, RELEASE),
}


def written(name: str) -> dict[str, Any]:
    """A golden file as the code of now would write it."""
    if name == "events":
        shape: Any = {event.__name__: schema(event) for event in CATALOGUE}
        return {"version": EVENTS_VERSION, "schema": shape, "example": msgspec.to_builtins(EVENTS)}
    version, kind, example = CONTRACTS[name]
    extra = {"outcomes": list(OUTCOMES)} if name == "ledger_row" else {}
    return {"version": version, "schema": schema(kind), **extra, "example": msgspec.to_builtins(example)}


def schema(kind: Any) -> Any:
    """JSON Schema without its prose: a better sentence is no change of shape."""
    return _bare(msgspec.json.schema(kind))


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    prose = {"description", "title"}
    return {name: _bare(item) for name, item in value.items() if name not in prose or not isinstance(item, str)}


def golden(name: str) -> dict[str, Any]:
    return msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes())


NAMES = [*CONTRACTS, "events"]


@pytest.mark.parametrize("name", NAMES)
def test_the_shape_changes_only_with_the_version(name: str) -> None:
    now, kept = msgspec.json.decode(msgspec.json.encode(written(name))), golden(name)
    assert now["version"] == kept["version"], "a new version: write the golden files again, see the head of this file"
    assert now == kept, "the shape changed: raise the contract's version, or change it back"


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_example_is_read_back_as_it_was(name: str) -> None:
    _, kind, example = CONTRACTS[name]
    kept = msgspec.json.encode(golden(name)["example"])
    assert msgspec.json.decode(kept, type=kind) == example
    assert msgspec.json.decode(msgspec.json.encode(example), type=kind) == example


def test_the_events_are_read_back_as_they_were() -> None:
    assert tuple(type(event) for event in EVENTS) == CATALOGUE
    for event, kept in zip(EVENTS, golden("events")["example"], strict=True):
        assert msgspec.json.decode(msgspec.json.encode(kept), type=type(event)) == event


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_example_shows_every_field(name: str) -> None:
    _, kind, _ = CONTRACTS[name]
    shown = golden(name)["example"]
    assert set(shown) | {"v"} == set(kind.__struct_fields__) | {"v"}


def test_a_release_is_named_by_its_content() -> None:
    canonical = json.dumps(golden("release")["example"], sort_keys=True, separators=(",", ":"))
    assert release_digest(RELEASE) == "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    assert release_digest(RELEASE) == "sha256:40509f777b2d681ebb9fb2bc598713ff8d3c195ee5b48f0ca0e2fdbd8f0a8864"


if __name__ == "__main__":
    for each in NAMES:
        (GOLDEN / f"{each}.json").write_bytes(msgspec.json.format(msgspec.json.encode(written(each))) + b"\n")
