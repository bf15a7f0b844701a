"""Damaged files of models, made from real ones: cut at every place, changed, or without what belongs to them."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from onnx.external_data_helper import set_external_data

from modelwright.app.artifacts.damage import damage_of
from modelwright.app.artifacts.formats import GGUF, ONNX, OPENVINO, SKOPS, TFLITE, format_of
from tests.making import tflite_models
from tests.making.onnx_models import double
from tests.making.openvino_models import converted
from tests.making.tiny_gguf import write_tiny_gguf
from tests.making.trained_models import sklearn_irises

MAKING: dict[str, Callable[[Path], Path]] = {
    GGUF: lambda folder: write_tiny_gguf(folder / "m.gguf"),
    ONNX: lambda folder: double(folder / "m.onnx"),
    SKOPS: lambda folder: sklearn_irises(folder / "m.skops").path,
    TFLITE: lambda folder: tflite_models.double(folder / "m.tflite"),
    OPENVINO: lambda folder: converted(double(folder / "double.onnx"), folder / "m.xml"),
}


@pytest.fixture(scope="module", params=MAKING)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    found = str(request.param)
    return found, MAKING[found](tmp_path_factory.mktemp("made"))


def test_a_whole_file_is_not_damaged(made: tuple[str, Path]) -> None:
    found, path = made
    assert format_of(path) == found
    assert damage_of(path, found) == ""


def test_a_file_that_is_cut_anywhere_is_told_of(made: tuple[str, Path], tmp_path: Path) -> None:
    """Cut at every tenth byte of a small file, and at as many places of a large one."""
    found, path = made
    whole = path.read_bytes()
    cut = tmp_path / path.name
    if found == OPENVINO:
        cut.with_suffix(".bin").write_bytes(path.with_suffix(".bin").read_bytes())
    for length in range(1, len(whole) - 64, max(10, len(whole) // 400)):
        cut.write_bytes(whole[:length])
        now = format_of(cut)
        assert now != found or damage_of(cut, found), f"{length} of {len(whole)} bytes"


@pytest.mark.parametrize("seed", range(4))
def test_a_file_that_is_changed_anywhere_is_judged_without_failing(
    made: tuple[str, Path], tmp_path: Path, seed: int
) -> None:
    found, path = made
    chance = random.Random(seed)
    changed = tmp_path / path.name
    for _ in range(50):
        content = bytearray(path.read_bytes())
        for _ in range(chance.choice([1, 4, 40])):
            content[chance.randrange(min(len(content), 4096))] = chance.choice(
                [0, 1, 0x7F, 0xFF, chance.randrange(256)]
            )
        changed.write_bytes(content)
        format_of(changed)
        assert "\n" not in damage_of(changed, found)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), found=st.sampled_from(sorted(MAKING)))
def test_any_bytes_are_judged_without_failing(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "m"
    path.write_bytes({GGUF: b"GGUF\x03\0\0\0", TFLITE: b"\x08\0\0\0TFL3"}.get(found, b"") + content)
    assert damage_of(path, found) == "" or found


def test_weights_that_are_missing_or_too_short_are_told_of(tmp_path: Path) -> None:
    path = MAKING[OPENVINO](tmp_path)
    weights = path.with_suffix(".bin")
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:-1])
    assert f"ends at byte {size} of its weights, and m.bin has {size - 1} bytes" in damage_of(path, OPENVINO)
    weights.unlink()
    assert "and m.bin is not there" in damage_of(path, OPENVINO)


def test_weights_in_a_file_that_is_not_there_are_told_of(tmp_path: Path) -> None:
    path = double(tmp_path / "m.onnx")
    model = onnx.load(path)
    weight = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    set_external_data(weight, "w.bin")
    model.graph.initializer.append(weight)
    path.write_bytes(model.SerializeToString())
    assert "keeps weights in 'w.bin', which is not beside it" in damage_of(path, ONNX)
    (tmp_path / "w.bin").write_bytes(bytes(16))
    assert damage_of(path, ONNX) == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'<net name="a">\n<layers></net>', "its XML is damaged at line 2, column "),
        (b'<!DOCTYPE net [<!ENTITY a "b">]><net/>', "declares the document type 'net'"),
        (b'<net><layers><layer name="w"><data offset="-1" size="4"/></layer></layers></net>', "begin at '-1'"),
    ],
)
def test_xml_that_is_no_model_is_told_of_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "m.xml").write_bytes(content)
    assert words in damage_of(tmp_path / "m.xml", OPENVINO)


def test_a_tflite_file_that_names_the_same_again_and_again_keeps_nobody(tmp_path: Path) -> None:
    """One list of the same graph, whose list is of the same tensor: a hundred million tables."""
    count = 10_000
    graph = 32 + 4 * count + 8
    tensor = graph + 12 + 4 * count + 4
    content = struct.pack("<I4sHHHHHH", 20, b"TFL3", 10, 8, 0, 0, 4, 0) + struct.pack("<iI", 12, 4)
    content += struct.pack("<I", count) + b"".join(struct.pack("<I", graph - 32 - 4 * at) for at in range(count))
    content += struct.pack("<HHHH", 6, 8, 4, 0) + struct.pack("<iI", 8, 4)
    content += struct.pack("<I", count)
    content += b"".join(struct.pack("<I", tensor - graph - 12 - 4 * at) for at in range(count))
    content += struct.pack("<HHi", 4, 4, 4)
    (tmp_path / "m.tflite").write_bytes(content)
    assert damage_of(tmp_path / "m.tflite", TFLITE) == ("it names more than 1048576 parts, or the same again and again")
