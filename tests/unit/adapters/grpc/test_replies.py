"""From an answer over REST to messages of gRPC, as NVIDIA's messages read them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tritonclient.grpc import service_pb2 as service_messages

from modelwright.adapters.grpc.replies import FINAL, read_refusal, write_answer, write_error, write_piece
from modelwright.core.errors.providers import ProviderError

service_pb2: Any = service_messages  # its messages are made when it is imported, which no checker sees


def body(*sizes: int, **more: Any) -> tuple[bytes, int]:
    outputs = [
        {"name": f"y{at}", "datatype": "UINT8", "shape": [size], "parameters": {"binary_data_size": size, "note": "n"}}
        for at, size in enumerate(sizes)
    ]
    head = msgspec.json.encode({"model_name": "m", "model_version": "3", "outputs": outputs, **more})
    return head + b"".join(bytes([at]) * size for at, size in enumerate(sizes)), len(head)


def test_tensors_go_as_raw_contents_in_their_order() -> None:
    content, head = body(3, 0, 300, id="7", parameters={"a": True, "b": -1, "c": 0.5, "d": "t", "e": [1]})
    told = service_pb2.ModelInferResponse.FromString(write_answer(content, head))
    assert (told.model_name, told.model_version, told.id) == ("m", "3", "7")
    assert [(output.name, list(output.shape)) for output in told.outputs] == [("y0", [3]), ("y1", [0]), ("y2", [300])]
    assert list(told.raw_output_contents) == [b"\0\0\0", b"", b"\2" * 300]
    assert told.outputs[0].parameters["note"].string_param == "n"
    found = told.parameters
    assert (found["a"].bool_param, found["b"].int64_param, found["c"].double_param) == (True, -1, 0.5)
    assert (found["d"].string_param, found["e"].string_param) == ("t", "[1]")


def test_a_stream_holds_answers_and_errors() -> None:
    content, head = body(2)
    piece = write_piece(write_answer(content, head, final=True))
    told = service_pb2.ModelStreamInferResponse.FromString(piece)
    assert told.error_message == ""
    assert told.infer_response.parameters[FINAL].bool_param
    told = service_pb2.ModelStreamInferResponse.FromString(write_error("é went wrong", "7"))
    assert (told.error_message, told.infer_response.id) == ("é went wrong", "7")


@pytest.mark.parametrize(
    ("content", "head"),
    [(b"{", 1), (b"", 0), (body(3)[0][:-1], body(3)[1]), (b'{"model_name":"m","outputs":[{"name":"y"}]}', 43)],
)
def test_an_answer_that_cannot_be_read_is_the_other_sides_failure(content: bytes, head: int) -> None:
    with pytest.raises(ProviderError, match="the model's answer"):
        write_answer(content, head)


def test_a_refusal_is_told_in_the_wires_words() -> None:
    assert read_refusal(b'{"error":"no such model (see /v1/models)"}') == "no such model (see /v1/models)"
    assert read_refusal(b"<html>") == read_refusal(b"{}") == "no reason was given"
