"""Hostile V2 requests at both doors: lying shapes, sizes and types are the client's fault, told in the same words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import msgspec
import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as service_messages

from tests.e2e.clients import patient
from tests.e2e.running import Site, running
from tests.making.onnx_models import double, pick

service_pb2: Any = service_messages  # its messages are made when it is imported, which no checker sees

pytestmark = pytest.mark.e2e

MANIFEST = """
schema: 1
name: hostile
models:
  double: {source: ./double.onnx, batching: {max_rows: 8, queue_rows: 64, queue_bytes: 1MiB}}
  pick: {source: ./pick.onnx}
gateway: {grpc: "127.0.0.1:0", max_body: 1MiB}
"""
CODES = {200: "OK", 400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 413: "RESOURCE_EXHAUSTED", 422: "INVALID_ARGUMENT"}
INPUTS = {"double": "x", "pick": "index"}
SETTINGS = settings(
    max_examples=150,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

numbers = st.one_of(st.integers(-3, 5), st.sampled_from([0, -1, 2**31, 2**63 - 1, -(2**63), 1 << 40]))
shapes = st.lists(numbers, max_size=4)
datatypes = st.sampled_from(["FP32", "INT64", "FP16", "BOOL", "BYTES", "UINT8", "FP64", "BF16", "", "fp32", "\u0000"])
data = st.one_of(st.binary(max_size=64), st.integers(0, 8).map(lambda count: bytes(4 * count)))
wishes = st.lists(
    st.tuples(st.sampled_from(["y", "total", "z", ""]), st.sampled_from([0, 0, 1, 3, -1, 2**40])), max_size=3
)
tensors = st.lists(st.tuples(st.sampled_from(["", "", "", "other"]), datatypes, shapes, data), max_size=3)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hostile")
    double(folder / "double.onnx")
    pick(folder / "pick.onnx")
    with running(MANIFEST, folder=folder) as site:
        patient(lambda: site.call("GET", "/v2/health/ready").status == 200, waiting_for="the gateway's workers")
        yield site
        assert site.call("GET", "/v2/health/ready").status == 200
        assert {part.restarts for part in site.watch().parts} == {0}


@pytest.fixture(scope="module")
def session(site: Site) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers["authorization"] = f"Bearer {site.key}"
        yield opened


@pytest.fixture(scope="module")
def channel(site: Site) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(site.watch().grpc) as opened:
        yield opened


def over_rest(site: Site, session: requests.Session, model: str, asked: dict[str, Any], tail: bytes) -> tuple[int, str]:
    head = msgspec.json.encode(asked)
    headers = {"inference-header-content-length": str(len(head))}
    reply = session.post(f"{site.public}/v2/models/{model}/infer", head + tail, headers=headers)
    return reply.status_code, "" if reply.status_code == 200 else reply.json()["error"]


def over_grpc(channel: grpc.Channel, site: Site, data: bytes) -> tuple[str, str]:
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    try:
        call(data, metadata=(("authorization", f"Bearer {site.key}"),))
    except grpc.RpcError as error:
        told: Any = error
        return told.code().name, told.details()
    return "OK", ""


@SETTINGS
@given(st.sampled_from(sorted(INPUTS)), tensors, wishes)
@example("double", [("", "FP32", [-1, 4], bytes(16))], [])
@example("double", [("", "FP32", [2**62, 4], bytes(16))], [])
@example("double", [("", "FP32", [1 << 40, 1 << 40], b"")], [])
@example("double", [("", "INT64", [1, 4], bytes(32))], [("y", 1)])
@example("double", [("", "FP32", [1, 4], bytes(16))], [("y", 2**40)])
@example("pick", [("", "INT64", [1], b"\xff" * 8)], [])
def test_both_doors_say_the_same_of_a_hostile_request(
    site: Site,
    session: requests.Session,
    channel: grpc.Channel,
    model: str,
    given_tensors: list[tuple[str, str, list[int], bytes]],
    wanted: list[tuple[str, int]],
) -> None:
    message = service_pb2.ModelInferRequest(model_name=model)
    asked: dict[str, Any] = {"inputs": [], "parameters": {"binary_data_output": True}}
    for name, datatype, shape, content in given_tensors:
        name = name or INPUTS[model]  # noqa: PLW2901 - empty stands for the right one
        message.inputs.add(name=name, datatype=datatype, shape=shape)
        message.raw_input_contents.append(content)
        tensor = {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(content)}}
        asked["inputs"].append(tensor)
    if wanted:
        asked["outputs"] = [{"name": name, "parameters": {"classification": count}} for name, count in wanted]
    for name, count in wanted:
        message.outputs.add(name=name).parameters["classification"].int64_param = count
    tail = b"".join(content for _, _, _, content in given_tensors)
    status, words = over_rest(site, session, model, asked, tail)
    assert status in CODES, (status, words, asked)
    assert over_grpc(channel, site, message.SerializeToString()) == (CODES[status], words)


@SETTINGS
@given(st.one_of(st.binary(max_size=200), tensors.map(lambda found: str(found).encode())))
def test_bytes_of_any_kind_are_the_clients_fault(site: Site, channel: grpc.Channel, content: bytes) -> None:
    assert over_grpc(channel, site, content)[0] in {"INVALID_ARGUMENT", "NOT_FOUND"}


@SETTINGS
@given(
    st.binary(max_size=100),
    st.sampled_from(["0", "1", "99", "-1", "x", "999999999999999999999"]),
    st.sampled_from(["", "gzip", "deflate", "br", "gzip, gzip"]),
)
@example(b"", "0", "")
@example(bytes(16), "0", "")
def test_lying_headers_are_the_clients_fault(
    site: Site, session: requests.Session, content: bytes, head: str, coding: str
) -> None:
    headers = {"inference-header-content-length": head, **({"content-encoding": coding} if coding else {})}
    reply = session.post(f"{site.public}/v2/models/double/infer", content, headers=headers)
    assert reply.status_code in {200, 400, 413, 422}, (reply.status_code, reply.content)
