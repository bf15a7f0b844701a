"""What a text model reads of a request, and what it refuses by name."""

import msgspec
import pytest

from modelwright.core.errors.calls import CallError, Malformed, Unprocessable
from modelwright.serving.text.request import read_chat, read_completion

HELLO = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


def _chat(**fields: object) -> bytes:
    return msgspec.json.encode(HELLO | fields)


def test_defaults_are_those_of_the_wire() -> None:
    request = read_chat(_chat())
    assert request.messages == ({"role": "user", "content": "hello"},)
    assert (request.sampling.temperature, request.sampling.top_p, request.max_tokens) == (1.0, 1.0, None)
    assert not request.stream


def test_null_means_default() -> None:
    fields = ("temperature", "top_p", "stop", "seed", "max_tokens", "stream", "response_format", "n", "user", "tools")
    assert read_chat(_chat(**dict.fromkeys(fields))) == read_chat(_chat())


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]
    request = read_chat(_chat(messages=[{"role": "user", "content": parts}]))
    assert request.messages[0]["content"] == "hello"


def test_usage_is_only_for_streams() -> None:
    options = {"include_usage": True}
    assert read_chat(_chat(stream=True, stream_options=options)).include_usage
    assert not read_chat(_chat(stream_options=options)).include_usage


def test_unknown_fields_are_left_alone() -> None:
    assert read_chat(_chat(metadata={"a": 1}, store=True)).model == "chat"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"seed": 2**70}, "seed"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"response_format": {"type": "poem"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, object], param: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_chat(_chat(**fields))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True, "top_logprobs": 5}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content",
        ),
    ],
)
def test_what_it_cannot_do_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        read_chat(_chat(**fields))
    assert caught.value.param == param
    assert caught.value.hint


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"model":"c\xff"}', b"[" * 100_000, b"\0", b'"text"'])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    for reader in (read_chat, read_completion):
        with pytest.raises(CallError) as caught:
            reader(body)
        assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("prompt", "text", "tokens"),
    [("hi", "hi", None), (["hi"], "hi", None), ([1, 2], None, (1, 2))],
)
def test_a_completion_takes_one_prompt(prompt: object, text: str | None, tokens: tuple[int, ...] | None) -> None:
    request = read_completion(msgspec.json.encode({"model": "chat", "prompt": prompt}))
    assert (request.text, request.tokens, request.max_tokens) == (text, tokens, 16)


@pytest.mark.parametrize("prompt", [["a", "b"], []])
def test_several_prompts_are_refused(prompt: object) -> None:
    with pytest.raises(Unprocessable):
        read_completion(msgspec.json.encode({"model": "chat", "prompt": prompt}))


def test_a_json_schema_reaches_the_engine() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}
    assert read_chat(_chat(response_format=wanted)).sampling.json_schema == '{"type":"integer"}'
