"""The policy of limits at work in a whole gateway in memory."""

import asyncio
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.snapshot import (
    Endpoint,
    Limit,
    Limits,
    Price,
    Prompt,
    PromptMessage,
    PromptVariable,
    ProviderEntry,
    Retries,
    Variant,
)
from modelwright.core.prices import read_money
from modelwright.gateway.limits.words import duration
from tests.unit.gateway.world import (
    CHAT,
    DONE,
    FINISH,
    KEY_ID,
    ROLE,
    USAGE,
    World,
    answers,
    chunk,
    patient_chat,
    snapshot,
    streams,
)


def limited(*each: Limit, trusted: tuple[str, ...] = ()) -> Limits:
    return Limits(each=each, trusted=trusted)


def per(amount: int, *, of: str = "requests", by: str = "key", window: str = "minute") -> Limit:
    return Limit(by=by, of=of, amount=amount, per=window)


def at_once(amount: int, *, by: str = "key") -> Limit:
    return Limit(by=by, of="concurrency", amount=amount)


async def test_without_limits_nothing_is_said_of_them() -> None:
    heard = await World([answers()]).ask()
    assert not [name for name in heard.headers if "ratelimit" in name]


async def test_a_call_over_the_limit_is_ours_to_refuse() -> None:
    world = World([answers()], limits=limited(per(1)))
    first = await world.ask()
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert first.headers["x-ratelimit-reset-requests"].startswith("1m")
    second = await world.ask()
    assert second.status == 429
    assert second.error["code"] == "rate_limited"
    assert second.error["type"] == "rate_limit_error"
    assert "1 requests per minute for this key" in second.error["message"]
    assert 60 < int(second.headers["retry-after"]) <= 63
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    assert world.outcomes() == ["intent", "ok", "refused"]
    assert world.ledger.lines[-1].error == "rate_limited"
    assert len(world.upstream.requests) == 1


async def test_tokens_are_reserved_and_what_was_not_used_is_given_back() -> None:
    world = World([answers(), answers()], limits=limited(per(1000, of="tokens")))
    first = await world.ask({"model": "chat", "messages": [], "max_tokens": 900})
    assert int(first.headers["x-ratelimit-remaining-tokens"]) < 100
    second = await world.ask({"model": "chat", "messages": [], "max_tokens": 900})
    assert second.status == 200
    third = await world.ask({"model": "chat", "messages": [], "max_completion_tokens": 2000})
    assert third.status == 429
    assert "retry-after" not in third.headers
    assert "max_tokens" in third.error["message"]


async def test_a_call_refused_by_one_limit_takes_nothing_of_another() -> None:
    world = World([answers(), answers()], limits=limited(per(2, by="tenant"), per(50, of="tokens", by="endpoint")))
    for _ in range(5):
        assert (await world.ask({"model": "chat", "messages": [], "max_tokens": 60})).status == 429
    heard = await world.ask({"model": "chat", "messages": [], "max_tokens": 10})
    assert heard.headers["x-ratelimit-remaining-requests"] == "1"


async def test_the_tightest_of_several_limits_is_told() -> None:
    world = World([answers()], limits=limited(per(10), per(100, window="day"), per(5, by="tenant", window="hour")))
    assert (await world.ask()).headers["x-ratelimit-limit-requests"] == "5"


async def test_each_subject_has_the_whole_limit_for_itself() -> None:
    world = World([answers()] * 4, limits=limited(per(1, by="user")))
    question = {"model": "chat", "messages": []}
    statuses = [(await world.ask({**question, "user": user})).status for user in ("a", "b", "a")]
    assert statuses == [200, 200, 429]
    statuses = [(await world.ask(question)).status for _ in range(2)]
    assert statuses == [200, 429]


async def test_addresses_count_behind_trusted_proxies_only() -> None:
    world = World([answers()] * 4, limits=limited(per(1, by="address"), trusted=("192.0.2.0/24",)))
    statuses = [(await world.ask(headers={"x-forwarded-for": f"{told}"})).status for told in ("9.9.9.1", "9.9.9.2")]
    assert statuses == [200, 200]
    assert (await world.ask(headers={"x-forwarded-for": "8.8.8.8, 9.9.9.2"})).status == 429


