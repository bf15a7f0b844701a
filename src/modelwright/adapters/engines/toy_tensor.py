"""Tensor engine for tests and demonstrations: a linear map that can be told to fail, to be slow, or to crash.

It reads a small JSON file, computes `y = scale * x` and `total`, the sum of each row, and learns nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from modelwright.core.errors.calls import EngineFailed
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec

CRASH_STATUS = 134
"""Exit status of the process when the crash value arrives, as after an abort in native code."""


class ToyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model file."""

    toy: int
    """Version of this format: 1."""
    columns: int = 4
    scale: float = 2.0


class ToyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it misbehaves; by default not at all."""

    poison: float | None = None
    """A batch that holds this value fails."""
    crash: float | None = None
    """A batch that holds this value ends the process."""
    delay_ms: float = 0.0
    """Each call takes this long, and"""
    delay_ms_per_row: float = 0.0
    """this much longer for each row."""
    load_ms: float = 0.0


class ToyTensorEngine:
    """Input `x` FP32 [-1, columns]; outputs `y` of the same shape and `total` FP32 [-1]."""

    def __init__(self) -> None:
        self._file: ToyFile | None = None
        self._options = ToyOptions()

    def load(self, config: EngineConfig) -> Signature:
        self._options = _options(config)
        file = _read(config)
        time.sleep(self._options.load_ms / 1000)
        self._file = file
        wide = (-1, file.columns)
        return Signature(
            inputs=(TensorSpec(name="x", datatype="FP32", shape=wide),),
            outputs=(
                TensorSpec(name="y", datatype="FP32", shape=wide),
                TensorSpec(name="total", datatype="FP32", shape=(-1,)),
            ),
            platform="modelwright_toy",
            precision="f32",
        )

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._file is None:
            raise EngineFailed("the model is not loaded")
        x, options = inputs["x"], self._options
        delay = options.delay_ms + options.delay_ms_per_row * len(x)
        if delay:
            time.sleep(delay / 1000)
        if options.crash is not None and (x == options.crash).any():
            os._exit(CRASH_STATUS)
        if options.poison is not None and (x == options.poison).any():
            raise EngineFailed(f"the batch holds the poison value {options.poison:g}")
        return {"y": x * np.float32(self._file.scale), "total": x.sum(axis=1)}

    def close(self) -> None:
        self._file = None


def _options(config: EngineConfig) -> ToyOptions:
    try:
        return msgspec.convert(config.options, ToyOptions)
    except msgspec.ValidationError as error:
        known = ", ".join(ToyOptions.__struct_fields__)
        raise StartError(str(error), hint=f"known are {known}", place=f"model {config.model}.engine.options") from None


def _read(config: EngineConfig) -> ToyFile:
    try:
        content = msgspec.json.decode(Path(config.path).read_bytes(), type=ToyFile)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise _unreadable(config, str(error)) from error
    if content.toy != 1 or content.columns < 1:
        raise _unreadable(config, f"toy is {content.toy}, columns is {content.columns}")
    return content


def _unreadable(config: EngineConfig, problem: str) -> BadModelFile:
    return BadModelFile(
        f"{config.path} cannot be read as a toy model: {problem}",
        hint='write one, such as {"toy": 1, "columns": 4}',
        place=f"model {config.model}",
    )
