"""Looks at an OpenVINO IR without OpenVINO: is its XML whole, and its file of weights as long as it says."""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat


def check_ir(path: Path) -> None:
    """Raise ValueError for an .xml file that is damaged, or whose .bin file is; OSError."""
    layers = _Layers()
    parser = expat.ParserCreate()
    parser.StartElementHandler = layers.start
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        words = expat.ErrorString(error.code)
        raise ValueError(f"its XML is damaged at line {error.lineno}, column {error.offset + 1}: {words}") from None
    weights = path.with_suffix(".bin")
    size = weights.stat().st_size if weights.is_file() else 0
    if layers.end > size:
        has = f"has {size} bytes" if weights.is_file() else "is not there"
        raise ValueError(f"{layers.name!r} ends at byte {layers.end} of its weights, and {weights.name} {has}")


class _Layers:
    """Which layer's weights end last."""

    def __init__(self) -> None:
        self.end = 0
        self.name = ""
        self._layer = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "layer":
            self._layer = attributes.get("name", "")
        elif tag == "data" and "offset" in attributes and "size" in attributes:
            place = attributes["offset"], attributes["size"]
            if not all(number.isascii() and number.isdigit() and len(number) < 20 for number in place):
                raise ValueError(f"{self._layer!r} says that its weights begin at {place[0][:20]!r}")
            end = sum(map(int, place))
            if end > self.end:
                self.end, self.name = end, self._layer


def _no_doctype(name: str, *_: object) -> None:
    raise ValueError(f"it declares the document type {name[:40]!r}, which no model does")
