"""Makes the models that the serving benchmark runs: a tiny perceptron, and convolutions of about 2 ms per row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

FEATURES, CLASSES, CHANNELS, LAYERS = 64, 10, 64, 4
Arrays = dict[str, NDArray[Any]]


def tiny(path: Path) -> Path:
    """64 → 64 → 10, ReLU between: 4.7 k parameters."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["y"]),
    ]
    constants = {"w1": rng.normal(size=(FEATURES, 64)), "w2": rng.normal(size=(64, CLASSES))}
    return _saved(path, nodes, {name: array.astype(np.float32) for name, array in constants.items()})


def heavy(path: Path) -> Path:
    """The same 64 numbers as an 8 × 8 picture, enlarged to 32 × 32, four convolutions of 64 channels."""
    rng = np.random.default_rng(0)
    constants: Arrays = {
        "picture": np.array([-1, 1, 8, 8], np.int64),
        "scales": np.array([1, 1, 4, 4], np.float32),
        "last": rng.normal(size=(CHANNELS, CLASSES)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Reshape", ["x", "picture"], ["p"]),
        helper.make_node("Resize", ["p", "", "scales"], ["a0"], mode="nearest"),
    ]
    for layer in range(LAYERS):
        width = CHANNELS if layer else 1
        constants[f"w{layer}"] = (rng.normal(size=(CHANNELS, width, 3, 3)) / 10).astype(np.float32)
        nodes.append(helper.make_node("Conv", [f"a{layer}", f"w{layer}"], [f"c{layer}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{layer}"], [f"a{layer + 1}"]))
    nodes.append(helper.make_node("GlobalAveragePool", [f"a{LAYERS}"], ["g"]))
    nodes.append(helper.make_node("Flatten", ["g"], ["f"]))
    nodes.append(helper.make_node("MatMul", ["f", "last"], ["y"]))
    return _saved(path, nodes, constants)


def _saved(path: Path, nodes: Sequence[onnx.NodeProto], constants: Arrays) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "bench",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", FEATURES])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
