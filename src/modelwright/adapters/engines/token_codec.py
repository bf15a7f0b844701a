"""Text to token ids and back with a tokenizer and a chat template, as the text port wants them; it reads no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from modelwright.adapters.engines.chat_template import ChatTemplate

PLAIN_TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
"""For a base model, which has no template of its own."""


class TokenCodec:
    """One model's."""

    def __init__(
        self, tokenizer: Tokenizer, template: ChatTemplate, *, begin: Sequence[int], token_bytes: Sequence[bytes]
    ) -> None:
        """`begin` are the ids that every prompt begins with; `token_bytes` has the bytes of each token, by id."""
        self._tokenizer = tokenizer
        self._template = template
        self._begin = [*begin]
        self._bytes = token_bytes

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


def letters_bytes(token: str, *, whole: bool) -> bytes:
    """The bytes of a token in a byte-level vocabulary, whose letters stand for bytes; `whole`: it is plain text."""
    if whole or any(letter not in _LETTERS for letter in token):
        return token.encode()
    return bytes(_LETTERS[letter] for letter in token)


def _letters() -> dict[str, int]:
    """GPT-2's printable letter for each byte, reversed (openai/gpt-2, encoder.py, `bytes_to_unicode`)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(rest)}


_LETTERS = _letters()
