"""Small requests made of what models say of themselves: of tensors zeros, of schemas the least that fits."""

import json
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from modelwright.app.supervise.welcome.examples import MOST, TensorTold, Told, binary_request, plain_body


def tensor(name: str, datatype: str, *shape: int) -> TensorTold:
    return TensorTold(name=name, datatype=datatype, shape=shape)


def of_schema(schema: dict[str, Any], **shared: Any) -> Any:
    operation = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    document = {"paths": {"/predict/m": {"post": operation}}, "components": {"schemas": shared}}
    return json.loads(plain_body(Told(document=document)))


def test_small_tensors_are_written_out() -> None:
    told = Told(inputs=(tensor("x", "FP32", -1, 3), tensor("on", "BOOL", -1), tensor("text", "BYTES", -1, 1)))
    assert json.loads(plain_body(told)) == {"x": [[0, 0, 0]], "on": [False], "text": [["hello"]]}
    assert json.loads(plain_body(Told(inputs=(tensor("one", "INT64"),)))) == {"one": 0}


def test_large_tensors_are_zeros_behind_a_head() -> None:
    told = (tensor("image", "UINT8", -1, 32, 32, 3), tensor("half", "FP16", 2), tensor("word", "BYTES", -1))
    assert plain_body(Told(inputs=told)) == ""
    command, header = binary_request(told)
    written = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True).stdout
    head = int(header.rpartition(" ")[2])
    assert [each["shape"] for each in json.loads(written[:head])["inputs"]] == [[1, 32, 32, 3], [2], [1]]
    assert written[head:] == bytes(32 * 32 * 3 + 2 * 2 + 4)


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "object"}, {}),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {}}}, {"a": "hello"}),
        ({"type": "integer", "minimum": 10}, 10),
        ({"type": "integer", "exclusiveMinimum": 0, "multipleOf": 5}, 5),
        ({"type": "number", "maximum": 0.25}, 0.25),
        ({"type": "string", "minLength": 7, "maxLength": 8}, "hellohel"),
        ({"type": "string", "format": "date"}, "2026-01-31"),
        ({"enum": ["small", "large"]}, "small"),
        ({"type": "string", "examples": ["ABC"]}, "ABC"),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, False),
        ({"type": ["null", "number"]}, 1),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2}, [1, "hello"]),
        ({}, "hello"),
    ],
)
def test_a_schema_gives_the_least_that_fits_it(schema: dict[str, Any], example: Any) -> None:
    assert of_schema(schema) == example


def test_definitions_are_followed_as_deep_as_is_good() -> None:
    tree = {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/components/schemas/Tree"}}}
    found, deep = of_schema({"$ref": "#/components/schemas/Tree"}, Tree=tree), 0
    while found is not None:
        found, deep = found["next"], deep + 1
    assert 0 < deep < MOST


@given(st.lists(st.sampled_from([int, str, float, bool, list[int], dict[str, int], tuple[int, str], int | None])))
def test_what_pydantic_describes_is_what_it_takes(kinds: list[Any]) -> None:
    for kind in kinds:
        adapter = TypeAdapter(kind)
        adapter.validate_python(of_schema(adapter.json_schema()))
