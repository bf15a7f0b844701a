"""Requests at the edge of what is translated: numbers without a value, and more of everything than anybody means."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from modelwright.core.errors.calls import TooLarge
from modelwright.core.wire.between import as_responses, chat_to_messages, messages_to_chat, responses_to_chat
from modelwright.core.wire.between.fields import MOST_PIECES

TRANSLATIONS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("messages", partial(chat_to_messages.translate, max_tokens=1)),
    ("messages", messages_to_chat.translate),
    ("input", responses_to_chat.translate),
]


def _asked(name: str, said: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"model": "m", "max_tokens": 1, name: said})


NUMBERS = [b"1e999", b"-1E+400", b"9" * 5000, b"0.1000000000000000000000000001"]


@pytest.mark.parametrize("number", NUMBERS, ids=len)
def test_a_number_that_has_no_value_here_passes_as_it_is_like_every_unknown_field(number: bytes) -> None:
    rest = b'"model":"m","messages":[],"max_tokens":1,"input":"Hi","x":{"y":[%b]},"z":null}' % number
    for out in (
        chat_to_messages.translate(b"{" + rest, max_tokens=1),
        messages_to_chat.translate(b"{" + rest),
        responses_to_chat.translate(b"{" + rest),
    ):
        assert b'"x":{"y":[%b]}' % number in out
        assert b'"z"' not in out


@pytest.mark.parametrize("number", NUMBERS, ids=len)
def test_a_response_repeats_its_request_as_it_was(number: bytes) -> None:
    told = as_responses.echo(b'{"tools":[%b],"user":null,"x":%b}' % (number, number))
    assert (bytes(told["tools"]), told["user"], told["truncation"]) == (b"[%b]" % number, None, "disabled")
    assert "x" not in told


@pytest.mark.parametrize("parts", [False, True])
def test_more_messages_than_anybody_means_to_send_are_not_translated(*, parts: bool) -> None:
    word = {"type": "text", "text": "a"}
    many = [{"role": "user", "content": [word] * MOST_PIECES}] if parts else [{"role": "user", "content": "a"}] * 20_001
    few = [{"role": "user", "content": "a"}]
    for name, translate in TRANSLATIONS:
        assert translate(_asked(name, few))
        with pytest.raises(TooLarge) as caught:
            translate(_asked(name, many))
        assert caught.value.param == name
