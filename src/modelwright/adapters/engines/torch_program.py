"""A PyTorch program as a function of tensors with names, datatypes and shapes, whatever file it was read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import msgspec

from modelwright.core.ports.engines import TensorSpec

torch: Any = import_module("torch")
pytree: Any = import_module("torch.utils._pytree")

DATATYPES: dict[Any, str] = {
    torch.bool: "BOOL",
    torch.int8: "INT8",
    torch.uint8: "UINT8",
    torch.int16: "INT16",
    torch.int32: "INT32",
    torch.int64: "INT64",
    torch.float16: "FP16",
    torch.bfloat16: "FP32",
    torch.float32: "FP32",
    torch.float64: "FP64",
}
"""bfloat16 goes over the wire as FP32, without loss."""
DTYPES: dict[str, Any] = {name: dtype for dtype, name in DATATYPES.items() if dtype is not torch.bfloat16}
PRECISIONS: dict[Any, str] = {
    torch.float64: "f64",
    torch.float32: "f32",
    torch.bfloat16: "bf16",
    torch.float16: "f16",
}


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What can be run."""

    run: Callable[[list[Any]], Sequence[Any]]
    """Tensors of the inputs in order to tensors of the outputs in order."""
    inputs: tuple[TensorSpec, ...]
    dtypes: tuple[Any, ...]
    """What the program takes; bfloat16 where the wire has FP32."""
    outputs: tuple[TensorSpec, ...]
    rows: bool = True
    precision: str = "f32"
    """Of its weights."""


class CannotServe(Exception):
    """The program is one, but cannot be served; the text says why, `remedy` what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


def names_of(tree: Any) -> list[str]:
    """Names of a program's outputs: the keys of a dict, the fields of a tuple with names, otherwise `output_0` …."""
    flat, _ = pytree.tree_flatten_with_path(tree)
    if len(flat) == 1 and not flat[0][0]:
        return ["output"]
    return [_joined(path) for path, _ in flat]


def precision_of(module: Any) -> str:
    """Of the weights: that of the first one with a floating point."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dtype in PRECISIONS:
            return PRECISIONS[tensor.dtype]
    return "f32"


def datatype_of(dtype: Any, name: str) -> str:
    """V2's name; raises CannotServe for what the wire cannot carry."""
    if dtype not in DATATYPES:
        raise CannotServe(f"{name!r} is a {dtype}, which the V2 wire cannot carry", "export it with plain tensors")
    return DATATYPES[dtype]


def _joined(path: Sequence[Any]) -> str:
    steps = [str(next(getattr(key, name) for name in ("key", "idx", "name") if hasattr(key, name))) for key in path]
    return ".".join([f"output_{steps[0]}" if steps[0].isdigit() else steps[0], *steps[1:]])
