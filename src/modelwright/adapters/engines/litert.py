"""Tensor engine: TensorFlow Lite models on LiteRT, in process; it batches nothing itself.

Whole-number models take and give whole numbers, as they are stored: scale and zero point of each tensor stand in the
model's metadata. Input memory is laid out anew only when a batch has another shape than the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from modelwright.adapters.engines.checked import (
    lone_file,
    one_line,
    only_on,
    only_stored_precision,
    options_of,
    unreadable,
)
from modelwright.core.errors.calls import EngineFailed, Unprocessable
from modelwright.core.errors.starting import BadModelFile, StartError
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec

_DATATYPES = {
    np.dtype(np.bool_): "BOOL",
    np.dtype(np.int8): "INT8",
    np.dtype(np.uint8): "UINT8",
    np.dtype(np.int16): "INT16",
    np.dtype(np.uint16): "UINT16",
    np.dtype(np.int32): "INT32",
    np.dtype(np.uint32): "UINT32",
    np.dtype(np.int64): "INT64",
    np.dtype(np.uint64): "UINT64",
    np.dtype(np.float16): "FP16",
    np.dtype(np.float32): "FP32",
    np.dtype(np.float64): "FP64",
}
_REMEDY = "fetch or convert the model again; it may be truncated, or need operations that LiteRT does not have"
_REFUSALS = (RuntimeError, ValueError)
"""How an operation says that it cannot do this with these shapes or values: each is a function of them alone."""
Details = dict[str, Any]
"""What the library tells of a tensor."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest may set."""

    rows: bool | None = None
    """True: the first dimension is a batch, though the file says 1. False: it is none, though the file says it is free.
    """
    signature: str = ""
    """Which of several signatures is served."""


