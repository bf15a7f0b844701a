"""Tensor engine: OpenVINO IR (`.xml`, `.bin` beside it) and ONNX on OpenVINO, in process; it batches nothing itself.

Precision is what the manifest says: by default the library computes in bfloat16 on processors that can, without a word.
Whole numbers of 64 bits are computed in 32 on processors: values that do not fit are refused, not cut. One request
object is reused; it reads inputs where they lie when they may be written to, otherwise it copies them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import openvino as ov

from modelwright.adapters.engines.checked import lone_file, one_line, only_on, options_of, unreadable
from modelwright.core.errors.calls import CallError, EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec

_DATATYPES = {
    "boolean": "BOOL",
    "i8": "INT8",
    "u8": "UINT8",
    "i16": "INT16",
    "u16": "UINT16",
    "i32": "INT32",
    "u32": "UINT32",
    "i64": "INT64",
    "u64": "UINT64",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
}
_PRECISIONS = {"f32": ov.Type.f32, "bf16": ov.Type.bf16, "f16": ov.Type.f16}
_NARROWED = {"INT64": np.iinfo(np.int32), "UINT64": np.iinfo(np.uint32)}
"""What the CPU device computes these in."""
_SHAPES = "/shape_inference/"
"""Part of the source's path in what the library's own checks of shapes say."""
_REMEDY = "fetch or convert the model again; an IR is an .xml file with its .bin beside it"
_LACKS = "No conversion rule found"
"""What the library says of operations that it does not have, such as those of classical models (`ai.onnx.ml`)."""
_ELSEWHERE = "serve it with onnxruntime, which has these operations: leave engine.kind out"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest may set."""

    rows: bool = True
    """False: the first dimension is no batch, though the model declares it free."""
    performance_hint: Literal["none", "latency", "throughput"] = "none"
    """The library's own choice of streams; by default one, since batches are formed before the engine."""


class OpenVinoEngine:
    """One compiled model with one request."""

    def __init__(self) -> None:
        self._compile: Callable[[], ov.InferRequest] | None = None
        self._request: ov.InferRequest | None = None
        self._inputs: dict[str, int] = {}
        self._outputs: list[str] = []
        self._wide: tuple[str, ...] = ()
        self._stateful = False

    def load(self, config: EngineConfig) -> Signature:
        options = options_of(config, Options)
        only_on(config, ("cpu", "gpu"), library="OpenVINO")
        properties = _properties(config, options)
        core = ov.Core()
        device = _device(core, config)
        path, weights = _files(config)
        model: ov.Model = _guarded(lambda: core.read_model(path, weights), config)
        signature = _signature(model, config, rows=options.rows)
        compiled: ov.CompiledModel = _guarded(lambda: core.compile_model(model, device, properties), config)
        _check_precision(compiled, config)
        self._inputs = {spec.name: place for place, spec in enumerate(signature.inputs)}
        self._outputs = [spec.name for spec in signature.outputs]
        self._wide = tuple(spec.name for spec in signature.inputs if spec.datatype in _NARROWED)
        self._stateful = bool(model.get_variables())
        self._request = compiled.create_infer_request()
        self._compile = lambda: core.compile_model(model, device, properties).create_infer_request()
        return signature

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._compile is None:
            raise EngineFailed("the model is not loaded")
        for name in self._wide:
            _check_width(inputs[name], name)
        request, self._request = self._request, None
        try:
            if request is None:
                request = self._compile()
            if self._stateful:  # rows belong to different callers: nobody's state is anybody else's
                request.reset_state()
            # Not `infer`: on the caller's thread the library loses what its shape checks throw, and computes garbage.
            request.start_async({self._inputs[name]: array for name, array in inputs.items()}, share_inputs=True)
            request.wait()
            tensors = request.output_tensors
            # The request's own memory is written again while this answer is still being sent.
            outputs = {name: np.array(tensor.data) for name, tensor in zip(self._outputs, tensors, strict=True)}
        except Exception as error:  # its exceptions are of several kinds
            raise _failed(error) from error
        # One that has failed is not asked again: it mixes up shapes and answers the next good call with garbage, and
        # so do all requests of its compiled model.
        self._request = request
        return outputs

    def close(self) -> None:
        self._compile = self._request = None


def _check_width(array: Array, name: str) -> None:
    bounds = _NARROWED[array.dtype.name.upper()]
    if array.size and (array.max() > bounds.max or array.min() < bounds.min):
        raise Unprocessable(
            f"input {name!r} holds a number beyond 32 bits, and OpenVINO computes {array.dtype} in 32",
            hint="send smaller numbers, or serve the model with onnxruntime",
            param=name,
        )


