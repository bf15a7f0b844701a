"""Plain JSON and forms for a tensor model: inputs by name, nested as they are, one item or a list of items.

An item has the shape of an input without its batch. Whoever sends one item gets one item of every output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.ports.engines import Array, CustomSignature, Part, Signature, TensorSpec
from modelwright.core.wire.unreadable import UNREADABLE
from modelwright.serving.door import JSON, Header
from modelwright.serving.execution import Tensors
from modelwright.serving.plain.forms import given
from modelwright.serving.v2.inputs import InputReader, TensorsReader, depth_of

_TYPES = {"BOOL": "boolean", "BYTES": "string", "FP16": "number", "FP32": "number", "FP64": "number"}
"""In JSON Schema; every other datatype is an integer."""
_RGB = 3

Decode = Callable[[bytes], Array]
"""An image file as [height, width, 3] of UINT8; raises Unprocessable."""


def no_images(_: bytes) -> Array:
    """Where nothing decodes images."""
    raise Unprocessable("no images are decoded here", hint="send the pixels as JSON")


class PlainTensors:
    """Reads plain requests for one tensor model, and writes its answers."""

    def __init__(self, signature: Signature, reader: TensorsReader, *, decode: Decode) -> None:
        self._specs = {spec.name: spec for spec in signature.inputs}
        self._batches = signature.batches
        self._reader = reader
        self._decode = decode
        self.described = _described(signature)
        """For its OpenAPI description."""

    def read(self, body: bytes, headers: Sequence[Header]) -> tuple[bool, Tensors]:
        """Whether it is one item, and the inputs; raises Malformed, TooLarge or Unprocessable, naming the input."""
        found = given(body, headers)
        arrays, singles = self._of_json(found) if isinstance(found, bytes) else self._of_form(found)
        if len(set(singles.values())) > 1:
            one = next(name for name, single in singles.items() if single)
            other = next(name for name, single in singles.items() if not single)
            raise Malformed(
                f"input {one!r} is one item, input {other!r} a list of items", hint="send the same of both", param=one
            )
        return any(singles.values()), self._reader.complete(arrays)

    def write(self, arrays: dict[str, Array], *, single: bool) -> tuple[list[Header], bytes]:
        """Outputs by name; NaN and infinity, which JSON lacks, become null. Raises Unprocessable for no text."""
        outputs = {name: _listed(name, array[0] if single else array) for name, array in arrays.items()}
        return [JSON], msgspec.json.encode(outputs)

    def _of_json(self, body: bytes) -> tuple[dict[str, Array], dict[str, bool]]:
        try:
            fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except msgspec.ValidationError:
            raise Malformed("the body is no JSON object", hint="send the inputs by their names") from None
        except UNREADABLE as error:
            raise Malformed(f"the body is not valid JSON: {error}", hint="send a JSON object in UTF-8") from None
        arrays: dict[str, Array] = {}
        singles: dict[str, bool] = {}
        for name, data in fields.items():
            arrays[name], singles[name] = self._nested(self._reader.reader(name), bytes(data))
        return arrays, singles

    def _nested(self, reader: InputReader, data: bytes) -> tuple[Array, bool]:
        rank, depth = len(self._specs[reader.name].shape), depth_of(memoryview(data))
        single = self._batches and depth == rank - 1
        if single:
            data, depth = b"[%b]" % data, rank
        if depth != rank:
            item = f", or {rank - 1} deep for one item" if self._batches else ""
            raise Malformed(
                f"input {reader.name!r} is nested {depth} deep",
                hint=f"nest it {rank} deep{item}: its shape is {list(self._specs[reader.name].shape)}",
                param=reader.name,
            )
        return reader.nested(memoryview(data), depth=depth), single

    def _of_form(self, parts: list[Part]) -> tuple[dict[str, Array], dict[str, bool]]:
        by_name: dict[str, list[Part]] = {}
        for part in parts:
            by_name.setdefault(part.name, []).append(part)
        arrays: dict[str, Array] = {}
        singles: dict[str, bool] = {}
        for name, own in by_name.items():
            reader = self._reader.reader(name)
            if any(part.filename for part in own):
                arrays[name], singles[name] = self._of_files(reader, own)
            elif len(own) > 1:
                raise Malformed(f"input {name!r} is given twice", hint="send each input once", param=name)
            else:
                arrays[name], singles[name] = self._nested(reader, self._text(own[0]))
        return arrays, singles

    def _text(self, part: Part) -> bytes:
        """JSON as it is; where a text is wanted, what begins no list is a text."""
        is_list = part.data.lstrip()[:1] == b"["
        if self._specs[part.name].datatype != "BYTES" or is_list:
            return part.data
        try:
            return msgspec.json.encode(part.data.decode())
        except UnicodeDecodeError:
            raise Malformed(f"input {part.name!r} is no text", hint="send it as a file", param=part.name) from None

    def _of_files(self, reader: InputReader, parts: list[Part]) -> tuple[Array, bool]:
        spec = self._specs[reader.name]
        if spec.datatype == "BYTES":
            array = np.empty(len(parts), object)
            array[:] = [part.data for part in parts]
            array = array.reshape(len(parts), *[1] * (len(spec.shape) - 1))
        elif takes_images(spec, batches=self._batches):
            images = [self._image(reader, part) for part in parts]
            if len({image.shape for image in images}) > 1:
                raise Malformed(
                    f"input {reader.name!r} has images of different sizes", hint="send one at a time", param=reader.name
                )
            array = np.stack(images)
        else:
            raise Unprocessable(
                f"input {reader.name!r} is {spec.datatype} of shape {list(spec.shape)}, which no file holds",
                hint="send it as JSON",
                param=reader.name,
            )
        single = len(parts) == 1
        if not self._batches and len(array.shape) > len(spec.shape) and single:
            array = array[0]
        return reader.whole(array), single and self._batches

    def _image(self, reader: InputReader, part: Part) -> Array:
        try:
            return self._decode(part.data)
        except Unprocessable as error:
            error.param = reader.name
            raise


def takes_images(spec: TensorSpec, *, batches: bool) -> bool:
    """Whether an input is a picture: UINT8, [height, width, 3]."""
    item = spec.shape[1:] if batches else spec.shape
    return spec.datatype == "UINT8" and len(item) == _RGB and item[2] == _RGB


def _listed(name: str, array: Any) -> Any:
    """`array` may be a single value, too."""
    if not isinstance(array, bytes) and array.dtype.kind != "O":
        return array.tolist()
    try:
        return _decoded(array if isinstance(array, bytes) else array.tolist())
    except UnicodeDecodeError:
        raise Unprocessable(
            f"output {name!r} holds bytes that are no text", hint="ask over V2, with binary_data_output", param=name
        ) from None


def _decoded(values: Any) -> Any:
    return values.decode() if isinstance(values, bytes) else [_decoded(value) for value in values]


def _described(signature: Signature) -> CustomSignature:
    batches = signature.batches
    return CustomSignature(
        takes={
            "type": "object",
            "additionalProperties": False,
            "required": [spec.name for spec in signature.inputs],
            "properties": {spec.name: _schema(spec, batches=batches) for spec in signature.inputs},
        },
        gives={
            "type": "object",
            "required": [spec.name for spec in signature.outputs],
            "properties": {spec.name: _schema(spec, batches=batches, null=True) for spec in signature.outputs},
        },
        files=tuple(
            spec.name for spec in signature.inputs if spec.datatype == "BYTES" or takes_images(spec, batches=batches)
        ),
    )


def _schema(spec: TensorSpec, *, batches: bool, null: bool = False) -> dict[str, Any]:
    word = _TYPES.get(spec.datatype, "integer")
    inner: dict[str, Any] = {"type": [word, "null"] if null and word == "number" else word}
    for size in reversed(spec.shape[1:] if batches else spec.shape):
        fixed = {"minItems": size, "maxItems": size} if size >= 0 else {"minItems": 1}
        inner = {"type": "array", "items": inner, **fixed}
    many = {"type": "array", "items": inner, "minItems": 1}
    return {"anyOf": [inner, many]} if batches else inner
