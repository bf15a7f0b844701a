"""Tensor engine: TensorRT's engine files (`.plan`, `.engine`) on an NVIDIA GPU, in process; it batches nothing itself.

Written by the documentation of TensorRT 10 and cuda-python, and not tried here: it needs a GPU. A file is built for one
kind of GPU and one version of TensorRT, in a precision that it does not tell; host code in it is not run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import tensorrt as trt  # pyright: ignore[reportMissingImports]
from cuda.bindings import runtime as cuda  # pyright: ignore[reportMissingImports]

from modelwright.adapters.engines.checked import (
    lone_file,
    one_line,
    only_on,
    only_stored_precision,
    options_of,
    unreadable,
)
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec

_DATATYPES = {
    "BOOL": "BOOL",
    "INT8": "INT8",
    "UINT8": "UINT8",
    "INT32": "INT32",
    "INT64": "INT64",
    "HALF": "FP16",
    "FLOAT": "FP32",
}
_REMEDY = "build it again from the ONNX file, on this kind of GPU and with this version of TensorRT"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest may set: nothing."""


class TensorRtEngine:
    """One engine with one context on one stream; memory on the device grows to the largest batch and stays."""

    def __init__(self) -> None:
        self._context: Any = None
        self._stream: Any = None
        self._inputs: dict[str, np.dtype[Any]] = {}
        self._outputs: dict[str, np.dtype[Any]] = {}
        self._memory: dict[str, tuple[int, int]] = {}
        """Address and bytes on the device, by tensor."""

    def load(self, config: EngineConfig) -> Signature:
        only_on(config, ("cuda",), library="TensorRT")
        only_stored_precision(config, "TensorRT computes in the precision that its file was built for")
        options_of(config, Options)
        path = lone_file(config, (".plan", ".engine")) if Path(config.path).is_dir() else Path(config.path)
        _done(cuda.cudaSetDevice(int(config.device.partition(":")[2] or 0)))
        log = _Log()
        engine = trt.Runtime(log).deserialize_cuda_engine(_content(path, config))
        if engine is None:
            raise unreadable(config, "a TensorRT engine", problem=log.last, remedy=_REMEDY)
        names = [engine.get_tensor_name(place) for place in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        outputs = [name for name in names if name not in inputs]
        signature = Signature(
            inputs=tuple(_spec(engine, name, config) for name in inputs),
            outputs=tuple(_spec(engine, name, config) for name in outputs),
            platform="tensorrt_plan",
            precision="as built",
        )
        self._context = engine.create_execution_context()
        (self._stream,) = _done(cuda.cudaStreamCreate())
        self._inputs = {name: _dtype(engine, name) for name in inputs}
        self._outputs = {name: _dtype(engine, name) for name in outputs}
        return signature

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        context = self._context
        if context is None:
            raise EngineFailed("the model is not loaded")
        given = {name: np.ascontiguousarray(inputs[name]) for name in self._inputs}
        for name, array in given.items():
            if not context.set_input_shape(name, array.shape):
                raise Unprocessable(
                    f"input {name!r} of shape {list(array.shape)} is outside of what the engine was built for",
                    hint="lower batching.max_rows, or build it with a wider profile",
                    param=name,
                )
        for name, array in given.items():
            self._place(name, array.nbytes)
            kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
            address = self._memory[name][0]
            _done(cuda.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, kind, self._stream))
        shapes = {name: tuple(context.get_tensor_shape(name)) for name in self._outputs}
        results = {name: np.empty(shapes[name], dtype) for name, dtype in self._outputs.items()}
        for name, array in results.items():
            self._place(name, array.nbytes)
        if not context.execute_async_v3(int(self._stream)):
            raise EngineFailed("TensorRT could not run the batch")
        for name, array in results.items():
            kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
            address = self._memory[name][0]
            _done(cuda.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, kind, self._stream))
        _done(cuda.cudaStreamSynchronize(self._stream))
        return results

    def close(self) -> None:
        for address, _ in self._memory.values():
            cuda.cudaFree(address)
        self._memory = {}
        self._context = None

    def _place(self, name: str, size: int) -> None:
        """Let a tensor have so many bytes on the device."""
        address, held = self._memory.get(name, (0, 0))
        if size > held:
            if held:
                _done(cuda.cudaFree(address))
            (address,) = _done(cuda.cudaMalloc(size))
            self._memory[name] = (address, size)
        self._context.set_tensor_address(name, address)


class _Log(trt.ILogger):
    """Keeps the last error, which the library tells in no other way."""

    def __init__(self) -> None:
        super().__init__()
        self.last = "TensorRT does not say why"

    def log(self, severity: Any, message: str) -> None:
        """Called by the library."""
        if severity in {trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR}:
            self.last = message


def _content(path: Path, config: EngineConfig) -> bytes:
    """The engine, without the metadata that some exporters write before it."""
    try:
        content = path.read_bytes()
        if content[3:5] == b"\0{":
            end = 4 + int.from_bytes(content[:4], "little")
            json.loads(content[4:end])
            return content[end:]
        return content
    except (OSError, ValueError) as error:
        raise unreadable(config, "a TensorRT engine", problem=one_line(error), remedy=_REMEDY) from error


def _spec(engine: Any, name: str, config: EngineConfig) -> TensorSpec:
    datatype = _DATATYPES.get(engine.get_tensor_dtype(name).name)
    if datatype is None:
        raise BadModelFile(
            f"{config.path}: {name!r} is of {engine.get_tensor_dtype(name).name}, which is not served here",
            hint="build the engine with inputs and outputs of 32 bits",
            place=f"model {config.model}",
        )
    return TensorSpec(name=name, datatype=datatype, shape=tuple(engine.get_tensor_shape(name)))


def _dtype(engine: Any, name: str) -> np.dtype[Any]:
    return np.dtype(trt.nptype(engine.get_tensor_dtype(name)))


def _done(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a call of CUDA gave; raises EngineFailed."""
    status, *rest = answer
    if int(status):
        raise EngineFailed(f"CUDA failed: {getattr(status, 'name', status)}")
    return tuple(rest)