async def test_a_place_is_taken_while_a_stream_lasts_and_free_before_its_last_byte_leaves() -> None:
    world = World([streams(ROLE, chunk("Hi"), FINISH, USAGE, DONE), answers()], limits=limited(at_once(1)))
    seen: list[int] = []

    async def meanwhile() -> None:
        if len(seen) < 5 and 200 not in seen:
            seen.append((await world.ask()).status)

    assert (await world.ask({"model": "chat", "messages": [], "stream": True}, on_part=meanwhile)).status == 200
    assert (seen[0], seen[-1]) == (429, 200)


async def test_the_place_of_a_client_that_leaves_is_free_at_once() -> None:
    world = World(
        [streams(ROLE, chunk("Hi"), 900.0), answers()], limits=limited(at_once(1)), endpoints=(patient_chat(),)
    )
    leave = asyncio.Event()
    call = asyncio.ensure_future(world.ask({"model": "chat", "messages": [], "stream": True}, leave=leave))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (await world.ask()).status == 429
    world.clock.advance(0.3)
    world.in_flight.sweep()
    await asyncio.sleep(0)
    leave.set()
    await call
    assert world.ledger.lines[-1].outcome == "client_disconnect"
    assert (await world.ask()).status == 200


async def test_a_named_limit_replaces_that_of_its_kind_and_window_and_no_other() -> None:
    mine = msgspec.structs.replace(per(3, by="tenant"), whose="t")
    other = msgspec.structs.replace(per(9, by="tenant"), whose="other")
    for order in ((per(1, by="tenant"), mine, other), (other, mine, per(1, by="tenant"))):
        world = World([answers()] * 3, limits=limited(*order))
        assert [(await world.ask()).status for _ in range(4)] == [200, 200, 200, 429]
        assert (await world.ask()).headers["x-ratelimit-limit-requests"] == "3"
    hour = per(2, by="tenant", window="hour")
    world = World([answers()] * 2, limits=limited(per(1, by="tenant"), hour, mine))
    assert [(await world.ask()).status for _ in range(3)] == [200, 200, 429], "the hour's is another window"


async def test_only_named_ones_are_limited_where_the_manifest_says_no_more() -> None:
    mine = msgspec.structs.replace(per(1), whose=KEY_ID)
    endpoint = msgspec.structs.replace(per(1, by="endpoint"), whose="digits")
    world = World([answers()] * 2, limits=limited(mine))
    assert [(await world.ask()).status for _ in range(2)] == [200, 429]
    world = World([answers()] * 2, limits=limited(endpoint))
    heard = [await world.ask() for _ in range(2)]
    assert [one.status for one in heard] == [200, 200]
    assert not [name for name in heard[0].headers if "ratelimit" in name]


async def test_what_was_used_stays_used_when_a_limit_gets_a_name() -> None:
    world = World([answers()] * 2, limits=limited(per(1, by="tenant")))
    assert [(await world.ask()).status for _ in range(2)] == [200, 429]
    mine = msgspec.structs.replace(per(2, by="tenant"), whose="t")
    world.gateway.apply(snapshot(serial=2, limits=limited(per(1, by="tenant"), mine)))
    assert [(await world.ask()).status for _ in range(2)] == [200, 429]


DOLLAR = 10**12
CENT = DOLLAR // 100
PRICED = Variant(name="main", provider="vendor", model="theirs", price=Price(input=CENT, output=2 * CENT))
"""A cent per token of the prompt, two per token of the answer: `answers()` costs 11 cents."""


def priced(*variants: Variant, **changes: Any) -> tuple[Endpoint, ...]:
    chat = snapshot().endpoints[0]
    return (msgspec.structs.replace(chat, variants=variants or (PRICED,), **changes),)


def budget(amount: int, currency: str = "USD", unpriced: str = "refuse") -> Limits:
    return Limits(each=(Limit(by="tenant", of="cost", amount=amount, per="day", currency=currency),), unpriced=unpriced)


