"""The cache beside guards and limits: a hit passes both like any other answer."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from modelwright.core.contracts.snapshot import Limit, Limits
from tests.unit.gateway.cache.test_flight import slow, together
from tests.unit.gateway.cache.test_policy import BODY, STREAM, WHOLE, asked, keeping, keys, marks
from tests.unit.gateway.world import DONE, FINISH, ROLE, World, answers, chunk, streams

ADDRESS = b"write to bob@example.com now"
SAID = WHOLE.replace(b"Hi", ADDRESS)
EVENTS = ROLE + chunk("write to bob@exam") + chunk("ple.com now") + FINISH + DONE


def world(*script: Any, guard: EndpointGuard | None = None, **changes: Any) -> World:
    return World(script, endpoints=(keeping(guard=guard),), keys=keys(), **changes)


def test_every_hit_passes_the_guard_again() -> None:
    masking = EndpointGuard(output=GuardSide(pii="mask"))
    site = world(answers(SAID), streams(EVENTS), guard=masking)
    heard = asked(site, BODY, BODY, STREAM, STREAM)
    assert marks(heard) == ["miss", "hit", "miss", "hit"]
    assert not [one for one in heard if b"example.com" in one.body]
    assert heard[1].body == heard[0].body
    assert heard[3].body.endswith(DONE)
    assert [row.outcome for row in site.ledger.lines].count("ok") == 4


def test_a_rule_that_comes_later_holds_for_what_was_kept_before() -> None:
    site = world(answers(SAID), streams(EVENTS))
    asked(site, BODY, STREAM)
    blocking = keeping(guard=EndpointGuard(output=GuardSide(pii="block")))
    site.gateway.apply(msgspec.structs.replace(site.gateway.in_force().table.snapshot, serial=2, endpoints=(blocking,)))
    whole, stream = asked(site, BODY, STREAM)
    assert whole.status >= 400
    assert b"example.com" not in whole.body + stream.body
    assert DONE not in stream.body


def test_an_answer_that_was_blocked_is_not_kept() -> None:
    site = world(answers(SAID), answers(WHOLE), guard=EndpointGuard(output=GuardSide(pii="block")))
    first, second = asked(site, BODY, BODY)
    assert first.status >= 400
    assert marks([second]) == ["miss"]


def test_followers_of_a_leader_whose_answer_is_blocked_are_blocked_too() -> None:
    site = world(slow(SAID), guard=EndpointGuard(output=GuardSide(pii="block")))
    heard = asyncio.run(together(site, 3))
    assert len({(one.status, one.error["code"]) for one in heard}) == 1
    assert len(site.upstream.requests) == 1


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["whole", "stream"])
def test_limits_count_a_hit_as_a_request_and_not_its_tokens(body: dict[str, Any]) -> None:
    limits = Limits(
        each=(
            Limit(by="key", of="requests", amount=4, per="hour"),
            Limit(by="key", of="tokens", amount=10**6, per="hour"),
        )
    )
    answer = streams(ROLE + chunk("Hi") + FINISH + DONE) if body is STREAM else answers(WHOLE)
    site = world(answer, limits=limits)
    heard = asked(site, *[body] * 5)
    assert marks(heard[:4]) == ["miss", "hit", "hit", "hit"]
    assert heard[4].status == 429
    left = [int(one.headers["x-ratelimit-remaining-tokens"]) for one in heard[1:4]]
    assert left[0] == left[1] == left[2]
