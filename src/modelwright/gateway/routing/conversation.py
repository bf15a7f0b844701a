"""What stays the same in a conversation while it goes on: its messages up to the first one of the user."""

from __future__ import annotations

import hashlib

import msgspec


class _Body(msgspec.Struct):
    messages: list[msgspec.Raw] = []


class _Message(msgspec.Struct):
    role: str = ""


_body = msgspec.json.Decoder(_Body)
_message = msgspec.json.Decoder(_Message)


def opening(body: bytes) -> str:
    """A digest of those messages, as the client wrote them; empty when the body has none."""
    try:
        messages = _body.decode(body).messages
        found = hashlib.blake2b(digest_size=16)
        for message in messages:
            found.update(bytes(message))
            if _message.decode(message).role == "user":
                return found.hexdigest()
    except (msgspec.DecodeError, RecursionError):
        pass
    return ""
