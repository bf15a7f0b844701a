"""A prompt's messages before a client's, on every wire that has messages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import Malformed
from modelwright.core.prompting.opening import OPENED, opened, opening
from modelwright.core.wire.between import chat_to_messages, messages_to_chat, responses_to_chat
from tests.unit.core.wire.between.wires import NAMES, WORDS, chat_requests

ROLES = st.sampled_from(["system", "user", "assistant"])
PROMPTS = st.lists(st.fixed_dictionaries({"role": ROLES, "content": WORDS}), max_size=4)
ITEMS = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "developer"]), "content": WORDS}), max_size=3
)


def put(operation: str, body: dict[str, Any], prompt: list[dict[str, str]]) -> dict[str, Any]:
    made = opened(operation, msgspec.json.encode(body), opening(prompt), without="ours")
    return msgspec.json.decode(made)


def spoken(messages: list[dict[str, Any]], role: str) -> list[Any]:
    """What one side says; the system's pieces are joined as they are on a wire that has one place for them."""
    said = [message["content"] for message in messages if (message["role"] == "system") == (role == "system")]
    return ["\n\n".join(said)] if role == "system" and said else said


def as_chat(body: dict[str, Any]) -> list[dict[str, Any]]:
    return msgspec.json.decode(messages_to_chat.translate(msgspec.json.encode(body)))["messages"]


@given(PROMPTS, st.sampled_from(sorted(OPENED)), NAMES)
def test_a_prompt_is_there_once_and_our_own_field_is_not(
    prompt: list[dict[str, str]], operation: str, name: str
) -> None:
    body = {"model": name, "input" if operation == "responses" else "messages": [], "ours": {"a": 1}, "x": [1.50, None]}
    made = put(operation, body, prompt)
    assert (made["model"], made["x"], "ours" in made) == (name, [1.5, None], False)
    whole = [message["content"] for message in made.get("messages", made.get("input", []))]
    if operation == "messages":
        assert whole == [message["content"] for message in prompt if message["role"] != "system"]
        assert made.get("system", "") == "\n\n".join(one["content"] for one in prompt if one["role"] == "system")
    else:
        assert whole == [message["content"] for message in prompt]


@given(PROMPTS, chat_requests())
def test_chat_has_the_prompt_first_and_the_rest_as_it_was(prompt: list[dict[str, str]], body: dict[str, Any]) -> None:
    assert put("chat", body, prompt) == {**body, "messages": [*prompt, *body["messages"]]}


@given(PROMPTS, chat_requests())
def test_before_messages_it_says_what_it_says_before_their_chat(
    prompt: list[dict[str, str]], request: dict[str, Any]
) -> None:
    body = msgspec.json.decode(chat_to_messages.translate(msgspec.json.encode(request), max_tokens=9))
    before, after = as_chat(put("messages", body, prompt)), put("chat", {"messages": as_chat(body)}, prompt)["messages"]
    for role in ("system", "others"):
        assert spoken(before, role) == spoken(after, role)


@given(PROMPTS, WORDS | ITEMS, st.none() | st.just("") | WORDS)
def test_before_a_response_it_says_what_it_says_before_its_chat(
    prompt: list[dict[str, str]], told: str | list[dict[str, str]], instructions: str | None
) -> None:
    def chat_of(body: dict[str, Any]) -> list[dict[str, Any]]:
        return msgspec.json.decode(responses_to_chat.translate(msgspec.json.encode(body)))["messages"]

    body = {"model": "m", "input": told, "instructions": instructions}
    after = put("chat", {"messages": chat_of(body)}, prompt)["messages"]
    assert chat_of(put("responses", body, prompt)) == after


@pytest.mark.parametrize(
    ("given_system", "made"),
    [
        ({}, "Be kind."),
        ({"system": None}, "Be kind."),
        ({"system": ""}, "Be kind."),
        ({"system": []}, "Be kind."),
        ({"system": "Hi \u00e9"}, "Be kind.\n\nHi \u00e9"),
        (
            {"system": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]},
            [
                {"type": "text", "text": "Be kind."},
                {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
            ],
        ),
    ],
)
def test_the_system_s_words_stand_in_their_place_of_messages(given_system: dict[str, Any], made: object) -> None:
    prompt = [{"role": "system", "content": "Be kind."}]
    assert put("messages", {"messages": [], **given_system}, prompt) == {"messages": [], "system": made}


def test_lists_with_blanks_inside_stay_lists() -> None:
    prompt = opening([{"role": "system", "content": "A"}, {"role": "user", "content": "B"}])
    for operation, body in (("messages", b'{"messages":[ ],"system":[ ]}'), ("responses", b'{"input":[ ]}')):
        made = msgspec.json.decode(opened(operation, body, prompt, without="ours"))
        assert "B" in str(made.get("messages", made.get("input")))


@pytest.mark.parametrize(
    ("operation", "body", "param"),
    [
        ("chat", {"messages": "Hi"}, "messages"),
        ("messages", {"messages": {"role": "user"}}, "messages"),
        ("messages", {"messages": [], "system": 5}, "system"),
        ("responses", {"input": 5}, "input"),
        ("responses", {"input": "Hi", "instructions": ["Hi"]}, "instructions"),
    ],
)
def test_what_has_another_form_is_refused_by_name(operation: str, body: dict[str, Any], param: str) -> None:
    with pytest.raises(Malformed) as refused:
        put(operation, body, [{"role": "system", "content": "Be kind."}])
    assert refused.value.param == param


def test_a_request_without_messages_gets_the_prompt_s_alone() -> None:
    prompt = [{"role": "user", "content": "Hi"}]
    for operation, name in (("chat", "messages"), ("messages", "messages"), ("responses", "input")):
        assert put(operation, {}, prompt) == {name: prompt}
