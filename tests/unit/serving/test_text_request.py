"""What a text model reads of a request, and what it refuses by name."""

import msgspec
import pytest

from modelwright.core.errors.calls import CallError, Malformed, Unprocessable
from modelwright.core.ports.engines import Constraint
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
        ({"response_format": {"type": "regex"}}, "response_format"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"min_p": 1.0}, "min_p"),
        ({"top_k": -2}, "top_k"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"min_tokens": -1}, "min_tokens"),
        ({"stop_token_ids": [-1]}, "stop_token_ids[0]"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_choice"),
        ({"guided_regex": "a", "response_format": {"type": "json_object"}}, "guided_regex"),
        ({"structured_outputs": {"regexp": "a"}}, "structured_outputs"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, object], param: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_chat(_chat(**fields))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": [{}]}, "functions"),
        ({"use_beam_search": True}, "use_beam_search"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"ignore_eos": True}, "ignore_eos"),
        ({"guided_regex": "a" * 70_000}, "guided_regex"),
        ({"guided_regex": "(((a{100}){100}){100}){100}"}, "guided_regex"),
        ({"structured_outputs": {"grammar": 'root ::= (("a"{1000}){1000})'}}, "structured_outputs.grammar"),
        ({"guided_json": {"items": [{"pattern": "(a{1000}){1000}"}]}}, "guided_json"),
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
    ("prompt", "prompts"),
    [
        ("hi", ("hi",)),
        (["hi"], ("hi",)),
        ([1, 2], ((1, 2),)),
        (["a", "b"], ("a", "b")),
        ([[1, 2], [3]], ((1, 2), (3,))),
        ([[1], "a"], ((1,), "a")),
    ],
)
def test_a_completion_takes_texts_and_ids(prompt: object, prompts: tuple[object, ...]) -> None:
    request = read_completion(msgspec.json.encode({"model": "chat", "prompt": prompt}))
    assert (request.prompts, request.max_tokens) == (prompts, 16)


@pytest.mark.parametrize("prompt", [[], [1, "a"], ["a", 1], [[1], 2], {}, 3, [None], [["a"]]])
def test_other_prompts_are_refused(prompt: object) -> None:
    with pytest.raises(Malformed) as caught:
        read_completion(msgspec.json.encode({"model": "chat", "prompt": prompt}))
    assert (caught.value.param or "").startswith("prompt")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 5}, "logprobs"),
        ({"echo": True, "logprobs": 0}, "echo"),
        ({"best_of": 3}, "best_of"),
        ({"n": 2, "best_of": 3}, "best_of"),
    ],
)
def test_what_a_completion_cannot_do_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        read_completion(msgspec.json.encode({"model": "chat", "prompt": "x"} | fields))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "grammar"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Constraint("json_schema", '{"type":"object"}')),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}},
            Constraint("json_schema", '{"type":"integer"}'),
        ),
        ({"response_format": {"type": "regex", "value": "a+"}}, Constraint("regex", "a+")),
        ({"guided_regex": "a+"}, Constraint("regex", "a+")),
        ({"guided_json": {"type": "integer"}}, Constraint("json_schema", '{"type":"integer"}')),
        ({"guided_json": '{"type":"integer"}'}, Constraint("json_schema", '{"type":"integer"}')),
        ({"guided_grammar": 'root ::= "a"'}, Constraint("grammar", 'root ::= "a"')),
        ({"structured_outputs": {"regex": "a+"}}, Constraint("regex", "a+")),
        ({"structured_outputs": {"json_object": True}}, Constraint("json_schema", '{"type":"object"}')),
        ({"structured_outputs": {"grammar": 'root ::= "a"'}}, Constraint("grammar", 'root ::= "a"')),
        ({"structured_outputs": {"choice": ["yes", "no (a+b)"]}}, Constraint("regex", r"(yes)|(no \(a\+b\))")),
        ({"guided_choice": ["x"], "structured_outputs": None}, Constraint("regex", "(x)")),
    ],
)
def test_a_form_of_the_answer_reaches_the_engine(fields: dict[str, object], grammar: Constraint | None) -> None:
    assert read_chat(_chat(**fields)).sampling.constraint == grammar


def test_sampling_fields_reach_the_engine() -> None:
    sampling = read_chat(
        _chat(top_k=-1, min_p=0.1, repetition_penalty=1.2, min_tokens=3, stop_token_ids=[5, 6])
    ).sampling
    assert (sampling.top_k, sampling.min_p, sampling.repetition_penalty) == (0, 0.1, 1.2)
    assert (sampling.min_tokens, sampling.stop_tokens) == (3, (5, 6))


def test_n_and_best_of_may_agree() -> None:
    assert read_chat(_chat(n=3, best_of=3)).n == 3
