"""Questions that mean the same: who gets whose answer, what is never shared, and what the checks do."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.events import KeptChecked
from modelwright.core.contracts.snapshot import Caching, Endpoint, Semantic, Variant
from modelwright.core.ports.http import UpstreamRequest
from tests.unit.gateway.cache.test_policy import OTHER_KEY, keeping, keys, marks
from tests.unit.gateway.world import DONE, FINISH, KEY, ROLE, Heard, World, answers, chunk, streams

MEANINGS = {
    "How do I get my money back?": [1.0, 0.02, 0.0],
    "How can I get a refund?": [1.0, 0.0, 0.03],
    "What is the weather?": [0.0, 1.0, 0.0],
}
REFUND, MONEY, WEATHER = "How can I get a refund?", "How do I get my money back?", "What is the weather?"


def drawn(text: str) -> list[float]:
    """Of a text that means something of its own."""
    die = random.Random(text)
    return [die.gauss(0, 1) for _ in range(64)]


def semantic(**changes: Any) -> Endpoint:
    rule = Semantic(endpoint="vectors", threshold=0.95, **{"check": 0.0, **changes})
    return msgspec.structs.replace(keeping(), cache=Caching(ttl=60.0, semantic=rule))


def vectors() -> Endpoint:
    variant = Variant(name="only", provider="vendor", model="embedder")
    return msgspec.structs.replace(keeping(), name="vectors", variants=(variant,), cache=None)


class Upstream:
    """Embeds by the table above, and says what it is told to; counts both."""

    def __init__(self) -> None:
        self.said = "Within 30 days."
        self.questions: list[str] = []
        self.embedded: list[list[str]] = []
        self.broken = False

    def __call__(self, request: UpstreamRequest) -> Scripted:
        asked = msgspec.json.decode(request.body)
        if "input" in asked:
            return self._vectors(asked["input"])
        self.questions.append(asked["messages"][-1]["content"])
        if asked.get("stream"):
            return streams(ROLE, chunk(self.said), FINISH, DONE)
        choice = {"index": 0, "message": {"role": "assistant", "content": self.said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 4}
        return answers(msgspec.json.encode({"choices": [choice], "usage": usage}))

    def _vectors(self, texts: list[str]) -> Scripted:
        self.embedded.append(texts)
        if self.broken:
            return answers(b"{}", status=500)
        rows = [
            {"index": index, "embedding": [*MEANINGS[text], *[0.0] * 61] if text in MEANINGS else drawn(text)}
            for index, text in enumerate(texts)
        ]
        return answers(msgspec.json.encode({"data": rows, "model": "e", "usage": {"prompt_tokens": 3}}))


class Site(World):
    def __init__(self, **changes: Any) -> None:
        self.vendor = Upstream()
        super().__init__(self.vendor, endpoints=(semantic(**changes), vectors()), keys=keys())

    async def say(self, words: str, *, secret: str = KEY, before: tuple[str, ...] = (), **more: Any) -> Heard:
        messages = [{"role": "system", "content": one} for one in before]
        messages.append({"role": "user", "content": words})
        return await self.ask({"model": "chat", "messages": messages, **more}, secret=secret)

    def checks(self) -> list[KeptChecked]:
        return [event for event in self.events if isinstance(event, KeptChecked)]


def test_a_question_that_means_the_same_gets_the_same_answer() -> None:
    async def run() -> tuple[Site, list[Heard]]:
        site = Site()
        return site, [await site.say(words) for words in (REFUND, MONEY, WEATHER, REFUND)]

    site, heard = asyncio.run(run())
    assert marks(heard) == ["miss", "semantic", "miss", "hit"]
    assert heard[1].body == heard[0].body
    assert float(heard[1].headers["x-modelwright-similarity"]) > 0.99
    assert site.vendor.questions == [REFUND, WEATHER]
    assert site.vendor.embedded == [[REFUND], [MONEY], [WEATHER]]
    rows = {row.call: row for row in site.ledger.lines if row.outcome == "ok"}
    assert (rows["call-2"].cache, rows["call-2"].saved_tokens, rows["call-2"].attempts) == ("semantic", 9, 0)
    vector = rows["call-2.vector"]
    assert (vector.operation, vector.endpoint, vector.tenant, vector.input_tokens) == ("embeddings", "vectors", "t", 3)
    lanes = [lane for route in site.gateway.in_force().table.routes.values() for lane in route.lanes]
    assert {replica.in_flight for lane in lanes for replica in lane.replicas} == {0}


@pytest.mark.parametrize(
    "other",
    [
        {"secret": OTHER_KEY},
        {"before": ("Answer in Chinese.",)},
        {"temperature": 0.5},
        {"stream": True},
        {"tools": []},
        {"user": "somebody else"},
    ],
    ids=str,
)
def test_only_the_last_words_may_differ(other: dict[str, Any]) -> None:
    async def run() -> list[Heard]:
        site = Site()
        return [await site.say(REFUND), await site.say(MONEY, **other), await site.say(MONEY)]

    assert marks(asyncio.run(run())) == ["miss", "miss", "semantic"]


def test_a_stream_is_answered_by_a_stream() -> None:
    async def run() -> list[Heard]:
        site = Site()
        return [await site.say(words, stream=True) for words in (REFUND, MONEY)]

    first, again = asyncio.run(run())
    assert marks([first, again]) == ["miss", "semantic"]
    assert again.body == first.body


def test_without_a_vector_the_question_is_asked() -> None:
    async def run() -> tuple[Site, list[Heard]]:
        site = Site()
        site.vendor.broken = True
        return site, [await site.say(words) for words in (REFUND, MONEY, REFUND)]

    site, heard = asyncio.run(run())
    assert marks(heard) == ["miss", "miss", "hit"]
    assert [one.status for one in heard] == [200, 200, 200]
    assert {row.outcome for row in site.ledger.lines if row.operation == "embeddings"} == {"intent", "provider_error"}


def test_an_answer_that_is_gone_is_not_given() -> None:
    async def run() -> list[Heard]:
        site = Site()
        first = await site.say(REFUND)
        site.clock.advance(61.0)
        return [first, await site.say(MONEY), await site.say(REFUND)]

    assert marks(asyncio.run(run())) == ["miss", "miss", "semantic"]


def test_a_doubted_hit_is_asked_and_both_answers_are_compared() -> None:
    async def run(other: str) -> Site:
        site = Site(check=1.0)
        await site.say(REFUND)
        site.vendor.said = other
        heard = await site.say(MONEY)
        assert marks([heard]) == ["checked"]
        assert other in heard.body.decode()
        await asyncio.gather(*site.gateway.parts.meanings._tasks)
        return site

    same = asyncio.run(run("Within 30 days."))
    assert [(event.agreed, event.raised) for event in same.checks()] == [(True, False)]
    assert same.vendor.embedded == [[REFUND], [MONEY]]
    wrong = asyncio.run(run("Never ever, not in a hundred years, whatever you may say."))
    assert [(event.agreed, event.raised) for event in wrong.checks()] == [(False, True)]
    assert wrong.checks()[0].threshold == 0.975
    assert wrong.vendor.embedded[-1] == ["Within 30 days.", wrong.vendor.said]


def test_too_many_wrong_answers_raise_the_threshold_until_nothing_is_given() -> None:
    async def run() -> tuple[Site, list[str]]:
        site = Site(check=1.0)
        await site.say(REFUND)
        found: list[str] = []
        for number in range(20):
            site.vendor.said = f"Something else, number {number}, and much longer than the answer before."
            MEANINGS[f"{MONEY} {number}"] = [1.0, 0.02, 0.001 * number]
            found += marks([await site.say(f"{MONEY} {number}")])
            site.vendor.said = "No."
            await asyncio.gather(*site.gateway.parts.meanings._tasks)
        return site, found

    site, found = asyncio.run(run())
    assert found[0] == "checked"
    assert found[-1] == "miss"
    thresholds = [event.threshold for event in site.checks()]
    assert thresholds == sorted(thresholds)


def test_a_new_snapshot_keeps_what_was_learnt_and_a_new_threshold_begins_anew() -> None:
    async def run() -> list[str]:
        site = Site(check=1.0)
        await site.say(REFUND)
        site.vendor.said = "Never ever, not in a hundred years, whatever you may say."
        await site.say(MONEY)
        meanings = site.gateway.parts.meanings
        await asyncio.gather(*meanings._tasks)
        learnt = meanings.trial("chat", Semantic(endpoint="vectors", threshold=0.95)).threshold
        fresh = meanings.trial("chat", Semantic(endpoint="vectors", threshold=0.96)).threshold
        return [f"{learnt:.3f}", f"{fresh:.3f}"]

    assert asyncio.run(run()) == ["0.975", "0.960"]
