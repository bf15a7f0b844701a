"""What a model's file or folder is, by content, whatever its name says; nothing is loaded, no library is imported.

One table: `FORMATS`. Which engine reads a format stands with the engines (app/plugins.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from modelwright.adapters.engines.zip_bounds import MOST_MEMBERS
from modelwright.app.artifacts.archives import (
    Archive,
    holds_arrays_of_objects,
    is_crowded,
    is_cut_torch,
    is_exported_program,
    is_hdf5,
    is_keras,
    is_skops,
    is_torch_checkpoint,
    is_torchscript,
    read_archive,
)
from modelwright.app.artifacts.files import open_file
from modelwright.app.artifacts.llm_folders import HF_LLM, OPENVINO_LLM, is_hf_llm, is_openvino_llm
from modelwright.app.artifacts.pickles import is_array_of_objects, is_old_torch, is_pickle
from modelwright.app.artifacts.trees import is_catboost, is_lightgbm, is_xgboost

GGUF, ONNX, OPENVINO, PICKLE, TFLITE, UNKNOWN = "gguf", "onnx", "openvino-ir", "pickle", "tflite", ""
XGBOOST, LIGHTGBM, SKOPS, TENSORRT = "xgboost", "lightgbm", "skops", "tensorrt"
PT2, TORCHSCRIPT, SAFETENSORS = "pt2", "torchscript", "safetensors"
TORCH_CHECKPOINT, OBJECTS, KERAS, CATBOOST = "torch-checkpoint", "numpy-objects", "keras", "catboost"
CROWDED = "crowded-archive"
_HEAD = 4096
"""Bytes in which a format without a length of its own has to show itself."""
_LONGEST = 100_000_000
"""Bytes of a head that safetensors itself allows."""

_GRAPH = 7
_ONNX_FIELDS = {1, 2, 3, 4, 5, 6, _GRAPH, 8, 14, 20, 25, 26}
"""Field numbers of ModelProto (onnx/onnx.proto, IR version 13)."""
_MOST_FIELDS = 100_000
"""Of a model: what has more is read no further, so that no file keeps who looks at it for minutes."""


class Format(NamedTuple):
    """One format."""

    name: str
    told: str
    """As people write it."""
    in_file: Callable[[BinaryIO], bool] | None = None
    """Whether a file, at its start, is that."""
    in_zip: Callable[[Archive], bool] | None = None
    """Whether a zip archive is that."""
    in_folder: Callable[[Path], bool] | None = None
    danger: str = ""
    """Why it is never loaded, as the end of a sentence that begins with the file."""
    remedy: str = ""
    """The way out when it is dangerous, or when no engine is named and none is chosen for it."""


def format_of(path: Path) -> str:
    """The name of a file's or a folder's format, UNKNOWN when it has none of the table; raises OSError."""
    if path.is_dir():
        return next((row.name for row in FORMATS if row.in_folder and row.in_folder(path)), UNKNOWN)
    with open_file(path) as file:
        archive = read_archive(file)
        for row in FORMATS:
            if archive is not None and row.in_zip and row.in_zip(archive):
                return row.name
            file.seek(0)
            if row.in_file and row.in_file(file):
                return row.name
    return UNKNOWN


def is_gguf(file: BinaryIO) -> bool:
    """Its magic number."""
    return file.read(4) == b"GGUF"


def is_tflite(file: BinaryIO) -> bool:
    """The identifier of its schema."""
    return file.read(8)[4:] == b"TFL3"


def is_tensorrt(file: BinaryIO) -> bool:
    """Its magic numbers, of old and now; some exporters write JSON and its length before them."""
    head = file.read(8)
    if head[3:5] == b"\0{":
        file.seek(4 + int.from_bytes(head[:4], "little"))
        head = file.read(4)
    return head[:4] in {b"ptrt", b"ftrt"}


def is_safetensors(file: BinaryIO) -> bool:
    """The length of a head, and the head: JSON with a type for each tensor."""
    length = int.from_bytes(file.read(8), "little")
    head = file.read(_HEAD)
    return 2 <= length < _LONGEST and head[:1] == b"{" and (b'"dtype"' in head or b'"__metadata__"' in head)


def is_openvino(file: BinaryIO) -> bool:
    """The XML half of an OpenVINO IR; its weights are in a .bin file beside it."""
    head = file.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith((b"<?xml", b"<net")) and b"<net " in head and b"<layers" in head


def has_one(suffix: str, of: Callable[[BinaryIO], bool]) -> Callable[[Path], bool]:
    """Whether a folder holds exactly one file with this suffix, and that is one."""

    def found(folder: Path) -> bool:
        files = [file for file in folder.iterdir() if file.suffix == suffix and file.is_file()]
        if len(files) != 1:
            return False
        with files[0].open("rb") as file:
            return of(file)

    return found


def is_onnx(file: BinaryIO) -> bool:
    """Whether the top level is a protobuf message with ModelProto's fields and a graph; only field heads are read."""
    size = file.seek(0, 2)
    file.seek(0)
    seen: set[int] = set()
    for _ in range(_MOST_FIELDS):
        if file.tell() >= size:
            break
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if number not in _ONNX_FIELDS or (not seen and number != 1):
            return False
        seen.add(number)
        if wire == 0:
            if _varint(file) < 0:
                return False
        elif wire == 2:
            length = _varint(file)
            if length < 0 or file.tell() + length > size:
                return number == _GRAPH  # cut short: the engine says so when it loads the file
            file.seek(length, 1)
        else:
            return False
    return {1, _GRAPH} <= seen


