"""The gRPC door over a real connection, a scripted gateway behind it: statuses, bounds, leaving, streams, drain."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest
from tritonclient.grpc import service_pb2 as service_messages
from tritonclient.grpc import service_pb2_grpc

from modelwright.adapters.grpc.asking import Gateways
from modelwright.adapters.grpc.door import InferenceService
from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.core.errors.calls import Overloaded
from modelwright.core.errors.providers import ProviderUnreachable
from modelwright.core.ports.http import UpstreamRequest

service_pb2: Any = service_messages  # its messages are made when it is imported, which no checker sees

Script = Callable[[UpstreamRequest], Scripted]
REFUSED = b'{"error":"what is wrong (what to do)"}'


def answered(request: UpstreamRequest) -> Scripted:
    """One output `y` with the input's bytes."""
    head = int(dict(request.headers)[b"inference-header-content-length"])
    asked = msgspec.json.decode(request.body[:head])
    data = request.body[head:]
    output = {"name": "y", "datatype": "UINT8", "shape": [len(data)], "parameters": {"binary_data_size": len(data)}}
    told = msgspec.json.encode({"model_name": "m", "id": asked.get("id", ""), "outputs": [output]})
    headers = ((b"inference-header-content-length", b"%d" % len(told)), (b"x-modelwright-call", b"c1"))
    return Scripted(headers=headers, pieces=(told + data,))


def refused(status: int, **headers: str) -> Scripted:
    named = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    return Scripted(status=status, headers=named, pieces=(REFUSED,))


def question(data: bytes = b"abc", *, model: str = "m", name: str = "1") -> Any:
    request = service_pb2.ModelInferRequest(model_name=model, id=name, raw_input_contents=[data])
    request.inputs.add(name="x", datatype="UINT8", shape=[len(data)])
    return request


ASKED_FIRST = "/v2/models/0/stats"
"""Of each stream, before its requests are read."""
STRANGE = refused(404)


class Door:
    """A running door and a client of it."""

    def __init__(self, service: InferenceService, upstream: FakeTransport, channel: grpc.aio.Channel) -> None:
        self.service = service
        self.upstream = upstream
        self.channel = channel
        self.stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        self.ended: Counter[tuple[str, str]] = Counter()

    async def raw(self, method: str, data: bytes) -> bytes:
        return await self.channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(data)


