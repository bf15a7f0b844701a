"""Hostile clients at the gRPC door: calls that never come, odd metadata, floods, bytes that are no HTTP/2."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from tritonclient.grpc import service_pb2 as service_messages

from modelwright.core.status import Busy
from tests.e2e.clients import ask, patient
from tests.e2e.running import Site, running
from tests.making.onnx_models import double

service_pb2: Any = service_messages  # its messages are made when it is imported, which no checker sees

pytestmark = pytest.mark.e2e
PLACES = 20
MANIFEST = f"""
schema: 1
name: hostile
models:
  double: {{source: ./double.onnx, batching: {{max_rows: 8, queue_rows: 64}}}}
  slow: {{source: ./toy.json, engine: {{kind: toy-tensor, options: {{delay_ms: 200}}}}}}
gateway: {{grpc: "127.0.0.1:0", max_body: 1MiB, max_in_flight: {PLACES}}}
"""
INFER = "/inference.GRPCInferenceService/ModelInfer"
STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
ROW = bytes(16)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hostile")
    double(folder / "double.onnx")
    (folder / "toy.json").write_text('{"toy": 1, "columns": 4}')
    with running(MANIFEST, folder=folder) as site:
        patient(lambda: site.call("GET", "/v2/health/ready").status == 200, waiting_for="the gateway's workers")
        yield site
        assert {part.restarts for part in site.watch().parts} == {0}


@pytest.fixture
def channel(site: Site) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(site.watch().grpc) as opened:
        yield opened


def question(data: bytes = ROW, *, model: str = "double", shape: tuple[int, ...] = (1, 4), kind: str = "FP32") -> bytes:
    message = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[data])
    message.inputs.add(name="x", datatype=kind, shape=shape)
    return message.SerializeToString()


def code_of(
    channel: grpc.Channel, site: Site, data: bytes, *more: tuple[str, str | bytes], method: str = INFER, key: str = ""
) -> str:
    metadata = (("authorization", f"Bearer {key or site.key}"), *more)
    try:
        channel.unary_unary(method)(data, metadata=metadata, timeout=60)
    except grpc.RpcError as error:
        told: Any = error
        return told.code().name
    return "OK"


def busy(site: Site) -> Busy:
    return msgspec.json.decode(ask(site.runtime / "grpc-0.sock", "/status").body, type=Busy)


def test_calls_and_streams_without_requests_keep_nobody_out(site: Site, channel: grpc.Channel) -> None:
    """From connections of their own, as those of other clients are."""
    enough = threading.Event()

    def nothing() -> Iterator[bytes]:
        enough.wait(120)
        yield from ()

    others = [
        grpc.insecure_channel(site.watch().grpc, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)
    ]
    try:
        streams: list[Any] = []
        for other in others:
            other.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=60)
            other_calls = [other.stream_unary(INFER).future(nothing()) for _ in range(PLACES // 2)]
            streams += [other.stream_stream(STREAM)(nothing()) for _ in range(PLACES // 2)]
            assert not any(call.done() for call in other_calls)
        for stream in streams:
            with pytest.raises(grpc.RpcError) as caught:
                next(stream)
            told: Any = caught.value
            assert told.code() == grpc.StatusCode.UNAUTHENTICATED
        assert code_of(channel, site, question()) == "OK"
    finally:
        enough.set()
        for other in others:
            other.close()
    patient(lambda: busy(site).in_flight == 0, waiting_for="their calls to be over")


@pytest.mark.parametrize(
    "pair",
    [
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("host", "elsewhere"),
        ("connection", "close"),
        ("expect", "100-continue"),
        ("content-encoding", "gzip"),
        ("inference-header-content-length", "1"),
        ("x-modelwright-peer", "192.0.2.1"),
        ("x-modelwright-tenant", "other"),
        ("x-request-id", "a" * 5000),
        ("traceparent", "00-zz"),
        ("something-bin", b"\x00\xff\n"),
    ],
    ids=lambda pair: pair[0],
)
def test_metadata_changes_no_request(site: Site, channel: grpc.Channel, pair: tuple[str, str | bytes]) -> None:
    assert code_of(channel, site, question(), pair) == "OK"


def test_each_fault_has_its_status(site: Site, channel: grpc.Channel) -> None:
    found = {
        "negative": code_of(channel, site, question(shape=(-1, 4))),
        "past every bound": code_of(channel, site, question(shape=(1 << 60, 4))),
        "other bytes": code_of(channel, site, question(b"abc")),
        "no datatype": code_of(channel, site, question(kind="float32")),
        "texts": code_of(channel, site, question(kind="BYTES")),
        "too large": code_of(channel, site, question(bytes(3 << 20))),
        "no message": code_of(channel, site, b"\xff" * 100),
        "no model": code_of(channel, site, question(model="other")),
        "no method": code_of(channel, site, b"", method="/inference.GRPCInferenceService/Nothing"),
        "a wrong key": code_of(channel, site, question(), key="mw-wrong"),
    }
    assert found == {
        "negative": "INVALID_ARGUMENT",
        "past every bound": "RESOURCE_EXHAUSTED",
        "other bytes": "INVALID_ARGUMENT",
        "no datatype": "INVALID_ARGUMENT",
        "texts": "INVALID_ARGUMENT",
        "too large": "RESOURCE_EXHAUSTED",
        "no message": "INVALID_ARGUMENT",
        "no model": "NOT_FOUND",
        "no method": "UNIMPLEMENTED",
        "a wrong key": "UNAUTHENTICATED",
    }


@pytest.mark.parametrize(
    "content",
    [
        b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n",
        bytes.fromhex("16030100050100000100"),  # a client of TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("ffffff040000000000") + b"\xff" * 64,
        b"\x00" * 4096,
    ],
    ids=["HTTP/1.1", "TLS", "a frame past every bound", "zeros"],
)
def test_bytes_that_are_no_grpc_disturb_nobody(site: Site, channel: grpc.Channel, content: bytes) -> None:
    host, _, port = site.watch().grpc.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as wire:
        wire.sendall(content)
        with suppress(ConnectionError):
            while wire.recv(65536):
                pass
    assert code_of(channel, site, question()) == "OK"


def test_who_pings_without_end_is_sent_away_and_others_are_served(site: Site, channel: grpc.Channel) -> None:
    host, _, port = site.watch().grpc.rpartition(":")
    ping = bytes.fromhex("0000080600") + bytes(4) + b"hostile!"
    with socket.create_connection((host, int(port)), timeout=60) as wire, suppress(ConnectionError):
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
        told = b""
        for _ in range(1000):
            wire.sendall(ping * 10)
            told = (told + wire.recv(65536))[-65536:]
            if b"too_many_pings" in told:
                break
        assert b"too_many_pings" in told
    assert code_of(channel, site, question()) == "OK"


def test_five_thousand_bad_calls_leave_nothing_behind(site: Site, channel: grpc.Channel) -> None:
    """Refused, past their deadline, cancelled: they keep no place and no memory."""
    infer = channel.unary_unary(INFER)
    key = (("authorization", f"Bearer {site.key}"),)
    bad = [question(shape=(-1, 4)), question(b"abc"), question(kind="BYTES"), os.urandom(100), question(model="other")]
    codes: Counter[str] = Counter()

    def storm(calls: int) -> None:
        for number in range(0, calls, 10):
            waiting = [
                infer.future(
                    bad[(number + at) % len(bad)],
                    metadata=() if at == 0 else key,
                    timeout=0.001 if at == 4 else 60,
                )
                for at in range(10)
            ]
            waiting[7].cancel()
            for call in waiting:
                try:
                    call.result()
                except grpc.FutureCancelledError:
                    codes["CANCELLED"] += 1
                except grpc.RpcError as error:
                    told: Any = error
                    codes[told.code().name] += 1

    def resident() -> int:
        lines = Path(f"/proc/{site.part('grpc-0').pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    storm(2000)
    before = resident()
    storm(3000)
    after = resident()
    assert after < 1.3 * before, (before, after)
    assert codes.keys() <= {
        "CANCELLED",
        "DEADLINE_EXCEEDED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "UNAUTHENTICATED",
        "RESOURCE_EXHAUSTED",
    }
    assert codes["UNAUTHENTICATED"] > 0
    assert codes["INVALID_ARGUMENT"] > 1000
    patient(lambda: busy(site).in_flight == 0, waiting_for="all calls to be over")
    assert code_of(channel, site, question()) == "OK"
    assert not [line for line in site.lines if "was not answered" in line]


def test_calls_past_the_places_are_refused_and_the_next_ones_served(site: Site) -> None:
    others = [
        grpc.insecure_channel(site.watch().grpc, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(4)
    ]
    key = (("authorization", f"Bearer {site.key}"),)
    try:
        waiting = [
            other.unary_unary(INFER).future(question(model="slow"), metadata=key, timeout=60)
            for other in others
            for _ in range(PLACES)
        ]
        codes = Counter(call.code().name for call in waiting)
    finally:
        for other in others:
            other.close()
    assert codes.keys() <= {"OK", "RESOURCE_EXHAUSTED", "UNAVAILABLE"}
    assert codes["OK"] > 0
    patient(lambda: busy(site).in_flight == 0, waiting_for="all calls to be over")