def _failed(error: Exception) -> CallError:
    """A check of shapes, which depend on values too, is the caller's matter; anything else is the engine's."""
    if _SHAPES in str(error):
        return Unprocessable(
            f"the model refuses these values: {_words(error)}", hint="send shapes and sizes that fit each other"
        )
    return EngineFailed(f"OpenVINO failed: {_words(error)}")


def _properties(config: EngineConfig, options: Options) -> dict[str, Any]:
    properties: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _PRECISIONS[config.precision]}
    if options.performance_hint != "none":
        properties["PERFORMANCE_HINT"] = options.performance_hint.upper()
    elif config.device == "cpu":
        properties["NUM_STREAMS"] = 1
    if config.device == "cpu":
        properties |= {
            "INFERENCE_NUM_THREADS": config.threads,
            # Workers know nothing of each other: pinned, all would sit on the first core.
            "ENABLE_CPU_PINNING": False,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
            "KV_CACHE_PRECISION": _PRECISIONS[config.precision],
        }
    return properties


def _device(core: ov.Core, config: EngineConfig) -> str:
    name, _, number = config.device.upper().partition(":")
    wanted = f"{name}.{number}" if number else name
    there: list[str] = core.available_devices
    if not any(wanted in {device, device.partition(".")[0], f"{device}.0"} for device in there):
        raise StartError(
            f"OpenVINO sees no {config.device} on this machine, it sees {', '.join(there).lower()}",
            hint="install the device's driver, or take a device that is there",
            place=f"model {config.model}.engine.device",
        )
    return wanted


def _files(config: EngineConfig) -> tuple[str, str]:
    """The model and, of an IR, its weights; the content decides, whatever the names say."""
    path = Path(config.path)
    try:
        if path.is_dir():
            path = lone_file(config, (".xml", ".onnx"))
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise unreadable(
            config, "a model", problem=error.strerror or "it is not there", remedy="check the path"
        ) from error
    if b"<net" in head or head.lstrip().startswith(b"<?xml"):
        weights = path.with_suffix(".bin")
        return str(path), str(weights) if weights.is_file() else ""
    if head[:1] == b"\x08":  # the first field of an ONNX file
        return str(path), ""
    raise unreadable(config, "a model", problem="it is neither OpenVINO IR nor ONNX", remedy=_REMEDY)


def _signature(model: ov.Model, config: EngineConfig, *, rows: bool) -> Signature:
    if not model.inputs or not model.outputs:
        raise unreadable(config, "a model", problem="it has no inputs or no outputs", remedy=_REMEDY)
    return Signature(
        inputs=tuple(_spec(port, config, name=_name(port, f"input_{at}")) for at, port in enumerate(model.inputs)),
        outputs=tuple(_spec(port, config, name=_name(port, f"output_{at}")) for at, port in enumerate(model.outputs)),
        platform="openvino",
        precision=config.precision,
        rows=rows,
    )


def _name(port: Any, otherwise: str) -> str:
    return port.any_name if port.names else otherwise


def _spec(port: Any, config: EngineConfig, *, name: str) -> TensorSpec:
    datatype = _DATATYPES.get(port.element_type.to_string())
    shape = port.partial_shape
    if datatype is None or shape.rank.is_dynamic:
        problem = "has no fixed number of dimensions" if datatype else f"is of {port.element_type.to_string()}"
        raise BadModelFile(
            f"{config.path}: {name!r} {problem}, which the V2 wire cannot carry",
            hint="convert the model with plain tensors of numbers",
            place=f"model {config.model}",
        )
    dimensions = tuple(-1 if dimension.is_dynamic else dimension.get_length() for dimension in shape)
    return TensorSpec(name=name, datatype=datatype, shape=dimensions)


def _check_precision(compiled: ov.CompiledModel, config: EngineConfig) -> None:
    """Where the device cannot compute in the precision that it was told, the library takes another without a word."""
    found = compiled.get_property("INFERENCE_PRECISION_HINT")
    if found != _PRECISIONS[config.precision]:
        raise StartError(
            f"this {config.device} does not compute in {config.precision}: OpenVINO would take {found.to_string()}",
            hint="set engine.precision to f32",
            place=f"model {config.model}.engine.precision",
        )


def _guarded(work: Callable[[], Any], config: EngineConfig) -> Any:
    try:
        return work()
    except Exception as error:  # its exceptions are of several kinds
        remedy = _ELSEWHERE if _LACKS in str(error) else _REMEDY
        raise unreadable(config, "a model", problem=_words(error), remedy=remedy) from error


def _words(error: Exception) -> str:
    """The last of the library's nested messages, which says most."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("Exception from ")]
    return " ".join(told)[:500] or one_line(error)
