"""Small TensorFlow Lite models, written with the schema that comes with LiteRT: no TensorFlow is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated
from numpy.typing import NDArray

schema: Any = schema_py_generated
"""Its types are those of generated code."""
Dims = Sequence[int]
Names = Mapping[str, str]
KINDS = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.uint8): schema.TensorType.UINT8,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int64): schema.TensorType.INT64,
    np.dtype(np.bool_): schema.TensorType.BOOL,
    np.dtype(np.complex64): schema.TensorType.COMPLEX64,
}


class Tensor(NamedTuple):
    """One tensor; -1 is a free dimension, `scale` makes it quantised."""

    name: str
    dtype: Any
    dims: Dims
    content: NDArray[Any] | None = None
    scale: float = 0.0
    zero_point: int = 0


class Op(NamedTuple):
    """One operation on tensors by name."""

    code: int
    inputs: Sequence[str]
    outputs: Sequence[str]
    options: Any = None
    options_type: int = 0


def save_model(
    path: Path,
    tensors: Sequence[Tensor],
    ops: Sequence[Op],
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    signature: Names | Mapping[str, Names] | None = None,
) -> Path:
    """Write a model; one signature or several give inputs and outputs other names, which are those that callers see."""
    places = {tensor.name: place for place, tensor in enumerate(tensors)}
    codes = sorted({op.code for op in ops})
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT(), *(_buffer(tensor) for tensor in tensors)]
    model.operatorCodes = [_code(code) for code in codes]
    graph = schema.SubGraphT()
    graph.name = b"main"
    graph.tensors = [_tensor(tensor, buffer=place + 1) for place, tensor in enumerate(tensors)]
    graph.inputs = [places[name] for name in inputs]
    graph.outputs = [places[name] for name in outputs]
    graph.operators = [_operator(op, codes.index(op.code), places) for op in ops]
    model.subgraphs = [graph]
    if signature:
        several: Any = signature if isinstance(next(iter(signature.values())), dict) else {"serving_default": signature}
        model.signatureDefs = [_signature(name, names, places, inputs=inputs) for name, names in several.items()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def double(path: Path, *, rows: int = -1, signature: Names | Mapping[str, Names] | None = None) -> Path:
    """What the toy engine computes: `y = 2 x` and `total`, each row's sum."""
    tensors = [
        Tensor("x", np.float32, [rows, 4]),
        Tensor("two", np.float32, [], np.array(2, np.float32)),
        Tensor("axes", np.int32, [1], np.array([1], np.int32)),
        Tensor("y", np.float32, [rows, 4]),
        Tensor("total", np.float32, [rows]),
    ]
    ops = [
        Op(schema.BuiltinOperator.MUL, ["x", "two"], ["y"], schema.MulOptionsT(), schema.BuiltinOptions.MulOptions),
        Op(
            schema.BuiltinOperator.SUM,
            ["x", "axes"],
            ["total"],
            schema.ReducerOptionsT(),
            schema.BuiltinOptions.ReducerOptions,
        ),
    ]
    return save_model(path, tensors, ops, inputs=["x"], outputs=["y", "total"], signature=signature)


def pick(path: Path) -> Path:
    """Takes rows of a table of three by index; an index outside fails while it runs."""
    table = np.array([[10, 11], [20, 21], [30, 31]], np.float32)
    tensors = [
        Tensor("table", np.float32, [3, 2], table),
        Tensor("index", np.int32, [-1]),
        Tensor("y", np.float32, [-1, 2]),
    ]
    options = schema.GatherOptionsT()
    gather = Op(schema.BuiltinOperator.GATHER, ["table", "index"], ["y"], options, schema.BuiltinOptions.GatherOptions)
    return save_model(path, tensors, [gather], inputs=["index"], outputs=["y"])