@asynccontextmanager
async def opened(
    script: Callable[[UpstreamRequest], Scripted] = answered,
    *,
    held: int = 1 << 20,
    calls: int = 100,
    admitted: Scripted = STRANGE,
    asked_first: Script | None = None,
) -> AsyncIterator[Door]:
    def choose(request: UpstreamRequest) -> Scripted:
        if request.target == ASKED_FIRST:
            return admitted if asked_first is None else asked_first(request)
        return script(request)

    upstream = FakeTransport(choose)
    ended: Counter[tuple[str, str]] = Counter()
    service = InferenceService(
        Gateways(upstream, ["/run/a.sock", "/run/b.sock"]).ask,
        most_calls=calls,
        most_answer=1 << 20,
        most_held=held,
        ended=lambda method, code: ended.update([(method, code)]),
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            door = Door(service, upstream, channel)
            door.ended = ended
            yield door
    finally:
        await server.stop(None)


async def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never was")


async def failing(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_request_goes_over_rest_with_its_metadata_and_comes_back() -> None:
    async with opened() as door:
        call = door.stub.ModelInfer(question(b"abc"), metadata=(("authorization", "Bearer k"),))
        told = await call
        assert list(told.raw_output_contents) == [b"abc"]
        assert told.id == "1"
        assert ("x-modelwright-call", "c1") in tuple(await call.trailing_metadata())
        (request,) = door.upstream.requests
        assert (request.method, request.target) == ("POST", "/v2/models/m/infer")
        headers = dict(request.headers)
        assert headers[b"authorization"] == b"Bearer k"
        assert headers[b"x-modelwright-peer"] == b"127.0.0.1"
        await until(lambda: door.ended == {("ModelInfer", "OK"): 1})


async def test_requests_take_turns_between_the_gateways() -> None:
    async with opened() as door:
        for _ in range(4):
            await door.stub.ModelInfer(question())
        hosts = [request.origin.host for request in door.upstream.requests]
        assert sorted(hosts) == ["/run/a.sock", "/run/a.sock", "/run/b.sock", "/run/b.sock"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (413, "RESOURCE_EXHAUSTED"),
        (422, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (599, "UNKNOWN"),
    ],
)
async def test_a_refusal_keeps_its_words_and_its_wait(status: int, code: str) -> None:
    async with opened(lambda _: refused(status, retry_after="7")) as door:
        error = await failing(door.stub.ModelInfer(question()))
        assert (error.code().name, error.details()) == (code, "what is wrong (what to do)")
        assert ("retry-after", "7") in tuple(error.trailing_metadata())
        await until(lambda: door.ended == {("ModelInfer", code): 1})


async def test_a_lost_gateway_is_unavailable_and_a_defect_tells_nothing_of_itself() -> None:
    async with opened(lambda _: Scripted(error=ProviderUnreachable("gone"))) as door:
        error = await failing(door.stub.ModelInfer(question()))
        assert (error.code().name, error.details()) == (
            "UNAVAILABLE",
            "the gateway was lost before it answered (send it again)",
        )
    async with opened(lambda _: Scripted(error=Overloaded("too many", hint="wait"))) as door:
        assert (await failing(door.stub.ModelInfer(question()))).code().name == "RESOURCE_EXHAUSTED"

    def defect(_: UpstreamRequest) -> Scripted:
        raise RuntimeError("a secret")

    async with opened(defect, asked_first=defect) as door:
        error = await failing(door.stub.ModelInfer(question()))
        assert (error.code().name, error.details()) == ("INTERNAL", "an internal error (see the log)")
        error = await failing(door.stub.ModelStreamInfer().read())
        assert (error.code().name, error.details()) == ("INTERNAL", "an internal error (see the log)")


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("", "INVALID_ARGUMENT", "names no model"),
        ("../admin", "NOT_FOUND", "endpoint '../admin' is not served"),
        ("a b", "NOT_FOUND", "'a b'"),
        ("m/infer?x", "NOT_FOUND", "'m/infer?x'"),
    ],
)
async def test_a_name_that_is_none_asks_nobody(model: str, code: str, words: str) -> None:
    async with opened() as door:
        error = await failing(door.stub.ModelInfer(question(model=model)))
        assert error.code().name == code
        assert words in (error.details() or "")
        assert not door.upstream.requests


async def test_bytes_that_are_no_message_are_the_clients_fault() -> None:
    async with opened() as door:
        for method in ("ModelInfer", "ModelReady", "ModelStatistics"):
            error = await failing(door.raw(method, b"\xff\xff\xff"))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "the message is no " in (error.details() or "")


async def test_other_methods_are_said_to_be_none_of_ours() -> None:
    async with opened() as door:
        error = await failing(door.stub.TraceSetting(service_pb2.TraceSettingRequest()))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED
        assert "not offered here" in (error.details() or "")
        other = door.channel.unary_unary("/other.Service/Method")
        assert (await failing(other(b""))).code() == grpc.StatusCode.UNIMPLEMENTED


async def test_more_bytes_than_the_door_holds_are_refused() -> None:
    async with opened(held=1000) as door:
        error = await failing(door.stub.ModelInfer(question(bytes(2000))))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await door.stub.ModelInfer(question(bytes(500)))).id == "1"
        assert door.service.held == 0


async def test_readiness_of_what_nobody_knows_is_false_and_a_strangers_question_is_refused() -> None:
    for status, ready in ((200, True), (404, False), (503, False)):
        async with opened(lambda _, status=status: refused(status)) as door:
            asked = service_pb2.ModelReadyRequest(name="m", version="2")
            assert (await door.stub.ModelReady(asked)).ready is ready
            assert door.upstream.requests[0].target == "/v2/models/m/versions/2/ready"
            assert (await door.stub.ServerReady(service_pb2.ServerReadyRequest())).ready is ready
    async with opened(lambda _: refused(401)) as door:
        assert (await failing(door.stub.ModelReady(asked))).code() == grpc.StatusCode.UNAUTHENTICATED
        assert (await door.stub.ServerLive(service_pb2.ServerLiveRequest())).live


