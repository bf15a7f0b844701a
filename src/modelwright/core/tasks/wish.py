"""What a client sends to leave a task: an object in the shape of a line of OpenAI's batch files; it asks nobody."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.quantities import parse_duration

MOST_PAIRS = 16
MOST_NAME = 64
MOST_VALUE = 512
MOST_URL = 2048
_CUSTOM = 256
_KEY = re.compile(r"[!-~]{1,255}")
_SHAPE = 'send {"url": "/v1/chat/completions", "body": {…}}, with metadata, custom_id or webhook if you like'


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call to be made later."""

    url: str
    body: msgspec.Raw
    method: str = "POST"
    custom_id: str = ""
    metadata: dict[str, str] = {}
    webhook: str = ""
    completion_window: str = ""
    """How long it may take at most, such as 1h; empty: as long as any."""


_decoder = msgspec.json.Decoder(Wish)


def read_wish(content: bytes) -> Wish:
    """Raises Malformed for what is no JSON, Unprocessable for what is no task, both with the field."""
    try:
        wish = _decoder.decode(content)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"task: {error}", hint=_SHAPE) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"the body is no JSON object: {error}", hint=_SHAPE) from None
    if wish.method != "POST":
        raise Unprocessable(f"`method` is {wish.method[:16]!r}", hint="a call is a POST: leave it out", param="method")
    if len(wish.url) > MOST_URL:
        raise Unprocessable(f"`url` is longer than {MOST_URL} characters", hint="send the call's path", param="url")
    if not bytes(wish.body).lstrip().startswith(b"{"):
        raise Unprocessable("`body` is no object", hint="send the call's own body, as JSON", param="body")
    _check_labels(wish)
    if wish.webhook:
        check_webhook(wish.webhook)
    return wish


def window(wish: Wish, longest: float) -> float:
    """Seconds that the task may take: what the client asks for, at most `longest`. Raises Unprocessable."""
    if not wish.completion_window:
        return longest
    try:
        asked = parse_duration(wish.completion_window)
    except ValueError as error:
        raise Unprocessable(
            f"`completion_window`: {error}", hint="send such as 1h", param="completion_window"
        ) from None
    if not 0 < asked <= longest:
        raise Unprocessable(
            f"`completion_window` is {wish.completion_window}, and a task may take {longest:g} s here",
            hint="ask for less, or leave it out",
            param="completion_window",
        )
    return asked


def check_key(key: str) -> str:
    """An idempotency key; raises Malformed."""
    if not _KEY.fullmatch(key):
        raise Malformed(
            "the header idempotency-key is not 1 to 255 printable characters",
            hint="send such as a UUID",
            param="idempotency-key",
        )
    return key


def check_webhook(url: str) -> None:
    """Whether this can be an address to tell; which networks it may lie in is asked when it is told.

    Raises Unprocessable.
    """
    try:
        parts = urlsplit(url)
        fit = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        fit = fit and parts.username is None and parts.password is None and not parts.fragment
    except ValueError:
        fit = False
    if not fit or len(url) > MOST_URL or not all("!" <= character <= "~" for character in url):
        raise Unprocessable(
            "`webhook` is no address that can be told",
            hint=f"send https://host[:port]/path of at most {MOST_URL} ASCII characters, without a password",
            param="webhook",
        )


def _check_labels(wish: Wish) -> None:
    if len(wish.custom_id) > _CUSTOM:
        raise Unprocessable(f"`custom_id` is longer than {_CUSTOM}", hint="shorten it", param="custom_id")
    pairs = wish.metadata.items()
    if len(pairs) > MOST_PAIRS or any(len(name) > MOST_NAME or len(value) > MOST_VALUE for name, value in pairs):
        raise Unprocessable(
            "`metadata` is too large",
            hint=f"send at most {MOST_PAIRS} pairs, names up to {MOST_NAME} and values up to {MOST_VALUE} characters",
            param="metadata",
        )
