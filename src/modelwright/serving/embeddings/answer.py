"""Writes vectors as the OpenAI wire has them: numbers or base64 of little-endian 32-bit floats, shortened if asked."""

from __future__ import annotations

import base64
import math

import msgspec
import numpy as np

from modelwright.core.errors.calls import EngineFailed
from modelwright.core.ports.engines import Array
from modelwright.serving.embeddings.request import Wanted
from modelwright.serving.pipelines.arithmetic import unit


def write_answer(vectors: Array, wanted: Wanted, *, model: str, tokens: int, seconds: float) -> bytes:
    """`vectors` is [rows, size], in the order of the request; `seconds` its share of the engine's time."""
    if not np.isfinite(vectors).all():
        raise EngineFailed("the model gave a vector with numbers that are none", hint="see the model's export")
    if wanted.dimensions:
        vectors = unit(vectors[:, : wanted.dimensions])
    vectors = np.ascontiguousarray(vectors, "<f4")
    rows = [base64.b64encode(row).decode() for row in vectors] if wanted.base64 else vectors.tolist()
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "machine_us": math.ceil(seconds * 1e6)}
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
            "model": model,
            "usage": usage,
        }
    )
