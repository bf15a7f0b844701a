"""Pickles in whatever they are wrapped, each refused with the way out of its kind."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from modelwright.app.artifacts.formats import BY_NAME, KERAS, OBJECTS, PICKLE, TORCH_CHECKPOINT, UNKNOWN, format_of
from modelwright.app.artifacts.pickles import is_array_of_objects, is_old_torch, is_pickle

MODEL = LogisticRegression()
PLAIN = pickle.dumps(MODEL)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def lz4(content: bytes, *, compressed: bool) -> bytes:
    """A frame of one block, as the format is described; joblib writes such ones where lz4 is installed."""
    count = len(content)
    token = bytes([0xF0]) + b"\xff" * ((count - 15) // 255) + bytes([(count - 15) % 255])
    block = token + content if compressed else content
    size = len(block) | (0 if compressed else 1 << 31)
    return b"\x04\x22\x4d\x18" + b"\x60\x40\x82" + size.to_bytes(4, "little") + block + b"\0" * 4


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [MODEL, {"a": [1, 2, 3]}, [print], {"w": np.arange(3.0)}])
def test_every_protocol_is_known(tmp_path: Path, protocol: int, value: object) -> None:
    assert format_of(written(tmp_path / "m.onnx", pickle.dumps(value, protocol=protocol))) == PICKLE


def test_a_long_pickle_of_the_first_protocol_is_known_by_its_beginning(tmp_path: Path) -> None:
    content = pickle.dumps({f"name {number}": MODEL for number in range(1000)}, protocol=0)
    assert len(content) > 10_000
    assert format_of(written(tmp_path / "m.onnx", content)) == PICKLE


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_what_joblib_writes_is_known(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "model.onnx"
    joblib.dump({"model": MODEL, "weights": np.random.default_rng(0).normal(size=50_000)}, path, compress=compress)
    assert format_of(path) == PICKLE


@pytest.mark.parametrize("wrap", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_what_is_wrapped_and_no_pickle_is_none(tmp_path: Path, wrap: Callable[[bytes], bytes]) -> None:
    assert format_of(written(tmp_path / "m", wrap(PLAIN))) == PICKLE
    assert format_of(written(tmp_path / "m", wrap(b"just words, and more of them"))) == UNKNOWN


@pytest.mark.parametrize("compressed", [True, False])
def test_lz4_is_looked_into(tmp_path: Path, *, compressed: bool) -> None:
    assert format_of(written(tmp_path / "m", lz4(PLAIN, compressed=compressed))) == PICKLE
    assert format_of(written(tmp_path / "m", lz4(b"just words, and more of them", compressed=compressed))) == UNKNOWN


def test_pytorchs_files_of_all_ages_are_known(tmp_path: Path) -> None:
    """Zip since 1.6; a sequence of pickles before; a tar archive at first."""
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    assert format_of(written(tmp_path / "m", magic + pickle.dumps(1001, protocol=2))) == TORCH_CHECKPOINT
    with zipfile.ZipFile(tmp_path / "m", "w") as archive:
        archive.writestr("m/data.pkl", PLAIN)
        archive.writestr("m/data/0", b"0" * 64)
    assert format_of(tmp_path / "m") == TORCH_CHECKPOINT
    with tarfile.open(tmp_path / "m", "w") as archive:
        for name in ("sys_info", "pickle", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(PLAIN)
            archive.addfile(member, io.BytesIO(PLAIN))
    assert format_of(tmp_path / "m") == TORCH_CHECKPOINT


def test_arrays_of_objects_are_pickles_and_others_are_not(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([MODEL, None], object), allow_pickle=True)
    np.save(tmp_path / "record.npy", np.array([(1, MODEL)], dtype=[("a", "i4"), ("b", "O")]), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", a=np.ones(3), b=np.array([{}], object))
    np.savez_compressed(tmp_path / "packed.npz", b=np.array([{}], object))
    np.save(tmp_path / "numbers.npy", np.ones(3))
    np.savez(tmp_path / "numbers.npz", a=np.ones(3))
    objects = ["objects.npy", "record.npy", "objects.npz", "packed.npz"]
    assert [format_of(tmp_path / name) for name in objects] == [OBJECTS] * 4
    assert [format_of(tmp_path / name) for name in ("numbers.npy", "numbers.npz")] == [UNKNOWN] * 2


def test_keras_is_known_in_both_of_its_formats(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m", "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, "{}")
    assert format_of(tmp_path / "m") == KERAS
    assert format_of(written(tmp_path / "m", b"\x89HDF\r\n\x1a\n" + b"\0" * 64)) == KERAS


@pytest.mark.parametrize("name", [KERAS, OBJECTS, PICKLE, TORCH_CHECKPOINT])
def test_each_names_its_own_way_out(name: str) -> None:
    assert BY_NAME[name].danger
    assert BY_NAME[name].remedy


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x1f\x8b", b"x", b"BZh9", b"\xfd7zXZ\0", b"\x04\x22\x4d\x18", b"PK\x03\x04"]),
)
def test_any_bytes_are_judged_without_failing(content: bytes, magic: bytes) -> None:
    for judge in (is_pickle, is_old_torch, is_array_of_objects):
        assert judge(io.BytesIO(magic + content)) in {True, False}
