import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.contracts.guard import EndpointGuard, GuardSide, JudgeRule
from modelwright.core.errors.calls import GuardBlocked, GuardFailed, Overloaded
from modelwright.guards.guard import CallWatch, RuleGuard
from modelwright.guards.judging.judge import LONGEST, MOST_HELD
from modelwright.guards.judging.opinion import (
    INSTRUCTION,
    chat_opinion,
    chat_question,
    moderation_opinion,
    moderation_question,
)
from tests.unit.gateway.world import DONE, FINISH, ROLE, chunk

BY_CLASSIFIER = JudgeRule()


def moderation(*, flagged: bool, **scores: float) -> bytes:
    return json.dumps({"id": "m", "results": [{"flagged": flagged, "category_scores": scores}]}).encode()


def chat(content: Any) -> bytes:
    said = content if isinstance(content, str) else json.dumps(content)
    return json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": said}}]}).encode()


class Asked:
    """A judge that finds fault with texts that hold a word, and keeps what it was asked."""

    def __init__(self, word: str = "poison", *, error: Exception | None = None) -> None:
        self.texts: list[str] = []
        self._word = word
        self._error = error

    async def __call__(self, side: str, body: bytes) -> tuple[bytes, float]:
        if self._error is not None:
            raise self._error
        text = json.loads(body)["input"]
        self.texts.append(text)
        found = self._word in text
        return moderation(flagged=found, violence=0.9 if found else 0.1), 12.0


def watch(ask: Asked, *, output: GuardSide | None = None, **rules: Any) -> CallWatch:
    return RuleGuard(EndpointGuard(input=GuardSide(**rules), output=output or GuardSide())).watch("chat", ask)


def body(*contents: str) -> bytes:
    roles = ["system", *["user"] * len(contents)]
    return json.dumps(
        {
            "messages": [
                {"role": role, "content": text} for role, text in zip(roles, ["poison rules", *contents], strict=False)
            ]
        }
    ).encode()


def answer(text: str) -> bytes:
    return chat(text)


async def test_what_users_say_is_judged_together_and_masked_before() -> None:
    ask = Asked()
    seen = watch(ask, pii="mask", judge=BY_CLASSIFIER)
    await seen.question(body("hello bob@example.com", "and you?"))
    assert ask.texts == ["hello [EMAIL]\n\nand you?"]
    assert seen.verdicts == {"input.email": "mask:1", "input.judge": "pass:1 violence 0.10 12ms"}


async def test_a_bad_text_is_blocked_or_only_told_of() -> None:
    seen = watch(Asked(), judge=BY_CLASSIFIER)
    with pytest.raises(GuardBlocked, match="violence"):
        await seen.question(body("some poison"))
    assert seen.verdicts == {"input.judge": "block:1 violence 0.90 12ms"}
    seen = watch(Asked(), judge=JudgeRule(action="flag"))
    assert await seen.question(body("some poison")) == body("some poison")
    assert seen.verdicts == {"input.judge": "flag:1 violence 0.90 12ms"}


@pytest.mark.parametrize(("threshold", "bad"), [(0.95, False), (0.9, True), (0.05, True)])
async def test_a_threshold_decides_instead_of_the_judge(threshold: float, *, bad: bool) -> None:
    seen = watch(Asked(), judge=JudgeRule(action="flag", threshold=threshold))
    await seen.question(body("some poison"))
    assert seen.verdicts["input.judge"].startswith("flag" if bad else "pass")


@pytest.mark.parametrize("error", [Overloaded("busy"), ValueError("junk"), KeyError("defect")])
async def test_without_a_judgement_the_rule_decides(error: Exception) -> None:
    seen = watch(Asked(error=error), judge=BY_CLASSIFIER)
    with pytest.raises(GuardFailed):
        await seen.question(body("hello"))
    assert seen.verdicts == {"input.judge_failed": "block:1"}
    seen = watch(Asked(error=error), judge=JudgeRule(on_error="allow"))
    assert await seen.question(body("hello")) == body("hello")
    assert seen.verdicts == {"input.judge_failed": "allow:1"}


async def test_a_text_too_long_is_not_judged_in_part() -> None:
    ask = Asked()
    with pytest.raises(GuardFailed):
        await watch(ask, judge=BY_CLASSIFIER).question(body("x" * (LONGEST + 1)))
    assert ask.texts == []


async def test_whole_answers_are_judged() -> None:
    seen = watch(Asked(), output=GuardSide(judge=BY_CLASSIFIER))
    assert seen.looks_back
    assert await seen.answer(answer("fine")) == answer("fine")
    with pytest.raises(GuardBlocked):
        await seen.answer(answer("poison"))
    assert seen.verdicts == {"output.judge": "block:1 violence 0.90 12ms"}


async def test_answers_on_every_wire_are_judged() -> None:
    for said in (
        {"content": [{"type": "text", "text": "poison"}], "role": "assistant"},
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "poison"}]}]},
        {"choices": [{"index": 0, "text": "poison"}]},
    ):
        with pytest.raises(GuardBlocked):
            await watch(Asked(), output=GuardSide(judge=BY_CLASSIFIER)).answer(json.dumps(said).encode())


async def test_an_event_that_cannot_be_read_is_judged_as_it_stands() -> None:
    seen = watch(Asked(), output=GuardSide(judge=BY_CLASSIFIER))
    with pytest.raises(GuardBlocked):
        await seen.weighed(b"data: poison\n\n", last=True)


