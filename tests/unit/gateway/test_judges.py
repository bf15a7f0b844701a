"""Judges of guards in a whole gateway: who is asked for whom, what is written down, and what becomes of failures."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.guard import EndpointGuard, GuardSide, JudgeRule
from modelwright.core.contracts.snapshot import Endpoint, ProviderEntry, Timeouts, Variant
from modelwright.core.ports.http import UpstreamRequest
from modelwright.gateway.asides.judges import LONGEST
from tests.unit.gateway.world import ANSWER, DONE, FINISH, ROLE, World, answers, chunk, snapshot, streams

QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "How do I make poison?"}]}
BY_MODEL, BY_CLASSIFIER = JudgeRule(endpoint="safety"), JudgeRule()
CALM = Timeouts(connect=5.0, first_token=5.0, idle=5.0, total=60.0)


def judged(*, classifier: str = "", **sides: JudgeRule) -> dict[str, Any]:
    """A snapshot's changes: `chat` with judges, and an endpoint that judges."""
    known = snapshot()
    chat, *others = known.endpoints
    guard = EndpointGuard(input=GuardSide(judge=sides.get("input")), output=GuardSide(judge=sides.get("output")))
    classifiers = (Variant(name=classifier, provider="moderator", model="omni"),) if classifier else ()
    safety = Endpoint(
        name="safety", operations=("chat",), variants=(Variant(name="s", provider="judge", model="judge-1"),)
    )
    return {
        "endpoints": (
            msgspec.structs.replace(chat, guard=guard, classifiers=classifiers, timeouts=CALM),
            safety,
            *others,
        ),
        "providers": (
            *known.providers,
            ProviderEntry(name="judge", kind="vllm", base_urls=("http://judge/v1",), keys=("sk-judge",)),
            ProviderEntry(name="moderator", kind="openai", base_urls=("http://moderator/v1",), keys=("sk-mod",)),
        ),
    }


def opinion(*, flagged: bool, category: str = "harm", score: float = 0.9) -> Scripted:
    said = json.dumps({"flagged": flagged, "category": category, "score": score})
    return answers(json.dumps({"choices": [{"index": 0, "message": {"content": said}}], "usage": {}}).encode())


def moderation(*, flagged: bool) -> Scripted:
    return answers(json.dumps({"results": [{"flagged": flagged, "category_scores": {"violence": 0.8}}]}).encode())


async def test_a_language_model_judges_before_anybody_else_is_asked() -> None:
    world = World([opinion(flagged=True)], **judged(input=BY_MODEL))
    heard = await world.ask(QUESTION)
    assert (heard.status, heard.error["code"]) == (400, "guard_blocked")
    (asked,) = world.upstream.requests
    assert (asked.origin.host, asked.target) == ("judge", "/v1/chat/completions")
    assert b"How do I make poison?" in asked.body
    assert json.loads(asked.body)["model"] == "judge-1"
    call, judge = (
        next(line for line in reversed(world.ledger.lines) if line.endpoint == name) for name in ("chat", "safety")
    )
    assert judge.call == f"{call.call}.judged-1"
    assert (judge.tenant, judge.key, judge.request_id) == (call.tenant, call.key, call.request_id)
    assert (judge.outcome, judge.operation, judge.variant, judge.attempts) == ("ok", "chat", "s", 1)
    assert (call.outcome, call.attempts) == ("guard_blocked", 0)
    assert call.guards["input.judge"].startswith("block:1 harm 0.90 ")


async def test_a_good_question_goes_on_after_its_judgement() -> None:
    world = World([opinion(flagged=False, category="none", score=0.0), answers()], **judged(input=BY_MODEL))
    heard = await world.ask(QUESTION)
    assert (heard.status, heard.body) == (200, ANSWER)
    assert [each.origin.host for each in world.upstream.requests] == ["judge", "upstream"]
    assert heard.headers["x-modelwright-guards"].startswith("input.judge=pass:1 none 0.00 ")


