"""Answers of tensor models: chosen outputs, JSON or bytes, and wishes that are refused before anything is computed."""

import struct
from typing import Any

import msgspec
import numpy as np
import pytest

from modelwright.core.errors.calls import CallError, Malformed, Unprocessable
from modelwright.core.ports.engines import Array, Signature, TensorSpec
from modelwright.core.wire.v2 import InferRequest, RequestOutput
from modelwright.serving.v2.answers import AnswerWriter

SPECS = {"y": ("FP32", (-1, 2)), "label": ("INT64", (-1,)), "word": ("BYTES", (-1,)), "half": ("FP16", (-1,))}
ARRAYS: dict[str, Array] = {
    "y": np.array([[0.5, 1.5], [2.5, -3]], np.float32),
    "label": np.array([7, -(2**63)]),
    "word": np.array(["é".encode(), b""], object),
    "half": np.array([0.5, 1], np.float16),
}


def writer(*names: str) -> AnswerWriter:
    outputs = tuple(TensorSpec(name=name, datatype=SPECS[name][0], shape=SPECS[name][1]) for name in names)
    return AnswerWriter(Signature(inputs=(), outputs=outputs, platform="test"), model="m")


def wish(*outputs: str | RequestOutput, **parameters: Any) -> InferRequest:
    wanted = [RequestOutput(item) if isinstance(item, str) else item for item in outputs]
    return InferRequest(inputs=[], parameters=parameters or None, outputs=wanted or None)


def written(names: tuple[str, ...], request: InferRequest, **arrays: Array) -> tuple[dict[bytes, bytes], Any, bytes]:
    """Headers, the JSON part and the bytes behind it."""
    answers = writer(*names)
    headers, body = answers.write(answers.plan(request), {**ARRAYS, **arrays})
    found = dict(headers)
    length = int(found.get(b"inference-header-content-length", len(body)))
    return found, msgspec.json.decode(body[:length]), body[length:]


def test_json_answer_is_flat_and_row_major() -> None:
    headers, answer, rest = written(("y", "label", "word"), wish())
    assert headers == {b"content-type": b"application/json"}
    assert answer == {
        "model_name": "m",
        "model_version": "1",
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [0.5, 1.5, 2.5, -3]},
            {"name": "label", "datatype": "INT64", "shape": [2], "data": [7, -(2**63)]},
            {"name": "word", "datatype": "BYTES", "shape": [2], "data": ["é", ""]},
        ],
    }
    assert rest == b""


def test_binary_answer_carries_the_bytes_in_order() -> None:
    headers, answer, rest = written(("y", "word"), wish(binary_data_output=True))
    assert headers[b"content-type"] == b"application/octet-stream"
    assert [output["parameters"] for output in answer["outputs"]] == [
        {"binary_data_size": 16},
        {"binary_data_size": 10},
    ]
    assert all("data" not in output for output in answer["outputs"])
    word = struct.pack("<I", 2) + "é".encode() + struct.pack("<I", 0)
    assert rest == ARRAYS["y"].tobytes() + word


def test_outputs_come_as_chosen_in_the_order_chosen() -> None:
    request = wish(RequestOutput("label", {"binary_data": True}), "y")
    _, answer, rest = written(("y", "label"), request)
    assert [output["name"] for output in answer["outputs"]] == ["label", "y"]
    assert answer["outputs"][1]["data"] == [0.5, 1.5, 2.5, -3]
    assert rest == ARRAYS["label"].tobytes()


def test_word_on_one_output_wins_over_the_word_on_all() -> None:
    request = wish(RequestOutput("label", {"binary_data": False}), "y", binary_data_output=True)
    _, answer, rest = written(("y", "label"), request)
    assert answer["outputs"][0]["data"] == [7, -(2**63)]
    assert rest == ARRAYS["y"].tobytes()


def test_what_is_no_number_in_json_becomes_null() -> None:
    _, answer, _ = written(("y",), wish(), y=np.array([[np.nan, np.inf]], np.float32))
    assert answer["outputs"][0]["data"] == [None, None]


