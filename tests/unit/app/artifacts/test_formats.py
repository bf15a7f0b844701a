"""Formats by content."""

import pickle
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.artifacts.formats import (
    BY_NAME,
    CROWDED,
    GGUF,
    KERAS,
    ONNX,
    OPENVINO,
    TENSORRT,
    TFLITE,
    TORCH_CHECKPOINT,
    UNKNOWN,
    format_of,
    is_onnx,
    is_pickle,
)
from tests.making import tflite_models
from tests.making.onnx_models import double, pick
from tests.making.openvino_models import converted
from tests.unit.adapters.engines.test_zip_bounds import crowded
from tests.unit.app.manifest.conftest import ONNX as SMALL

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SMALL, ONNX),
        (b"GGUF\x03\x00\x00\x00", GGUF),
        (b"ftrt\x61\0\0\0" + b"\0" * 16, TENSORRT),
        (b"ptrt" + b"\0" * 20, TENSORRT),
        (b"\x0d\0\0\0" + b'{"stride": 8}' + b"ftrt", TENSORRT),
        (b"\x0d\0\0\0" + b'{"stride": 8}', UNKNOWN),
        (b"GGU", UNKNOWN),
        (b"", UNKNOWN),
        (b"\x08\x0a", UNKNOWN),
        (SMALL[:6], UNKNOWN),
        (b"{}", UNKNOWN),
        (b"\x89HDF\r\n\x1a\n", KERAS),
        (b"PK\x03\x04" + b"\0" * 26 + b"archive/data.pkl", TORCH_CHECKPOINT),
        (b"PK\x03\x04" + b"\0" * 26 + b"weights.npy", UNKNOWN),
        (b"\x08\x0a\x3a\xff\xff\x7f\x00", ONNX),  # the graph is cut short
    ],
)
def test_the_format_is_that_of_the_content(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert format_of(path) == expected


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, "text", {1}, 1, None, b"x", (1, 2), object, print, 1.5, True])
def test_a_pickle_is_recognised_whatever_it_holds(protocol: int, value: object) -> None:
    assert is_pickle(BytesIO(pickle.dumps(value, protocol=protocol)))


def test_a_torch_archive_is_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
    assert format_of(path) == TORCH_CHECKPOINT


@pytest.mark.parametrize("make", [double, pick])
def test_models_that_onnx_wrote_are_onnx(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert format_of(make(tmp_path / "model")) == ONNX


def test_a_file_of_endless_fields_keeps_nobody() -> None:
    assert not is_onnx(BytesIO(b"\x08\x07" * 100_000 + b"\x3a\x01\x00"))
    assert is_onnx(BytesIO(b"\x08\x07" * 100 + b"\x3a\x01\x00"))


def test_an_archive_of_endless_members_keeps_nobody(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(crowded(300_000, stated=300, wide=False))
    assert format_of(path) == CROWDED
    assert "more than 50000 members" in BY_NAME[CROWDED].danger


def test_the_quickstart_s_models() -> None:
    models = ROOT / "examples" / "quickstart" / "models"
    assert format_of(models / "digits.onnx") == ONNX
    assert format_of(models / "chat.gguf") == GGUF


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_without_failing(content: bytes) -> None:
    assert is_onnx(BytesIO(content)) in {True, False}
    assert is_pickle(BytesIO(content)) in {True, False}


def test_a_folder_with_one_model_is_of_its_format(tmp_path: Path) -> None:
    assert format_of(tmp_path) == UNKNOWN
    (tmp_path / "model.onnx").write_bytes(SMALL)
    (tmp_path / "weights.data").write_bytes(b"\0" * 64)
    assert format_of(tmp_path) == ONNX
    (tmp_path / "other.onnx").write_bytes(SMALL)
    assert format_of(tmp_path) == UNKNOWN


def test_what_openvino_wrote_is_its_ir(tmp_path: Path) -> None:
    folder = tmp_path / "ir"
    folder.mkdir()
    made = converted(double(tmp_path / "double.onnx"), folder / "double.xml")
    assert (format_of(made), format_of(folder)) == (OPENVINO, OPENVINO)


def test_tensorflow_lite_is_told_by_its_identifier(tmp_path: Path) -> None:
    folder = tmp_path / "lite"
    folder.mkdir()
    made = tflite_models.double(folder / "double.tflite")
    assert (format_of(made), format_of(folder)) == (TFLITE, TFLITE)
    made.write_bytes(made.read_bytes()[:7])
    assert format_of(made) == UNKNOWN


@pytest.mark.parametrize(
    "content", [b"<net>", b"<?xml version='1.0'?><html><body>net layers</body></html>", b"\xef\xbb\xbf<?xml"]
)
def test_other_xml_is_no_ir(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.xml"
    path.write_bytes(content)
    assert format_of(path) == UNKNOWN