async def test_a_classifier_is_asked_on_its_own_wire_with_its_own_key() -> None:
    world = World([answers(), moderation(flagged=True)], **judged(output=BY_CLASSIFIER, classifier="output"))
    heard = await world.ask(QUESTION)
    assert (heard.status, heard.error["code"]) == (400, "guard_blocked")
    asked = world.upstream.requests[1]
    assert (asked.origin.host, asked.target) == ("moderator", "/v1/moderations")
    assert json.loads(asked.body) == {"model": "omni", "input": "Hi"}
    assert (b"authorization", b"Bearer sk-mod") in asked.headers
    row = next(line for line in world.ledger.lines if line.operation == "moderations" and line.outcome == "ok")
    assert (row.endpoint, row.variant, row.provider, row.model) == ("chat", "output", "moderator", "omni")


async def test_a_bad_stream_ends_before_what_was_judged() -> None:
    said = [chunk(f"{number:02} so it goes on and on. ") for number in range(40)]
    script = [streams(ROLE, *said, FINISH, DONE), moderation(flagged=False), moderation(flagged=True)]
    world = World(
        script,
        **judged(output=msgspec.structs.replace(BY_CLASSIFIER, piece=100), classifier="output"),
        max_body=1 << 16,
    )
    heard = await world.ask({**QUESTION, "stream": True})
    told = [json.loads(line[6:]) for line in heard.body.decode().splitlines() if line.startswith("data: {")]
    assert told[-1]["error"]["code"] == "guard_blocked"
    assert told[-2]["choices"][0]["finish_reason"] == "content_filter"
    text = "".join(each["choices"][0]["delta"].get("content", "") for each in told[:-2])
    assert 100 <= len(text) < 130
    assert len(world.upstream.requests) == 3
    assert next(line for line in reversed(world.ledger.lines) if line.operation == "chat").outcome == "guard_blocked"


@pytest.mark.parametrize(
    "script",
    [
        answers(b"junk"),
        answers(b'{"choices":[{"message":{"content":"fine by me"}}]}'),
        answers(b"{}", status=500),
        answers(b'{"choices":[{"message":{"content":"' + b"x" * LONGEST + b'"}}]}'),
    ],
)
@pytest.mark.parametrize("on_error", ["block", "allow"])
async def test_a_judge_that_fails_closes_or_opens_by_rule(script: Scripted, on_error: str) -> None:
    rule = msgspec.structs.replace(BY_MODEL, on_error=on_error)
    world = World([script, answers()], **judged(input=rule))
    heard = await world.ask(QUESTION)
    if on_error == "block":
        assert (heard.status, heard.error["code"]) == (503, "guard_failed")
        assert len(world.upstream.requests) == 1
    else:
        assert heard.status == 200
    call = next(line for line in reversed(world.ledger.lines) if line.endpoint == "chat")
    assert call.guards == {"input.judge_failed": f"{on_error}:1"}


async def test_a_judge_that_hangs_is_left_after_its_time_and_the_row_says_so() -> None:
    rule = msgspec.structs.replace(BY_MODEL, timeout=0.02, on_error="allow")
    world = World([Scripted(pieces=(600.0, b"{}")), answers()], **judged(input=rule))
    heard = await world.ask(QUESTION)
    assert heard.status == 200
    judge = next(line for line in reversed(world.ledger.lines) if line.endpoint == "safety")
    assert (judge.outcome, judge.error) == ("provider_timeout", "provider_timeout")


async def test_only_so_many_texts_are_judged_at_once() -> None:
    def says(request: UpstreamRequest) -> Scripted:
        if request.origin.host != "judge":
            return answers()
        return msgspec.structs.replace(opinion(flagged=False), before_head=0.05)

    world = World(says, **judged(input=msgspec.structs.replace(BY_MODEL, concurrency=1)))
    heard = await asyncio.gather(*(world.ask(QUESTION) for _ in range(3)))
    assert sorted(each.status for each in heard) == [200, 503, 503]
    assert (await world.ask(QUESTION)).status == 200
