"""Which variant answers, and why: the same answer as the gateway's."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwright.app.explaining.explain import explain
from modelwright.app.explaining.facts import Caller
from modelwright.app.explaining.rules_in_force import InForce, of_file, running
from modelwright.app.manifest.load import load_manifest
from modelwright.core import split
from modelwright.core.contracts.snapshot import (
    Endpoint,
    Limit,
    Limits,
    Prompt,
    PromptMessage,
    ProviderEntry,
    Variant,
)
from modelwright.core.errors.calls import UnknownEndpoint
from tests.unit.gateway.world import KEY_ID, QUICK, World, answers, snapshot

SALT = bytes(range(32))
FILE = """
schema: 1
name: test
providers:
  p: {kind: ollama}
  q: {kind: ollama}
  off: {kind: openai, keys: ["${secret:KEY}"], optional: true}
access:
  limits:
    tenant: {requests: 9/min, cost: 1 USD/day}
    key: {concurrency: 3}
    endpoint: {tokens: 1k/hour}
    tenants: {acme: {cost: 2.5 USD/day}}
    endpoints: {two: {tokens: 2k/hour}}
endpoints:
  two:
    variants: {a: {provider: p, model: m, weight: 90}, b: {provider: q, model: n, weight: 10}}
    split: {header: X-User}
  one: {variants: {a: {provider: p, model: m, weight: 0}, b: {provider: q, model: n}}}
  key: {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, split: {by: key}}
  call: {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, split: {by: call}}
  talk:
    {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, split: {by: conversation, header: x-session}}
  spare:
    variants: {a: {provider: off, model: n, weight: 3}, b: {provider: p, model: m}}
    fallback: [a, b]
    split: {override: X-Variant}
    retries: {attempts: 2}
    shadow: {variant: b}
    cache: {exact: {ttl: 60s}}
    guard: {input: {pii: mask, injection: block}, output: {leak: flag, max_chars: 9}}
  away: {variants: {a: {provider: p, model: m, weight: 0}, b: {provider: off, model: n}}}
  quick: {variants: {a: {provider: p, model: m}, b: {provider: q, model: n}}, choose: latency}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> InForce:
    path = tmp_path_factory.mktemp("explain") / "modelwright.yaml"
    path.write_text(FILE, "utf-8")
    return of_file(load_manifest(path, env={}), salt=SALT)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user=st.text(min_size=1).filter(lambda text: text.strip() == text))
def test_the_answer_is_that_of_the_rule(loaded: InForce, user: str) -> None:
    found = explain(loaded, "two", caller=Caller(user=user, key="k"))
    at = split.position(SALT, "two", user)
    assert found.position == at
    assert found.variant == ("a", "b")[split.choose([90, 10], at)]
    assert (found.subject, found.source) == (user, "user")
    (share,) = (share for share in found.shares if share.variant == found.variant)
    assert share.begin <= at < share.end


def test_the_header_comes_before_the_user_and_that_before_the_key(loaded: InForce) -> None:
    caller = Caller(user="u", key="k", headers={"x-user": "é"})
    found = explain(loaded, "two", caller=caller)
    assert (found.subject, found.source) == ("é", "header x-user")
    # The gateway reads a header's UTF-8 bytes as one character each.
    assert found.position == split.position(SALT, "two", "é".encode().decode("latin-1"))
    assert explain(loaded, "two", caller=Caller(user="u", key="k")).source == "user"
    assert explain(loaded, "two", caller=Caller(key="k")).source == "key"
    assert explain(loaded, "key", caller=caller).subject == "k"


def test_what_is_decided_at_the_time_is_not_foretold(loaded: InForce) -> None:
    found = explain(loaded, "quick", caller=Caller(user="u", key="k"))
    assert (found.variant, found.reason) == ("", "the one that is quickest at the time, of two taken by chance")


def test_a_conversation_is_known_by_its_header_or_its_messages(loaded: InForce) -> None:
    found = explain(loaded, "talk", caller=Caller(user="u", headers={"x-session": "s"}))
    assert (found.subject, found.source) == ("s", "header x-session")
    assert found.variant == ("a", "b")[split.choose([1, 1], split.position(SALT, "talk", "s"))]
    found = explain(loaded, "talk", caller=Caller(user="u"))
    assert (found.variant, found.reason[:45]) == ("", "it depends on the header x-session, then the ")


def test_what_is_not_known_is_said(loaded: InForce) -> None:
    nobody = explain(loaded, "two", caller=Caller())
    assert (nobody.variant, nobody.position) == ("", None)
    assert nobody.reason.startswith("it depends on the header x-user")
    assert explain(loaded, "call", caller=Caller(user="u")).reason == "every call is drawn by itself"
    assert explain(loaded, "key", caller=Caller(user="u")).reason == "it depends on the key"
    fresh = msgspec.structs.replace(loaded, salt=None)
    assert "no salt yet" in explain(fresh, "two", caller=Caller(user="u")).reason


def test_one_variant_with_a_weight_answers_everybody(loaded: InForce) -> None:
    found = explain(loaded, "one", caller=Caller())
    assert found.variant == "b"
    assert [(share.share, share.off) for share in found.shares] == [(0.0, ""), (1.0, "")]


