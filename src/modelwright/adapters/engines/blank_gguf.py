"""Writes the smallest Llama that OpenVINO reads, with weights of zero: it says nothing, and is opened in no time."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import prod
from pathlib import Path

HIDDEN, HEADS, FEED_FORWARD, CONTEXT = 64, 2, 64, 64
ALIGNMENT = 32
_TEXT, _LIST, _F32, _F16 = 8, 9, 0, 1
_NORMAL, _CONTROL = 1, 3
END = "<|end|>"
_PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1))
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_LETTERS = {byte: chr(byte) for byte in _PRINTABLE} | {byte: chr(256 + at) for at, byte in enumerate(_OTHERS)}
"""How a byte is written in a byte-level vocabulary."""
_KNOWN = frozenset(_LETTERS.values())


def write_blank_gguf(path: Path, more: Iterable[str] = ()) -> Path:
    """Its tokens are the 256 bytes and an end, and `more`, in byte-level letters or as they read."""
    tokens = [*dict.fromkeys((END, *_LETTERS.values(), *map(_in_letters, filter(None, more))))]
    facts = [*_shape(len(tokens)), *_tokenizer(tokens)]
    tensors = _tensors(len(tokens))
    head = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(facts)), *facts]
    place = 0
    for name, dimensions in tensors.items():
        kind = _F32 if len(dimensions) == 1 else _F16
        head.append(_text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, place))
        place += _padded(prod(dimensions) * (4 if kind == _F32 else 2))
    described = b"".join(head)
    with path.open("wb") as file:
        file.write(described)
        file.truncate(_padded(len(described)) + place)  # weights of zero take no room on the disk
    return path


def _in_letters(token: str) -> str:
    if all(letter in _KNOWN for letter in token):
        return token
    return "".join(_LETTERS[byte] for byte in token.replace("\u2581", " ").encode("utf-8", "replace"))


def _shape(vocabulary: int) -> list[bytes]:
    numbers = {
        "llama.context_length": CONTEXT,
        "llama.embedding_length": HIDDEN,
        "llama.block_count": 1,
        "llama.feed_forward_length": FEED_FORWARD,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": 1,
        "llama.rope.dimension_count": HIDDEN // HEADS,
        "llama.vocab_size": vocabulary,
        "general.file_type": 1,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.padding_token_id": 0,
    }
    fractions = {"llama.rope.freq_base": 10_000.0, "llama.attention.layer_norm_rms_epsilon": 1e-5}
    return [
        *(_fact(name, 4, struct.pack("<I", number)) for name, number in numbers.items()),
        *(_fact(name, 6, struct.pack("<f", number)) for name, number in fractions.items()),
    ]


def _tokenizer(tokens: list[str]) -> list[bytes]:
    kinds = [_CONTROL, *[_NORMAL] * (len(tokens) - 1)]
    return [
        *(
            _fact(name, _TEXT, _text(text))
            for name, text in {
                "general.architecture": "llama",
                "tokenizer.ggml.model": "gpt2",
                "tokenizer.ggml.pre": "gpt-2",
                "tokenizer.chat_template": "",
            }.items()
        ),
        _fact("tokenizer.ggml.tokens", _LIST, struct.pack("<IQ", _TEXT, len(tokens)) + b"".join(map(_text, tokens))),
        _fact("tokenizer.ggml.merges", _LIST, struct.pack("<IQ", _TEXT, 1) + _text("t h")),
        _fact("tokenizer.ggml.token_type", _LIST, struct.pack(f"<IQ{len(kinds)}i", 5, len(kinds), *kinds)),
    ]


def _tensors(vocabulary: int) -> dict[str, tuple[int, ...]]:
    narrow = HIDDEN // HEADS
    return {
        "token_embd.weight": (HIDDEN, vocabulary),
        "output_norm.weight": (HIDDEN,),
        "output.weight": (HIDDEN, vocabulary),
        "blk.0.attn_norm.weight": (HIDDEN,),
        "blk.0.ffn_norm.weight": (HIDDEN,),
        "blk.0.attn_q.weight": (HIDDEN, HIDDEN),
        "blk.0.attn_k.weight": (HIDDEN, narrow),
        "blk.0.attn_v.weight": (HIDDEN, narrow),
        "blk.0.attn_output.weight": (HIDDEN, HIDDEN),
        "blk.0.ffn_gate.weight": (HIDDEN, FEED_FORWARD),
        "blk.0.ffn_up.weight": (HIDDEN, FEED_FORWARD),
        "blk.0.ffn_down.weight": (FEED_FORWARD, HIDDEN),
    }


def _fact(name: str, kind: int, value: bytes) -> bytes:
    return _text(name) + struct.pack("<I", kind) + value


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
