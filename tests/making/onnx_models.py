"""Small ONNX models made on the spot, for tests with the real engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Dims = Sequence[int | str]
Value = tuple[str, int, Dims]


def save_model(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    constants: dict[str, NDArray[Any]] | None = None,
) -> Path:
    """Write a model; each value is its name, its ONNX type and its dimensions (a text is a free one)."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(*value) for value in inputs],
        [helper.make_tensor_value_info(*value) for value in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


FLOAT = onnx.TensorProto.FLOAT
INT64 = onnx.TensorProto.INT64


def double(path: Path, *, columns: int = 4) -> Path:
    """What the toy engine computes: `y = 2 x` and `total`, each row's sum."""
    nodes = [
        helper.make_node("Mul", ["x", "two"], ["y"]),
        helper.make_node("ReduceSum", ["x", "axes"], ["total"], keepdims=0),
    ]
    constants = {"two": np.array(2, np.float32), "axes": np.array([1], np.int64)}
    outputs = [("y", FLOAT, ["n", columns]), ("total", FLOAT, ["n"])]
    return save_model(path, nodes, inputs=[("x", FLOAT, ["n", columns])], outputs=outputs, constants=constants)


def pick(path: Path) -> Path:
    """Takes rows of a table of three by index; an index outside is refused by the engine while it runs."""
    table = np.array([[10, 11], [20, 21], [30, 31]], np.float32)
    nodes = [helper.make_node("Gather", ["table", "index"], ["y"])]
    inputs = [("index", INT64, ["n"])]
    return save_model(path, nodes, inputs=inputs, outputs=[("y", FLOAT, ["n", 2])], constants={"table": table})


def reshape(path: Path) -> Path:
    """Gives six numbers in the sizes that are asked for; other sizes fail while it runs."""
    nodes = [helper.make_node("Reshape", ["six", "sizes"], ["y"])]
    constants = {"six": np.arange(6, dtype=np.float32)}
    inputs = [("sizes", INT64, [2])]
    return save_model(path, nodes, inputs=inputs, outputs=[("y", FLOAT, ["n", "m"])], constants=constants)


def pair(path: Path) -> Path:
    """`y = a b` of two matrices of any size; those that do not fit fail while it runs."""
    nodes = [helper.make_node("MatMul", ["a", "b"], ["y"])]
    inputs = [("a", FLOAT, ["n", "k"]), ("b", FLOAT, ["j", "m"])]
    return save_model(path, nodes, inputs=inputs, outputs=[("y", FLOAT, ["n", "m"])])


def product(path: Path, *, columns: int = 4, dtype: Any = np.float32) -> Path:
    """`y = x w` with random weights, which are large enough to be seen in what precision they are computed."""
    weights = np.random.default_rng(1).normal(size=(columns, columns)).astype(dtype)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    ends = [("x", kind, ["n", columns])], [("y", kind, ["n", columns])]
    return save_model(path, nodes, inputs=ends[0], outputs=ends[1], constants={"w": weights})


def weights_of(path: Path) -> NDArray[Any]:
    """Those of a product."""
    return numpy_helper.to_array(onnx.load(path).graph.initializer[0])


def beside(source: Path, path: Path) -> Path:
    """Write `source` with its weights in a file beside it: `path` and `<name>.data`."""
    model = onnx.load(source)
    onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=32)
    return path


def identity(path: Path, datatype: int, dims: Dims = ("n", 2)) -> Path:
    """Gives back what it gets."""
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    return save_model(path, nodes, inputs=[("x", datatype, dims)], outputs=[("y", datatype, dims)])
