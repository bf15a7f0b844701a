"""Reads the fields of a request that is to be translated, and refuses by name what the other wire cannot say."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from modelwright.core.errors.calls import Malformed, TooLarge, Unprocessable
from modelwright.core.wire import openai
from modelwright.core.wire.unreadable import UNREADABLE

MOST_PIECES = 20_000
"""Messages of a request that is translated, and parts of them."""
T = TypeVar("T")
_object = msgspec.json.Decoder(dict[str, Any])
_raw = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(decoder: msgspec.json.Decoder[T], body: bytes, *, reference: str) -> T:
    """A request as values; raises Malformed that names the field. `reference` says where the wire is described."""
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise openai.unreadable(error, reference=reference) from None


def unknown(body: bytes, *, known: Collection[str]) -> dict[str, msgspec.Raw]:
    """The fields that the translation does not know: they pass as they are."""
    return {name: value for name, value in _raw.decode(body).items() if name not in known and bytes(value) != b"null"}


def refuse(given: Mapping[str, object], reasons: Mapping[str, str]) -> None:
    """Raises Unprocessable for the first field that is set and has a reason why it cannot be translated."""
    for name, reason in reasons.items():
        value = given.get(name)
        if value is not None and value is not False:
            raise cannot(name, reason)


def check_count(contents: Iterable[object], param: str) -> None:
    """Raises TooLarge for more messages and parts of messages than anybody means to send: each takes its time."""
    pieces = sum(1 + (len(content) if isinstance(content, list) else 0) for content in contents)  # pyright: ignore[reportUnknownArgumentType]
    if pieces > MOST_PIECES:
        hint = "send fewer, or use an endpoint that speaks your wire"
        raise TooLarge(f"`{param}` holds more than {MOST_PIECES} messages and parts", hint=hint, param=param)


def cannot(
    param: str, problem: str, remedy: str = "leave it out, or use an endpoint that speaks your wire"
) -> Unprocessable:
    """What the other wire has no word for."""
    return Unprocessable(f"`{param}` cannot be translated for this endpoint: {problem}", hint=remedy, param=param)


def wrong(param: str, problem: str) -> Malformed:
    """A value that the client's own wire does not allow."""
    return Malformed(f"`{param}` {problem}", hint="see the API reference", param=param)


def read_arguments(text: str, param: str) -> dict[str, Any]:
    """A tool call's arguments as the object that Anthropic's wire wants; no text is no argument."""
    if not text.strip():
        return {}
    try:
        return _object.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise wrong(param, "is not the JSON of an object") from None


def data_url(url: str) -> tuple[str, str] | None:
    """(media type, base64) of a `data:` URL; None for any other one, or one in another encoding."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head[5:-7].partition(";")[0], data