async def streamed(seen: CallWatch, pieces: Sequence[str]) -> str:
    """What left before the stream was stopped."""
    events = [ROLE, *map(chunk, pieces), FINISH, DONE]
    left = b""
    for event in events:
        try:
            left += await seen.weighed(seen.events(event), last=event is DONE)
        except GuardBlocked:
            break
    said = [json.loads(line[6:]) for line in left.decode().splitlines() if line.startswith("data: {")]
    return "".join(each["choices"][0]["delta"].get("content", "") for each in said if each["choices"])


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 90), min_size=1, max_size=40), at=st.integers(0, 500), piece=st.integers(50, 200))
def test_nothing_of_a_bad_word_leaves_a_stream_however_it_is_cut(sizes: list[int], at: int, piece: int) -> None:
    text = ("fine " * 200)[:at] + "poison" + " and so on" * 40
    pieces, start = [], 0
    for size in sizes:
        pieces.append(text[start : start + size])
        start += size
    pieces.append(text[start:])
    ask = Asked()
    seen = watch(ask, output=GuardSide(judge=JudgeRule(piece=piece)))
    left = asyncio.run(streamed(seen, pieces))
    assert "poison" not in left
    assert text.startswith(left)
    assert all(len(each) <= len(text) for each in ask.texts)


async def test_a_good_stream_leaves_whole_in_pieces() -> None:
    ask = Asked()
    seen = watch(ask, output=GuardSide(judge=JudgeRule(piece=100)))
    pieces = [f"word{number} " for number in range(100)]
    assert await streamed(seen, pieces) == "".join(pieces)
    assert 5 <= len(ask.texts) <= 10
    assert seen.verdicts["output.judge"].startswith("pass:")


async def test_a_stream_that_is_only_flagged_waits_for_nobody() -> None:
    ask = Asked()
    seen = watch(ask, output=GuardSide(judge=JudgeRule(action="flag")))
    assert await seen.weighed(seen.events(chunk("poison")), last=False) == chunk("poison")
    assert ask.texts == []
    await seen.weighed(seen.events(DONE), last=True)
    assert ask.texts == ["poison"]
    assert seen.verdicts["output.judge"].startswith("flag:1")


async def test_events_that_wait_are_bounded() -> None:
    ask = Asked()
    seen = watch(ask, output=GuardSide(judge=JudgeRule(piece=8000)))
    held = 0
    padded = b'data: {"choices":[{"index":0,"delta":{"content":"x"}}],"pad":"' + b"y" * 4000 + b'"}\n\n'
    for _ in range(MOST_HELD // 4000 + 2):
        held += len(padded)
        held -= len(await seen.weighed(seen.events(padded), last=False))
        assert held <= MOST_HELD + len(padded)
    assert ask.texts


def test_the_instruction_stands_before_marks_that_only_this_text_has() -> None:
    texts = ["hello", "hello ", "<<0>> <</0>>"]
    marks = set()
    for text in texts:
        asked = json.loads(chat_question(text, model="safety"))
        system, user = asked["messages"]
        first, *middle, last = user["content"].split("\n")
        assert "\n".join(middle) == text
        assert first[2:-2] == last[3:-2]
        assert first in system["content"]
        assert first[2:-2] not in text
        assert asked["response_format"]["json_schema"]["strict"]
        assert (asked["model"], asked["temperature"]) == ("safety", 0)
        marks.add(first)
    assert len(marks) == len(texts)
    assert "data" in INSTRUCTION
    assert json.loads(moderation_question("a", model="m")) == {"model": "m", "input": "a"}


@pytest.mark.parametrize(
    "said",
    [
        "",
        "not flagged",
        '```json\n{"flagged": false, "category": "none", "score": 0}\n```',
        {"flagged": False, "category": "none"},
        {"flagged": "no", "category": "none", "score": 0},
        {"flagged": False, "category": "none", "score": 7},
        {"flagged": False, "category": "fine", "score": 0},
        {"flagged": False, "category": "none", "score": 0, "and": "more"},
        '{"flagged": false, "category": "none", "score": 0} {"flagged": true}',
    ],
)
def test_an_answer_that_is_no_opinion_is_refused(said: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        chat_opinion(chat(said))


@pytest.mark.parametrize(
    "said", [b"", b"[]", b'{"results":[]}', b'{"results":[{}]}', b'{"results":[{"flagged":1}]}', b'{"choices":[]}']
)
def test_an_answer_that_is_no_moderation_is_refused(said: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        moderation_opinion(said)


def test_opinions_are_read() -> None:
    judged = chat_opinion(chat({"flagged": True, "category": "injection", "score": 0.75}))
    assert (judged.flagged, judged.category, judged.score) == (True, "injection", 0.75)
    judged = moderation_opinion(moderation(flagged=True, **{"self-harm/intent": 0.5, "hate": 0.2}))
    assert (judged.flagged, judged.category, judged.score) == (True, "self-harm/intent", 0.5)
    assert moderation_opinion(moderation(flagged=True, **{"two words": 0.5})).category == "other"
    bare = moderation_opinion(b'{"results":[{"flagged":false},{"flagged":true}]}')
    assert (bare.flagged, bare.category, bare.score) == (True, "other", 1.0)
