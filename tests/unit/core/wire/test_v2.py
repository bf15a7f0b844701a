"""The V2 frame: paths, the JSON part and the bytes behind it, errors that name what is wrong."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import EngineFailed, Malformed
from modelwright.core.wire.v2 import (
    InferRequest,
    InferResponse,
    ResponseOutput,
    Route,
    error_body,
    read_header_length,
    read_infer,
    read_path,
)

BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}'


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2", Route("server")),
        ("/v2/health/live", Route("live")),
        ("/v2/health/ready", Route("ready")),
        ("/v2/models/digits", Route("metadata", "digits")),
        ("/v2/models/digits/ready", Route("model_ready", "digits")),
        ("/v2/models/digits/infer", Route("infer", "digits")),
        ("/v2/models/digits/versions/1", Route("metadata", "digits", "1")),
        ("/v2/models/digits/versions/1/ready", Route("model_ready", "digits", "1")),
        ("/v2/models/digits/versions/2/infer", Route("infer", "digits", "2")),
    ],
)
def test_paths_of_the_protocol(path: str, route: Route) -> None:
    assert read_path(path) == route


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/models",
        "/v2/",
        "/v2/models",
        "/v2/models/",
        "/v2/models//infer",
        "/v2/models/digits/",
        "/v2/models/digits/generate",
        "/v2/models/digits/versions//infer",
        "/v2/models/digits/versions/1/infer/again",
        "/v2/health",
    ],
)
def test_other_paths_are_none_of_it(path: str) -> None:
    assert read_path(path) is None


def test_request_without_binary_part() -> None:
    request, rest = read_infer(BODY, None)
    assert [item.name for item in request.inputs] == ["x"]
    assert bytes(request.inputs[0].data) == b"[1,2]"
    assert not rest


@given(st.binary(max_size=64))
def test_binary_part_is_what_follows_the_json(tail: bytes) -> None:
    request, rest = read_infer(BODY + tail, len(BODY))
    assert bytes(rest) == tail
    assert request.inputs[0].shape == [1, 2]


def test_null_stands_for_left_out() -> None:
    body = b'{"inputs":[],"id":null,"parameters":null,"outputs":null}'
    assert read_infer(body, None)[0] == InferRequest(inputs=[])


@pytest.mark.parametrize("length", [0, len(BODY) + 1])
def test_length_of_the_json_part_must_fit(length: int) -> None:
    with pytest.raises(Malformed, match="inference-header-content-length is") as caught:
        read_infer(BODY, length)
    assert caught.value.param == "inference-header-content-length"


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"x", b"9" * 19, "٣".encode()])
def test_length_must_be_a_number(value: bytes) -> None:
    with pytest.raises(Malformed, match="not a number"):
        read_header_length(value)


def test_length_may_be_absent() -> None:
    assert read_header_length(None) is None
    assert read_header_length(b"70") == 70


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `inputs`"),
        (b'{"inputs":{}}', "body.inputs"),
        (b'{"inputs":[{"name":"x","shape":[1.5],"datatype":"FP32"}]}', r"body.inputs\[0\].shape\[0\]"),
        (b'{"inputs":[{"name":"x","shape":[1]}]}', "missing required field `datatype`"),
        (b'{"inputs":[{"name":"x","shape":[' + b"1" * 5000 + b'],"datatype":"FP32"}]}', "out of range"),
        (b'{"inputs":[{"name":"\xff","shape":[1],"datatype":"FP32"}]}', "JSON|utf-8"),
        (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":' + b"[" * 100_000 + b"}]}", "not valid JSON"),
        (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[NaN]}]}', "not valid JSON"),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words) as caught:
        read_infer(body, None)
    assert caught.value.hint


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        request, _ = read_infer(body, None)
    except Malformed:
        return
    assert isinstance(request, InferRequest)


def test_answer_leaves_out_what_is_not_set() -> None:
    output = ResponseOutput(name="y", datatype="FP32", shape=[1], data=[0.5])
    assert msgspec.json.decode(msgspec.json.encode(InferResponse(model_name="m", outputs=[output]))) == {
        "model_name": "m",
        "model_version": "1",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [0.5]}],
    }


def test_error_is_one_string_with_the_remedy() -> None:
    assert error_body(EngineFailed("no", hint="try again")) == b'{"error":"no (try again)"}'
    assert error_body(EngineFailed("no")) == b'{"error":"no"}'
