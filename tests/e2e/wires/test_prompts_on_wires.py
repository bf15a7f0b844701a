"""One prompt before the calls of all SDKs, in front of an upstream of each wire."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site
from tests.e2e.wires.calls import FUNCTION, LANES, SCHEMA, WORDS, row, sent

pytestmark = pytest.mark.e2e
GIVEN: dict[str, Any] = {"extra_body": {"prompt_variables": {"product": "kites"}}}
SYSTEM = "You know kites."
BOTH = f"{SYSTEM}\n\nBe kind."
TURNS = [{"role": "user", "content": "What do you know?"}, {"role": "assistant", "content": "kites."}]
HELLO: Any = {"role": "user", "content": "Hi"}


def heard(provider: DevProvider) -> tuple[str, list[dict[str, Any]]]:
    """What the system says and the other turns, in the one request that has arrived, on whichever wire."""
    body = sent(provider)
    assert "prompt_variables" not in body
    messages: list[dict[str, Any]] = body["messages"] if "messages" in body else body["input"]
    system = body.get("system") or [message for message in messages if message["role"] == "system"]
    if not isinstance(system, str):
        system = "\n\n".join(one.get("text") or one["content"] for one in system)
    return system, [message for message in messages if message["role"] != "system"]


@pytest.mark.parametrize("lane", LANES)
def test_anthropics_sdk_before_a_prompt(
    provider: DevProvider, site: Site, claude: anthropic.Anthropic, lane: str
) -> None:
    asked: Any = {"model": f"prompted-{lane}", "max_tokens": 7, "system": "Be kind.", "messages": [HELLO], **GIVEN}
    raw = claude.messages.with_raw_response.create(**asked)
    (content,) = raw.parse().content
    assert content.type == "text"
    assert content.text == WORDS
    assert heard(provider) == (BOTH, [*TURNS, HELLO])
    one = row(site, raw.headers["x-modelwright-call"])
    assert (one.operation, one.prompt, one.outcome) == ("messages", "support@v1", "ok")
    provider.fails()
    with claude.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == WORDS
    assert heard(provider) == (BOTH, [*TURNS, HELLO])


@pytest.mark.parametrize("lane", LANES)
def test_openais_responses_before_a_prompt(provider: DevProvider, site: Site, chat: openai.OpenAI, lane: str) -> None:
    asked: Any = {
        "model": f"prompted-{lane}",
        "instructions": "Be kind.",
        "input": "Hi",
        "max_output_tokens": 7,
        **GIVEN,
    }
    raw = chat.responses.with_raw_response.create(**asked)
    response = raw.parse()
    assert response.output_text == WORDS
    assert SYSTEM not in response.model_dump_json()
    assert heard(provider) == (BOTH, [*TURNS, HELLO])
    one = row(site, raw.headers["x-modelwright-call"])
    assert (one.operation, one.prompt, one.outcome) == ("responses", "support@v1", "ok")
    provider.fails()
    events: Any = list(chat.responses.create(**asked, stream=True))
    last = events[-1].response
    assert (last.status, last.output_text) == ("incomplete", WORDS)
    assert SYSTEM not in last.model_dump_json()
    assert heard(provider)[1] == [*TURNS, HELLO]


@pytest.mark.parametrize("lane", LANES)
def test_tools_go_on_working_behind_a_prompt(
    provider: DevProvider, claude: anthropic.Anthropic, chat: openai.OpenAI, lane: str
) -> None:
    choice: Any = {"type": "tool", "name": "note"}
    tool: Any = {"name": "note", "description": "Notes words.", "input_schema": SCHEMA}
    with claude.messages.stream(
        model=f"prompted-{lane}", max_tokens=64, messages=[HELLO], tools=[tool], tool_choice=choice, **GIVEN
    ) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["tool_use"]
    assert heard(provider)[1] == [*TURNS, HELLO]
    provider.fails()
    function: Any = {"type": "function", **FUNCTION, "strict": False}
    response = chat.responses.create(
        model=f"prompted-{lane}",
        input="Hi",
        tools=[function],
        tool_choice={"type": "function", "name": "note"},
        **GIVEN,
    )
    assert [item.type for item in response.output] == ["function_call"]
    assert heard(provider)[1] == [*TURNS, HELLO]


def test_a_missing_value_is_refused_in_each_sdks_own_way(
    provider: DevProvider, claude: anthropic.Anthropic, chat: openai.OpenAI
) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt variable 'product' is missing"):
        claude.messages.create(model="prompted-claude", max_tokens=64, messages=[HELLO])
    with pytest.raises(openai.BadRequestError, match="prompt variable 'product' is missing") as refused:
        chat.responses.create(model="prompted-full", input="Hi")
    assert refused.value.param == "prompt_variables.product"
    assert not provider.requests