async def test_a_client_that_leaves_or_whose_time_is_over_gives_its_request_up() -> None:
    async with opened(lambda _: Scripted(before_head=30.0)) as door:
        error = await failing(door.stub.ModelInfer(question(), timeout=0.1))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        call = door.stub.ModelInfer(question())
        await until(lambda: len(door.upstream.requests) == 2)
        call.cancel()
        await until(lambda: door.upstream.given_up == 2 and not door.service.in_flight)
        assert door.service.held == 0
        await until(lambda: door.ended == {("ModelInfer", "CANCELLED"): 2})


async def test_a_stream_answers_in_order_and_an_error_ends_nothing() -> None:
    def slower_first(request: UpstreamRequest) -> Scripted:
        if b"bad" in request.body:
            return refused(400)
        wait = 0.05 if b'"id":"0"' in request.body else 0.0
        return msgspec.structs.replace(answered(request), before_head=wait)

    async with opened(slower_first) as door:
        requests = [question(name="0"), question(b"bad", name="1"), *(question(name=str(at)) for at in range(2, 40))]
        told = [piece async for piece in door.stub.ModelStreamInfer(iter([*requests, question(model="", name="x")]))]
        assert [piece.infer_response.id for piece in told] == [*(str(at) for at in range(40)), "x"]
        assert [at for at, piece in enumerate(told) if piece.error_message] == [1, 40]
        assert told[1].error_message == "what is wrong (what to do)"
        assert told[0].infer_response.parameters["triton_final_response"].bool_param
        await until(lambda: door.ended == {("ModelStreamInfer", "OK"): 1})


async def test_a_stream_whose_client_leaves_gives_its_requests_up() -> None:
    async with opened(lambda _: Scripted(before_head=30.0)) as door:
        stream = door.stub.ModelStreamInfer()
        for at in range(3):
            await stream.write(question(name=str(at)))
        await until(lambda: len(door.upstream.requests) == 4)
        stream.cancel()
        await until(lambda: door.upstream.given_up == 3 and not (door.service.in_flight or door.service.held))


async def test_a_drain_answers_what_has_come_and_ends_streams() -> None:
    async with opened(lambda request: msgspec.structs.replace(answered(request), before_head=0.05)) as door:
        stream = door.stub.ModelStreamInfer()
        await stream.write(question(name="last"))
        await until(lambda: len(door.upstream.requests) == 2)
        door.service.drain()
        assert (await stream.read()).infer_response.id == "last"
        error = await failing(stream.read())
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "open the stream again" in (error.details() or "")


async def test_calls_whose_request_does_not_come_take_no_place() -> None:
    async with opened(calls=2) as door:
        infer = door.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        begun = [infer() for _ in range(10)]
        for call in begun:
            await call.wait_for_connection()
        assert (await door.stub.ModelInfer(question())).id == "1"
        await begun[0].done_writing()
        error = await failing(begun[0])
        assert (error.code(), error.details()) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "the call holds no request (send one message)",
        )


async def test_more_calls_than_there_are_places_are_refused() -> None:
    async with opened(lambda _: Scripted(before_head=30.0), calls=2) as door:
        under_way = [door.stub.ModelInfer(question()) for _ in range(2)]
        await until(lambda: len(door.upstream.requests) == 2)
        error = await failing(door.stub.ModelInfer(question()))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        error = await failing(door.stub.ModelStreamInfer().read())
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        for call in under_way:
            call.cancel()
        await until(lambda: not door.service.in_flight)


async def test_a_stream_of_a_stranger_is_not_kept_open() -> None:
    async with opened(admitted=refused(401)) as door:
        error = await failing(door.stub.ModelStreamInfer().read())
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAUTHENTICATED, "what is wrong (what to do)")
        assert len(door.upstream.requests) == 1
        await until(lambda: not door.service.in_flight)


async def test_a_stream_that_is_refused_for_a_while_is_told_for_how_long() -> None:
    async with opened(admitted=refused(503, retry_after="7")) as door:
        error = await failing(door.stub.ModelStreamInfer().read())
        assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "what is wrong (what to do)")
        assert ("retry-after", "7") in tuple(error.trailing_metadata())
