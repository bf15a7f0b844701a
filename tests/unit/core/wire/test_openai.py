from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors.calls import CallError, Malformed, Overloaded, Unauthenticated
from modelwright.core.ports.providers import AnswerHead
from modelwright.core.wire import openai

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text(max_size=8), JSON, max_size=5).map(lambda rest: {**rest, "model": "m"})


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b"{}", "model", "required field `model`"),
        (b'{"model":1}', "model", "at `body.model`"),
        (b'{"model":"m","stream":"x"}', "stream", "at `body.stream`"),
        (b'{"model":"m","stream_options":{"include_usage":1}}', "stream_options.include_usage", "bool"),
        (b"[]", None, "Expected `object`, got `array`"),
        (b"", None, "not valid JSON"),
        (b'{"model":"m"', None, "not valid JSON"),
        (b'{"model":"m"}}', None, "trailing characters"),
        (b'{"model":"m","x":"\xff"}', None, "not UTF-8 (byte 18)"),
        (b'{"model":"m","x":"\x00"}', None, "invalid character"),
        (b'{"model":"m","x":' + b"[" * 100_000, None, "nested too deeply"),
    ],
)
def test_a_head_that_cannot_be_read_says_where_and_why(body: bytes, param: str | None, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        openai.read_head(body)
    assert caught.value.param == param
    assert words in caught.value.message
    assert caught.value.hint


@given(BODIES)
def test_a_head_reads_only_what_it_needs(body: dict[str, object]) -> None:
    known = {name: value for name, value in body.items() if name not in {"stream", "user", "stream_options"}}
    assert openai.read_head(msgspec.json.encode(known)).model == "m"


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise(body: bytes) -> None:
    for read in (openai.read_answer, openai.read_event, openai.error_message):
        read(body)
    with suppress(Malformed):
        openai.read_head(body)


@given(BODIES)
def test_changing_a_field_keeps_the_others(body: dict[str, object]) -> None:
    changed = msgspec.json.decode(openai.with_fields(msgspec.json.encode(body), {"model": "other"}))
    assert changed == msgspec.json.decode(msgspec.json.encode({**body, "model": "other"}))


def test_the_bytes_of_other_fields_stay_as_they_are() -> None:
    body = b'{"model":"a", "x" : 1.50e3 ,"y":"\\u00fc","z":[ 1,2 ]}'
    assert openai.with_fields(body, {"model": "b"}) == b'{"model":"b","x":1.50e3,"y":"\\u00fc","z":[ 1,2 ]}'
    assert openai.with_fields(body, {}, without=("x", "z", "nobody")) == b'{"model":"a","y":"\\u00fc"}'


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", {"include_usage": True}),
        (',"stream_options":null', {"include_usage": True}),
        (',"stream_options":{"include_usage":false,"x":1}', {"include_usage": True, "x": 1}),
    ],
)
def test_usage_is_asked_for_beside_the_clients_own_options(options: str, expected: dict[str, object]) -> None:
    body = f'{{"model":"m","stream":true{options}}}'.encode()
    assert msgspec.json.decode(openai.ask_for_usage(body))["stream_options"] == expected
    assert msgspec.json.decode(openai.ask_for_usage(body, model="n"))["model"] == "n"


def test_asking_for_usage_keeps_options_that_have_no_value_here() -> None:
    asked = openai.ask_for_usage(b'{"stream_options":{"x":1e999,"include_usage":false}}')
    assert asked == b'{"stream_options":{"x":1e999,"include_usage":true}}'


@pytest.mark.parametrize(
    ("body", "once"),
    [
        (b'{"model":"a"}', True),
        (b'{"model":"a","model":"b"}', False),
        (b'{"mod\\u0065l":"a","model":"b"}', False),
        (b'{"\\u006Dodel":"a","model":"b"}', False),
        (b'{"model":"a","messages":"\\u00e9t\\u00e9"}', True),
    ],
)
def test_a_second_model_is_found_however_it_is_spelt(body: bytes, *, once: bool) -> None:
    assert openai.names_model_once(body) is once


def test_an_answer_tells_its_usage() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}
    body = msgspec.json.encode({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, **details}})
    assert openai.read_answer(body) == AnswerHead(
        usage=Usage(input_tokens=5, cached_tokens=2, output_tokens=3, reasoning_tokens=1), choices=1, begins=True
    )


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "prompt_cache_hit_tokens": 2}},
        {
            "choices": [],
            "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 3, "prompt_cache_hit_tokens": 2}},
        },
        {"choices": [{"usage": {"prompt_tokens": 5, "completion_tokens": 3, "prompt_cache_hit_tokens": 2}}]},
    ],
)
def test_usage_is_found_where_vendors_put_it(event: dict[str, object]) -> None:
    told = openai.read_event(msgspec.json.encode(event))
    assert told.usage == Usage(input_tokens=5, cached_tokens=2, output_tokens=3)


