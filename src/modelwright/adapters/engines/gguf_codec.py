"""Tokenizer and chat template of a GGUF model, as the text port wants them; it runs no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from modelwright.adapters.engines.chat_template import ChatTemplate
from modelwright.adapters.engines.gguf import GgufModel, build_tokenizer, read_gguf

PLAIN_TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
"""For a base model, which has no template of its own."""


class GgufCodec:
    """Text to ids and back by the file's own metadata."""

    def __init__(self, model: GgufModel) -> None:
        self._tokenizer = build_tokenizer(model)
        self._begin = [model.bos] if model.adds_bos and model.bos is not None else []
        self._template = ChatTemplate(
            model.chat_template or PLAIN_TEMPLATE, place=model.path, special_tokens=model.special_tokens
        )
        self._bytes = _token_bytes(model)

    def encode(self, text: str) -> list[int]:
        """Ids of a plain prompt; a beginning token comes first when the model wants one."""
        return self._begin + self._ids(text)

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """Ids of a conversation; the template writes the beginning token itself, if there is one."""
        ids = self._ids(self._template.render(messages))
        return ids if ids[: len(self._begin)] == self._begin else self._begin + ids

    def decoder(self) -> StreamDecoder:
        """A fresh decoder; special tokens leave no text."""
        return StreamDecoder(self._tokenizer)

    def text(self, token: int) -> bytes:
        """The bytes of one token."""
        return self._bytes[token] if 0 <= token < len(self._bytes) else b""

    def _ids(self, text: str) -> list[int]:
        # `encode` would hold the interpreter's lock, for 1 s per megabyte; `encode_batch` gives it up.
        return self._tokenizer.encode_batch([text], add_special_tokens=False)[0].ids


class StreamDecoder:
    """Whole characters only: bytes of an unfinished character wait for the next token."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._all: list[int] = []
        self._length = 0

    def push(self, tokens: Sequence[int]) -> str:
        text = ""
        for token in tokens:
            self._all.append(token)
            text += self._stream.step(self._tokenizer, token) or ""
        self._length += len(text)
        return text

    def finish(self) -> str:
        """The rest, with a replacement character for bytes that never became a character."""
        return self._tokenizer.decode(self._all, skip_special_tokens=True)[self._length :]


def gguf_codec(path: str) -> GgufCodec:
    """The codec of a GGUF file; raises BadModelFile."""
    return GgufCodec(read_gguf(path))


def letters_bytes(token: str, *, whole: bool) -> bytes:
    """The bytes of a token in a byte-level vocabulary, whose letters stand for bytes; `whole`: it is plain text."""
    if whole or any(letter not in _LETTERS for letter in token):
        return token.encode()
    return bytes(_LETTERS[letter] for letter in token)


def _token_bytes(model: GgufModel) -> list[bytes]:
    special = set(model.special_tokens.values())
    return [letters_bytes(token, whole=token in special) for token in model.tokens]


def _letters() -> dict[str, int]:
    """GPT-2's printable letter for each byte, reversed (openai/gpt-2, encoder.py, `bytes_to_unicode`)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(rest)}


_LETTERS = _letters()
