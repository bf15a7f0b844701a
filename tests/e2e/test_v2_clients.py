"""Clients of the V2 wire in front of a whole site: NVIDIA's over REST, one call at a time, several at once, asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.running import Site, running
from tests.making.onnx_models import double, identity

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: tensors
models:
  double: {source: ./double.onnx, labels: ./labels.txt, scale: {min: 2}, batching: {max_rows: 8, queue_rows: 64}}
  half: {source: ./half.onnx}
  words: {source: ./words.onnx}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("v2")
    double(folder / "double.onnx")
    identity(folder / "half.onnx", onnx.TensorProto.FLOAT16)
    identity(folder / "words.onnx", onnx.TensorProto.STRING, dims=("n", "m"))
    (folder / "labels.txt").write_text("cat\ndog\nfox\n")
    with running(MANIFEST, folder=folder) as site:
        yield site


@pytest.fixture
def client(site: Site) -> Iterator[Any]:
    """NVIDIA's, with the key."""
    with triton.InferenceServerClient(f"127.0.0.1:{site.port}", concurrency=4) as client:
        client.register_plugin(WithKey(site.key))
        patient(client.is_server_ready, waiting_for="the gateway to see its workers")
        yield client


class WithKey:
    """What the client calls before each request."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Any) -> None:
        request.headers["authorization"] = f"Bearer {self._key}"


def given(array: np.ndarray, *, name: str = "x", binary: bool = True) -> Any:
    types = {"f4": "FP32", "f2": "FP16", "O": "BYTES"}
    datatype = types["O" if array.dtype.kind == "O" else array.dtype.str[1:]]
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def some(rows: int = 3, columns: int = 4) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, columns)).astype(np.float32)


@pytest.mark.parametrize("binary", [True, False])
def test_best_classes_come_with_their_names(client: Any, *, binary: bool) -> None:
    x = np.array([[1, 9, 5, 7], [4, 3, 2, 8]], np.float32)
    wish = triton.InferRequestedOutput("y", binary_data=binary, class_count=3)
    y = client.infer("double", [given(x)], outputs=[wish]).as_numpy("y")
    assert [[text.decode() if isinstance(text, bytes) else text for text in row] for row in y] == [
        ["18.000000:1:dog", "14.000000:3", "10.000000:2:fox"],
        ["16.000000:3", "8.000000:0:cat", "6.000000:1:dog"],
    ]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_read(client: Any, algorithm: str) -> None:
    x = some(20)
    result = client.infer("double", [given(x)], request_compression_algorithm=algorithm, request_id="mine")
    np.testing.assert_array_equal(result.as_numpy("y"), 2 * x)
    assert result.get_response()["id"] == "mine"


def test_half_precision_and_texts_pass(client: Any) -> None:
    half = np.array([[0.5, -2]], np.float16)
    np.testing.assert_array_equal(client.infer("half", [given(half)]).as_numpy("y"), half)
    words = np.array([["é".encode(), b""], [b"a", b"two words"]], object)
    np.testing.assert_array_equal(client.infer("words", [given(words)]).as_numpy("y"), words)


def test_one_tensors_bytes_alone_are_a_request(site: Site) -> None:
    x = some(2)
    reply = site.call("POST", "/v2/models/double/infer", x.tobytes(), headers={"Inference-Header-Content-Length": "0"})
    assert reply.status == 200
    head = int(reply.headers["inference-header-content-length"])
    assert reply.body[head:] == (2 * x).tobytes() + (x.sum(axis=1, dtype=np.float32)).tobytes()


ROW = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
BINARY = msgspec.json.encode({"inputs": [{**ROW, "data": None, "parameters": {"binary_data_size": 16}}]})


def wishing(name: str, **parameters: object) -> bytes:
    return msgspec.json.encode({"inputs": [ROW], "outputs": [{"name": name, "parameters": parameters}]})


@pytest.mark.parametrize(
    ("body", "head", "status", "words"),
    [
        (wishing("y", unheard=1, binary_data=False), None, 200, b'"data":[2.0,4.0,6.0,8.0]'),
        (wishing("y", classification=99), None, 200, b'"8.000000:3"'),
        (wishing("total", classification=1), None, 200, b'"shape":[1,1]'),
        (wishing("z"), None, 400, b"the model gives y, total"),
        (wishing("y", binary_data="yes"), None, 400, b"true or false"),
        (wishing("y", classification=2.5), None, 400, b"no number of classes"),
        (msgspec.json.encode({"inputs": [ROW, ROW]}), None, 400, b"given twice"),
        (msgspec.json.encode({"inputs": [ROW], "outputs": [{"name": "y"}] * 2}), None, 400, b"wanted twice"),
        (BINARY + bytes(16), len(BINARY), 200, b'"data":[0.0,0.0,0.0,0.0]'),
        (BINARY.replace(b"16", b"12") + bytes(16), len(BINARY), 400, b"its shape [1, 4] needs 16"),
        (BINARY.replace(b"16", b"-1") + bytes(16), len(BINARY), 400, b"binary_data_size -1"),
        (BINARY.replace(b"16", b"99") + bytes(16), len(BINARY), 400, b"but 16 bytes are left"),
        (BINARY + bytes(20), len(BINARY), 400, b"4 bytes follow the last tensor"),
        (BINARY + bytes(16), -1, 400, b"is '-1', not a number"),
        (BINARY + bytes(16), 10**30, 400, b"not a number"),
        (BINARY + bytes(16), 10**9, 400, b"but the body has"),
        (BINARY + bytes(16), len(BINARY) - 1, 400, b"not valid JSON"),
    ],
)
def test_odd_wishes_and_lying_lengths(site: Site, body: bytes, head: int | None, status: int, words: bytes) -> None:
    headers = {} if head is None else {"Inference-Header-Content-Length": str(head)}
    reply = site.call("POST", "/v2/models/double/infer", body, headers=headers)
    assert (reply.status, words in reply.body) == (status, True), reply.body


def test_versions_and_methods_that_are_not_there(site: Site) -> None:
    for tail, method in {"": "GET", "/ready": "GET", "/config": "GET", "/stats": "GET", "/infer": "POST"}.items():
        for version in ("2", "9" * 40, "v1.2-x"):
            reply = site.call(
                method, f"/v2/models/double/versions/{version}{tail}", b"{}" if tail == "/infer" else None
            )
            assert (reply.status, b"its versions are 1" in reply.body) == (404, True)
    for path, method, allowed in (("", "OPTIONS", "GET"), ("/infer", "OPTIONS", "POST"), ("/infer", "HEAD", "POST")):
        reply = site.call(method, f"/v2/models/double{path}")
        assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert site.call("HEAD", "/v2/models/double").status == 200


@pytest.mark.parametrize("expects", [False, True])
def test_chunks_and_clients_that_wait_to_be_asked(site: Site, *, expects: bool) -> None:
    body = BINARY + bytes(16)
    named = f"authorization: Bearer {site.key}\r\ninference-header-content-length: {len(BINARY)}\r\nhost: t\r\n"
    framing = f"expect: 100-continue\r\ncontent-length: {len(body)}" if expects else "transfer-encoding: chunked"
    with Wire(site.port) as wire:
        wire.send(f"POST /v2/models/double/infer HTTP/1.1\r\n{named}{framing}\r\n\r\n".encode())
        if expects:
            assert wire.head()[0] == 100
            wire.send(body)
        else:
            for at in range(0, len(body), 7):
                wire.send(b"%x;odd=1\r\n%b\r\n" % (len(body[at : at + 7]), body[at : at + 7]))
            wire.send(b"0\r\nx-trailer: 1\r\n\r\n")
        status, _, told = wire.answer()
    assert (status, b'"data":[0.0,0.0,0.0,0.0]' in told) == (200, True)


def test_configuration_and_statistics_over_both_replicas(client: Any) -> None:
    config = client.get_model_config("double")
    assert config["max_batch_size"] == 8
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    before = client.get_inference_statistics("double")["model_stats"][0]
    for waiting in [client.async_infer("double", [given(some(2))]) for _ in range(10)]:
        waiting.get_result()
    (after,) = client.get_inference_statistics("double", "1")["model_stats"]
    assert after["inference_count"] - before["inference_count"] == 20
    told, known = after["inference_stats"], before["inference_stats"]
    assert told["success"]["count"] - known["success"]["count"] == 10
    assert told["compute_infer"]["ns"] > known["compute_infer"]["ns"]
    assert sum(batch["compute_infer"]["count"] for batch in after["batch_stats"]) == after["execution_count"]
    assert [one["name"] for one in client.get_inference_statistics()["model_stats"]] == ["double", "half", "words"]


def test_errors_are_the_clients_exceptions(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="has size 3 in dimension 1"):
        client.infer("double", [given(some(2, 3))])
    with pytest.raises(InferenceServerException, match="endpoint 'other' is not served"):
        client.get_model_config("other")


async def test_the_asynchronous_client(site: Site) -> None:
    headers = {"Authorization": f"Bearer {site.key}"}
    async with triton_aio.InferenceServerClient(f"127.0.0.1:{site.port}") as client:
        arrays = [some(rows) for rows in range(1, 9)]
        results = await asyncio.gather(*(client.infer("double", [given(array)], headers=headers) for array in arrays))
        for array, result in zip(arrays, results, strict=True):
            np.testing.assert_array_equal(result.as_numpy("y"), 2 * array)
        assert (await client.get_model_metadata("double", headers=headers))["versions"] == ["1"]