@pytest.mark.parametrize(
    ("choice", "begins"),
    [
        ({"delta": {"role": "assistant", "content": ""}}, False),
        ({"delta": {"role": "assistant"}}, False),
        ({"delta": {}}, False),
        ({"delta": None}, False),
        ({"delta": {"content": "x"}}, True),
        ({"delta": {"tool_calls": [{"index": 0}]}}, True),
        ({"delta": {"reasoning_content": "x"}}, True),
        ({"delta": {}, "finish_reason": "stop"}, True),
        ({"text": "x"}, True),
        ({"text": ""}, False),
    ],
)
def test_content_begins_with_what_a_client_would_act_on(choice: dict[str, object], *, begins: bool) -> None:
    told = openai.read_event(msgspec.json.encode({"choices": [choice]}))
    assert (told.begins, told.choices) == (begins, 1)


@pytest.mark.parametrize(
    ("error", "message", "status"),
    [
        ({"message": "m", "type": "server_error", "code": "x"}, "m", 502),
        ({"message": "m", "code": 429}, "m", 429),
        ({"message": "m", "code": "401"}, "m", 401),
        ({"message": "m", "type": "invalid_request_error"}, "m", 400),
        ({"message": "m", "type": "rate_limit_error", "code": "rate_limit_exceeded"}, "m", 429),
        ({"message": "m", "code": "engine_failed"}, "m", 500),
        ({"message": "m", "code": "model_unavailable"}, "m", 503),
        ({"message": "m", "code": 7}, "m", 502),
        ({"message": "m", "code": 1e300}, "m", 502),
        ({"message": ["odd"]}, '{"message":["odd"]}', 502),
        ({"code": "x"}, "no message", 502),
        ("only text", "only text", 502),
        ([1], "[1]", 502),
    ],
)
def test_an_error_in_place_of_an_answer_is_read_with_its_status(error: object, message: str, status: int) -> None:
    body = msgspec.json.encode({"error": error})
    for told in (openai.read_answer(body), openai.read_event(body)):
        assert told is not None
        assert (told.error, told.error_status) == (message, status)
    assert openai.error_message(body) == message


@pytest.mark.parametrize("empty", [b"null", b"{}", b'""', b"false"])
def test_an_empty_error_is_none(empty: bytes) -> None:
    body = b'{"error":' + empty + b',"usage":{"prompt_tokens":1}}'
    for told in (openai.read_answer(body), openai.read_event(body)):
        assert told is not None
        assert told.error is None
        assert told.usage == Usage(input_tokens=1)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'"x"', b'{"cut":', b"\xff"])
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    assert openai.read_answer(body) is None
    assert openai.error_message(body) == ""


def test_an_unreadable_event_counts_as_content() -> None:
    assert openai.read_event(b"not json").begins
    assert openai.read_event(b'{"choices":[{"delta":"odd"}]}').begins


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Malformed("bad", hint="mend it", param="model"), "invalid_request_error"),
        (Unauthenticated("who?"), "authentication_error"),
        (Overloaded("full"), "rate_limit_error"),
        (CallError("oh"), "api_error"),
    ],
)
def test_the_envelope_is_the_one_that_sdks_know(error: CallError, kind: str) -> None:
    told = msgspec.json.decode(openai.error_body(error))["error"]
    assert told["message"] == (f"{error.message} ({error.hint})" if error.hint else error.message)
    assert (told["type"], told["code"], told["param"]) == (kind, error.code, error.param)


@pytest.mark.parametrize(
    ("fields", "most", "answers"),
    [
        (b"", None, 1),
        (b',"max_tokens":5,"max_completion_tokens":2,"n":3', 5, 3),
        (b',"max_tokens":2,"max_completion_tokens":5,"n":2,"best_of":8', 5, 8),
        (b',"max_tokens":true,"max_completion_tokens":null,"n":0,"best_of":-1', None, 1),
    ],
)
def test_what_may_be_answered_is_what_any_vendor_may_take_it_for(fields: bytes, most: int | None, answers: int) -> None:
    head = openai.read_head(b'{"model":"m"%b}' % fields)
    assert (head.most_tokens, head.answers) == (most, answers)
