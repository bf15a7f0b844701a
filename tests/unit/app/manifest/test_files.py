"""What is seen of model files, by content."""

import hashlib
import pickle
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.manifest.files import GGUF, ONNX, PICKLE, UNKNOWN, digest_of, format_of, is_onnx, is_pickle, look
from tests.making.onnx_models import double, pick
from tests.unit.app.manifest.conftest import ONNX as SMALL

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SMALL, ONNX),
        (b"GGUF\x03\x00\x00\x00", GGUF),
        (b"GGU", UNKNOWN),
        (b"", UNKNOWN),
        (b"\x08\x0a", UNKNOWN),
        (SMALL[:6], UNKNOWN),
        (b"{}", UNKNOWN),
        (b"\x89HDF\r\n\x1a\n", UNKNOWN),
        (b"PK\x03\x04" + b"\0" * 26 + b"archive/data.pkl", PICKLE),
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
    assert is_pickle(pickle.dumps(value, protocol=protocol))


def test_a_torch_archive_is_a_pickle(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
    assert format_of(path) == PICKLE


@pytest.mark.parametrize("make", [double, pick])
def test_models_that_onnx_wrote_are_onnx(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    assert format_of(make(tmp_path / "model")) == ONNX


def test_the_quickstart_s_models() -> None:
    models = ROOT / "examples" / "quickstart" / "models"
    assert format_of(models / "digits.onnx") == ONNX
    assert format_of(models / "chat.gguf") == GGUF


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_without_failing(content: bytes) -> None:
    assert is_onnx(BytesIO(content)) in {True, False}
    assert is_pickle(content) in {True, False}


def test_what_is_wrong_with_the_files(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    assert look(model, None).source_problem == "does not exist"
    assert look(tmp_path, None).source_problem == "is a directory"
    model.write_bytes(b"")
    assert look(model, None).source_problem == "is empty"
    model.write_bytes(SMALL)
    assert look(model, None) == look(model, None)
    assert (look(model, None).format, look(model, None).source_problem) == (ONNX, "")
    check = tmp_path / "check.json"
    for content, problem in (
        (b"{", "is not JSON (line 1: Expecting property name enclosed in double quotes)"),
        (b"\xff", "is not JSON in UTF-8"),
        (b"[" * 100_000, "is not JSON in UTF-8"),
        (b"[]", "holds no JSON object"),
        (b"", "is empty"),
        (b'{"inputs": []}', ""),
    ):
        check.write_bytes(content)
        assert look(model, check).check_problem == problem


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"x" * 3_000_000)
    assert digest_of(path) == "sha256:" + hashlib.sha256(b"x" * 3_000_000).hexdigest()
