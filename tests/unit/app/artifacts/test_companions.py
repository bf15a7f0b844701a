"""Files beside a model's file are part of it."""

from pathlib import Path

import pytest

from modelwright.app.artifacts.companions import companions
from modelwright.app.artifacts.digests import digest_of, digest_of_folder, digest_of_model, marks_of, model_digests
from tests.making.onnx_models import beside, double, product
from tests.making.openvino_models import converted


@pytest.fixture(params=["ir", "onnx"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    source = double(tmp_path / "double.onnx")
    return (
        converted(source, folder / "m.xml")
        if request.param == "ir"
        else beside(product(tmp_path / "product.onnx"), folder / "m.onnx")
    )


def test_they_are_named(model: Path) -> None:
    assert companions(model) == [{".xml": "m.bin", ".onnx": "m.onnx.data"}[model.suffix]]
    assert companions(double(model.parent / "whole.onnx")) == []


def test_digest_is_that_of_a_folder_with_just_these(model: Path, tmp_path: Path) -> None:
    files = [model.name, *companions(model)]
    expected = digest_of_folder({name: digest_of(model.parent / name) for name in files})
    assert digest_of_model(model) == expected == digest_of(model.parent)
    (tmp_path / "state").mkdir()
    assert model_digests(tmp_path / "state", {"m": model}) == {"m": expected}


def test_a_change_of_one_is_a_change_of_the_model(model: Path) -> None:
    digest, marks = digest_of_model(model), marks_of(model)
    weights = model.parent / companions(model)[0]
    weights.write_bytes(weights.read_bytes() + b"x")
    assert digest_of_model(model) != digest
    assert marks_of(model) != marks


def test_what_lies_outside_or_is_not_there_is_none(tmp_path: Path) -> None:
    path = beside(product(tmp_path / "product.onnx"), tmp_path / "m.onnx")
    content = path.read_bytes()
    (tmp_path / "deep").mkdir()
    inner = tmp_path / "deep" / "m.onnx"
    inner.write_bytes(content.replace(b"m.onnx.data", b"../m.onnx.d"))
    (tmp_path / "m.onnx.d").write_bytes(b"outside")
    assert companions(inner) == []
    (tmp_path / "m.onnx.data").unlink()
    assert companions(path) == []