def question(most: int) -> bytes:
    body = b'{"model":"chat","messages":[],"max_tokens":%d,"pad":"' % most
    return body + b"x" * (300 - len(body) - 2) + b'"}'


async def test_a_budget_pays_for_what_was_used_and_lets_nothing_pass_that_may_cost_more() -> None:
    world = World([answers()] * 99, limits=budget(2 * DOLLAR), endpoints=priced())
    for spent in range(0, 89, 11):
        assert (await world.ask(question(6))).status == 200, spent  # may cost 1.12, costs 0.11
    refused = await world.ask(question(6))
    assert (refused.status, refused.error["code"]) == (429, "budget_exhausted")
    assert "2 USD per day for this tenant" in refused.error["message"]
    assert int(refused.headers["retry-after"]) > 0
    assert (await world.ask(question(0))).status == 200
    dear = await world.ask(question(60))
    assert "the call may cost 2.2 USD, more than the budget of 2 USD per day" in dear.error["message"]
    assert "retry-after" not in dear.headers


async def test_a_failed_call_gives_its_money_back_and_an_unknown_cost_is_its_reservation() -> None:
    world = World(
        [answers(b"{}", status=500), answers(b"{}", status=400), answers(b'{"choices":[]}'), answers()],
        limits=budget(2 * DOLLAR),
        endpoints=priced(),
    )
    assert [(await world.ask(question(45))).status for _ in range(3)] == [502, 400, 200]
    assert (await world.ask(question(45))).status == 429


async def test_a_budget_refuses_what_has_no_price_unless_told_otherwise() -> None:
    bare = msgspec.structs.replace(PRICED, price=None)
    for limits, variant in ((budget(DOLLAR), bare), (budget(DOLLAR, "EUR"), PRICED)):
        refused = await World([answers()], limits=limits, endpoints=priced(variant)).ask()
        assert (refused.status, refused.error["code"]) == (403, "unpriced")
        assert "access.counting.unpriced: allow" in refused.error["message"]
    world = World([answers()] * 2, limits=budget(1, unpriced="allow"), endpoints=priced(bare))
    assert [(await world.ask()).status for _ in range(2)] == [200, 200]


async def test_the_dearest_variant_that_may_answer_is_reserved() -> None:
    dear = msgspec.structs.replace(PRICED, name="dear", weight=0.0, price=Price(input=CENT, output=90 * CENT))
    alone = World([answers()], limits=budget(2 * DOLLAR), endpoints=priced(PRICED, dear))
    assert (await alone.ask(question(2))).status == 200
    fallback = priced(PRICED, dear, fallback=("main", "dear"))
    assert (await World([answers()], limits=budget(2 * DOLLAR), endpoints=fallback).ask(question(2))).status == 429


async def test_a_variant_that_cannot_answer_is_not_asked_for_its_price() -> None:
    bare = msgspec.structs.replace(PRICED, name="bare", weight=0.0, price=None)
    dear = msgspec.structs.replace(PRICED, name="dear", weight=0.0, price=Price(input=CENT, output=90 * CENT))
    for other in (bare, dear):
        patient = priced(PRICED, other, retries=Retries(attempts=2))
        assert (await World([answers()], limits=budget(2 * DOLLAR), endpoints=patient).ask(question(2))).status == 200
    fallback = priced(PRICED, bare, fallback=("bare",))
    assert (await World([answers()], limits=budget(2 * DOLLAR), endpoints=fallback).ask(question(2))).status == 403


SHORT = Prompt(name="p", version="v1", digest="sha256:1", messages=(PromptMessage(role="system", content="x" * 300),))
LONG = Prompt(
    name="p",
    version="v2",
    digest="sha256:2",
    messages=(PromptMessage(role="system", content="{{ word }}" * 3), PromptMessage(role="user", content="x" * 300)),
    variables=(PromptVariable(name="word", type="string", max_length=1000),),
)


def prompted(*names: str, **changes: Any) -> World:
    """Variants of the same price with a prompt each; calls go to the first."""
    variants = tuple(
        msgspec.structs.replace(PRICED, name=name, prompt=name, weight=float(name == names[0])) for name in names
    )
    endpoints = priced(*variants, operations=("chat", "messages", "responses"), **changes)
    return World([answers()] * 3, endpoints=endpoints, prompts=(SHORT, LONG), limits=limited(per(10_000, of="tokens")))


