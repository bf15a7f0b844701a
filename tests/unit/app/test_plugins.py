from importlib import import_module
from importlib.metadata import metadata
from importlib.util import find_spec
from typing import get_args

import pytest

from modelwright.app.artifacts.formats import BY_NAME
from modelwright.app.manifest.sections.models import EngineKind
from modelwright.app.plugins import (
    ENGINES,
    EngineRow,
    chosen_engine,
    engine_row,
    require_engine,
    require_grpc,
    tensor_engine,
    text_codec,
    text_engine,
)
from modelwright.core.errors.starting import MissingExtra, StartError


def test_table_and_schema_know_the_same_kinds() -> None:
    assert set(ENGINES) == set(get_args(EngineKind))


@pytest.mark.parametrize("row", ENGINES.values(), ids=lambda row: row.kind)
def test_row_names_what_exists_and_its_libraries_are_those_of_its_extra(row: EngineRow) -> None:
    if row.packages and not all(find_spec(library) for library in row.libraries):
        for fails in (require_engine, tensor_engine):
            with pytest.raises(MissingExtra, match=f"pip install {row.packages}"):
                fails(row.kind)
        return
    for path in filter(None, (row.engine, row.codec)):
        module, _, name = path.partition(":")
        assert callable(getattr(import_module(module), name))
    assert all(find_spec(library) for library in row.libraries)
    assert bool(row.codec) == (row.wire == "openai" and not row.server)
    require_engine(row.kind)


def test_format_chooses_the_engine() -> None:
    assert {
        name: chosen_engine(name) for name in ("onnx", "openvino-ir", "tflite", "tensorrt", "gguf", "pickle", "")
    } == {
        "onnx": "onnxruntime",
        "openvino-ir": "openvino",
        "tflite": "tflite",
        "tensorrt": "tensorrt",
        "gguf": "openvino-llm",
        "pickle": "",
        "": "",
    }
    assert {name for row in ENGINES.values() for name in row.reads} <= set(BY_NAME)


def test_engines_are_made_fresh() -> None:
    assert tensor_engine("toy-tensor") is not tensor_engine("toy-tensor")
    assert text_engine("toy-text") is not text_engine("toy-text")
    assert text_codec("toy-text", "").encode("a") == [97]


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(StartError, match="onnxruntime, openvino, "):
        engine_row("tensorflow")


def test_missing_library_names_the_extra_that_brings_it() -> None:
    row = EngineRow(
        kind="absent", wire="v2", engine="modelwright.app.no_such_module:X", extra="serving", libraries=("no_such_lib",)
    )
    with pytest.raises(MissingExtra, match=r"no_such_lib is not installed \(pip install 'modelwright\[serving\]'\)"):
        require_engine("absent", {"absent": row})
    with pytest.raises(MissingExtra, match="no_such_module"):
        tensor_engine("absent", {"absent": row})


def test_the_grpc_doors_libraries_are_those_of_its_extra() -> None:
    require_grpc()
    wanted = metadata("modelwright").get_all("Requires-Dist") or []
    extra = {line.split(">=")[0] for line in wanted if 'extra == "grpc"' in line}
    assert extra == {"grpcio", "protobuf"}
