"""Our server protocol does what uvicorn's does, over real sockets; what is ours alone stands at the end."""

import asyncio
import gc
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from modelwright.adapters.http.filling import SWALLOWED
from modelwright.adapters.http.serve import MAX_HEAD, AsgiProtocol
from tests.contracts.asgi_server import PROTOCOLS, Wire, body_of, reply, serving

GET = b"GET /path HTTP/1.1\r\nhost: test\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it was asked; some paths misbehave."""
    path = scope["path"]
    if path == "/early":
        await reply(send, b"no", status=413)
        return
    body = await body_of(receive)
    if path == "/raise":
        raise RuntimeError("on purpose")
    if path == "/nothing":
        return
    if path == "/empty":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
        return
    if path == "/large":
        await reply(send, b"x" * 5_000_000)
        return
    if path in {"/stream", "/cut", "/short"}:
        await stream(path, send)
        return
    told = {key: scope[key] for key in ("method", "path", "http_version", "scheme")}
    told |= {"query": scope["query_string"].decode(), "raw": scope["raw_path"].decode(), "body": len(body)}
    told["headers"] = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
    await reply(send, json.dumps(told).encode())


async def stream(path: str, send: Any) -> None:
    headers = [(b"content-length", b"10")] if path == "/short" else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(3):
        await send({"type": "http.response.body", "body": b"part%d" % number, "more_body": True})
        if path == "/cut":
            raise RuntimeError("on purpose")
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


@pytest.fixture(params=PROTOCOLS, scope="module")
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with serving(echo, PROTOCOLS[request.param]) as number:
        yield number


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    with Wire(port) as connection:
        yield connection


def told(wire: Wire) -> dict[str, Any]:
    status, _, body = wire.answer()
    assert status == 200
    return json.loads(body)


def closed(wire: Wire) -> bool:
    return wire.until_closed() == b""


def test_requests_share_a_connection(wire: Wire) -> None:
    for number in range(3):
        wire.send(b"POST /p%d?a=1 HTTP/1.1\r\nHost: test\r\nX-Two: b\r\ncontent-length: 4\r\n\r\nbody" % number)
        answer = told(wire)
        assert (answer["method"], answer["path"], answer["query"], answer["body"]) == ("POST", f"/p{number}", "a=1", 4)
        assert ["x-two", "b"] in answer["headers"]


def test_a_request_may_arrive_byte_by_byte(wire: Wire) -> None:
    for byte in b"POST /slow HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc":
        wire.send(bytes([byte]))
    assert told(wire)["body"] == 3


