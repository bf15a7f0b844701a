"""A user's method and its annotations: what a request must look like, and what is said of one that does not."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from modelwright import File
from modelwright.adapters.engines.custom.answers import answer_of, json_of
from modelwright.adapters.engines.custom.arguments import Arguments
from modelwright.core.errors.calls import CallError, Malformed, Unprocessable
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Part


class House(BaseModel):
    rooms: int = Field(ge=1)
    area: float


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Foreign: ...


def greet(name: str, times: int = 1, tags: list[str] | None = None) -> dict[str, str]:
    return {"message": name * times, "tags": ",".join(tags or [])}


def price(house: House) -> House:
    return house


def norm(x: NDArray[np.float32], scale: Annotated[float, Field(gt=0)] = 1.0) -> float:
    return float(np.linalg.norm(x)) * scale


def anything(x: np.ndarray, y: Any = None) -> None: ...
def sizes(files: list[File], note: str = "") -> list[int]: ...
def size(data: bytes) -> int: ...
def bare(a, b=2): ...
def point(at: Point) -> Iterator[Point]: ...
def asynchronous(at: Point) -> AsyncIterator[float]: ...


def read(function: Any, body: bytes | list[Part]) -> dict[str, Any]:
    return Arguments(function, where="models.py, line 1", place="model m").read(body)


@pytest.mark.parametrize(
    ("function", "body", "expected"),
    [
        (greet, b'{"name": "Ada"}', {"name": "Ada", "times": 1, "tags": None}),
        (greet, b'{"name": "Ada", "times": 3, "tags": ["a"]}', {"name": "Ada", "times": 3, "tags": ["a"]}),
        (price, b'{"rooms": 3, "area": 60}', {"house": House(rooms=3, area=60)}),
        (point, b'{"x": 1}', {"at": Point(1.0)}),
        (bare, b'{"a": {"deep": [1]}}', {"a": {"deep": [1]}, "b": 2}),
        (size, b'{"data": "aGk="}', {"data": b"hi"}),
        (size, b'{"data": "-_8="}', {"data": b"\xfb\xff"}),
    ],
)
def test_json_becomes_arguments(function: Any, body: bytes, expected: dict[str, Any]) -> None:
    assert read(function, body) == expected


@pytest.mark.parametrize(
    ("function", "body", "param", "words"),
    [
        (greet, b"{}", "name", "name: Field required"),
        (greet, b"", "name", "name: Field required"),
        (greet, b'{"nam": "Ada"}', "name", "nam: Extra inputs are not permitted"),
        (greet, b'{"name": 1}', "name", "should be a valid string"),
        (greet, b'{"name": "Ada", "times": NaN}', "times", "finite"),
        (greet, b'{"name": "Ada", "tags": [1]}', "tags.0", "valid string"),
        (greet, b"[1]", "body", "should be an object"),
        (price, b'{"rooms": 0, "area": 1}', "rooms", "greater than or equal to 1"),
        (norm, b'{"x": [1, "a"]}', "x", "values of float32"),
        (norm, b'{"x": [[1, 2], [3]]}', "x", "rows of different lengths"),
        (norm, b'{"x": [1e39]}', "x", "that float32 cannot"),
        (norm, b'{"x": 1}', "x", "array of values"),
        (norm, b'{"x": [1], "scale": 0}', "scale", "greater than 0"),
        (anything, b'{"x": [1, {"a": 1}]}', "x", "of one kind"),
        (size, b'{"data": "?"}', "data", "base64"),
        (size, b'{"data": 7}', "data", "a file of a form"),
    ],
)
def test_what_is_wrong_is_named(function: Any, body: bytes, param: str, words: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        read(function, body)
    assert caught.value.param == param
    assert words in caught.value.message


@pytest.mark.parametrize(
    "body",
    [b"[[[", b"\xff", b"{'a': 1}", b'{"name": ' + b"[" * 100_000, b'{"name": "A", "times": ' + b"9" * 10_000 + b"}"],
)
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(Malformed, match="not valid JSON"):
        read(greet, body)


@given(
    st.binary(max_size=64) | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(json_of)
)
def test_no_body_does_anything_but_fit_or_fail(body: bytes) -> None:
    for function in (greet, price, norm, anything, size, bare):
        with contextlib.suppress(CallError):
            assert read(function, body)


def test_arrays_have_their_dtype() -> None:
    found = read(norm, b'{"x": [[3, 4]]}')["x"]
    assert (found.dtype, found.shape) == (np.float32, (1, 2))
    assert read(anything, b'{"x": ["a", "b"]}')["x"].tolist() == ["a", "b"]


def test_parts_of_a_form_become_arguments() -> None:
    text = [Part(name="name", data=b"007"), Part(name="times", data=b"2"), Part(name="tags", data=b'["a"]')]
    assert read(greet, text) == {"name": "007", "times": 2, "tags": ["a"]}
    files = [Part(name="files", data=bytes(size), filename=f"{size}.bin") for size in (1, 2)]
    found = read(sizes, [*files, Part(name="note", data=b"{}")])
    assert [(file.name, len(file.data)) for file in found["files"]] == [("1.bin", 1), ("2.bin", 2)]
    assert found["note"] == "{}"
    assert read(size, [Part(name="data", data=b"\xff")]) == {"data": b"\xff"}


@pytest.mark.parametrize(
    ("function", "parts", "words"),
    [
        (greet, [Part(name="name", data=b"a"), Part(name="name", data=b"b")], "given twice"),
        (greet, [Part(name="name", data=b"\xff")], "no text in UTF-8"),
        (greet, [Part(name="name", data=b"a"), Part(name="other", data=b"b")], "other: Extra inputs"),
        (greet, [Part(name="name", data=b"a", filename="a.txt")], "valid string"),
    ],
)
def test_parts_that_do_not_fit_are_named(function: Any, parts: list[Part], words: str) -> None:
    with pytest.raises(CallError, match=words):
        read(function, parts)


def test_schemas_say_what_goes_in_and_out() -> None:
    found = Arguments(greet, where="", place="")
    assert found.takes["required"] == ["name"]
    assert found.takes["properties"]["times"] == {"default": 1, "title": "Times", "type": "integer"}
    assert found.gives == {"additionalProperties": {"type": "string"}, "type": "object"}
    assert Arguments(point, where="", place="").gives["title"] == "Point"
    assert Arguments(asynchronous, where="", place="").gives == {"type": "number"}
    assert Arguments(sizes, where="", place="").files == ("files",)
    assert Arguments(bare, where="", place="").gives == {}


def star(*args: int) -> None: ...
def unreadable(x: int) -> None: ...
def foreign(x: Foreign) -> None: ...


unreadable.__annotations__["x"] = "NoSuchName"


@pytest.mark.parametrize("function", [star, unreadable, foreign])
def test_a_method_that_no_request_can_call_is_refused_with_its_line(function: Any) -> None:
    with pytest.raises(StartError, match=r"models\.py, line 1: the method"):
        Arguments(function, where="models.py, line 1", place="model m")


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"a": np.float32(1.5), "b": np.array([[1, 2]])}, b'{"a":1.5,"b":[[1,2]]}'),
        ([float("nan"), np.array([np.inf])], b"[null,[null]]"),
        (House(rooms=1, area=2.0), b'{"rooms":1,"area":2.0}'),
        (Point(1.0), b'{"x":1.0,"y":0.0}'),
        ("text", b'"text"'),
        (None, b"null"),
    ],
)
def test_answers_are_json(value: Any, body: bytes) -> None:
    assert answer_of(value).body == body


def test_files_go_back_as_they_are() -> None:
    assert answer_of(File(b"\x89PNG", content_type="image/png")).content_type == "image/png"
    assert answer_of(b"\x00").content_type == "application/octet-stream"


def test_what_is_no_json_is_no_answer() -> None:
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        answer_of({"a": object()})