class LiteRtEngine:
    """One interpreter, which runs one signature of its model."""

    def __init__(self) -> None:
        self._interpreter: Interpreter | None = None
        self._inputs: dict[str, int] = {}
        self._outputs: dict[str, int] = {}
        self._runner: Any = None
        """Of a model with several signatures."""
        self._shapes: list[tuple[int, ...]] | None = None
        """Of the inputs, as memory is laid out; None: nobody knows."""

    def load(self, config: EngineConfig) -> Signature:
        options = options_of(config, Options)
        only_on(config, ("cpu",), library="LiteRT")
        only_stored_precision(config, "LiteRT computes a model in the precision that is stored in its file")
        path = str(lone_file(config, (".tflite",))) if Path(config.path).is_dir() else config.path
        try:
            interpreter = Interpreter(model_path=path, num_threads=config.threads)
            interpreter.allocate_tensors()
        except Exception as error:  # its exceptions are of several kinds
            raise unreadable(config, "a TensorFlow Lite model", problem=one_line(error), remedy=_REMEDY) from error
        self._shapes = None
        inputs, outputs = self._ends(interpreter, options, config)
        signature = Signature(
            inputs=tuple(_spec(tensor, config, name=name) for name, tensor in inputs.items()),
            outputs=tuple(_spec(tensor, config, name=name) for name, tensor in outputs.items()),
            platform="tensorflow_lite",
            precision=_precision(interpreter),
            details=_scales(inputs) | _scales(outputs),
        )
        self._interpreter = interpreter
        self._inputs = {name: tensor["index"] for name, tensor in inputs.items()}
        self._outputs = {name: tensor["index"] for name, tensor in outputs.items()}
        return self._with_rows(signature, options, config)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        interpreter = self._interpreter
        if interpreter is None:
            raise EngineFailed("the model is not loaded")
        try:
            if self._runner is not None:
                found = self._runner(**inputs)
                return {name: found[name] for name in self._outputs}
            self._lay_out(interpreter, [inputs[name].shape for name in self._inputs])
            for name, index in self._inputs.items():
                interpreter.set_tensor(index, inputs[name])
            interpreter.invoke()
            return {name: interpreter.get_tensor(index) for name, index in self._outputs.items()}
        except Exception as error:  # its exceptions are of several kinds
            self._shapes = None
            if isinstance(error, _REFUSALS):
                words = f"the model refuses these values: {one_line(error)}"
                raise Unprocessable(words, hint="check their shapes and ranges") from error
            raise EngineFailed(f"LiteRT failed: {one_line(error)}") from error

    def close(self) -> None:
        self._interpreter = self._runner = None

    def _lay_out(self, interpreter: Interpreter, shapes: list[tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        self._shapes = None
        for index, shape in zip(self._inputs.values(), shapes, strict=True):
            interpreter.resize_tensor_input(index, shape)
        interpreter.allocate_tensors()
        self._shapes = shapes

    def _ends(
        self, interpreter: Interpreter, options: Options, config: EngineConfig
    ) -> tuple[dict[str, Details], dict[str, Details]]:
        """Inputs and outputs by the names that callers use: those of the signature, otherwise the tensors' own."""
        known = list(interpreter.get_signature_list())
        if options.signature not in ("", *known) or (len(known) > 1 and not options.signature):
            told = f"no signature {options.signature!r}" if options.signature else "several signatures"
            raise StartError(
                f"the model has {told}",
                hint=f"set engine.options.signature to one of {', '.join(known)}" if known else "leave it out",
                place=f"model {config.model}.engine.options",
            )
        if not known:
            return _by_name(interpreter.get_input_details()), _by_name(interpreter.get_output_details())
        runner = interpreter.get_signature_runner(options.signature or known[0])
        self._runner = runner if len(known) > 1 else None
        return _in_order(runner.get_input_details()), _in_order(runner.get_output_details())

    def _with_rows(self, signature: Signature, options: Options, config: EngineConfig) -> Signature:
        """The signature with a free first dimension where two rows are taken and given, by trying."""
        declared = all(spec.shape and spec.shape[0] == -1 for spec in signature.inputs)
        if options.rows is False or not (options.rows or declared) or self._interpreter is None:
            return msgspec.structs.replace(signature, rows=False)
        two = [(2, *(max(1, size) for size in spec.shape[1:])) for spec in signature.inputs]
        try:
            shapes = self._given_for(self._interpreter, two)
        except Exception as error:  # its exceptions are of several kinds
            if options.rows is None:
                return signature
            raise StartError(
                f"LiteRT cannot give the model two rows: {one_line(error)}",
                hint="leave engine.options.rows out, or convert the model with a free first dimension",
                place=f"model {config.model}.engine.options",
            ) from error
        finally:
            self._shapes = None
        return msgspec.structs.replace(
            signature,
            inputs=tuple(_freed(spec) for spec in signature.inputs) if options.rows else signature.inputs,
            outputs=tuple(
                _freed(spec) if shape[:1] == (2,) else spec
                for spec, shape in zip(signature.outputs, shapes, strict=True)
            ),
        )

    def _given_for(self, interpreter: Interpreter, shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """What the outputs' memory is laid out for when the inputs have these shapes."""
        if self._runner is not None:
            return [()] * len(self._outputs)
        self._lay_out(interpreter, shapes)
        found = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_output_details()}
        return [tuple(int(size) for size in found[index]) for index in self._outputs.values()]


def _by_name(tensors: list[Details]) -> dict[str, Details]:
    return {tensor["name"]: tensor for tensor in tensors}


def _in_order(tensors: dict[str, Details]) -> dict[str, Details]:
    """As the file has them; the library sorts names."""
    return dict(sorted(tensors.items(), key=lambda pair: pair[1]["index"]))


def _spec(tensor: Details, config: EngineConfig, *, name: str) -> TensorSpec:
    datatype = _DATATYPES.get(np.dtype(tensor["dtype"]))
    if datatype is None:
        raise BadModelFile(
            f"{config.path}: {name!r} is of {np.dtype(tensor['dtype'])}, which is not served here",
            hint="convert the model with plain tensors of numbers",
            place=f"model {config.model}",
        )
    declared = tensor["shape_signature"] if len(tensor["shape_signature"]) else tensor["shape"]
    return TensorSpec(name=name, datatype=datatype, shape=tuple(int(size) for size in declared))


def _freed(spec: TensorSpec) -> TensorSpec:
    return msgspec.structs.replace(spec, shape=(-1, *spec.shape[1:]))


def _precision(interpreter: Interpreter) -> str:
    """What the file makes LiteRT compute in: `int8` once any tensor of 8 bits is quantised."""
    for tensor in interpreter.get_tensor_details():
        if len(tensor["quantization_parameters"]["scales"]) and np.dtype(tensor["dtype"]).itemsize == 1:
            return "int8"
    return "f32"


def _scales(tensors: dict[str, Details]) -> dict[str, Any]:
    """How each whole number stands for a real one: (number - zero point) x scale."""
    found: dict[str, Any] = {}
    for name, tensor in tensors.items():
        scales = tensor["quantization_parameters"]["scales"]
        if len(scales) == 1:
            found[f"{name}.scale"] = float(scales[0])
            found[f"{name}.zero_point"] = int(tensor["quantization_parameters"]["zero_points"][0])
    return found
