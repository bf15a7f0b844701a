"""From a request of gRPC to the body of one over REST: typed and raw contents, parameters, and what is refused."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.grpc.messages import message
from modelwright.adapters.grpc.questions import LARGE, Question, cut_raw, read_question
from modelwright.core.errors.calls import Malformed

ModelInferRequest = message("ModelInferRequest")


def asked(**fields: Any) -> Question:
    return read_question(json_format.ParseDict(fields, ModelInferRequest()).SerializeToString())


def typed(datatype: str, field: str, *elements: object) -> Question:
    tensor = {"name": "x", "datatype": datatype, "shape": [len(elements)], "contents": {field: list(elements)}}
    return asked(model_name="m", inputs=[tensor])


@pytest.mark.parametrize(
    ("datatype", "field", "elements", "form"),
    [
        ("BOOL", "bool_contents", (True, False), "<??"),
        ("INT8", "int_contents", (-128, 127), "<bb"),
        ("INT16", "int_contents", (-5, 300), "<hh"),
        ("INT32", "int_contents", (1, -(2**31)), "<ii"),
        ("INT64", "int64_contents", (2**63 - 1, -1), "<qq"),
        ("UINT8", "uint_contents", (0, 255), "<BB"),
        ("UINT16", "uint_contents", (0, 65535), "<HH"),
        ("UINT32", "uint_contents", (1, 2**32 - 1), "<II"),
        ("UINT64", "uint64_contents", (2**64 - 1, 0), "<QQ"),
        ("FP32", "fp32_contents", (0.5, -2.0), "<ff"),
        ("FP64", "fp64_contents", (0.1, 1e300), "<dd"),
    ],
)
def test_typed_contents_become_bytes(datatype: str, field: str, elements: tuple[Any, ...], form: str) -> None:
    question = typed(datatype, field, *elements)
    wanted = struct.pack(form, *elements)
    assert question.body == question.head + wanted
    (tensor,) = msgspec.json.decode(question.head)["inputs"]
    assert tensor == {
        "name": "x",
        "datatype": datatype,
        "shape": [2],
        "parameters": {"binary_data_size": len(wanted)},
    }


def test_texts_have_their_lengths_before_them() -> None:
    question = typed("BYTES", "bytes_contents", "aGk=", "")
    assert question.pieces == [b"\x02\0\0\0hi\0\0\0\0"]


def test_ids_parameters_and_wishes_pass() -> None:
    question = asked(
        model_name="m",
        model_version="2",
        id="é7",
        parameters={"timeout": {"int64_param": 5}, "binary_data_output": {"bool_param": False}},
        inputs=[{"name": "x", "datatype": "FP32", "shape": [1], "parameters": {"a": {"double_param": 0.5}}}],
        outputs=[
            {"name": "y", "parameters": {"classification": {"int64_param": 3}, "binary_data": {"bool_param": False}}},
            {"name": "z"},
        ],
        raw_input_contents=["AACAPw=="],
    )
    assert (question.model, question.version, question.id) == ("m", "2", "é7")
    head = msgspec.json.decode(question.head)
    assert head["id"] == "é7"
    assert head["parameters"] == {"timeout": 5, "binary_data_output": True}
    assert head["outputs"] == [{"name": "y", "parameters": {"classification": 3}}, {"name": "z"}]
    assert head["inputs"][0]["parameters"] == {"a": 0.5, "binary_data_size": 4}
    assert question.body.endswith(struct.pack("<f", 1))


@pytest.mark.parametrize(
    ("inputs", "raw", "words"),
    [
        ([{"datatype": "FP32", "contents": {"fp64_contents": [1]}}], [], "is FP32 and has elements in fp64_contents"),
        ([{"datatype": "FP16", "contents": {"fp32_contents": [1]}}], [], "send them in raw_input_contents"),
        ([{"datatype": "FP16", "contents": {"bytes_contents": ["AA=="]}}], [], "FP16, which has no typed contents"),
        ([{"datatype": "INT8", "contents": {"int_contents": [128]}}], [], "holds a number that INT8 cannot"),
        ([{"datatype": "UINT16", "contents": {"uint_contents": [65536]}}], [], "a number that UINT16 cannot"),
        ([{"datatype": "FP32", "contents": {"fp32_contents": [1]}}], ["AACAPw=="], "beside raw_input_contents"),
        ([{"datatype": "FP32"}], ["AA==", "AA=="], "has 2 elements, and there are 1 inputs"),
        ([{"datatype": "FP32"}, {"datatype": "FP32"}], ["AA=="], "has 1 elements, and there are 2 inputs"),
    ],
)
def test_contents_that_belong_to_no_input_are_refused(inputs: list[dict[str, Any]], raw: list[str], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        asked(inputs=[{"name": "x", "shape": [1], **tensor} for tensor in inputs], raw_input_contents=raw)
    assert words in f"{caught.value.message} ({caught.value.hint})"


def test_a_shared_memory_region_is_left_to_whom_reads_it() -> None:
    region = {"shared_memory_region": {"string_param": "r"}}
    tensors = [
        {"name": "x", "datatype": "FP32", "shape": [1], "parameters": region},
        {"name": "z", "datatype": "FP32", "shape": [1]},
    ]
    question = asked(inputs=tensors, raw_input_contents=["AACAPw=="])
    first, second = msgspec.json.decode(question.head)["inputs"]
    assert first["parameters"] == {"shared_memory_region": "r"}
    assert second["parameters"] == {"binary_data_size": 4}


def test_large_contents_are_views_of_the_message() -> None:
    content = bytes(range(256)) * (LARGE // 256)
    request = ModelInferRequest(model_name="m", raw_input_contents=[content, b"", b"\x01"])
    for name in ("a", "b", "c"):
        request.inputs.add(name=name, datatype="UINT8", shape=[1])
    question = read_question(request.SerializeToString())
    assert [bytes(piece) for piece in question.pieces] == [content, b"", b"\x01"]
    assert isinstance(question.pieces[0], memoryview)
    assert question.model == "m"


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_a_request_or_malformed(data: bytes) -> None:
    for content in (data, data + b"\x3a" + b"\x80\x80\x01" + bytes(LARGE)):
        with contextlib.suppress(Malformed):
            read_question(content)


@given(st.lists(st.binary(max_size=20), max_size=4), st.binary(max_size=50))
def test_cutting_and_parsing_agree(contents: list[bytes], name: bytes) -> None:
    request = ModelInferRequest(model_name=name.hex(), id="7", raw_input_contents=contents)
    data = request.SerializeToString()
    kept, raw = cut_raw(data)
    assert raw is not None
    assert [bytes(piece) for piece in raw] == contents
    assert ModelInferRequest.FromString(kept).model_name == name.hex()
    for end in range(len(data)):
        kept, raw = cut_raw(data[:end])
        assert raw is None or ModelInferRequest.FromString(kept) is not None
