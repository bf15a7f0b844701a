"""Tells a model's configuration in Triton's words, as far as clients read it: types, dimensions, rows of a batch."""

from __future__ import annotations

from typing import Any

from modelwright.core.ports.engines import Signature, TensorSpec


def configuration(
    model: str, signature: Signature, *, engine: str, max_rows: int, labels: bool = False
) -> dict[str, Any]:
    """As JSON would have it. A model that batches has `max_batch_size` rows, and its `dims` leave the rows out."""
    batches = signature.batches
    outputs = [_tensor(spec, batches=batches) for spec in signature.outputs]
    for output in outputs:
        output["label_filename"] = "labels" if labels else ""
    told = {
        "name": model,
        "platform": signature.platform,
        "backend": engine,
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": max_rows if batches else 0,
        "input": [{**_tensor(spec, batches=batches), "format": "FORMAT_NONE"} for spec in signature.inputs],
        "output": outputs,
    }
    return {**told, "dynamic_batching": {"max_queue_delay_microseconds": 0}} if batches else told


def _tensor(spec: TensorSpec, *, batches: bool) -> dict[str, Any]:
    word = "STRING" if spec.datatype == "BYTES" else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{word}", "dims": list(spec.shape[1:] if batches else spec.shape)}