def pair(path: Path) -> Path:
    """`y = a b` of two matrices of any size; those that do not fit fail when memory is laid out for them."""
    tensors = [Tensor(name, np.float32, [-1, -1]) for name in ("a", "b", "y")]
    code, kind = schema.BuiltinOperator.BATCH_MATMUL, schema.BuiltinOptions.BatchMatMulOptions
    product = Op(code, ["a", "b"], ["y"], schema.BatchMatMulOptionsT(), kind)
    return save_model(path, tensors, [product], inputs=["a", "b"], outputs=["y"])


def product(path: Path, *, columns: int) -> Path:
    """`y = x w` with random weights."""
    weights = np.random.default_rng(1).normal(size=(columns, columns)).astype(np.float32)
    shape = [-1, columns]
    tensors = [
        Tensor("x", np.float32, shape),
        Tensor("w", np.float32, [columns, columns], weights),
        Tensor("b", np.float32, [columns], np.zeros(columns, np.float32)),
        Tensor("y", np.float32, shape),
    ]
    return save_model(path, tensors, [_layer()], inputs=["x"], outputs=["y"])


def dense(path: Path, dtype: Any, *, weights: NDArray[np.int8], scales: tuple[float, float, float], zero: int) -> Path:
    """A fully connected layer on whole numbers: scales of input, weights and output, one zero point for both ends."""
    rows, columns = weights.shape
    taken, own, given = scales
    if dtype is np.uint8:
        kernel = Tensor("w", np.uint8, [rows, columns], (weights.astype(np.int16) + 128).astype(np.uint8), own, 128)
    else:
        kernel = Tensor("w", np.int8, [rows, columns], weights, own)
    tensors = [
        Tensor("x", dtype, [-1, columns], None, taken, zero),
        kernel,
        Tensor("b", np.int32, [rows], np.zeros(rows, np.int32), taken * own),
        Tensor("y", dtype, [-1, rows], None, given, zero),
    ]
    return save_model(path, tensors, [_layer()], inputs=["x"], outputs=["y"])


def _layer() -> Op:
    options = schema.FullyConnectedOptionsT()
    code, kind = schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOptions.FullyConnectedOptions
    return Op(code, ["x", "w", "b"], ["y"], options, kind)


def _buffer(tensor: Tensor) -> Any:
    buffer = schema.BufferT()
    if tensor.content is not None:
        buffer.data = np.frombuffer(tensor.content.tobytes(), np.uint8)
    return buffer


def _code(code: int) -> Any:
    row = schema.OperatorCodeT()
    row.builtinCode = code
    row.deprecatedBuiltinCode = min(code, 127)
    row.version = 4 if code == schema.BuiltinOperator.FULLY_CONNECTED else 1
    return row


def _tensor(tensor: Tensor, *, buffer: int) -> Any:
    row = schema.TensorT()
    row.name = tensor.name.encode()
    row.type = KINDS[np.dtype(tensor.dtype)]
    row.shape = [max(1, size) for size in tensor.dims]
    if -1 in tensor.dims:
        row.shapeSignature = list(tensor.dims)
    row.buffer = buffer
    if tensor.scale:
        row.quantization = schema.QuantizationParametersT()
        row.quantization.scale = [tensor.scale]
        row.quantization.zeroPoint = [tensor.zero_point]
    return row


def _operator(op: Op, code: int, places: dict[str, int]) -> Any:
    row = schema.OperatorT()
    row.opcodeIndex = code
    row.inputs = [places[name] for name in op.inputs]
    row.outputs = [places[name] for name in op.outputs]
    row.builtinOptions = op.options
    row.builtinOptionsType = op.options_type
    return row


def _signature(key: str, names: Names, places: dict[str, int], *, inputs: Sequence[str]) -> Any:
    row = schema.SignatureDefT()
    row.signatureKey = key.encode()
    row.subgraphIndex = 0
    row.inputs, row.outputs = [], []
    for told, tensor in names.items():
        pair = schema.TensorMapT()
        pair.name, pair.tensorIndex = told.encode(), places[tensor]
        (row.inputs if tensor in inputs else row.outputs).append(pair)
    return row
