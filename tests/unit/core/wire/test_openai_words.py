from typing import Any

import msgspec
import pytest

from modelwright.core.wire.openai_words import last_question, words_of

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi?"}]


def test_the_last_question_stands_apart_from_what_is_around_it() -> None:
    found = last_question(msgspec.json.encode(ASKED))
    assert found is not None
    assert found.words == "Hi?"
    assert found.before == [b'{"role":"system","content":"Be brief."}', b'{"role":"user"}']


@pytest.mark.parametrize(
    "messages",
    [
        [],
        {},
        None,
        [7],
        [{"role": "user"}],
        [{"content": "Hi?"}],
        [{"role": "assistant", "content": "Hi"}],
        [{"role": "tool", "content": "7"}],
        [{"role": "user", "content": "  "}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": [{"type": "text", "text": "Hi?"}]}],
    ],
)
def test_anything_but_a_users_words_is_no_question(messages: Any) -> None:
    assert last_question(msgspec.json.encode(messages)) is None


def event(**delta: Any) -> bytes:
    return b"data: " + msgspec.json.encode({"choices": [{"index": 0, "delta": delta}]}) + b"\n\n"


def test_the_words_of_an_answer_and_of_its_stream_are_the_same() -> None:
    whole = msgspec.json.encode({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}}]})
    events = event(role="assistant", content="") + event(content="Hel") + event(content="lo") + event()
    assert words_of(whole, stream=False) == words_of(events, stream=True) == "Hello"


@pytest.mark.parametrize(
    "message",
    [
        {"content": None},
        {"content": ""},
        {"tool_calls": [{"id": "a"}], "content": "a"},
        {"refusal": "no", "content": "a"},
    ],
)
def test_an_answer_that_is_more_than_words_is_not_compared(message: dict[str, Any]) -> None:
    assert words_of(msgspec.json.encode({"choices": [{"index": 0, "message": message}]}), stream=False) is None
    assert words_of(event(**message), stream=True) is None


def test_several_choices_are_not_compared() -> None:
    choices = [{"index": index, "message": {"content": "a"}} for index in range(2)]
    assert words_of(msgspec.json.encode({"choices": choices}), stream=False) is None
    assert words_of(b"{", stream=False) is None
