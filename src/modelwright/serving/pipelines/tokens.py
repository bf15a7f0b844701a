"""The step that makes token ids of texts, in rows of few different lengths; the tokenizer itself comes by a port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np

from modelwright.core.errors.calls import CallError, ContextTooLong, EngineFailed, Malformed, Unprocessable
from modelwright.core.ports.engines import Array, TensorSpec, Tokenizer, Tokens
from modelwright.serving.pipelines.step import Socket

TEXT = "text"
IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
_DTYPES = {"INT64": np.int64, "INT32": np.int32}
_SHORTEST = 16
_CHARACTERS = 64
"""Of one token: no language comes near it."""
_ALWAYS = 64 << 10
"""Characters of a text that are tokenised in any case, in a tenth of a second."""


class TokenRules(msgspec.Struct, frozen=True, kw_only=True):
    """How texts become rows."""

    max_tokens: int = 512
    """Of one text, special tokens included."""
    cuts: bool = False
    """A longer text is cut off; otherwise it is refused."""
    datatype: str = "INT64"


class Tokenize:
    """Texts [rows] to `input_ids`, `attention_mask` and `token_type_ids`, each [rows, tokens].

    Rows are filled up to a length of `lengths`, so that requests of about the same length share a batch and a short
    one does not pay for a long one.
    """

    def __init__(self, tokenizer: Tokenizer, rules: TokenRules) -> None:
        self._tokenizer = tokenizer
        self._rules = rules
        self._dtype = _DTYPES[rules.datatype]
        self._lengths = tuple(lengths(rules.max_tokens))
        self.longest = rules.max_tokens
        self._most = max(_ALWAYS, _CHARACTERS * rules.max_tokens)
        self.makes: tuple[str, ...] = (IDS, MASK, TYPES)
        """The tensors that somebody takes; the others are not made."""

    def load(self) -> tuple[Socket, ...]:
        self._tokenizer.load()
        return (Socket(TEXT, ("BYTES",), (-1,)),)

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(name=name, datatype=self._rules.datatype, shape=(-1, -1)) for name in self.makes)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        rows = self.encode(inputs[TEXT])
        return self.filled(rows, self.length(max(len(row.ids) for row in rows)))

    def close(self) -> None:
        """The tokenizer goes with it."""

    def encode(self, texts: Array) -> list[Tokens]:
        """The tokens of each text, an array of bytes; raises CallError."""
        try:
            decoded = [text.decode() for text in texts.ravel().tolist()]
        except UnicodeDecodeError as error:
            raise Unprocessable(f"a text is not valid UTF-8: {error.reason}", hint="send UTF-8", param=TEXT) from None
        return self.read(decoded)

    def check(self, texts: Sequence[str]) -> None:
        """Raise ContextTooLong for a text that is not worth the time to tokenise it."""
        for index, text in enumerate(texts):
            if len(text) > self._most:
                raise ContextTooLong(
                    f"text {index} has {len(text)} characters, at most {self._most} are read: "
                    f"a row of this model has {self.longest} tokens",
                    hint="send a shorter text, or several",
                    param=TEXT,
                )

    def read(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text; raises CallError."""
        self.check(texts)
        try:
            return self.bounded(self._tokenizer.encode(texts))
        except CallError:
            raise
        except Exception as error:
            raise EngineFailed(f"the tokenizer failed: {type(error).__name__}: {error}") from error

    def bounded(self, rows: list[Tokens]) -> list[Tokens]:
        """The same rows, none too long and none empty; raises CallError."""
        most = self._rules.max_tokens
        for index, row in enumerate(rows):
            if len(row.ids) > most:
                if not self._rules.cuts:
                    raise _too_long(index, len(row.ids), most)
                rows[index] = Tokens(row.ids[:most], row.types[:most])
            elif not row.ids:
                rows[index] = Tokens((self._tokenizer.padding,), ())
        return rows

    def checked(self, rows: Sequence[Sequence[int]]) -> list[Tokens]:
        """Rows of ids that a client has made itself; raises CallError."""
        known = self._tokenizer.vocabulary
        for row in rows:
            wrong = next((number for number in row if not 0 <= number < known), None)
            if wrong is not None:
                raise Malformed(f"there is no token {str(wrong)[:20]}", hint=f"ids are 0 to {known - 1}; or send texts")
        return self.bounded([Tokens(row, ()) for row in rows])

    def length(self, tokens: int) -> int:
        """What a row of so many tokens is filled up to."""
        return next(length for length in self._lengths if length >= tokens)

    def filled(self, rows: Sequence[Tokens], length: int) -> dict[str, Array]:
        """The rows as arrays of this length."""
        return {name: self._filled(name, rows, length) for name in self.makes}

    def _filled(self, name: str, rows: Sequence[Tokens], length: int) -> Array:
        fill = self._tokenizer.padding if name == IDS else 0
        array = np.full((len(rows), length), fill, self._dtype)
        for index, row in enumerate(rows):
            if name == IDS:
                array[index, : len(row.ids)] = row.ids
            elif name == MASK:
                array[index, : len(row.ids)] = 1
            elif row.types:
                array[index, : len(row.types)] = row.types
        return array


def lengths(most: int) -> Iterator[int]:
    """Steps of a half and a third by turns (16, 24, 32, 48, 64 …), so that at most a third of a row is filling."""
    power = _SHORTEST
    while power < most:
        yield power
        if power * 3 // 2 < most:
            yield power * 3 // 2
        power *= 2
    yield most


def _too_long(index: int, tokens: int, most: int) -> ContextTooLong:
    return ContextTooLong(
        f"text {index} has {tokens} tokens, at most {most} are taken",
        hint="send a shorter text, or let the tokenizer cut it off: `longer: cut`",
        param=TEXT,
    )
