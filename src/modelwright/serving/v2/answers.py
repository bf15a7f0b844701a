"""Writes a model's outputs as V2 answers, JSON or binary, as each request asks; it runs nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.ports.engines import Array, Signature, TensorSpec
from modelwright.core.wire.v2 import BINARY_HEADER, VERSION, InferRequest, InferResponse, RequestOutput, ResponseOutput
from modelwright.serving.door import JSON, Header
from modelwright.serving.v2.classes import PARAMETER as CLASSIFICATION
from modelwright.serving.v2.classes import best_classes, read_count
from modelwright.serving.v2.inputs import DTYPES

_BINARY: Header = (b"content-type", b"application/octet-stream")
_STATEFUL = ("sequence_id", "sequence_start", "sequence_end")
_NOT_OFFERED = "shared_memory_region"


class Wanted(NamedTuple):
    """One output, as a request wants it."""

    spec: TensorSpec
    binary: bool
    """As bytes."""
    classes: int = 0
    """So many of the best as text instead of the scores; 0: the tensor itself."""


class Plan(msgspec.Struct, frozen=True):
    """What one request wants to get."""

    id: str | None
    outputs: tuple[Wanted, ...]
    """In order."""
    patience: float = math.inf
    """Seconds that it may wait for the engine."""
    priority: int = 0
    """Its level, 1 before all others; 0: the model's default."""
    artifact: bool = False
    """Whether the answer is to tell the digest of the model."""


class AnswerWriter:
    """Plans and writes the answers of one model."""

    def __init__(
        self,
        signature: Signature,
        *,
        model: str,
        version: str = VERSION,
        labels: Sequence[str] = (),
        digest: str = "",
    ) -> None:
        self._specs = {spec.name: spec for spec in signature.outputs}
        self._model = model
        self._version = version
        self._artifact = {"artifact": digest} if digest else {}
        self._batches = signature.batches
        self._labels = labels
        self._all = tuple(Wanted(spec, False) for spec in signature.outputs)  # noqa: FBT003 - a row of a table
        self._has_half = any(spec.datatype == "FP16" for spec in signature.outputs)

    def plan(self, request: InferRequest) -> Plan:
        """Check what the request wants before anything is computed; raises Malformed or Unprocessable."""
        binary, patience, priority, artifact = False, math.inf, 0, False
        if request.parameters:
            _refuse_state(request.parameters)
            binary = _flag(request.parameters, "binary_data_output")
            patience = _patience(request.parameters)
            priority = _priority(request.parameters)
            artifact = _flag(request.parameters, "artifact")
        if not request.outputs:
            outputs = self._all if not binary else tuple(wanted._replace(binary=True) for wanted in self._all)
        else:
            outputs = tuple(self._wanted(item, binary=binary) for item in request.outputs)
            if len({wanted.spec.name for wanted in outputs}) < len(outputs):
                raise Malformed("an output is wanted twice", hint="name each output once", param="outputs")
        if self._has_half:
            _refuse_half(outputs)
        return Plan(request.id, outputs, patience, priority, artifact)

    def write(self, plan: Plan, arrays: dict[str, Array]) -> tuple[list[Header], bytes]:
        """Headers and body; raises Unprocessable for bytes that are no text and must go as JSON."""
        outputs: list[ResponseOutput] = []
        tail: list[bytes] = []
        for spec, binary, classes in plan.outputs:
            array, datatype = arrays[spec.name], spec.datatype
            if classes:
                array = best_classes(array, classes, batches=self._batches, labels=self._labels)
                datatype = "BYTES"
            output = ResponseOutput(name=spec.name, datatype=datatype, shape=list(array.shape))
            if binary:
                data = _as_bytes(array, datatype)
                output.parameters = {"binary_data_size": len(data)}
                tail.append(data)
            else:
                output.data = _as_list(array, datatype, name=spec.name)
            outputs.append(output)
        told = self._artifact if plan.artifact else {}
        answer = InferResponse(
            model_name=self._model,
            model_version=self._version,
            outputs=outputs,
            id=plan.id or "",
            parameters=told,
        )
        head = msgspec.json.encode(answer)
        if not tail:
            return [JSON], head
        return [_BINARY, (BINARY_HEADER, b"%d" % len(head))], b"".join((head, *tail))

    def _wanted(self, item: RequestOutput, *, binary: bool) -> Wanted:
        spec = self._specs.get(item.name)
        if spec is None:
            raise Malformed(
                f"output {item.name[:80]!r} is not one of the model's",
                hint=f"the model gives {', '.join(self._specs)}",
                param=item.name[:80],
            )
        if not item.parameters:
            return Wanted(spec, binary)
        if item.parameters.get(_NOT_OFFERED):
            raise Unprocessable(
                f"output {spec.name!r} asks for {_NOT_OFFERED!r}, which is not offered here",
                hint="leave it out, and read the tensor from the body",
                param=_NOT_OFFERED,
            )
        classes = read_count(item.parameters.get(CLASSIFICATION, 0), spec)
        return Wanted(spec, _flag(item.parameters, "binary_data", default=binary), classes)


def _flag(parameters: dict[str, Any], name: str, *, default: bool = False) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Malformed(f"parameter {name!r} is not true or false", hint="send a JSON boolean", param=name)
    return value


def _priority(parameters: dict[str, Any]) -> int:
    value = parameters.get("priority", 0)
    if type(value) is not int or value < 0:
        raise Malformed(
            "parameter 'priority' is no whole number", hint="send 0, or a level from 1 on", param="priority"
        )
    return value


def _patience(parameters: dict[str, Any]) -> float:
    value = parameters.get("timeout", 0)
    if type(value) is not int or value < 0:
        raise Malformed("parameter 'timeout' is no number of microseconds", hint="send a whole number", param="timeout")
    return value / 1e6 if 0 < value < 1 << 53 else math.inf


def _refuse_state(parameters: dict[str, Any]) -> None:
    for name in _STATEFUL:
        if parameters.get(name):
            raise Unprocessable(
                f"parameter {name!r} asks for a model that keeps state, this one does not",
                hint="leave it out",
                param=name,
            )


def _refuse_half(outputs: tuple[Wanted, ...]) -> None:
    for spec, binary, classes in outputs:
        if spec.datatype == "FP16" and not binary and not classes:
            raise Unprocessable(
                f"output {spec.name!r} is FP16, which JSON cannot carry",
                hint="ask for it as bytes: set the parameter binary_data_output to true",
                param=spec.name,
            )


def _as_list(array: Array, datatype: str, *, name: str) -> list[Any]:
    """Row-major and flat. JSON has no NaN or infinity: they become null."""
    flat: list[Any] = array.ravel().tolist()
    if datatype != "BYTES":
        return flat
    try:
        return [element.decode() for element in flat]
    except UnicodeDecodeError:
        raise Unprocessable(
            f"output {name!r} holds bytes that are no text",
            hint="ask for it as bytes: set the parameter binary_data_output to true",
            param=name,
        ) from None


def _as_bytes(array: Array, datatype: str) -> bytes:
    if datatype != "BYTES":
        return array.astype(DTYPES[datatype], copy=False).tobytes()
    return b"".join(len(element).to_bytes(4, "little") + element for element in array.ravel().tolist())
