"""What is sent to an endpoint: the user's own body, or one made from what the endpoint says of itself; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelwright.app.supervise.welcome.examples import TensorTold
from modelwright.core.errors.calls import Malformed
from modelwright.core.wire.unreadable import UNREADABLE
from modelwright.core.wire.v2 import BINARY_HEADER, ITEM_BYTES

HELLO = "Write one short sentence about the sea."
MAX_TOKENS = 64
_PATHS = {
    "messages": "/v1/chat/completions",
    "prompt": "/v1/completions",
    "input": "/v1/embeddings",
}
"""By the field that tells what a body is; what has `inputs` is for `/v2`, and the rest for `/predict`."""


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One request, sent many times."""

    target: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    stream: bool = False
    rows: int = 1
    """Of a tensor request."""


def own_shot(endpoint: str, content: bytes, *, plain: bool = False) -> Shot:
    """The user's body; the endpoint's name is put in where the wire has it in the body. Raises Malformed.

    `plain`: the endpoint takes plain JSON alone, whatever its fields are called.
    """
    try:
        body = msgspec.json.decode(content, type=dict[str, Any])
    except (*UNREADABLE, msgspec.ValidationError) as error:
        raise Malformed(f"it is no JSON object: {error}", hint="give the JSON body of one request") from None
    if "inputs" in body and not plain:
        first = next(iter(body["inputs"]), {}) if isinstance(body["inputs"], list) else {}
        shape = first.get("shape") if isinstance(first, dict) else None
        rows = shape[0] if isinstance(shape, list) and shape and isinstance(shape[0], int) else 1
        return Shot(target=f"/v2/models/{endpoint}/infer", body=content, rows=max(1, rows))
    path = next((path for field, path in _PATHS.items() if field in body), "")
    if plain or not path:
        return plain_shot(endpoint, content)
    return Shot(target=path, body=msgspec.json.encode({**body, "model": endpoint}), stream=body.get("stream") is True)


def plain_shot(endpoint: str, content: bytes) -> Shot:
    """Plain JSON."""
    return Shot(target=f"/predict/{endpoint}", body=content)


def chat_shot(endpoint: str, *, stream: bool, max_tokens: int = MAX_TOKENS) -> Shot:
    """A short question."""
    body: dict[str, Any] = {
        "model": endpoint,
        "messages": [{"role": "user", "content": HELLO}],
        "max_tokens": max_tokens,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return Shot(target=_PATHS["messages"], body=msgspec.json.encode(body), stream=stream)


def vectors_shot(endpoint: str) -> Shot:
    """A short text to embed."""
    return Shot(target=_PATHS["input"], body=msgspec.json.encode({"model": endpoint, "input": HELLO}))


def tensor_shot(endpoint: str, tensors: Sequence[TensorTold], *, rows: int) -> Shot:
    """Binary tensors of zeros by what a model says of itself: a free first dimension is `rows`, the others are 1."""
    inputs: list[Mapping[str, Any]] = []
    size = 0
    for tensor in tensors:
        shape = [rows if at == 0 and length < 0 else max(1, length) for at, length in enumerate(tensor.shape)]
        nbytes = math.prod(shape) * ITEM_BYTES.get(tensor.datatype, 4)  # of BYTES, empty elements: each its length
        size += nbytes
        parameters = {"binary_data_size": nbytes}
        inputs.append({"name": tensor.name, "datatype": tensor.datatype, "shape": shape, "parameters": parameters})
    head = msgspec.json.encode({"inputs": inputs, "parameters": {"binary_data_output": True}})
    length = (BINARY_HEADER, b"%d" % len(head))
    batched = any(tensor.shape[:1] == (-1,) for tensor in tensors)
    return Shot(
        target=f"/v2/models/{endpoint}/infer",
        body=head + bytes(size),
        headers=(length,),
        rows=rows if batched else 1,
    )
