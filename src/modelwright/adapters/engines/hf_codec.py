"""Tokenizer and chat template of a folder in Hugging Face's layout, by its `tokenizer.json`; it runs no engine."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from modelwright.adapters.engines.chat_template import ChatTemplate
from modelwright.adapters.engines.gguf_codec import gguf_codec
from modelwright.adapters.engines.hf_folder import TOKENIZER, HfFolder, read_folder
from modelwright.adapters.engines.token_codec import PLAIN_TEMPLATE, TokenCodec, letters_bytes
from modelwright.core.errors.starting import BadModelFile


def hf_codec(model: HfFolder) -> TokenCodec:
    """The codec of a folder; raises BadModelFile."""
    place = Path(model.path, TOKENIZER)
    try:
        tokenizer = Tokenizer.from_file(str(place))
    except Exception as error:  # the library raises plain Exception
        raise BadModelFile(f"{TOKENIZER} cannot be read: {error}", place=model.path, hint="copy it again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    bos = tokenizer.token_to_id(model.bos) if model.adds_bos and model.bos else None
    return TokenCodec(
        tokenizer,
        ChatTemplate(model.chat_template or PLAIN_TEMPLATE, place=model.path, special_tokens=model.special_tokens),
        begin=[] if bos is None else [bos],
        token_bytes=_token_bytes(tokenizer, model.vocabulary),
    )


def llm_codec(path: str) -> TokenCodec:
    """The codec of a GGUF file or of a folder; raises BadModelFile."""
    return hf_codec(read_folder(path)) if Path(path).is_dir() else gguf_codec(path)


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
