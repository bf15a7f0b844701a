"""The cache policy in a whole gateway: what is given again, to whom, and what never is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.snapshot import Caching, Endpoint, Key, Price, Variant
from modelwright.core.keys import compose_key, key_digest
from modelwright.core.ports.http import UpstreamRequest
from tests.unit.gateway.world import (
    DONE,
    FINISH,
    KEY,
    KEY_ID,
    PEPPER,
    ROLE,
    USAGE,
    Heard,
    World,
    answers,
    chunk,
    snapshot,
    streams,
)

WHOLE = (
    b'{"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":3,"completion_tokens":4}}'
)
BODY = {"model": "chat", "messages": [{"role": "user", "content": "Hi"}]}
STREAM = {**BODY, "stream": True}
WITH_USAGE = {**STREAM, "stream_options": {"include_usage": True}}
EVENTS = ROLE + chunk("Hello") + chunk(" wörld") + FINISH
OTHER_ID, OTHER_KEY = compose_key(bytes(range(29)))


def keeping(**changes: Any) -> Endpoint:
    return msgspec.structs.replace(snapshot().endpoints[0], cache=Caching(ttl=60.0), **changes)


def keys() -> tuple[Key, ...]:
    return (
        Key(id=KEY_ID, digest=key_digest(PEPPER, KEY), tenant="t"),
        Key(id=OTHER_ID, digest=key_digest(PEPPER, OTHER_KEY), tenant="other"),
    )


def world(*script: Scripted, endpoint: Endpoint | None = None) -> World:
    return World(script, endpoints=(endpoint or keeping(),), keys=keys())


def asked(site: World, *bodies: Any, **options: Any) -> list[Heard]:
    async def each() -> list[Heard]:
        return [await site.ask(body, **options) for body in bodies]

    return asyncio.run(each())


def marks(heard: Sequence[Heard]) -> list[str]:
    return [one.headers.get("x-modelwright-cache", "") for one in heard]


def test_the_same_question_is_answered_again_and_nobody_is_asked() -> None:
    site = world(answers(WHOLE))
    first, again = asked(site, BODY, BODY)
    assert marks([first, again]) == ["miss", "hit"]
    assert (again.status, again.body) == (200, WHOLE)
    assert again.headers["content-type"] == "application/json"
    assert (again.headers["age"], again.headers["x-modelwright-variant"]) == ("0", "main")
    assert len(site.upstream.requests) == 1


def test_a_hit_has_a_row_of_its_own_that_says_what_it_saved() -> None:
    site = world(answers(WHOLE))
    asked(site, BODY, BODY)
    assert site.outcomes() == ["intent", "ok", "ok"]
    _, miss, hit = site.ledger.lines
    assert (miss.cache, miss.input_tokens, miss.output_tokens, miss.attempts) == ("miss", 3, 4, 1)
    assert (hit.cache, hit.input_tokens, hit.output_tokens, hit.attempts) == ("hit", 0, 0, 0)
    assert (hit.saved_tokens, miss.saved_tokens) == (7, None)
    assert hit.call != miss.call


def test_a_hit_costs_nothing_and_saves_what_the_answer_had_cost() -> None:
    priced = Variant(name="main", provider="vendor", model="theirs", price=Price(input=3, output=5, request=7))
    site = world(answers(WHOLE), endpoint=keeping(variants=(priced,)))
    asked(site, BODY, BODY)
    _, miss, hit = site.ledger.lines
    assert (miss.cost, miss.saved, miss.currency) == ("0.000000000036", None, "USD")
    assert (hit.cost, hit.saved, hit.currency) == ("0", "0.000000000036", "USD")


def test_an_endpoint_that_does_not_ask_keeps_nothing() -> None:
    site = World([answers(WHOLE), answers(WHOLE)])
    assert marks(asked(site, BODY, BODY)) == ["", ""]
    assert site.ledger.lines[-1].cache == ""
    assert len(site.cache) == 0


def test_another_tenant_asks_anew() -> None:
    site = world(answers(WHOLE), answers(WHOLE.replace(b"Hi", b"Ho")))
    (mine,) = asked(site, BODY)
    theirs, again = asked(site, BODY, BODY, secret=OTHER_KEY)
    assert marks([mine, theirs, again]) == ["miss", "miss", "hit"]
    assert again.body == theirs.body != mine.body


def test_who_comes_without_a_key_gets_no_answer_of_a_tenant() -> None:
    site = World(
        [answers(WHOLE)] * 2,
        endpoints=(keeping(),),
        keys=tuple(msgspec.structs.replace(key, tenant="default") for key in keys()),
        auth="optional",
    )
    (mine,) = asked(site, BODY)
    stranger, another = asked(site, BODY, BODY, secret="", headers={"authorization": ""})
    assert marks([mine, stranger, another]) == ["miss", "miss", "hit"]
    assert {row.tenant for row in site.ledger.lines} == {"default"}


def test_an_answer_grows_old() -> None:
    site = world(answers(WHOLE), answers(WHOLE))
    asked(site, BODY)
    site.clock.advance(59.0)
    (hit,) = asked(site, BODY)
    assert (marks([hit]), hit.headers["age"]) == (["hit"], "59")
    site.clock.advance(1.0)
    assert marks(asked(site, BODY)) == ["miss"]


@pytest.mark.parametrize(
    ("header", "found", "kept"),
    [
        ("no-store", "bypass", False),
        ("no-cache", "bypass", True),
        ("max-age=9", "miss", True),
        ("max-age=11", "hit", True),
        ("no-store, max-age=11", "bypass", False),
    ],
)
def test_the_client_has_its_way(header: str, found: str, kept: bool) -> None:  # noqa: FBT001
    other = WHOLE.replace(b"Hi", b"Ho")
    site = world(answers(WHOLE), answers(other))
    asked(site, BODY)
    site.clock.advance(10.0)
    (heard,) = asked(site, BODY, headers={"cache-control": header})
    assert marks([heard]) == [found]
    assert heard.body == (WHOLE if found == "hit" else other)
    assert site.ledger.lines[-1].cache == found
    (after,) = asked(site, BODY)
    assert marks([after]) == ["hit"]
    assert after.body == (other if kept and found != "hit" else WHOLE)


@pytest.mark.parametrize(
    "answer",
    [
        answers(b'{"error":{"message":"no"}}', status=400),
        answers(b'{"error":{"message":"no"}}', status=500),
        answers(b'{"error":{"message":"no"}}', status=429),
        answers(b'{"error":{"message":"no"}}'),
        answers(b"{}"),
        answers(b'{"choices":[]}'),
        answers(WHOLE.replace(b'"stop"', b"null")),
        answers(WHOLE.replace(b'"stop"', b'"content_filter"')),
        answers(WHOLE.replace(b'"stop"', b'"length"')),
        Scripted(headers=((b"content-type", b"application/json"),), pieces=(WHOLE[:40],), whole=False),
    ],
    ids=lambda answer: f"{answer.status} {answer.pieces[0][:60]!r}",
)
def test_only_a_complete_success_is_kept(answer: Scripted) -> None:
    site = world(answer, answers(WHOLE))
    first, second = asked(site, BODY, BODY)
    assert marks([second]) == ["miss"]
    assert second.body == WHOLE != first.body
    assert len(site.upstream.requests) == 2


def test_an_answer_that_the_requests_own_limit_ended_is_kept() -> None:
    site = world(answers(WHOLE.replace(b'"stop"', b'"length"')))
    assert marks(asked(site, *[{**BODY, "max_tokens": 2}] * 2)) == ["miss", "hit"]


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("then_asks", [False, True])
def test_a_stream_is_given_again_as_a_stream(asks: bool, then_asks: bool) -> None:  # noqa: FBT001
    site = world(streams(EVENTS + USAGE + DONE))
    first, again = asked(site, WITH_USAGE if asks else STREAM, WITH_USAGE if then_asks else STREAM)
    assert marks([first, again]) == ["miss", "hit"]
    assert again.headers["content-type"] == "text/event-stream"
    assert again.body.startswith(EVENTS)
    assert again.body.endswith(DONE)
    assert again.ended
    counted = b'"prompt_tokens":3,"completion_tokens":4' in again.body
    assert counted == then_asks
    if asks == then_asks:
        assert again.body == first.body
    row = site.ledger.lines[-1]
    assert (row.outcome, row.cache, row.stream, row.saved_tokens) == ("ok", "hit", True, 7)
    assert (row.chunks, row.bytes_out) == (4 + then_asks, len(again.body))


def test_a_stream_and_a_whole_answer_are_two_answers() -> None:
    site = world(answers(WHOLE), streams(EVENTS + DONE))
    assert marks(asked(site, BODY, STREAM, BODY, STREAM)) == ["miss", "miss", "hit", "hit"]


def test_a_stream_that_was_asked_for_and_came_whole_is_not_kept() -> None:
    site = world(answers(WHOLE), streams(EVENTS + DONE))
    assert marks(asked(site, STREAM, STREAM, STREAM)) == ["miss", "miss", "hit"]


@given(st.integers(0, len(EVENTS + USAGE + DONE) - 2))
def test_a_stream_that_was_cut_anywhere_is_not_kept(end: int) -> None:
    site = world(streams((EVENTS + USAGE + DONE)[:end], whole=False), streams(EVENTS + DONE))
    assert marks(asked(site, STREAM, STREAM))[1] == "miss"


def test_a_stream_whose_client_left_is_not_kept() -> None:
    async def leave() -> World:
        site = world(streams(ROLE, chunk("Hello"), 5.0, FINISH, DONE), streams(EVENTS + DONE), endpoint=patient())
        gone = asyncio.Event()

        async def part() -> None:
            gone.set()
            site.clock.advance(1.0)

        await site.ask(STREAM, leave=gone, on_part=part)
        assert marks([await site.ask(STREAM)]) == ["miss"]
        return site

    assert asyncio.run(leave()).outcomes() == ["intent", "client_disconnect", "intent", "ok"]


def patient() -> Endpoint:
    return keeping(timeouts=msgspec.structs.replace(keeping().timeouts, first_token=900.0, idle=900.0))


def test_a_body_that_can_be_read_in_two_ways_passes_by() -> None:
    body = b'{"model":"chat","messages":[],"messages":[{"role":"user","content":"Hi"}]}'
    site = world(answers(WHOLE), answers(WHOLE))
    assert marks(asked(site, body, body)) == ["bypass", "bypass"]
    assert len(site.cache) == 0


def test_each_variant_has_its_own_answers() -> None:
    variants = tuple(Variant(name=name, provider="vendor", model=name) for name in ("a", "b"))
    both = keeping(variants=variants, split_by="user")

    def answer(request: UpstreamRequest) -> Scripted:
        return answers(WHOLE.replace(b"Hi", msgspec.json.decode(request.body)["model"].encode()))

    endpoint = msgspec.structs.replace(both, cache=Caching(ttl=60.0, ignore=("user",)))
    site = World(answer, endpoints=(endpoint,), keys=keys())
    bodies = [{**BODY, "user": f"u{number}"} for number in range(40)]
    heard = asked(site, *bodies)
    assert len(site.upstream.requests) == 2
    assert sorted(set(marks(heard))) == ["hit", "miss"]
    for one in heard:
        content = msgspec.json.decode(one.body)["choices"][0]["message"]["content"]
        assert content == one.headers["x-modelwright-variant"]


def test_a_new_release_or_another_model_begins_anew() -> None:
    site = world(*[answers(WHOLE)] * 3)
    assert marks(asked(site, BODY, BODY)) == ["miss", "hit"]
    site.gateway.apply(snapshot(serial=2, endpoints=(keeping(),), keys=keys(), release="sha256:other"))
    assert marks(asked(site, BODY, BODY)) == ["miss", "hit"]
    bigger = keeping(variants=(Variant(name="main", provider="vendor", model="bigger"),))
    site.gateway.apply(snapshot(serial=3, endpoints=(bigger,), keys=keys()))
    assert marks(asked(site, BODY, BODY)) == ["miss", "hit"]


def test_kept_answers_outlive_a_snapshot_that_changes_none_of_them() -> None:
    site = world(answers(WHOLE))
    asked(site, BODY)
    site.gateway.apply(snapshot(serial=2, endpoints=(keeping(),), keys=keys(), max_in_flight=9))
    assert marks(asked(site, BODY)) == ["hit"]


def test_no_room_means_no_answers() -> None:
    site = World([answers(WHOLE)] * 2, endpoints=(keeping(),), keys=keys(), cache_bytes=1)
    assert marks(asked(site, BODY, BODY)) == ["miss", "miss"]
