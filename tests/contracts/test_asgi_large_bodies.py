"""Large bodies that arrive where the app keeps them, over real sockets: every byte, however cut, and no other."""

import asyncio
import hashlib
import itertools
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.http.answer import LARGE
from modelwright.adapters.http.filling import SIP, SWALLOWED
from modelwright.adapters.http.serve import HELD
from modelwright.gateway.http.body import AHEAD, Body, BodyBudget
from modelwright.serving.door import content_length, read_body
from modelwright.serving.v2.arriving import read_binary
from tests.contracts.asgi_server import Wire, body_of, reply, serving
from tests.e2e.clients import patient

LIMIT = 32 << 20
SECONDS = 30
READ = 256_000
"""Bytes that the event loop reads at most of a connection that nobody holds back."""


async def digest(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body in one of the ways that we read bodies."""
    stated = content_length(scope["headers"])
    match scope["path"]:
        case "/gateway":
            declared = None if stated is None else b"%d" % stated
            content = await Body(receive, declared=declared, budget=BodyBudget()).read(LIMIT)
        case "/worker":
            content = await read_body(receive, limit=LIMIT, stated=stated)
        case "/binary":
            content = await read_binary(receive, limit=LIMIT, stated=stated, head=7)
        case _:
            content = await body_of(receive)
    await reply(send, hashlib.sha256(content).digest())


def request(path: str, content: bytes, *, chunked: bool = False) -> bytes:
    head = b"POST %b HTTP/1.1\r\nhost: t\r\n" % path.encode()
    if chunked:
        chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return head + b"transfer-encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
    return head + b"content-length: %d\r\n\r\n%b" % (len(content), content)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(digest) as number:
        yield number


PATHS = st.sampled_from(["/gateway", "/worker", "/binary", "/pieces"])
SIZES = st.one_of(
    st.integers(0, 2 * SIP),
    st.sampled_from([LARGE - 1, LARGE, LARGE + 1, LARGE + SIP, READ - 1, READ, READ + 1, AHEAD, AHEAD + 1]),
    st.integers(LARGE, 3 * READ),
)
PLACES = st.lists(st.integers(0, 3 * READ), max_size=5)
ASKED = st.lists(st.tuples(PATHS, SIZES, PLACES, st.booleans()), min_size=1, max_size=5)


@given(asked=ASKED, in_turns=st.booleans())
def test_bodies_of_any_size_arrive_whole_in_whatever_pieces(
    port: int, asked: list[tuple[str, int, list[int], bool]], *, in_turns: bool
) -> None:
    pattern = bytes(range(251)) * (AHEAD // 251 + 2)
    bodies = [pattern[at : at + size] for at, (_, size, _, _) in enumerate(asked)]
    expected = [hashlib.sha256(content).digest() for content in bodies]
    with Wire(port) as wire:
        if in_turns:
            for (path, _, places, chunked), content, told in zip(asked, bodies, expected, strict=True):
                for piece in cut(request(path, content, chunked=chunked), places):
                    wire.send(piece)
                assert wire.answer()[2] == told
            return
        whole = b"".join(
            request(path, content, chunked=chunked)
            for (path, _, _, chunked), content in zip(asked, bodies, strict=True)
        )
        sender = threading.Thread(target=wire.send, args=(whole,))
        sender.start()
        assert [wire.answer()[2] for _ in asked] == expected
        sender.join(SECONDS)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends)]


async def until(done: Callable[[], bool]) -> None:
    for _ in range(SECONDS * 1000):
        if done():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came")


# Who is offered it


class Offered:
    """Answers whether it was offered a way to have the body where it wants."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        self.asked.set()
        offered = "modelwright.into" in message
        while message["more_body"]:
            message = await receive()
        await reply(send, b"yes" if offered else b"no")


@pytest.mark.parametrize(
    ("head", "size", "told"),
    [
        (b"HTTP/1.1\r\ncontent-length: %d", LARGE + 1, b"yes"),
        (b"HTTP/1.1\r\ncontent-length: %d", LARGE, b"no"),
        (b"HTTP/1.1\r\nconnection: close\r\ncontent-length: %d", LARGE + 1, b"no"),
        (b"HTTP/1.0\r\ncontent-length: %d", LARGE + 1, b"no"),
        (b"HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\ncontent-length: %d", LARGE + 1, b"no"),
        (b"HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: %d", LARGE + 1, b"yes"),
    ],
)
def test_large_bodies_of_stated_size_are_offered(head: bytes, size: int, told: bytes) -> None:
    app = Offered()
    with serving(app) as number, Wire(number) as wire:
        wire.send(b"POST / " + head % size + b"\r\nhost: t\r\n\r\n")
        if b"expect" in head:
            assert wire.head()[0] == 100
        wire.send(bytes(1))
        assert app.asked.wait(SECONDS)
        wire.send(bytes(size - 1))
        assert wire.answer()[2] == told


def test_a_chunked_body_comes_in_pieces() -> None:
    app = Offered()
    with serving(app) as number, Wire(number) as wire:
        whole = request("/", bytes(3 * LARGE), chunked=True)
        wire.send(whole[:LARGE])
        assert app.asked.wait(SECONDS)
        wire.send(whole[LARGE:])
        assert wire.answer()[2] == b"no"


def test_memory_of_another_size_is_not_taken() -> None:
    told: list[str] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        into = (await receive())["modelwright.into"]
        try:
            await into(memoryview(bytearray(LARGE)))
        except ValueError as error:
            told.append(str(error))
        await reply(send, b"%d" % len(await body_of(receive)))

    with serving(app) as number, Wire(number) as wire:
        wire.send(request("/", bytes(AHEAD)))
        assert wire.answer()[2] == b"%d" % AHEAD
    assert told == [f"{LARGE} bytes of memory for {AHEAD} bytes of a body"]


# Bodies that do not come to their end


class Room(bytearray):
    """Memory whose end is seen."""


class Reader:
    """An app that begins to take a body, and tells how that went."""

    def __init__(self, *, gives_up: bool) -> None:
        self.gives_up = gives_up
        self.begun = threading.Event()
        self.came: list[bool] = []
        self.room: weakref.ref[Room] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] != "/part":
            await reply(send, b"%d" % len(await body_of(receive)))
            return
        room = Room(content_length(scope["headers"]) or 0)
        self.room = weakref.ref(room)
        task = asyncio.ensure_future((await receive())["modelwright.into"](memoryview(room)))
        await until(lambda: bool(room[LARGE]))
        self.begun.set()
        if self.gives_up:
            task.cancel()
            await asyncio.wait([task])
            await reply(send, b"enough", status=413)
        else:
            self.came.append(await task)

    @property
    def freed(self) -> bool:
        return self.room is not None and self.room() is None


