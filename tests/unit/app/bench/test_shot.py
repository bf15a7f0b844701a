"""What is sent: the user's own bodies, and those that are made."""

import json
from typing import Any

import pytest

from modelwright.app.bench.shot import chat_shot, own_shot, tensor_shot
from modelwright.app.supervise.welcome.examples import TensorTold
from modelwright.core.errors.calls import Malformed
from modelwright.core.wire.v2 import read_infer


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"messages": []}, "/v1/chat/completions"),
        ({"prompt": "x"}, "/v1/completions"),
        ({"input": "x"}, "/v1/embeddings"),
    ],
)
def test_a_body_tells_where_it_goes_and_gets_the_endpoint_s_name(body: dict[str, Any], target: str) -> None:
    shot = own_shot("mine", json.dumps({**body, "model": "another", "stream": True}).encode())
    assert (shot.target, shot.stream) == (target, True)
    assert json.loads(shot.body) == {**body, "model": "mine", "stream": True}


def test_a_tensor_body_is_sent_as_it_is() -> None:
    content = b'{"inputs":[{"name":"x","shape":[4,2],"datatype":"FP32","data":[1,2,3,4,5,6,7,8]}]}'
    shot = own_shot("mine", content)
    assert (shot.target, shot.body, shot.rows, shot.stream) == ("/v2/models/mine/infer", content, 4, False)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_request_is_said(content: bytes) -> None:
    with pytest.raises(Malformed, match="no JSON object"):
        own_shot("mine", content)


@pytest.mark.parametrize(
    ("content", "plain"),
    [(b'{"text":"good"}', False), (b'{"text":"good"}', True), (b'{"prompt":"x"}', True), (b'{"inputs":[1]}', True)],
)
def test_plain_json_is_sent_as_it_is(content: bytes, *, plain: bool) -> None:
    shot = own_shot("mine", content, plain=plain)
    assert (shot.target, shot.body, shot.rows, shot.stream) == ("/predict/mine", content, 1, False)


@pytest.mark.parametrize("inputs", ['"x"', "[]", "[1]", '[{"shape":"x"}]', '[{"shape":[]}]', '[{"shape":[-5]}]'])
def test_odd_shapes_count_as_one_row(inputs: str) -> None:
    assert own_shot("mine", b'{"inputs":%s}' % inputs.encode()).rows == 1


def test_tensors_are_made_from_metadata() -> None:
    tensors = [
        TensorTold(name="image", datatype="FP32", shape=(-1, 3, 4)),
        TensorTold(name="words", datatype="BYTES", shape=(-1, -1)),
    ]
    shot = tensor_shot("m", tensors, rows=2)
    assert shot.rows == 2
    ((name, length),) = shot.headers
    assert name == b"inference-header-content-length"
    request, rest = read_infer(shot.body, int(length))
    assert [(one.name, one.shape) for one in request.inputs] == [("image", [2, 3, 4]), ("words", [2, 1])]
    assert bytes(rest) == bytes(4 * 24 + 4 * 2)


def test_rows_of_a_model_without_a_batch_stay_what_they_are() -> None:
    shot = tensor_shot("m", [TensorTold(name="x", datatype="INT64", shape=(5,))], rows=8)
    assert shot.rows == 1
    assert shot.body.endswith(bytes(40))


def test_a_stream_asks_for_its_usage() -> None:
    assert json.loads(chat_shot("m", stream=True).body)["stream_options"] == {"include_usage": True}
    assert "stream" not in json.loads(chat_shot("m", stream=False).body)
