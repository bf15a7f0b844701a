import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from modelwright.core.errors.calls import GuardBlocked
from modelwright.guards.guard import RuleGuard
from modelwright.guards.stream import TEXTS
from tests.unit.guards.findings import CARD, EXAMPLES

DONE = b"data: [DONE]\n\n"


def watch(action: str = "mask") -> Any:
    return RuleGuard(EndpointGuard(output=GuardSide(pii=action))).watch("chat")


def event(*choices: dict[str, Any], **more: Any) -> bytes:
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": choices, **more}).encode() + b"\n\n"


def says(text: str, *, index: int = 0, **more: Any) -> bytes:
    return event({"index": index, "delta": {"content": text}, "finish_reason": None, **more})


def calls(arguments: str, *, call: int = 0, **more: Any) -> bytes:
    function = {"index": call, "function": {"arguments": arguments}, **more}
    return event({"index": 0, "delta": {"tool_calls": [function]}, "finish_reason": None})


def ends(reason: str = "stop", *, index: int = 0) -> bytes:
    return event({"index": index, "delta": {}, "finish_reason": reason})


def read(out: bytes) -> list[Any]:
    found = [part.removeprefix(b"data: ") for part in out.split(b"\n\n") if part.startswith(b"data: ")]
    return [part if part == b"[DONE]" else json.loads(part) for part in found]


def joined(events: Sequence[Any], key: str = "content", *, index: int = 0) -> str:
    """A client's view of one text."""
    text = ""
    for each in events:
        for choice in each["choices"] if isinstance(each, dict) else ():
            delta = choice.get("delta", {})
            if choice["index"] == index:
                calls_ = delta.get("tool_calls", [])
                text += (
                    "".join(call["function"].get("arguments", "") for call in calls_)
                    if key == "arguments"
                    else (delta.get(key) or "")
                )
    return text


@pytest.mark.parametrize(("text", "masked"), EXAMPLES)
def test_it_makes_no_difference_where_the_chunks_are_cut(text: str, masked: str) -> None:
    for at in range(len(text) + 1):
        seen = watch()
        out = b"".join(map(seen.events, [says(text[:at]), says(text[at:]), ends(), DONE]))
        events = read(out)
        assert joined(events) == masked
        assert [choice["finish_reason"] for each in events[:-1] for choice in each["choices"]][-1] == "stop"
        assert events[-1] == b"[DONE]"


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(st.sampled_from([text for text, _ in EXAMPLES]), max_size=3), cuts=st.lists(st.integers(0, 300)))
def test_any_chunks_give_what_the_whole_answer_gives(texts: list[str], cuts: list[int]) -> None:
    text = " ".join(texts)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    chunks = [says(text[start:end]) for start, end in pairwise(places)]
    apart, at_once = watch(), watch()
    assert joined(read(b"".join(map(apart.events, [*chunks, ends(), DONE])))) == joined(
        read(at_once.events(says(text) + ends() + DONE))
    )
    assert apart.verdicts == at_once.verdicts


def test_choices_and_tool_calls_are_texts_of_their_own() -> None:
    seen = watch()
    chunks = [
        says("4111 1111 ", index=0), says("4111 1111 ", index=1), says("1111 1111", index=0),
        says("2222 2222", index=1), calls('{"n": 4111', id="1", type="function"), calls('{"to": "a@', call=1),
        calls("111111111111}"), calls('b.io"}', call=1),
        ends(index=0), ends(index=1), DONE,
    ]  # fmt: skip
    events = read(b"".join(map(seen.events, chunks)))
    assert joined(events) == "[CARD]"
    assert joined(events, index=1) == "4111 1111 2222 2222"
    called: dict[int, str] = {}
    for each in events[:-1]:
        for choice in each["choices"]:
            for call in choice["delta"].get("tool_calls", []):
                called[call["index"]] = called.get(call["index"], "") + call["function"].get("arguments", "")
    assert called == {0: '{"n": "[CARD]"}', 1: '{"to": "[EMAIL]"}'}


def test_events_that_need_no_change_leave_as_they_came() -> None:
    seen = watch()
    role = event({"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
    usage = b'data: {"id":"c","choices":[],"usage":{"total_tokens":1}}\n\n'
    for each in (role, says("hello, "), b": keep-alive\n\n", usage, DONE):
        assert seen.events(each) == each


def test_an_event_whose_text_waits_is_not_sent() -> None:
    seen = watch()
    assert seen.events(says("bob@exam")) == b""
    assert joined(read(seen.events(says("ple.com ")))) == "[EMAIL] "


@pytest.mark.parametrize("last", [DONE, b'data: {"error": {"message": "cut"}}\n\n'])
def test_what_waited_comes_before_the_end_however_it_ends(last: bytes) -> None:
    seen = watch()
    assert seen.events(says("the e")) != b""
    out = seen.events(last)
    assert joined(read(out)[:1]) == "e"
    assert out.endswith(last)


def test_completions_are_streams_of_text() -> None:
    seen = RuleGuard(EndpointGuard(output=GuardSide(pii="mask"))).watch("completions")
    chunks = [
        event({"index": 0, "text": "a@b", "finish_reason": None}),
        event({"index": 0, "text": ".io", "finish_reason": "stop"}),
    ]
    events = read(b"".join(map(seen.events, [*chunks, DONE])))
    assert "".join(choice["text"] for each in events[:-1] for choice in each["choices"]) == "[EMAIL]"


def test_logprobs_do_not_spell_out_what_is_masked() -> None:
    out = read(watch().events(says("hello ", logprobs={"content": [{"token": "hello "}]})))
    assert out[0]["choices"][0]["logprobs"] is None


def test_flagging_holds_nothing_back() -> None:
    seen = watch("flag")
    chunks = [says("bob@exam"), says("ple.com "), ends(), DONE]
    assert [seen.events(chunk) for chunk in chunks] == chunks
    assert seen.verdicts == {"output.email": "flag:1"}


def test_a_blocked_stream_has_sent_nothing_of_it_and_ends_by_the_filter() -> None:
    seen = watch("block")
    out = seen.events(says("pay 4111 1111"))
    assert joined(read(out)) == "pay "
    with pytest.raises(GuardBlocked) as caught:
        seen.events(says(" 1111 1111 now"))
    assert caught.value.param == "choices[0].delta.content" or "choices" in (caught.value.param or "")
    (last,) = read(seen.stopped())
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]
    assert CARD not in str(caught.value)


def test_what_came_together_with_a_blocked_event_but_before_it_has_left() -> None:
    seen = watch("block")
    with pytest.raises(GuardBlocked):
        seen.events(says("fine ") + says("a@b.io "))
    assert joined(read(seen.stopped())) == "fine "


def test_a_stream_carries_a_bounded_number_of_texts() -> None:
    seen = watch()
    seen.events(b"".join(says("x", index=index) for index in range(TEXTS)))
    with pytest.raises(ValueError, match="more than"):
        seen.events(says("x", index=TEXTS))
