"""Tokenizer and chat template of a folder in Hugging Face's layout, as the text port wants them; it runs no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from modelwright.adapters.engines.chat_template import ChatTemplate
from modelwright.adapters.engines.gguf_codec import PLAIN_TEMPLATE, GgufCodec, StreamDecoder, gguf_codec, letters_bytes
from modelwright.adapters.engines.hf_folder import TOKENIZER, HfFolder, read_folder
from modelwright.core.errors.starting import BadModelFile


class HfCodec:
    """Text to ids and back by the folder's `tokenizer.json`."""

    def __init__(self, model: HfFolder) -> None:
        place = Path(model.path, TOKENIZER)
        try:
            self._tokenizer = Tokenizer.from_file(str(place))
        except Exception as error:  # the library raises plain Exception
            raise BadModelFile(
                f"{TOKENIZER} cannot be read: {error}", place=model.path, hint="copy it again"
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        bos = self._tokenizer.token_to_id(model.bos) if model.adds_bos and model.bos else None
        self._begin = [] if bos is None else [bos]
        template = model.chat_template or PLAIN_TEMPLATE
        self._template = ChatTemplate(template, place=model.path, special_tokens=model.special_tokens)
        self._bytes = _token_bytes(self._tokenizer, model.vocabulary)

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


def llm_codec(path: str) -> GgufCodec | HfCodec:
    """The codec of a GGUF file or of a folder; raises BadModelFile."""
    return HfCodec(read_folder(path)) if Path(path).is_dir() else gguf_codec(path)


def _token_bytes(tokenizer: Tokenizer, vocabulary: int) -> list[bytes]:
    """By id; a byte-level vocabulary writes bytes as letters, SentencePiece's a space as `▁` and a byte as `<0x0A>`."""
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    size = max(vocabulary, tokenizer.get_vocab_size(with_added_tokens=True))
    tokens = [tokenizer.id_to_token(index) or "" for index in range(size)]
    told = letters_bytes if "ByteLevel(" in repr(tokenizer.decoder) else _sentencepiece_bytes
    return [told(token, whole=token in special) for token in tokens]


def _sentencepiece_bytes(token: str, *, whole: bool) -> bytes:
    if whole:
        return token.encode()
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:5], 16)])
    return token.replace("▁", " ").encode()