def _varint(file: BinaryIO) -> int:
    """A protobuf varint; -1 when there is none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return -1


_RUNS = "which can run any program when it is loaded"
FORMATS: tuple[Format, ...] = (
    Format(GGUF, "GGUF", is_gguf),
    Format(LIGHTGBM, "LightGBM", is_lightgbm),
    Format(XGBOOST, "XGBoost", is_xgboost),
    Format(
        CROWDED,
        "crowded zip archive",
        in_zip=is_crowded,
        danger=f"is a zip archive of more than {MOST_MEMBERS} members, which nobody lists",
        remedy="save the model anew: an archive of a model has some thousand members at most",
    ),
    Format(SKOPS, "skops", in_zip=is_skops),
    Format(PT2, "torch.export archive", in_zip=is_exported_program),
    Format(TORCHSCRIPT, "TorchScript", in_zip=is_torchscript),
    Format(
        SAFETENSORS,
        "safetensors file, weights alone",
        is_safetensors,
        remedy="name a class that computes with them: engine: {kind: 'python:module:Class'}, see the guide on custom "
        "models",
    ),
    Format(
        CATBOOST,
        "CatBoost",
        is_catboost,
        danger="is a CatBoost model, for which there is no engine here",
        remedy="save it as ONNX: model.save_model('model.onnx', format='onnx')",
    ),
    Format(
        KERAS,
        "Keras",
        is_hdf5,
        is_keras,
        danger=f"is a Keras model, whose layers may hold pickled code, {_RUNS}",
        remedy="export it to ONNX: model.export('model.onnx', format='onnx')",
    ),
    Format(
        TORCH_CHECKPOINT,
        "PyTorch checkpoint",
        lambda file: is_cut_torch(file) or (file.seek(0) == 0 and is_old_torch(file)),
        is_torch_checkpoint,
        danger=f"is a checkpoint of PyTorch (or cut short), a pickle, {_RUNS}",
        remedy="export the model: torch.export.save(torch.export.export(model, (sample,)), 'model.pt2')",
    ),
    Format(
        OBJECTS,
        "numpy objects",
        is_array_of_objects,
        holds_arrays_of_objects,
        danger=f"holds numpy arrays of objects, which are pickles, {_RUNS}",
        remedy="save arrays of numbers, and export the model to ONNX",
    ),
    Format(
        PICKLE,
        "pickle",
        is_pickle,
        danger=f"is a pickle, {_RUNS}",
        remedy="save it anew where it was trained: modelwright.save_sklearn for scikit-learn, "
        "save_model for XGBoost and LightGBM, torch.export.save for PyTorch, otherwise as ONNX",
    ),
    Format(TENSORRT, "TensorRT", is_tensorrt, in_folder=has_one(".plan", is_tensorrt)),
    Format(TFLITE, "TensorFlow Lite", is_tflite, in_folder=has_one(".tflite", is_tflite)),
    Format(OPENVINO_LLM, "OpenVINO LLM", in_folder=is_openvino_llm),
    Format(
        HF_LLM,
        "Hugging Face LLM",
        in_folder=is_hf_llm,
        remedy="convert it: optimum-cli export openvino --model FOLDER --task text-generation-with-past OTHER, or "
        "llama.cpp's convert_hf_to_gguf.py; or name an engine that reads it: vllm, tgi or ollama",
    ),
    Format(OPENVINO, "OpenVINO IR", is_openvino, in_folder=has_one(".xml", is_openvino)),
    Format(ONNX, "ONNX", is_onnx, in_folder=has_one(".onnx", is_onnx)),
)
"""The first row that says yes wins: those with a magic number stand before those that are guessed."""
BY_NAME = {row.name: row for row in FORMATS}
