"""Weights in safetensors files, handed to a class of the user's: numpy's, PyTorch's, one file or a folder of them."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from modelwright.adapters.engines.custom.loading import Home, make
from modelwright.app.artifacts.formats import SAFETENSORS, format_of
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig

torch: Any = import_module("torch")
HOME = Home(kind="python:here:Model", folders=(), place="model m")
WEIGHTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(3, np.int64)}


ALONE = """
import sys
from modelwright.adapters.engines.custom.weights import weights
from modelwright.core.ports.engines import EngineConfig
weights(EngineConfig(model="m", path=sys.argv[1]), "arrays")
"""
"""Where nothing has taught numpy bfloat16, as onnx does by its own libraries."""


class OfArrays:
    def load(self, arrays: Any, threads: int) -> None:
        self.found, self.threads = arrays, threads


class OfTensors:
    def load(self, tensors: Any) -> None:
        self.found = tensors


class OfThoughts:
    def load(self, thoughts: Any) -> None:
        raise AssertionError(thoughts)


def config(path: Path | str) -> EngineConfig:
    return EngineConfig(model="m", path=str(path), threads=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def test_a_class_gets_arrays_or_tensors_as_it_asks(file: Path) -> None:
    assert format_of(file) == SAFETENSORS
    arrays = make(OfArrays, HOME, config=config(file))
    assert arrays.threads == 3
    tensors = make(OfTensors, HOME, config=config(file))
    for name, expected in WEIGHTS.items():
        np.testing.assert_array_equal(arrays.found[name], expected)
        np.testing.assert_array_equal(tensors.found[name].numpy(), expected)


def test_all_files_of_a_folder_are_read(tmp_path: Path) -> None:
    for name, array in WEIGHTS.items():
        save_file({name: array}, tmp_path / f"{name}.safetensors")
    assert set(make(OfArrays, HOME, config=config(tmp_path)).found) == set(WEIGHTS)


def test_bfloat16_is_for_tensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    import_module("safetensors.torch").save_file({"a": torch.ones(2, dtype=torch.bfloat16)}, path)
    assert make(OfTensors, HOME, config=config(path)).found["a"].dtype == torch.bfloat16
    alone = subprocess.run([sys.executable, "-c", ALONE, path], capture_output=True, text=True, check=False)
    assert "let `load` ask for `tensors`: numpy has no bfloat16" in alone.stderr


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_short_is_named(file: Path, share: float) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    for kind in (OfArrays, OfTensors):
        with pytest.raises(BadModelFile, match="cannot be read as safetensors") as caught:
            make(kind, HOME, config=config(file))
        assert str(file) in caught.value.message


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="no `source`"):
        make(OfArrays, HOME, config=config(""))
    with pytest.raises(BadModelFile, match=r"holds no \.safetensors file"):
        make(OfArrays, HOME, config=config(tmp_path))
    with pytest.raises(StartError) as caught:
        make(OfThoughts, HOME, config=config(tmp_path))
    assert "arrays, tensors" in caught.value.hint
