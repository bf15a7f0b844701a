"""Reads a request for embeddings: texts or token ids, one or many; everything is checked here, before it waits."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.wire.openai import unreadable
from modelwright.core.wire.unreadable import UNREADABLE

_HINT = "send a text, a list of texts, or token ids of one or several texts"


class EmbeddingsRequest(msgspec.Struct, frozen=True):
    """What was asked, as it stands on the wire."""

    input: msgspec.Raw
    encoding_format: str | None = None
    dimensions: int | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, checked."""

    texts: list[str] = []
    tokens: list[list[int]] = []
    """One of both is empty."""
    base64: bool = False
    dimensions: int = 0
    """0: all of them."""

    @property
    def count(self) -> int:
        """Vectors."""
        return len(self.texts) or len(self.tokens)


_request = msgspec.json.Decoder(EmbeddingsRequest)
_input = msgspec.json.Decoder(str | list[Any])


def read_request(body: bytes, *, size: int, shortens: bool, most: int) -> Wanted:
    """`size` is the length of a vector, `most` how many one request may ask for; raises CallError."""
    try:
        if not body.isascii():
            body.decode()
        request = _request.decode(body)
    except UNREADABLE as error:
        raise unreadable(error) from None
    texts, tokens = _inputs(request.input)
    count = len(texts) or len(tokens)
    if count > most:
        raise _wrong(f"holds {count} texts, at most {most} are taken at once", "send several requests")
    return Wanted(
        texts=texts,
        tokens=tokens,
        base64=_is_base64(request.encoding_format),
        dimensions=_dimensions(request.dimensions, size=size, shortens=shortens),
    )


def _inputs(raw: msgspec.Raw) -> tuple[list[str], list[list[int]]]:
    try:
        given = _input.decode(raw)
    except (*UNREADABLE, msgspec.ValidationError):
        raise _wrong("is neither a text nor a list", _HINT) from None
    items: list[Any] = [given] if isinstance(given, str) else given
    if not items:
        raise _wrong("is empty", _HINT)
    if all(type(item) is str for item in items):
        empty = next((index for index, text in enumerate(items) if not text), None)
        if empty is not None:
            raise _wrong("is an empty text" if len(items) == 1 else f"holds an empty text at {empty}", "leave it out")
        return items, []
    rows: list[Any] = [items] if all(type(item) is int for item in items) else items
    try:
        found = msgspec.convert(rows, list[list[int]])
    except msgspec.ValidationError:
        raise _wrong("holds something that is neither a text nor token ids, or both", _HINT) from None
    empty = next((index for index, row in enumerate(found) if not row), None)
    if empty is not None:
        raise _wrong(f"holds no token ids at {empty}", "leave it out")
    return [], found


def _is_base64(given: str | None) -> bool:
    if given not in (None, "float", "base64"):
        raise Malformed(f"encoding_format is {given[:40]!r}", hint="send float or base64", param="encoding_format")
    return given == "base64"


def _dimensions(given: int | None, *, size: int, shortens: bool) -> int:
    if given is None or given == size:
        return 0
    if not 0 < given <= size:
        raise Malformed(
            f"dimensions is {str(given)[:20]}", hint=f"a vector of this model has {size}", param="dimensions"
        )
    if not shortens:
        raise Unprocessable(
            f"this model's vectors have {size} dimensions and are not made to be cut off",
            hint="leave dimensions out; or say so in the manifest, embeddings: {shorten: true}, when they are",
            param="dimensions",
        )
    return given


def _wrong(problem: str, remedy: str) -> Malformed:
    return Malformed(f"input {problem}", hint=remedy, param="input")
