"""Reads a body that is one tensor's bytes and nothing else (`Inference-Header-Content-Length: 0`) as a V2 request.

The shape is what the signature says; the one dimension that it leaves free is told by the number of bytes.
"""

from __future__ import annotations

import math

from modelwright.core.errors.calls import Malformed
from modelwright.core.ports.engines import Signature, TensorSpec
from modelwright.core.wire.v2 import ITEM_BYTES, InferRequest, RequestInput

_REMEDY = "send a V2 request, with inference-header-content-length as the length of its JSON part"


def raw_request(signature: Signature, body: bytes | memoryview) -> tuple[InferRequest, memoryview]:
    """The request and its bytes; all outputs go as bytes. Raises Malformed when the shape cannot be told."""
    if len(signature.inputs) != 1:
        names = ", ".join(spec.name for spec in signature.inputs)
        raise Malformed(f"the body is bytes alone, but the model takes {names}", hint=_REMEDY)
    (spec,) = signature.inputs
    if spec.datatype == "BYTES":
        shape, rest = _one(spec), memoryview(b"".join((len(body).to_bytes(4, "little"), body)))
    else:
        shape, rest = _shape(spec, len(body), batches=signature.batches), memoryview(body)
    item = RequestInput(spec.name, shape, spec.datatype, {"binary_data_size": len(rest)})
    return InferRequest([item], parameters={"binary_data_output": True}), rest


def _one(spec: TensorSpec) -> list[int]:
    """The body is one element."""
    return [max(1, size) for size in spec.shape]


def _shape(spec: TensorSpec, size: int, *, batches: bool) -> list[int]:
    shape = list(spec.shape)
    free = [at for at, wanted in enumerate(shape) if wanted == -1]
    if batches and len(free) == 2:
        shape[free.pop(0)] = 1
    if len(free) > 1:
        raise Malformed(
            f"the body is bytes alone, but input {spec.name!r} leaves {len(free)} dimensions free", hint=_REMEDY
        )
    if free:
        each = ITEM_BYTES[spec.datatype] * math.prod(wanted for wanted in shape if wanted != -1)
        shape[free[0]] = max(1, size // each)
    return shape