def test_a_chunked_body_is_joined(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    wire.send(b"a\r\n0123456789\r\n0\r\n\r\n")
    assert told(wire)["body"] == 13


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    wire.send(b"".join(b"GET /%d HTTP/1.1\r\nhost: t\r\n\r\n" % number for number in range(50)))
    assert [told(wire)["path"] for _ in range(50)] == [f"/{number}" for number in range(50)]


def test_large_bodies_pass_both_ways(wire: Wire) -> None:
    sender = threading.Thread(
        target=wire.send, args=(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 5000000\r\n\r\n" + b"x" * 5_000_000,)
    )
    sender.start()
    assert told(wire)["body"] == 5_000_000
    sender.join()
    wire.send(GET.replace(b"/path", b"/large"))
    assert wire.answer()[2] == b"x" * 5_000_000


def test_a_client_may_wait_for_100_continue(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert wire.head()[0] == 100
    wire.send(b"ab")
    assert told(wire)["body"] == 2


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"]
)
def test_the_connection_closes_when_the_client_wants_it(wire: Wire, request_: bytes) -> None:
    wire.send(request_)
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert closed(wire)


def test_a_stream_is_sent_in_its_parts(wire: Wire) -> None:
    wire.send(GET.replace(b"/path", b"/stream"))
    status, headers = wire.head()
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    assert list(wire.chunks()) == [b"part0", b"part1", b"part2"]
    wire.send(GET)
    assert told(wire)["path"] == "/path"


def test_head_and_204_have_no_body(wire: Wire) -> None:
    wire.send(b"HEAD / HTTP/1.1\r\nhost: t\r\n\r\n")
    status, headers = wire.head()
    assert status == 200
    assert int(headers["content-length"]) > 0
    wire.send(GET.replace(b"/path", b"/empty"))
    status, headers = wire.head()
    assert status == 204
    assert not {"content-length", "transfer-encoding"} & headers.keys()
    wire.send(GET)
    assert told(wire)["path"] == "/path"


@pytest.mark.parametrize("path", [b"/raise", b"/nothing"])
def test_an_app_that_fails_is_answered_for(wire: Wire, path: bytes) -> None:
    wire.send(GET.replace(b"/path", path))
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (500, "close")


def test_a_stream_that_breaks_has_no_end_mark(wire: Wire) -> None:
    wire.send(GET.replace(b"/path", b"/cut"))
    assert wire.head()[0] == 200
    assert wire.until_closed() == b"5\r\npart0\r\n"


def test_an_answer_may_come_before_the_body_was_read(wire: Wire) -> None:
    wire.send(b"POST /early HTTP/1.1\r\nhost: t\r\ncontent-length: 1000000\r\n\r\n")
    assert wire.answer()[0] == 413
    wire.send(b"x" * 1_000_000 + GET)
    assert told(wire)["path"] == "/path"


def test_a_body_may_be_on_its_way_while_it_is_refused(wire: Wire) -> None:
    head = b"POST /early HTTP/1.1\r\nhost: t\r\ncontent-length: 3000000\r\n\r\n"
    sender = threading.Thread(target=wire.send, args=(head + b"x" * 3_000_000 + GET,))
    sender.start()
    assert wire.answer()[0] == 413
    assert told(wire)["path"] == "/path"
    sender.join()


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nhost: t\r\nbad header\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nhost: t\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(wire: Wire, junk: bytes) -> None:
    wire.send(junk)
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert closed(wire)


def test_an_upgrade_is_not_taken(wire: Wire) -> None:
    wire.send(b"GET /h2 HTTP/1.1\r\nhost: t\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n")
    assert told(wire)["path"] == "/h2"


def test_targets_are_taken_apart(wire: Wire) -> None:
    wire.send(b"GET /a%20b%2Fc?x=%20&y HTTP/1.1\r\nhost: t\r\n\r\n")
    answer = told(wire)
    assert (answer["path"], answer["raw"], answer["query"]) == ("/a b/c", "/a%20b%2Fc", "x=%20&y")
    wire.send(b"GET http://host:80/abs?q HTTP/1.1\r\nhost: t\r\n\r\n")
    answer = told(wire)
    assert (answer["path"], answer["query"]) == ("/abs", "q")


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_client_that_leaves_is_noticed(protocol: type[asyncio.Protocol]) -> None:
    heard: list[str] = []
    done = threading.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        heard.append((await receive())["type"])
        await reply(send, b"nobody hears this")
        done.set()

    with serving(app, protocol) as number:
        with Wire(number) as wire:
            wire.send(GET)
            time.sleep(0.05)
        assert done.wait(5)
    assert heard == ["http.disconnect"]


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_a_slow_client_holds_the_app_back(protocol: type[asyncio.Protocol]) -> None:
    sent = 0
    part = b"x" * 100_000

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(500):
            await send({"type": "http.response.body", "body": part, "more_body": True})
            sent += len(part)
        await send({"type": "http.response.body"})

    with serving(app, protocol) as number, Wire(number) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(GET)
        time.sleep(0.3)
        assert sent < 20_000_000
        assert len(wire.answer()[2]) == 50_000_000
        assert sent == 50_000_000


# What is ours alone


@pytest.fixture
def own() -> Iterator[Wire]:
    with serving(echo) as number, Wire(number) as connection:
        yield connection


def test_a_head_has_a_limit(own: Wire) -> None:
    own.send(b"GET / HTTP/1.1\r\nhost: t\r\nx: " + b"a" * (MAX_HEAD + (256 << 10)))
    assert own.answer()[0] == 431


def test_trailers_are_no_headers(own: Wire) -> None:
    own.send(b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-late: 1\r\n\r\n")
    answer = told(own)
    assert answer["body"] == 1
    assert "x-late" not in dict(answer["headers"])


def test_a_trailer_that_does_not_end_is_refused(own: Wire) -> None:
    own.send(b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: ")
    own.send(b"a" * (MAX_HEAD + (256 << 10)))
    assert own.answer()[0] == 431


def test_a_body_that_nobody_wants_is_swallowed_up_to_a_limit(own: Wire) -> None:
    own.send(b"POST /early HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n")
    assert own.answer()[0] == 413
    chunk = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        own.send(chunk * ((SWALLOWED >> 20) + 64))


def test_a_line_break_in_a_header_of_ours_is_a_fault_of_ours() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await reply(send, b"x", headers=((b"x-evil", b"a\r\nset-cookie: b"),))

    with serving(app) as number, Wire(number) as wire:
        wire.send(GET)
        status, headers, _ = wire.answer()
        assert status == 500
        assert "set-cookie" not in headers


@pytest.mark.parametrize("length", [b"2", b"9"])
def test_a_wrong_content_length_cuts_the_answer(length: bytes) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": b"four"})

    with serving(app) as number, Wire(number) as wire:
        wire.send(GET + GET)
        assert b"HTTP/1.1 200" not in wire.until_closed()


def test_idle_connections_are_closed_busy_ones_are_not() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.sleep(2.5)
        await reply(send, b"late")

    with serving(app, patience=1) as number, Wire(number) as idle, Wire(number) as busy:
        busy.send(GET)
        began = time.monotonic()
        assert closed(idle)
        assert time.monotonic() - began < 3
        assert busy.answer()[2] == b"late"


def test_an_error_in_the_next_request_leaves_the_answer_under_way_alone() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await asyncio.sleep(0.1)
        await reply(send, b"whole")

    with serving(app) as number, Wire(number) as wire:
        wire.send(GET + b"\x00\x01 junk\r\n\r\n")
        assert wire.answer()[2] == b"whole"
        assert closed(wire)


def test_a_broken_body_is_refused_and_the_app_hears_that_the_client_is_gone() -> None:
    heard: list[str] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        message = await receive()
        while message["type"] == "http.request" and message["more_body"]:
            message = await receive()
        heard.append(message["type"])

    with serving(app) as number, Wire(number) as wire:
        wire.send(b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nnot a size\r\n")
        assert wire.answer()[0] == 400
        assert closed(wire)
    assert heard == ["http.disconnect"]


def test_a_connection_that_is_gone_leaves_nothing_for_the_collector() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await reply(send, await body_of(receive))

    gc.collect()
    gc.disable()
    try:
        with serving(app) as port:
            for _ in range(5):
                with Wire(port) as wire:
                    wire.send(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi")
                    assert wire.answer()[2] == b"hi"
        assert not [found for found in gc.get_objects() if type(found) is AsgiProtocol]
    finally:
        gc.enable()
