"""OpenVINO's own matters: precision, files, datatypes, what comes after a failure, threads."""

import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import openvino as ov
import pytest

from modelwright.adapters.engines.openvino import OpenVinoEngine
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig, Signature
from tests.making.onnx_models import beside, double, identity, product, reshape, weights_of
from tests.making.openvino_models import converted

ROOT = Path(__file__).resolve().parents[4]
TYPES = onnx.TensorProto
CAPABLE: list[str] = ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
NAMES = {"FP16": "f16", "BF16": "bf16"}


def load(path: Path, **more: Any) -> tuple[OpenVinoEngine, Signature]:
    engine = OpenVinoEngine()
    return engine, engine.load(EngineConfig(model="m", path=str(path), **more))


def deviation(path: Path, precision: str) -> float:
    """The largest difference from the product in 64 bits."""
    engine, signature = load(path, precision=precision)
    assert signature.precision == precision
    x = np.random.default_rng(2).normal(size=(32, 64)).astype(np.float32)
    weights = weights_of(path)
    exact = x.astype(np.float64) @ weights.astype(np.float64)
    return float(np.abs(engine.predict({"x": x})["y"] - exact).max())


def test_precision_is_f32_unless_another_is_asked_for(tmp_path: Path) -> None:
    path = product(tmp_path / "product.onnx", columns=64)
    assert deviation(path, "f32") < 1e-4
    if "BF16" in CAPABLE:  # the library's own default here: see S10 in the reference of faults
        assert deviation(path, "bf16") > 1e-2


def test_precision_that_the_device_would_replace_is_refused(tmp_path: Path) -> None:
    for unable in {"FP16", "BF16"}.difference(CAPABLE):
        with pytest.raises(StartError, match=f"does not compute in {NAMES[unable]}: OpenVINO would take") as caught:
            load(double(tmp_path / "m.onnx"), precision=NAMES[unable])
        assert caught.value.place == "model m.engine.precision"


@pytest.mark.parametrize("name", ["model.xml", "model.onnx", "model"])
def test_content_tells_an_ir_from_onnx(tmp_path: Path, name: str) -> None:
    made = converted(double(tmp_path / "double.onnx"), tmp_path / "made.xml")
    ir, source = tmp_path / "ir" / name, tmp_path / "onnx" / name
    for path, content in ((ir, made), (source, tmp_path / "double.onnx")):
        path.parent.mkdir()
        shutil.copy(content, path)
    shutil.copy(made.with_suffix(".bin"), ir.with_suffix(".bin"))
    x = np.ones((2, 4), np.float32)
    for path in (ir, source):
        assert load(path)[0].predict({"x": x})["total"].tolist() == [4, 4]


def test_weights_beside_an_onnx_file_are_read(tmp_path: Path) -> None:
    path = beside(product(tmp_path / "product.onnx"), tmp_path / "m.onnx")
    x = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    expected = x @ weights_of(tmp_path / "product.onnx")
    np.testing.assert_allclose(load(path)[0].predict({"x": x})["y"], expected, rtol=1e-5, atol=1e-6)
    (tmp_path / "m.onnx.data").write_bytes(b"12")
    with pytest.raises(BadModelFile, match=r"m\.onnx cannot be read as a model"):
        load(path)


def test_folder_with_an_ir_is_a_model(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    converted(double(tmp_path / "double.onnx"), folder / "model.xml")
    assert load(folder)[1].batches
    (folder / "other.xml").write_text("<net/>")
    with pytest.raises(BadModelFile, match="holds 2 files that end in"):
        load(folder)


@pytest.mark.parametrize("weights", [None, b"", b"12345"])
def test_weights_that_are_missing_or_cut_short_are_named(tmp_path: Path, weights: bytes | None) -> None:
    path = converted(double(tmp_path / "double.onnx"), tmp_path / "model.xml")
    if weights is None:
        path.with_suffix(".bin").unlink()
    else:
        path.with_suffix(".bin").write_bytes(weights)
    with pytest.raises(BadModelFile, match="bin file") as caught:
        load(path)
    assert ".bin beside it" in caught.value.hint


def test_operations_that_the_library_lacks_are_named_with_the_engine_that_has_them() -> None:
    with pytest.raises(BadModelFile, match=r"ai\.onnx\.ml\.ArrayFeatureExtractor") as caught:
        load(ROOT / "examples" / "quickstart" / "models" / "digits.onnx")
    assert "serve it with onnxruntime" in str(caught.value.hint)


def test_entities_that_grow_without_end_are_not_expanded(tmp_path: Path) -> None:
    entities = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    path = tmp_path / "bomb.xml"
    path.write_text(f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><net name="&a9;" version="11"><layers/></net>')
    with pytest.raises(BadModelFile):
        load(path)


@pytest.mark.parametrize(
    ("datatype", "name", "values"),
    [
        (TYPES.BOOL, "BOOL", np.array([[True, False]])),
        (TYPES.INT8, "INT8", np.array([[-128, 127]], np.int8)),
        (TYPES.UINT8, "UINT8", np.array([[0, 255]], np.uint8)),
        (TYPES.INT32, "INT32", np.array([[-3, 3]], np.int32)),
        (TYPES.INT64, "INT64", np.array([[-(2**31), 2**31 - 1]], np.int64)),
        (TYPES.FLOAT16, "FP16", np.array([[0.5, -2]], np.float16)),
        (TYPES.FLOAT, "FP32", np.array([[0.5, -1e30]], np.float32)),
        (TYPES.DOUBLE, "FP64", np.array([[0.5, -2]], np.float64)),
    ],
)
def test_datatypes_go_in_and_come_out(tmp_path: Path, datatype: int, name: str, values: Any) -> None:
    engine, signature = load(identity(tmp_path / "same.onnx", datatype))
    assert (signature.inputs[0].datatype, signature.outputs[0].datatype) == (name, name)
    result = engine.predict({"x": values})["y"]
    assert result.dtype == values.dtype
    np.testing.assert_array_equal(result, values)


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1])
def test_number_that_would_be_cut_to_32_bits_is_refused(tmp_path: Path, value: int) -> None:
    engine, _ = load(identity(tmp_path / "same.onnx", TYPES.INT64))
    with pytest.raises(Unprocessable, match="beyond 32 bits"):
        engine.predict({"x": np.array([[1, value]])})
    assert engine.predict({"x": np.array([[1, 2]])})["y"].tolist() == [[1, 2]]