def test_what_an_app_gives_up_is_read_over_and_the_next_request_is_answered() -> None:
    reader = Reader(gives_up=True)
    with serving(reader) as number, Wire(number) as wire:
        content = b"x" * 3_000_000
        part = request("/part", content)
        wire.send(part[: 2 * LARGE])
        assert wire.answer()[::2] == (413, b"enough")
        patient(lambda: reader.freed, waiting_for="the memory")
        wire.send(part[2 * LARGE :] + request("/next", b"body"))
        assert wire.answer()[::2] == (200, b"4")
        wire.send(request("/next", content))
        assert wire.answer()[::2] == (200, b"3000000")


def test_a_client_that_goes_on_and_on_with_what_was_given_up_is_left() -> None:
    reader = Reader(gives_up=True)
    with serving(reader) as number, Wire(number) as wire:
        head = b"POST /part HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % (3 * SWALLOWED)
        wire.send(head + b"x" * (2 * LARGE))
        assert wire.answer()[0] == 413
        with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as the kernel finds it
            wire.send(b"x" * (2 * SWALLOWED))


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_client_that_leaves_within_a_body_is_noticed_and_the_memory_is_free(*, abruptly: bool) -> None:
    reader = Reader(gives_up=False)
    with serving(reader) as number:
        with Wire(number) as wire:
            wire.send(request("/part", b"x" * 3_000_000)[: 2 * LARGE])
            assert reader.begun.wait(SECONDS)
            if abruptly:
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        patient(lambda: reader.freed, waiting_for="the memory")
    assert reader.came == [False]


def test_an_app_that_takes_nothing_holds_the_client_back() -> None:
    held: list[int] = []
    go_on = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/worker":
            await digest(scope, receive, send)
            return
        exchange = receive.__self__
        await until(lambda: not exchange._line.transport.is_reading())
        held.append(exchange.held)
        await until(go_on.is_set)
        held.append(exchange.held)
        await reply(send, b"%d" % len(await body_of(receive)))

    content = bytes(20_000_000)
    with serving(app) as number, Wire(number) as wire:
        for _ in range(2):  # as usual, and after a large body
            go_on.clear()
            known = len(held)
            sender = threading.Thread(target=wire.send, args=(request("/", content),))
            sender.start()
            patient(lambda known=known: len(held) > known, waiting_for="the end of reading")
            go_on.set()
            assert wire.answer()[2] == b"20000000"
            sender.join(SECONDS)
            wire.send(request("/worker", bytes(AHEAD)))
            assert wire.answer()[0] == 200
    assert held[0] == held[1] <= HELD + READ
    assert held[2] == held[3] <= SIP


def test_a_small_request_after_a_large_one_is_read_as_usual() -> None:
    with serving(digest) as number, Wire(number) as wire:
        for size in (3 * LARGE, 3, 3 * LARGE, LARGE, 3 * LARGE, 0, SIP, 5):
            content = b"y" * size
            wire.send(request("/worker", content))
            assert wire.answer()[2] == hashlib.sha256(content).digest()
