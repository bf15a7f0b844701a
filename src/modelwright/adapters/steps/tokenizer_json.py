"""Tokenizer from a `tokenizer.json`, by Hugging Face's library; whatever the file says of padding and cutting."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from modelwright.core.errors.starting import BadModelFile
from modelwright.core.ports.engines import Tokens

_PADDING = ("[PAD]", "<pad>", "<|endoftext|>", "</s>")
"""Names of the token that fills up, where the file does not say it."""


class TokenizerJson:
    """One tokenizer; it works on the caller's thread alone."""

    def __init__(self, path: str, *, place: str, cut: int = 0) -> None:
        """`cut`: tokens after which a text is cut off, special ones included; 0: never."""
        self.vocabulary = 0
        self.padding = 0
        self._path = path
        self._place = place
        self._cut = cut
        self._tokenizer: Tokenizer | None = None

    def load(self) -> None:
        os.putenv("TOKENIZERS_PARALLELISM", "false")  # the library would otherwise start a thread for every processor
        try:
            tokenizer = Tokenizer.from_str(Path(self._path).read_text("utf-8"))
        except Exception as error:  # the library raises plain Exception
            raise BadModelFile(
                f"{self._path} cannot be read as a tokenizer: {' '.join(str(error).split())[:300]}",
                hint="name a tokenizer.json, as Hugging Face's libraries write it",
                place=self._place,
            ) from error
        padding = tokenizer.padding
        known = [tokenizer.token_to_id(name) for name in _PADDING]
        self.padding = padding["pad_id"] if padding else next((number for number in known if number is not None), 0)
        tokenizer.no_padding()
        if self._cut:
            tokenizer.enable_truncation(self._cut)
        else:
            tokenizer.no_truncation()
        self.vocabulary = tokenizer.get_vocab_size()
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        if self._tokenizer is None:
            raise RuntimeError("the tokenizer is not loaded")
        found = self._tokenizer.encode_batch_fast(list(texts))
        return [Tokens(one.ids, one.type_ids) for one in found]
