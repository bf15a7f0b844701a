"""Bodies of plain requests: JSON as it is, or the parts of a form; what they mean is each model's business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from modelwright.core.errors.calls import Malformed
from modelwright.core.ports.engines import Part
from modelwright.serving.door import Header

FORM = b"multipart/form-data"
MOST_PARTS = 1000


def given(body: bytes, headers: Sequence[Header]) -> bytes | list[Part]:
    """The JSON bytes, or a form's parts; whatever is no form is taken for JSON, as `curl -d` calls it a form.

    Raises Malformed.
    """
    content_type = next((value for name, value in headers if name == b"content-type"), b"")
    kind, _, rest = content_type.partition(b";")
    return _parts(body, rest) if kind.strip().lower() == FORM else body


def _parts(body: bytes, parameters: bytes) -> list[Part]:
    options = parse_options_header(FORM + b";" + parameters)[1]
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Malformed("the form's content-type names no boundary", hint="let your client write the header")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks)
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Malformed(f"the form cannot be read: {error}", hint="send multipart/form-data as curl -F does") from None
    if not collector.is_whole:
        raise Malformed("the form is cut short", hint="send it whole, with its last boundary")
    return collector.parts


class _Collector:
    """Takes what the parser tells, piece by piece."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.is_whole = False
        self._headers: dict[bytes, bytes] = {}
        self._name = b""
        self._value = b""
        self._data: list[bytes] = []
        self.callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._header,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._whole,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise Malformed(f"the form has more than {MOST_PARTS} parts", hint="send several requests")
        self._headers, self._data = {}, []

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode(errors="replace")
        if not name:
            raise Malformed("a part of the form has no name", hint='send it with name="…" of the input')
        self.parts.append(
            Part(
                name=name,
                data=b"".join(self._data),
                filename=options.get(b"filename", b"").decode(errors="replace"),
                content_type=self._headers.get(b"content-type", b"").decode("latin-1"),
            )
        )

    def _whole(self) -> None:
        self.is_whole = True
