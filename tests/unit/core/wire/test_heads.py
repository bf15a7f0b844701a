"""Heads of requests, answers and events on Anthropic's wire and on OpenAI's responses."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors.calls import Malformed, Overloaded, Unauthenticated
from modelwright.core.errors.providers import ProviderOverloaded
from modelwright.core.wire import anthropic, responses


def encode(**fields: Any) -> bytes:
    return msgspec.json.encode(fields)


def test_a_head_of_messages() -> None:
    head = anthropic.read_head(encode(model="m", stream=True, metadata={"user_id": "u"}, max_tokens=5, x=[1]))
    assert (head.model, head.stream, head.user, head.most_tokens, head.service_tier) == ("m", True, "u", 5, None)
    assert not head.asks_usage


@pytest.mark.parametrize("fields", [{"service_tier": "priority"}, {"speed": "fast"}, {"inference_geo": "us"}])
def test_what_is_not_served_at_the_plain_price_has_a_tier(fields: dict[str, Any]) -> None:
    assert anthropic.read_head(encode(model="m", **fields)).service_tier
    assert not anthropic.read_head(encode(model="m", service_tier="auto", speed="standard")).service_tier


def test_a_head_of_responses() -> None:
    head = responses.read_head(encode(model="m", safety_identifier="u", max_output_tokens=5, store=False))
    assert (head.model, head.stream, head.user, head.most_tokens) == ("m", None, "u", 5)


@pytest.mark.parametrize("fields", [{"previous_response_id": "r"}, {"conversation": "c"}, {"store": True}])
def test_a_head_that_leans_on_state_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as caught:
        responses.read_head(encode(model="m", **fields))
    assert caught.value.param == next(iter(fields))


@pytest.mark.parametrize("read", [anthropic.read_head, responses.read_head])
def test_a_head_that_cannot_be_read_says_where(read: Any) -> None:
    with pytest.raises(Malformed) as caught:
        read(b'{"model":1}')
    assert caught.value.param == "model"
    with pytest.raises(Malformed, match="not UTF-8"):
        read(b'{"model":"\xff"}')


def test_counts_of_two_events_are_joined() -> None:
    heads = anthropic.EventHeads()
    start = {"usage": {"input_tokens": 1, "cache_read_input_tokens": 10, "output_tokens": 1}}
    told = heads.read(encode(type="message_start", message=start))
    assert told.usage == Usage(input_tokens=11, cached_tokens=10)  # of the answer nothing is known yet
    assert not told.begins
    told = heads.read(encode(type="message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 7}))
    assert told.usage == Usage(input_tokens=11, cached_tokens=10, output_tokens=7)
    assert not heads.done
    heads.read(encode(type="message_stop"))
    assert heads.done


def test_tokens_written_for_an_hour_have_a_price_that_is_not_told() -> None:
    counts = {"input_tokens": 1, "cache_creation_input_tokens": 5}
    kept = {**counts, "cache_creation": {"ephemeral_1h_input_tokens": 5}}
    assert anthropic.read_answer(encode(usage=counts)).usage.cache_write_tokens == 5  # type: ignore[union-attr]
    assert anthropic.read_answer(encode(usage=kept)).usage.cache_write_tokens is None  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "status"), [("overloaded_error", 529), ("rate_limit_error", 429), ("x", 502)])
def test_an_error_of_anthropics_stream_stands_for_a_status(kind: str, status: int) -> None:
    told = anthropic.EventHeads().read(encode(type="error", error={"type": kind, "message": "words"}))
    assert (told.error, told.error_status) == ("words", status)
    whole = anthropic.read_answer(encode(type="error", error={"type": kind, "message": "words"}))
    assert whole == told


def test_an_error_of_a_response_stands_for_a_status() -> None:
    failed = {"error": {"code": "rate_limit_exceeded", "message": "words"}}
    told = responses.EventHeads().read(encode(type="response.failed", response=failed))
    assert (told.error, told.error_status) == ("words", 429)
    assert responses.EventHeads().read(encode(type="error", code="server_error", message="words")).error == "words"
    assert responses.EventHeads().read(encode(type="response.failed")).error
    assert responses.EventHeads().read(encode(type="error")).error
    assert responses.read_answer(encode(**failed)) == told


def test_a_response_that_is_complete() -> None:
    heads = responses.EventHeads()
    assert not heads.read(encode(type="response.created", response={})).begins
    assert heads.read(encode(type="response.output_text.delta", delta="A")).begins
    usage = {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    told = heads.read(encode(type="response.completed", response={"usage": usage}))
    assert told.usage == Usage(
        input_tokens=3, cached_tokens=1, cache_write_tokens=2, output_tokens=4, reasoning_tokens=2
    )
    assert heads.done


def test_errors_in_anthropics_words() -> None:
    for error, kind, status in (
        (Unauthenticated("who", hint="send a key"), "authentication_error", 401),
        (Overloaded("full"), "rate_limit_error", 429),
        (ProviderOverloaded("busy"), "overloaded_error", 529),
    ):
        told = msgspec.json.decode(anthropic.error_body(error))
        assert (told["type"], told["error"]["type"], anthropic.status(error)) == ("error", kind, status)
    assert b"who (send a key)" in anthropic.error_body(Unauthenticated("who", hint="send a key"))


@given(
    st.binary(max_size=100) | st.dictionaries(st.text(max_size=5), st.none() | st.integers()).map(msgspec.json.encode)
)
def test_no_bytes_make_a_reader_fail_otherwise(body: bytes) -> None:
    for read in (anthropic.read_answer, responses.read_answer, anthropic.error_message):
        read(body)
    anthropic.EventHeads().read(body)
    responses.EventHeads().read(body)
    for head in (anthropic.read_head, responses.read_head):
        with suppress(Malformed):
            head(body)