async def taken(world: World, body: dict[str, Any], *, path: str = CHAT) -> int:
    """Tokens that a call has reserved."""
    heard = await world.ask({"model": "chat", "max_tokens": 1, **body}, path=path)
    assert heard.status == 200
    return 10_000 - int(heard.headers["x-ratelimit-remaining-tokens"])


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
async def test_a_prompt_counts_like_the_rest_of_the_request(path: str) -> None:
    plain = await taken(prompted(""), {"messages": []}, path=path)
    short = prompted("p@v1")
    assert 100 <= await taken(short, {"messages": []}, path=path) - plain <= 115
    assert read_money(short.ledger.lines[0].reserved) >= 100 * CENT
    words = {"messages": [], "prompt_variables": {"word": "é" * 300}}
    filled = await taken(prompted("p@v2"), words, path=path)
    assert 700 <= filled - plain <= 730, "three times 600 bytes, and 300: the value itself is not sent"


async def test_the_longest_prompt_that_may_answer_is_reserved_and_one_that_cannot_be_filled_in_is_not() -> None:
    words = {"messages": [], "prompt_variables": {"word": "x" * 900}}
    alone = await taken(prompted("p@v1", "p@v2"), words)
    both = await taken(prompted("p@v1", "p@v2", fallback=("p@v2",)), words)
    assert both - alone > 600
    assert await taken(prompted("p@v1", "p@v2", fallback=("p@v2",)), {"messages": []}) < 150
    refused = await prompted("p@v2").ask({"model": "chat", "messages": []})
    assert (refused.status, refused.error["param"]) == (400, "prompt_variables.word")


@pytest.mark.parametrize(
    ("variant", "body", "held"),
    [
        ({}, {}, 500),
        ({}, {"max_tokens": 90, "n": 2}, 180),
        ({"context": 300}, {}, 300),
        ({"parameters": {"max_tokens": 70}}, {}, 70),
        ({"parameters": {"max_tokens": 70}}, {"max_tokens": 900}, 70),
        ({"parameters": {"max_tokens": 70}}, {"max_completion_tokens": 900}, 900),
        ({"parameters": {"temperature": 0}}, {}, 500),
    ],
)
async def test_an_answer_is_reserved_by_what_is_known_of_its_length(
    variant: dict[str, Any], body: dict[str, Any], held: int
) -> None:
    each = priced(msgspec.structs.replace(PRICED, price=Price(output=CENT), **variant))
    world = World([answers()], endpoints=each, limits=Limits(answer=500))
    assert (await world.ask({"model": "chat", "messages": [], **body})).status == 200
    assert read_money(world.ledger.lines[0].reserved) == held * CENT


async def test_a_translated_call_is_reserved_at_the_limit_that_is_sent() -> None:
    claude = ProviderEntry(
        name="vendor", kind="anthropic", base_urls=("http://upstream",), keys=("sk",), options={"max_tokens": "60"}
    )
    each = priced(msgspec.structs.replace(PRICED, price=Price(output=CENT)))
    answer = b'{"type":"message","content":[],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}'
    world = World([answers(answer)], endpoints=each, providers=(claude, snapshot().providers[1]))
    assert (await world.ask({"model": "chat", "messages": [{"role": "user", "content": "Hi"}]})).status == 200
    assert read_money(world.ledger.lines[0].reserved) == 60 * CENT


async def test_limits_outlive_a_new_snapshot() -> None:
    world = World([answers()], limits=limited(per(1)))
    assert (await world.ask()).status == 200
    world.gateway.apply(snapshot(serial=2, limits=limited(per(1))))
    assert (await world.ask()).status == 429


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.12, "120ms"), (1, "1s"), (59.2, "60s"), (61, "1m1s"), (360, "6m0s"), (86400, "24h0m0s")],
)
def test_durations_read_as_those_of_openai(seconds: float, text: str) -> None:
    found = duration(seconds).decode()
    assert found == ("1m0s" if text == "60s" else text)