def test_what_the_engine_did_not_lay_out_in_rows_is_written_in_rows() -> None:
    turned = np.arange(6, dtype=np.float32).reshape(3, 2).T
    _, answer, rest = written(("y",), wish(binary_data_output=True), y=turned)
    assert answer["outputs"][0]["shape"] == [2, 3]
    assert np.frombuffer(rest, np.float32).tolist() == [0, 2, 4, 1, 3, 5]


def test_id_is_echoed() -> None:
    request = wish()
    request.id = "é7"
    assert written(("y",), request)[1]["id"] == "é7"


def test_artifact_is_told_to_those_who_ask() -> None:
    model = AnswerWriter(Signature(inputs=(), outputs=(), platform="test"), model="m", digest="sha256:a")
    told = [msgspec.json.decode(model.write(model.plan(wish(artifact=asked)), {})[1]) for asked in (True, False)]
    assert told[0]["parameters"] == {"artifact": "sha256:a"}
    assert "parameters" not in told[1]
    assert "parameters" not in written(("y",), wish(artifact=True))[1], "nothing is known"


def test_half_precision_goes_as_bytes() -> None:
    _, _, rest = written(("half",), wish(binary_data_output=True))
    assert rest == ARRAYS["half"].tobytes()
    assert written(("y", "half"), wish("y"))[1]["outputs"][0]["name"] == "y"


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        (wish("z"), Malformed, "output 'z' is not one of the model's (the model gives y, half, word)"),
        (wish("y", "y"), Malformed, "wanted twice"),
        (wish("half"), Unprocessable, "output 'half' is FP16, which JSON cannot carry"),
        (wish(), Unprocessable, "output 'half' is FP16"),
        (wish(RequestOutput("y", {"classification": "3"})), Malformed, "of output 'y' is no number of classes"),
        (wish(RequestOutput("y", {"classification": True})), Malformed, "is no number of classes"),
        (wish(RequestOutput("word", {"classification": 3})), Unprocessable, "'word' is BYTES, which holds no scores"),
        (wish(RequestOutput("y", {"shared_memory_region": "r"})), Unprocessable, "shared_memory_region"),
        (wish(RequestOutput("y", {"binary_data": "yes"})), Malformed, "'binary_data' is not true or false"),
        (wish("y", binary_data_output=1), Malformed, "'binary_data_output' is not true or false"),
        (wish("y", sequence_id=5), Unprocessable, "'sequence_id' asks for a model that keeps state"),
        (wish("y", timeout="1"), Malformed, "'timeout' is no number of microseconds"),
        (wish("y", timeout=-1), Malformed, "'timeout'"),
        (wish("y", timeout=True), Malformed, "'timeout'"),
    ],
)
def test_wish_that_cannot_be_met_is_refused_before(request_: InferRequest, kind: type[CallError], words: str) -> None:
    with pytest.raises(kind) as caught:
        writer("y", "half", "word").plan(request_)
    assert words in f"{caught.value.message} ({caught.value.hint})"
    assert caught.value.hint


@pytest.mark.parametrize(("timeout", "patience"), [(0, float("inf")), (1_500_000, 1.5), (1 << 60, float("inf"))])
def test_timeout_is_in_microseconds_and_zero_is_none(timeout: int, patience: float) -> None:
    assert writer("y").plan(wish(timeout=timeout)).patience == patience


def test_other_parameters_are_left_to_whom_they_concern() -> None:
    request = wish(RequestOutput("y", {"content_type": "np"}), priority=1, traced=True)
    assert written(("y",), request)[1]["outputs"][0]["name"] == "y"


def test_bytes_that_are_no_text_cannot_go_as_json() -> None:
    word = np.array([b"\xff"], object)
    with pytest.raises(Unprocessable, match="holds bytes that are no text"):
        written(("word",), wish(), word=word)
    assert written(("word",), wish(binary_data_output=True), word=word)[2] == b"\x01\0\0\0\xff"
