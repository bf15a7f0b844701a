"""Tensor engine: ONNX models on ONNX Runtime, in process; it batches nothing itself.

Weights may lie in files beside the model's. The execution provider is the one that the manifest says, or none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from modelwright.adapters.engines.checked import lone_file, only_on
from modelwright.adapters.engines.onnx_file import read_onnx
from modelwright.adapters.engines.onnx_providers import NAMES, Providers, check_taken, check_there, providers_of
from modelwright.core.errors.calls import CallError, EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(int8)": "INT8",
    "tensor(uint8)": "UINT8",
    "tensor(int16)": "INT16",
    "tensor(uint16)": "UINT16",
    "tensor(int32)": "INT32",
    "tensor(uint32)": "UINT32",
    "tensor(int64)": "INT64",
    "tensor(uint64)": "UINT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
_LEVELS = {
    "off": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_OPTIONS = ("graph_optimization", "provider", "rows", "tensorrt_cache")
_NATIVE: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
"""Has the library's exceptions, which it makes when it is loaded."""
_REFUSALS = (_NATIVE.Fail, _NATIVE.RuntimeException)
_RUNNING = "while running"
_EXHAUSTED = re.compile("alloc|memory|cuda|cudnn|cublas|tensorrt", re.IGNORECASE)
"""In what it says when the machine is to blame."""
_FATAL = 4  # ONNX Runtime's log level: its errors reach the caller as exceptions, in the caller's own words


class OnnxRuntimeEngine:
    """One session; its threads are its own, and sleep while nothing runs.

    Options: `graph_optimization` (off | basic | extended | all, the default), `rows` (false: the first dimension is
    no batch, though the model declares it free), `provider` (cpu | cuda | tensorrt; by default the device's own) and
    `tensorrt_cache` (a folder that keeps what TensorRT has built).
    """

    def __init__(self) -> None:
        self._session: ort.InferenceSession | None = None
        self._outputs: list[str] = []
        self._texts: tuple[str, ...] = ()

    def load(self, config: EngineConfig) -> Signature:
        place = f"model {config.model}"
        options = _session_options(config, place)
        providers = _providers(config, place)
        path = lone_file(config, (".onnx",)) if Path(config.path).is_dir() else Path(config.path)
        try:
            session = ort.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
        except Exception as error:  # its exceptions share no base class
            raise _unreadable(config, error) from error
        check_taken(config, providers, taken=session.get_providers())
        signature = _signature(session, config, path)
        self._session = session
        self._outputs = [spec.name for spec in signature.outputs]
        self._texts = tuple(spec.name for spec in signature.inputs if spec.datatype == "BYTES")
        return signature

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._session is None:
            raise EngineFailed("the model is not loaded")
        given = {**inputs, **{name: _texts(inputs[name], name) for name in self._texts}} if self._texts else inputs
        try:
            results = self._session.run(self._outputs, given)
        except Exception as error:  # its exceptions share no base class
            raise _failed(error) from error
        return {name: _bytes(result) for name, result in zip(self._outputs, results, strict=True)}

    def close(self) -> None:
        self._session = None


def _failed(error: Exception) -> CallError:
    """What an operation says against shapes and values is the caller's matter, all else is the engine's."""
    words = _words(error)
    refused = isinstance(error, _REFUSALS) and _RUNNING in words and not _EXHAUSTED.search(words)
    if refused or isinstance(error, _NATIVE.InvalidArgument):
        return Unprocessable(f"the model refuses these values: {words}", hint="check their shapes and ranges")
    return EngineFailed(f"ONNX Runtime failed: {words}")


def _session_options(config: EngineConfig, place: str) -> ort.SessionOptions:
    for name in config.options:
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS, 1)
            raise StartError(
                f"ONNX Runtime has no option {name!r} here",
                hint=f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_OPTIONS)}",
                place=f"{place}.engine.options",
            )
    level = config.options.get("graph_optimization", "all")
    if level not in _LEVELS:
        raise StartError(
            f"graph_optimization is {level!r}",
            hint=f"take one of {', '.join(_LEVELS)}",
            place=f"{place}.engine.options",
        )
    options = ort.SessionOptions()
    options.graph_optimization_level = _LEVELS[level]
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = config.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = _FATAL
    return options


def _providers(config: EngineConfig, place: str) -> Providers:
    only_on(config, ("cpu", "cuda"), library="ONNX Runtime")
    name, cache = (config.options.get(option, "") for option in ("provider", "tensorrt_cache"))
    if name not in ("", *NAMES) or not isinstance(cache, str):
        raise StartError(
            f"provider is {name!r} and tensorrt_cache {cache!r}",
            hint=f"take one of {', '.join(NAMES)}, and the path of a folder",
            place=f"{place}.engine.options",
        )
    providers = providers_of(config, name, cache=cache)
    check_there(config, providers, available=ort.get_available_providers())
    return providers


def _signature(session: ort.InferenceSession, config: EngineConfig, path: Path) -> Signature:
    place = f"model {config.model}"
    inputs = tuple(_spec(node, config, place) for node in session.get_inputs())
    outputs = tuple(_spec(node, config, place) for node in session.get_outputs())
    rows = config.options.get("rows", True)
    if not isinstance(rows, bool):
        raise StartError(f"rows is {rows!r}", hint="say true or false", place=f"{place}.engine.options")
    firsts = {node.shape[0] for node in (*session.get_inputs(), *session.get_outputs()) if node.shape}
    named = {first for first in firsts if isinstance(first, str)}
    return Signature(
        inputs=inputs,
        outputs=outputs,
        platform="onnxruntime_onnx",
        precision=_precision(config, path),
        details={"provider": session.get_providers()[0]},
        rows=rows and len(named) <= 1,
    )


def _precision(config: EngineConfig, path: Path) -> str:
    """What is asked for, otherwise what is stored in the file."""
    if config.precision != "f32":
        return config.precision
    try:
        return read_onnx(path).precision
    except (OSError, ValueError):  # ONNX Runtime reads a format of its own, too
        return "unknown"


def _spec(node: Any, config: EngineConfig, place: str) -> TensorSpec:
    datatype = _DATATYPES.get(node.type)
    if datatype is None:
        raise BadModelFile(
            f"{config.path}: {node.name!r} is a {node.type}, which the V2 wire cannot carry",
            hint="export the model with plain tensors (for scikit-learn: options={'zipmap': False})",
            place=place,
        )
    shape = tuple(size if isinstance(size, int) and size > 0 else -1 for size in node.shape)
    return TensorSpec(name=node.name, datatype=datatype, shape=shape)


def _texts(array: Array, name: str) -> Array:
    try:
        texts = [element.decode() for element in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise Unprocessable(
            f"input {name!r} is not valid UTF-8: {error.reason}", hint="send UTF-8", param=name
        ) from None
    return np.array(texts, object).reshape(array.shape)


def _bytes(result: Any) -> Array:
    if result.dtype != object:
        return result
    encoded = np.empty(result.size, object)
    encoded[:] = [str(element).encode() for element in result.ravel().tolist()]
    return encoded.reshape(result.shape)


def _unreadable(config: EngineConfig, error: Exception) -> BadModelFile:
    return BadModelFile(
        f"{config.path} cannot be read as an ONNX model: {_words(error)}",
        hint="fetch or export the file again; it may be truncated, of another format, or need a newer ONNX Runtime",
        place=f"model {config.model}",
    )


def _words(error: Exception) -> str:
    """The engine's own words, without its prefix, on one line."""
    text = " ".join(str(error).split())
    return text.removeprefix("[ONNXRuntimeError] : ")[:500]