def test_an_unknown_endpoint_gets_a_proposal(loaded: InForce) -> None:
    with pytest.raises(UnknownEndpoint) as caught:
        explain(loaded, "tow", caller=Caller())
    assert caught.value.hint == "did you mean two?"


def test_a_provider_that_is_off_hands_on_to_the_fallback(loaded: InForce) -> None:
    users = [explain(loaded, "spare", caller=Caller(user=f"u{number}")) for number in range(20)]
    assert {found.variant for found in users} == {"b"}
    assert "its provider is off: set KEY" in " ".join(found.reason for found in users)
    alone = explain(loaded, "away", caller=Caller())
    assert (alone.variant, alone.reason) == ("", "b would, but its provider is off: set KEY")


def test_a_header_that_names_the_variant_goes_before_weights(loaded: InForce) -> None:
    found = explain(loaded, "spare", caller=Caller(user="u", headers={"x-variant": "b"}))
    assert (found.variant, found.reason) == ("b", "header x-variant names it")
    strange = explain(loaded, "spare", caller=Caller(headers={"X-Variant": "c"}))
    assert (strange.variant, "refused" in strange.reason) == ("", True)


def test_a_key_may_not_call_everything(loaded: InForce) -> None:
    found = explain(loaded, "two", caller=Caller(user="u", key="k", endpoints=("one",)))
    assert (found.variant, found.reason) == ("", "key k may not call it")


def test_all_that_decides_about_a_call_is_told(loaded: InForce) -> None:
    found = explain(loaded, "spare", caller=Caller(user="u", tenant="acme", key="k"))
    assert [(told.by, told.subject, told.limit) for told in found.limits] == [
        ("tenant", "acme", "9 requests per minute"),
        ("tenant", "acme", "2.5 USD per day"),
        ("key", "k", "3 calls at once"),
        ("endpoint", "spare", "1000 tokens per hour"),
    ]
    assert found.guard == (
        "input pii mask", "input injection block", "output leak flag", "output at most 9 characters", "on error block"
    )  # fmt: skip
    assert (found.cache, found.retries, found.shadow) == (("the same question for 60 s",), 2, "b")
    assert (found.told_by, found.operations) == ("file", ("chat", "completions", "embeddings", "messages", "responses"))
    two = explain(loaded, "two", caller=Caller(tenant="t"))
    assert [told.limit for told in two.limits if told.by != "key"] == [
        "9 requests per minute", "1 USD per day", "2000 tokens per hour"
    ]  # fmt: skip


BRIEF = Prompt(name="p", version="v1", digest="sha256:1", messages=(PromptMessage(role="system", content="Hi"),))
VARIANTS = st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(any)


@settings(max_examples=40, deadline=None)
@given(
    weights=VARIANTS,
    off=st.sets(st.integers(0, 3)),
    by=st.sampled_from(["user", "key", "tenant"]),
    user=st.text("abcé用", max_size=3),
    header=st.sampled_from(["", "é", "somebody"]),
    named=st.sampled_from(["", "v0", "v9"]),
    whose=st.sampled_from(["", "t", "other"]),
)
def test_a_gateway_with_the_same_snapshot_does_what_is_told(
    weights: list[int], off: set[int], *, by: str, user: str, header: str, named: str, whose: str
) -> None:
    variants = tuple(
        Variant(name=f"v{number}", provider=f"p{number}", model="m", weight=weight, prompt="p@v1" if number % 2 else "")
        for number, weight in enumerate(weights)
    )
    chat = Endpoint(
        name="chat", operations=("chat",), variants=variants, split_by=by, split_header="x-user",
        override_header="x-variant", fallback=("v0",), timeouts=QUICK,
    )  # fmt: skip
    entries = tuple(
        ProviderEntry(name=f"p{n}", kind="vllm", base_urls=("http://h/v1",), off="set KEY" if n in off else "")
        for n in range(len(weights))
    )
    each = (
        Limit(by="tenant", of="requests", amount=5, per="minute"),
        Limit(by="tenant", whose=whose, of="requests", amount=7, per="minute"),
    )
    known = snapshot(
        endpoints=(chat,), providers=entries, prompts=(BRIEF,), limits=Limits(each=each[: 1 + bool(whose)])
    )
    world = World(
        [answers()], **{name: getattr(known, name) for name in ("endpoints", "providers", "prompts", "limits")}
    )
    sent = {"x-user": header.encode().decode("latin-1")} | ({"x-variant": named} if named else {})
    body: dict[str, Any] = {"model": "chat", "messages": [], "user": user}
    heard = asyncio.run(world.ask(body, headers=sent))
    headers = {"x-user": header} | ({"x-variant": named} if named else {})
    found = explain(running(known), "chat", caller=Caller(user=user, key=KEY_ID, tenant="t", headers=headers))
    assert (heard.status == 200) == bool(found.variant), found.reason
    if found.variant:
        row = world.ledger.lines[-1]
        (share,) = (share for share in found.shares if share.variant == found.variant)
        assert (row.variant, row.prompt) == (found.variant, share.prompt)
        (told,) = found.limits
        assert told.limit == f"{heard.headers['x-ratelimit-limit-requests']} requests per minute"
