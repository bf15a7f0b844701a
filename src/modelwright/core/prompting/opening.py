"""Where a prompt's messages stand in a request: before the client's own, on each wire that has messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from modelwright.core.errors.calls import Malformed

_JOINT = "\n\n"
"""Between two texts of the system, as where one wire is translated to another."""
_NOTHING = (b"", b"null", b'""', b"[]")

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.encode


class Opening(msgspec.Struct, frozen=True, gc=False):
    """Messages of a prompt, filled in; as JSON without the brackets around it."""

    messages: bytes
    """All, in their order."""
    system: str
    """The texts of the system's alone."""
    turns: bytes
    """The others."""


def opening(messages: Sequence[dict[str, str]]) -> Opening:
    """`messages` have the form of the chat wire."""
    turns = [message for message in messages if message["role"] != "system"]
    return Opening(
        _encode(messages)[1:-1],
        _JOINT.join([message["content"] for message in messages if message["role"] == "system"]),
        _encode(turns)[1:-1],
    )


def opened(operation: str, body: bytes, first: Opening, *, without: str) -> bytes:
    """The same request with these messages before its own, and without a field of ours; raises Malformed.

    A request without messages gets these alone.
    """
    content = _fields.decode(body)
    content.pop(without, None)
    _OPENED[operation](content, first)
    return _encode(content)


def _chat(content: dict[str, msgspec.Raw], first: Opening) -> None:
    _go_before(content, "messages", first.messages)


def _messages(content: dict[str, msgspec.Raw], first: Opening) -> None:
    """This wire keeps what the system says in a place of its own."""
    _go_before(content, "messages", first.turns)
    if not first.system:
        return
    own = bytes(content.get("system", b""))
    if own in _NOTHING:
        system = _encode(first.system)
    elif own[:1] == b'"':
        system = _encode(first.system + _JOINT + msgspec.json.decode(own, type=str))
    elif own[:1] == b"[":
        system = _joined(_encode({"type": "text", "text": first.system}), own)
    else:
        raise Malformed("`system` is neither a text nor a list", hint="send a text, or leave it out", param="system")
    content["system"] = msgspec.Raw(system)


def _responses(content: dict[str, msgspec.Raw], first: Opening) -> None:
    """The client's instructions follow as a message: in their own place they would come before the prompt."""
    messages = first.messages
    if not messages:
        return
    instructions = bytes(content.pop("instructions", b""))
    if instructions not in _NOTHING:
        if instructions[:1] != b'"':
            problem = "`instructions` is no text"
            raise Malformed(problem, hint="send a text, or leave it out", param="instructions")
        messages += b',{"role":"system","content":' + instructions + b"}"
    own = bytes(content.get("input", b""))
    if own[:1] == b'"':
        content["input"] = msgspec.Raw(b'[{"role":"user","content":' + own + b"}]")
    _go_before(content, "input", messages)


def _go_before(content: dict[str, msgspec.Raw], name: str, first: bytes) -> None:
    own = bytes(content.get(name, b"[]"))
    if own[:1] != b"[":
        raise Malformed(f"`{name}` is no list", hint="send a list of messages; it may be empty", param=name)
    content[name] = msgspec.Raw(_joined(first, own))


def _joined(first: bytes, own: bytes) -> bytes:
    """A list that begins with others; `first` may be empty, too."""
    rest = own[1:].lstrip()
    return b"[" + first + (b"," if first and rest != b"]" else b"") + rest


_OPENED: dict[str, Callable[[dict[str, msgspec.Raw], Opening], None]] = {
    "chat": _chat,
    "messages": _messages,
    "responses": _responses,
}
OPENED = frozenset(_OPENED)
"""Operations whose requests have messages that a prompt can go before."""
