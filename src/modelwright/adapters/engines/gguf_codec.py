"""Tokenizer and chat template of a GGUF file, by its own metadata; it runs no engine."""

from __future__ import annotations

from modelwright.adapters.engines.chat_template import ChatTemplate
from modelwright.adapters.engines.gguf import build_tokenizer, read_gguf
from modelwright.adapters.engines.token_codec import PLAIN_TEMPLATE, TokenCodec, letters_bytes


def gguf_codec(path: str) -> TokenCodec:
    """The codec of a GGUF file; raises BadModelFile."""
    model = read_gguf(path)
    special = set(model.special_tokens.values())
    return TokenCodec(
        build_tokenizer(model),
        ChatTemplate(model.chat_template or PLAIN_TEMPLATE, place=model.path, special_tokens=model.special_tokens),
        begin=[model.bos] if model.adds_bos and model.bos is not None else [],
        token_bytes=[letters_bytes(token, whole=token in special) for token in model.tokens],
    )
