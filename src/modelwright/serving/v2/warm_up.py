"""Makes a request of zeros that fits a signature, for a model that was given no check; it sends nothing."""

from __future__ import annotations

import msgspec
import numpy as np

from modelwright.core.ports.engines import Signature, TensorSpec
from modelwright.serving.v2.inputs import DTYPES


def zeros(signature: Signature) -> tuple[bytes, int]:
    """A body with one row of zeros (free dimensions are 1) as binary tensors, and the length of its JSON part."""
    pieces = [_zeros(spec) for spec in signature.inputs]
    inputs = [
        {
            "name": spec.name,
            "shape": _shape(spec),
            "datatype": spec.datatype,
            "parameters": {"binary_data_size": len(piece)},
        }
        for spec, piece in zip(signature.inputs, pieces, strict=True)
    ]
    head = msgspec.json.encode({"inputs": inputs, "parameters": {"binary_data_output": True}})
    return b"".join((head, *pieces)), len(head)


def _zeros(spec: TensorSpec) -> bytes:
    """Of BYTES, empty elements: each is its length alone."""
    return np.zeros(_shape(spec), np.int32 if spec.datatype == "BYTES" else DTYPES[spec.datatype]).tobytes()


def _shape(spec: TensorSpec) -> list[int]:
    return [max(1, size) for size in spec.shape]
