"""Clients that behave oddly but within HTTP/1.1, or that take nothing: what our server protocol does with them."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.asgi_server import Wire, body_of, reply, serving

GET = b"GET /path HTTP/1.1\r\nhost: test\r\n\r\n"
UPGRADE = b"host: t\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Tells path and body; `/early` does not wait for it."""
    body = b"" if scope["path"] == "/early" else await body_of(receive)
    await reply(send, json.dumps([scope["path"], body.decode()]).encode())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(echo) as number:
        yield number


@pytest.fixture
def wire(port: int) -> Iterator[Wire]:
    with Wire(port) as one:
        yield one


@pytest.mark.parametrize("times", [1, 3])
def test_a_client_may_end_its_side_after_its_requests(wire: Wire, times: int) -> None:
    wire.send(GET * times)
    wire.socket.shutdown(socket.SHUT_WR)
    for _ in range(times):
        assert json.loads(wire.answer()[2]) == ["/path", ""]
    assert wire.until_closed() == b""


def test_a_client_that_ends_its_side_within_a_request_gets_nothing(wire: Wire) -> None:
    wire.send(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 9\r\n\r\nhalf")
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.until_closed() == b""


def test_a_client_that_has_ended_its_side_is_given_up_in_the_end() -> None:
    heard: list[str] = []
    done = threading.Event()

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await body_of(receive)
        heard.append((await receive())["type"])
        done.set()

    with serving(app) as number, Wire(number) as wire:
        wire.send(GET)
        wire.socket.shutdown(socket.SHUT_WR)
        assert done.wait(5)
        assert wire.until_closed() == b""
    assert heard == ["http.disconnect"]


@pytest.mark.parametrize("size", [1, 40, 500])
@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"content-length: 5", b"abcde"), (b"transfer-encoding: chunked", b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")],
    ids=["length", "chunked"],
)
def test_a_body_may_follow_the_offer_of_another_protocol(wire: Wire, framing: bytes, body: bytes, size: int) -> None:
    whole = b"POST /h2c HTTP/1.1\r\n" + UPGRADE + framing + b"\r\n\r\n" + body
    for start in range(0, len(whole), size):
        wire.send(whole[start : start + size])
    _, headers, answer = wire.answer()
    assert json.loads(answer) == ["/h2c", "abcde"]
    assert headers["connection"] == "close"
    assert wire.until_closed() == b""


def test_what_follows_such_a_body_is_not_read_as_a_request(wire: Wire) -> None:
    wire.send(b"POST /h2c HTTP/1.1\r\n" + UPGRADE + b"content-length: 2\r\n\r\nab" + GET)
    assert json.loads(wire.answer()[2]) == ["/h2c", "ab"]
    assert wire.until_closed() == b""


def test_such_a_body_may_be_malformed(wire: Wire) -> None:
    wire.send(b"POST /h2c HTTP/1.1\r\n" + UPGRADE + b"transfer-encoding: chunked\r\n\r\nno size\r\n")
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (400, "close")


def test_a_body_that_was_not_asked_for_is_not_waited_for(wire: Wire) -> None:
    wire.send(b"POST /early HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n")
    _, headers, _ = wire.answer()
    assert headers["connection"] == "close"
    assert wire.until_closed() == b""


@pytest.mark.parametrize("size", [40_000, 30_000_000])
def test_a_client_that_takes_nothing_is_cut_off(size: int) -> None:
    lost = threading.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await reply(send, b"x" * size)

    with serving(app, patience=1) as number, Wire(number) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(GET * (1 + 30_000_000 // size))
        threading.Thread(target=_wait_for_reset, args=(wire.socket, lost), daemon=True).start()
        assert lost.wait(8)


def test_a_client_that_takes_nothing_of_a_stream_is_cut_off() -> None:
    ended = threading.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        ended.set()

    with serving(app, patience=1) as number, Wire(number) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(GET)
        assert ended.wait(8)  # nobody is there any more, so nothing holds the app back


def test_a_slow_client_that_takes_something_is_not_cut_off() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await reply(send, b"x" * 8_000_000)

    with serving(app, patience=1) as number, Wire(number) as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(GET)
        pause = threading.Event()
        taken = 0
        while taken < 3_000_000:
            taken += len(wire.take(60_000))
            pause.wait(0.05)
        assert taken + len(wire.until_closed()) > 8_000_000


def _wait_for_reset(connected: socket.socket, lost: threading.Event) -> None:
    """Ask the kernel, without reading, until the peer has cut the connection."""
    pause = threading.Event()
    while True:
        state = struct.unpack("B", connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0]
        if state in {7, 8}:  # TCP_CLOSE, TCP_CLOSE_WAIT
            lost.set()
            return
        pause.wait(0.05)
