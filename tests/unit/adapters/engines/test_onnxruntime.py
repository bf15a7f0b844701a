"""ONNX Runtime's own matters: datatypes, dimensions, options, threads."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import pytest
from onnx import helper

from modelwright.adapters.engines.onnxruntime import OnnxRuntimeEngine
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig
from tests.making.onnx_models import FLOAT, INT64, beside, double, identity, pick, product, save_model, weights_of

TYPES = onnx.TensorProto


def load(path: Path, **more: Any) -> OnnxRuntimeEngine:
    engine = OnnxRuntimeEngine()
    engine.load(EngineConfig(model="m", path=str(path), **more))
    return engine


@pytest.mark.parametrize(
    ("datatype", "name", "values"),
    [
        (TYPES.BOOL, "BOOL", np.array([[True, False]])),
        (TYPES.INT8, "INT8", np.array([[-128, 127]], np.int8)),
        (TYPES.UINT8, "UINT8", np.array([[0, 255]], np.uint8)),
        (TYPES.INT16, "INT16", np.array([[-3, 3]], np.int16)),
        (TYPES.UINT16, "UINT16", np.array([[0, 65535]], np.uint16)),
        (TYPES.INT32, "INT32", np.array([[-3, 3]], np.int32)),
        (TYPES.UINT32, "UINT32", np.array([[0, 3]], np.uint32)),
        (TYPES.INT64, "INT64", np.array([[-(2**63), 2**63 - 1]], np.int64)),
        (TYPES.UINT64, "UINT64", np.array([[0, 2**64 - 1]], np.uint64)),
        (TYPES.FLOAT16, "FP16", np.array([[0.5, -2]], np.float16)),
        (TYPES.FLOAT, "FP32", np.array([[0.5, np.nan]], np.float32)),
        (TYPES.DOUBLE, "FP64", np.array([[0.5, np.inf]], np.float64)),
        (TYPES.STRING, "BYTES", np.array([[b"one", "zwölf €".encode()]], object)),
    ],
)
def test_every_datatype_goes_in_and_comes_out(tmp_path: Path, datatype: int, name: str, values: Any) -> None:
    engine = OnnxRuntimeEngine()
    path = identity(tmp_path / "same.onnx", datatype)
    signature = engine.load(EngineConfig(model="m", path=str(path)))
    assert (signature.inputs[0].datatype, signature.outputs[0].datatype) == (name, name)
    result = engine.predict({"x": values})["y"]
    assert result.dtype == values.dtype
    np.testing.assert_array_equal(result, values)


def test_bytes_that_are_no_text_are_the_callers_fault(tmp_path: Path) -> None:
    engine = load(identity(tmp_path / "same.onnx", TYPES.STRING))
    with pytest.raises(Unprocessable, match="not valid UTF-8"):
        engine.predict({"x": np.array([[b"\xff", b""]], object)})


def test_value_that_the_model_refuses_is_the_callers_fault(tmp_path: Path) -> None:
    engine = load(pick(tmp_path / "pick.onnx"))
    with pytest.raises(Unprocessable, match="out of data bounds"):
        engine.predict({"index": np.array([3])})


def test_output_that_is_no_tensor_is_refused_at_load(tmp_path: Path) -> None:
    nodes = [helper.make_node("SequenceConstruct", ["x", "x"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, ["n", 2])],
        [helper.make_tensor_sequence_value_info("y", FLOAT, None)],
    )
    path = tmp_path / "sequence.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    with pytest.raises(BadModelFile, match="which the V2 wire cannot carry"):
        load(path)


@pytest.mark.parametrize(
    ("inputs", "outputs", "batches"),
    [
        (["n", 2], ["n", 2], True),
        ([1, 2], [1, 2], False),
        (["n", 2], [1, 2], False),
        (["n", 2], ["m", 2], False),
    ],
)
def test_rows_are_requests_only_where_the_names_agree(
    tmp_path: Path, *, inputs: list[int | str], outputs: list[int | str], batches: bool
) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    path = save_model(tmp_path / "m.onnx", nodes, inputs=[("x", FLOAT, inputs)], outputs=[("y", FLOAT, outputs)])
    assert OnnxRuntimeEngine().load(EngineConfig(model="m", path=str(path))).batches == batches


def test_option_says_that_rows_are_no_requests(tmp_path: Path) -> None:
    config = EngineConfig(model="m", path=str(double(tmp_path / "m.onnx")), options={"rows": False})
    assert not OnnxRuntimeEngine().load(config).batches


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"options": {"graph_optimisation": "all"}}, "did you mean 'graph_optimization'"),
        ({"options": {"graph_optimization": "most"}}, "take one of off, basic"),
        ({"options": {"rows": "no"}}, "say true or false"),
        ({"precision": "bf16"}, "convert the file"),
    ],
)
def test_setting_that_cannot_be_kept_is_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(StartError) as caught:
        load(double(tmp_path / "m.onnx"), **more)
    assert words in str(caught.value)


@pytest.mark.parametrize("level", ["off", "basic", "extended", "all"])
def test_optimisation_changes_no_result(tmp_path: Path, level: str) -> None:
    engine = load(double(tmp_path / "m.onnx"), options={"graph_optimization": level})
    assert engine.predict({"x": np.ones((1, 4), np.float32)})["total"].tolist() == [4]


def test_threads_are_as_many_as_configured(tmp_path: Path) -> None:
    path = double(tmp_path / "m.onnx")
    this = psutil.Process()
    load(path).predict({"x": np.ones((1, 4), np.float32)})
    before = this.num_threads()
    alone = load(path)
    assert this.num_threads() == before, "one thread is the caller's own"
    three = load(path, threads=3)
    assert this.num_threads() == before + 2
    assert threading.active_count() <= before
    del alone, three


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    path = beside(product(tmp_path / "product.onnx"), tmp_path / "m.onnx")
    x = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    expected = x @ weights_of(tmp_path / "product.onnx")
    np.testing.assert_allclose(load(path).predict({"x": x})["y"], expected, rtol=1e-5, atol=1e-6)
    (tmp_path / "product.onnx").unlink()
    np.testing.assert_allclose(load(tmp_path).predict({"x": x})["y"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "does not exist"), (b"", "out of bounds"), (b"12", "out of bounds")]
)
def test_weights_that_are_missing_or_cut_short_are_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = beside(product(tmp_path / "product.onnx"), tmp_path / "m.onnx")
    weights = tmp_path / "m.onnx.data"
    weights.unlink() if content is None else weights.write_bytes(content)
    with pytest.raises(BadModelFile, match=words):
        load(path)


@pytest.mark.parametrize("outside", [b"../w.data", b"/etc/hosts"])
def test_weights_outside_of_the_folder_are_not_read(tmp_path: Path, outside: bytes) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = beside(product(tmp_path / "product.onnx"), folder / "m.onnx")
    (tmp_path / "w.data").write_bytes((folder / "m.onnx.data").read_bytes())
    path.write_bytes(path.read_bytes().replace(b"m.onnx.data", outside.ljust(11, b"a")))
    with pytest.raises(BadModelFile, match=r"escapes|not allowed|does not exist"):
        load(path)


def test_metadata_says_provider_and_stored_precision(tmp_path: Path) -> None:
    signature = OnnxRuntimeEngine().load(EngineConfig(model="m", path=str(double(tmp_path / "m.onnx"))))
    assert (signature.precision, signature.details) == ("f32", {"provider": "CPUExecutionProvider"})
    half = identity(tmp_path / "half.onnx", TYPES.FLOAT16)
    assert OnnxRuntimeEngine().load(EngineConfig(model="m", path=str(half))).precision == "f32"


def test_index_input_is_kept_as_it_is(tmp_path: Path) -> None:
    engine = load(identity(tmp_path / "same.onnx", INT64, ("n",)))
    assert engine.predict({"x": np.array([5, 6])})["y"].tolist() == [5, 6]
