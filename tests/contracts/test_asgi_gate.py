"""Requests that are turned away unread, over real sockets: which are, and that the connection is good afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.asgi_server import Wire, body_of, reply, serving
from tests.e2e.clients import patient

WHOLE = b"POST /v1/x HTTP/1.1\r\nhost: t\r\ncontent-length: 2\r\n\r\nhi"
REFUSED = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 2\r\n\r\nno"


class ShutGate:
    """Turns away whom it may."""

    def __init__(self) -> None:
        self.shut = True
        self.entered = 0
        self.refused: list[tuple[str, bytes]] = []

    def enter(self) -> None:
        self.entered += 1

    def refuse(self, target: str, request_id: bytes) -> bytes:
        self.refused.append((target, request_id))
        return REFUSED


async def app(_scope: Any, receive: Any, send: Any) -> None:
    await reply(send, await body_of(receive))


@pytest.fixture
def gate() -> ShutGate:
    return ShutGate()


@pytest.fixture
def wire(gate: ShutGate) -> Iterator[Wire]:
    with serving(app, gate=gate) as port, Wire(port) as connection:
        yield connection


def test_whole_requests_are_turned_away_and_the_connection_stays(wire: Wire, gate: ShutGate) -> None:
    for _ in range(3):
        wire.send(WHOLE)
        assert wire.answer()[::2] == (429, b"no")
    gate.shut = False
    wire.send(WHOLE)
    assert wire.answer()[::2] == (200, b"hi")
    gate.shut = True
    wire.send(WHOLE.replace(b"host: t", b"X-Request-Id: mine"))
    assert wire.answer()[0] == 429
    assert gate.refused == [("/v1/x", b"")] * 3 + [("/v1/x", b"mine")]
    assert gate.entered == 1


@pytest.mark.parametrize(
    "request_",
    [
        WHOLE.replace(b"POST", b"PUT"),
        WHOLE.replace(b"1.1", b"1.0"),
        WHOLE.replace(b"host: t", b"connection: close"),
        b"POST /v1/x HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ],
)
def test_what_is_unusual_is_let_in(wire: Wire, gate: ShutGate, request_: bytes) -> None:
    wire.send(request_)
    assert wire.answer()[::2] == (200, b"hi")
    assert not gate.refused


def test_pieces_of_requests_are_let_in(wire: Wire, gate: ShutGate) -> None:
    wire.send(WHOLE + WHOLE)
    assert [wire.answer()[::2] for _ in range(2)] == [(200, b"hi")] * 2
    assert gate.entered == 2
    wire.send(WHOLE[:-1])
    patient(lambda: gate.entered == 3, waiting_for="the head")
    wire.send(WHOLE[-1:])
    assert wire.answer()[::2] == (200, b"hi")
    assert not gate.refused
