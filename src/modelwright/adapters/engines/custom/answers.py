"""What a user's method returned, as bytes of an answer; it knows the values, not the wire."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
from pydantic import BaseModel

from modelwright.adapters.engines.custom.files import File
from modelwright.core.ports.engines import Answer


def answer_of(value: Any) -> Answer:
    """A file or bytes go as they are, everything else as JSON; raises TypeError or ValueError for what JSON lacks."""
    if isinstance(value, File):
        return Answer(value.data, value.content_type)
    if isinstance(value, bytes | bytearray):
        return Answer(bytes(value), "application/octet-stream")
    return Answer(json_of(value))


def json_of(value: Any) -> bytes:
    """JSON in one line; NaN and infinity, which JSON lacks, become null."""
    return _encode(value)


def _plain(value: Any) -> Any:
    """What msgspec does not know by itself."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    if isinstance(value, File):
        return value.data
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} cannot be written as JSON")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