def test_datatype_that_the_wire_lacks_is_refused_at_load(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="'x' is of string, which the V2 wire cannot carry"):
        load(identity(tmp_path / "same.onnx", TYPES.STRING))


@pytest.mark.parametrize("threads", [1, 2])
def test_good_call_after_a_failed_one_is_answered_rightly(tmp_path: Path, threads: int) -> None:
    engine, _ = load(reshape(tmp_path / "m.onnx"), threads=threads)
    for sizes in ([3, 2], [2, 3], [3, 2]):
        for _ in range(3):
            with pytest.raises(Unprocessable, match="conflicts with the reshape pattern"):
                engine.predict({"sizes": np.array([5, 2])})
        expected = np.arange(6, dtype=np.float32).reshape(sizes)
        np.testing.assert_array_equal(engine.predict({"sizes": np.array(sizes)})["y"], expected)


def test_answer_is_not_overwritten_by_the_next_one(tmp_path: Path) -> None:
    engine, _ = load(double(tmp_path / "m.onnx"))
    first = engine.predict({"x": np.ones((2, 4), np.float32)})
    engine.predict({"x": np.full((2, 4), 9, np.float32)})
    assert first["total"].tolist() == [4, 4]


def test_state_of_a_model_is_nobodys_after_a_call(tmp_path: Path) -> None:
    engine, _ = load(counter(tmp_path / "counter.xml"))
    x = np.ones((1, 2), np.float32)
    assert [engine.predict({"x": x})["y"].tolist() for _ in range(3)] == [[[1, 1]]] * 3


def counter(path: Path) -> Path:
    """Adds its input to what it remembers."""
    ops = ov.opset13
    x = ops.parameter([1, 2], ov.Type.f32, name="x")
    memory = ops.read_value(ops.constant(np.zeros((1, 2), np.float32)), "memory", ov.Type.f32, ov.PartialShape([1, 2]))
    total = ops.add(memory, x)
    total.output(0).set_names({"y"})
    x.output(0).set_names({"x"})
    model: Any = cast("Any", ov.Model)([ops.result(total)], [ops.assign(total, "memory")], [x], "counter")
    ov.save_model(model, path, compress_to_fp16=False)
    return path


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"options": {"performance_hin": "latency"}}, "did you mean 'performance_hint'"),
        ({"options": {"performance_hint": "fast"}}, "fast"),
        ({"options": {"rows": "no"}}, "bool"),
        ({"device": "cuda:0"}, "does not run on 'cuda:0'"),
        ({"device": "gpu:7"}, "OpenVINO sees no gpu:7 on this machine, it sees cpu"),
    ],
)
def test_setting_that_cannot_be_kept_is_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(StartError) as caught:
        load(double(tmp_path / "m.onnx"), **more)
    assert words in str(caught.value)


@pytest.mark.parametrize("hint", ["none", "latency", "throughput"])
def test_hint_changes_no_result(tmp_path: Path, hint: str) -> None:
    engine, _ = load(double(tmp_path / "m.onnx"), options={"performance_hint": hint})
    assert engine.predict({"x": np.ones((1, 4), np.float32)})["total"].tolist() == [4]


def test_option_says_that_rows_are_no_requests(tmp_path: Path) -> None:
    assert not load(double(tmp_path / "m.onnx"), options={"rows": False})[1].batches
