"""LiteRT's own matters: whole-number models, names, rows that the file does not declare, options."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from modelwright.adapters.engines.litert import LiteRtEngine
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig, Signature
from tests.making.tflite_models import Op, Tensor, dense, double, pick, save_model


def load(path: Path, **more: Any) -> tuple[LiteRtEngine, Signature]:
    engine = LiteRtEngine()
    return engine, engine.load(EngineConfig(model="m", path=str(path), **more))


@pytest.mark.parametrize(("dtype", "name", "zero"), [(np.int8, "INT8", 3), (np.uint8, "UINT8", 128)])
def test_whole_number_model_takes_and_gives_whole_numbers(tmp_path: Path, dtype: Any, name: str, zero: int) -> None:
    random = np.random.default_rng(1)
    weights = random.integers(-100, 100, (3, 16)).astype(np.int8)
    path = dense(tmp_path / "dense.tflite", dtype, weights=weights, scales=(0.05, 0.01, 0.125), zero=zero)
    engine, signature = load(path)
    assert (signature.inputs[0].datatype, signature.outputs[0].datatype) == (name, name)
    assert signature.precision == "int8"
    assert signature.details == {
        "x.scale": pytest.approx(0.05),
        "x.zero_point": zero,
        "y.scale": pytest.approx(0.125),
        "y.zero_point": zero,
    }
    bounds = np.iinfo(dtype)
    x = random.integers(bounds.min, bounds.max, (50, 16)).astype(dtype)
    real = ((x.astype(np.float64) - zero) * 0.05) @ (weights.astype(np.float64) * 0.01).T
    expected = np.clip(np.round(real / 0.125) + zero, bounds.min, bounds.max)
    given = engine.predict({"x": x})["y"]
    assert given.dtype == dtype
    assert np.abs(given.astype(np.int16) - expected).max() <= 1, "off by more than one step"
    assert (given == expected).mean() > 0.95


def test_batches_of_every_size_are_laid_out_anew(tmp_path: Path) -> None:
    engine, _ = load(double(tmp_path / "m.tflite"))
    for rows in (1, 7, 7, 2, 32, 1):
        x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
        np.testing.assert_array_equal(engine.predict({"x": x})["y"], 2 * x)


def test_names_are_those_of_the_signature(tmp_path: Path) -> None:
    names = {"pixels": "x", "twice": "y", "sum": "total"}
    engine, signature = load(double(tmp_path / "m.tflite", signature=names))
    assert [spec.name for spec in (*signature.inputs, *signature.outputs)] == ["pixels", "twice", "sum"]
    outputs = engine.predict({"pixels": np.ones((2, 4), np.float32)})
    assert {name: array.shape for name, array in outputs.items()} == {"twice": (2, 4), "sum": (2,)}


SEVERAL = {"double": {"pixels": "x", "twice": "y"}, "sum": {"pixels": "x", "sum": "total"}}


@pytest.mark.parametrize(("signature", "output", "value"), [("double", "twice", [2, 2, 2, 2]), ("sum", "sum", 4)])
def test_one_of_several_signatures_is_served(tmp_path: Path, signature: str, output: str, value: Any) -> None:
    engine, told = load(double(tmp_path / "m.tflite", signature=SEVERAL), options={"signature": signature})
    assert [spec.name for spec in (*told.inputs, *told.outputs)] == ["pixels", output]
    assert told.batches
    for rows in (1, 3):
        outputs = engine.predict({"pixels": np.ones((rows, 4), np.float32)})
        assert {name: array.tolist() for name, array in outputs.items()} == {output: [value] * rows}


def test_which_of_several_signatures_has_to_be_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="the model has several signatures") as caught:
        load(double(tmp_path / "m.tflite", signature=SEVERAL))
    assert caught.value.hint == "set engine.options.signature to one of double, sum"


@pytest.mark.parametrize(
    ("rows", "option", "batches"),
    [(-1, None, True), (-1, False, False), (1, None, False), (1, True, True), (1, False, False)],
)
def test_rows_are_as_the_file_or_the_option_says(
    tmp_path: Path, *, rows: int, option: bool | None, batches: bool
) -> None:
    options = {} if option is None else {"rows": option}
    engine, signature = load(double(tmp_path / "m.tflite", rows=rows), options=options)
    assert signature.batches == batches
    shape = (-1, 4) if rows == -1 or option else (1, 4)
    assert signature.inputs[0].shape == shape
    x = np.ones((3 if batches else 1, 4), np.float32)
    assert engine.predict({"x": x})["total"].tolist() == [4] * len(x)


def test_rows_of_a_model_that_cannot_have_several_are_refused(tmp_path: Path) -> None:
    tensors = [Tensor("x", np.float32, [1, 4]), Tensor("y", np.float32, [2, 2])]
    options = schema.ReshapeOptionsT()
    options.newShape = [2, 2]
    op = Op(schema.BuiltinOperator.RESHAPE, ["x"], ["y"], options, schema.BuiltinOptions.ReshapeOptions)
    path = save_model(tmp_path / "m.tflite", tensors, [op], inputs=["x"], outputs=["y"])
    with pytest.raises(StartError, match="cannot give the model two rows") as caught:
        load(path, options={"rows": True})
    assert "leave engine.options.rows out" in caught.value.hint
    assert load(path)[0].predict({"x": np.arange(4, dtype=np.float32)[None]})["y"].tolist() == [[0, 1], [2, 3]]


def test_good_call_after_a_failed_one_is_answered_rightly(tmp_path: Path) -> None:
    engine, _ = load(pick(tmp_path / "m.tflite"), threads=2)
    for rows in ([0, 2], [1], [1, 1, 0]):
        for bad in ([-1, 0], [0, 3], [99]):
            with pytest.raises(Unprocessable, match="out of bounds"):
                engine.predict({"index": np.array(bad, np.int32)})
        table = np.array([[10, 11], [20, 21], [30, 31]], np.float32)
        np.testing.assert_array_equal(engine.predict({"index": np.array(rows, np.int32)})["y"], table[rows])


def test_answer_is_not_overwritten_by_the_next_one(tmp_path: Path) -> None:
    engine, _ = load(double(tmp_path / "m.tflite"))
    first = engine.predict({"x": np.ones((2, 4), np.float32)})
    engine.predict({"x": np.full((2, 4), 9, np.float32)})
    assert first["total"].tolist() == [4, 4]


def test_folder_with_a_model_is_a_model(tmp_path: Path) -> None:
    double(tmp_path / "any.tflite")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert load(tmp_path)[1].batches


def test_datatype_that_the_wire_lacks_is_refused_at_load(tmp_path: Path) -> None:
    path = save_model(tmp_path / "m.tflite", [Tensor("x", np.complex64, [1])], [], inputs=["x"], outputs=["x"])
    with pytest.raises(BadModelFile, match="'x' is of complex64, which is not served here"):
        load(path)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"options": {"row": True}}, "did you mean 'rows'"),
        ({"options": {"rows": "no"}}, "bool"),
        ({"options": {"signature": "train"}}, "the model has no signature 'train'"),
        ({"precision": "bf16"}, "stored in its file, not in bf16"),
        ({"device": "cuda:0"}, "does not run on 'cuda:0'"),
    ],
)
def test_setting_that_cannot_be_kept_is_refused(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    with pytest.raises(StartError) as caught:
        load(double(tmp_path / "m.tflite"), **more)
    assert words in str(caught.value)
