"""One connection, fed byte by byte: the answer is the same wherever the network cuts it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.http.connection import CoarseClock, Connection
from modelwright.adapters.http.outbox import Outbox
from modelwright.adapters.http.response import HIGH, Response
from modelwright.core.errors.providers import ProviderError, ProviderTimeout, UpstreamStalled
from modelwright.core.ports.http import Deadlines, Origin

ORIGIN = Origin(scheme="http", host="127.0.0.1", port=80)


class Socket:
    """Only its number is asked for."""

    def fileno(self) -> int:
        return 0


class Wire(asyncio.Transport):
    """Takes what is written, and counts pauses."""

    def __init__(self) -> None:
        super().__init__({"socket": Socket()})
        self.written = b""
        self.reading = True
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Keeper:
    """The owner of one connection."""

    def __init__(self) -> None:
        self.clock = CoarseClock()
        self.freed = 0
        self.wire = Wire()
        self.connection = Connection(self, ORIGIN, Outbox())
        self.connection.connection_made(self.wire)

    def opened(self, connection: Connection) -> None:
        pass

    def free(self, connection: Connection) -> None:
        self.freed += 1

    def lost(self, connection: Connection) -> None:
        pass

    def ask(self, *, deadlines: Deadlines | None = None) -> asyncio.Future[Response]:
        return self.connection.start(b"HEAD", b"BODY", head_only=False, deadlines=deadlines or Deadlines())

    def sweep(self, seconds: float) -> None:
        self.clock.now += seconds
        self.connection.expire(self.clock.now, keep=60, life=600, tick=0.05)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """An answer's bytes, and its body."""
    pieces = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=6))
    body = b"".join(pieces)
    early = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * draw(st.integers(0, 2))
    head = early + b"HTTP/1.1 200 OK\r\nX-Name: value\r\n"
    if draw(st.booleans()):
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body, body
    extension = draw(st.sampled_from([b"", b";a=b"]))
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    trailer = draw(st.sampled_from([b"", b"X-Trailer: 1\r\n"]))
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailer + b"\r\n", body


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@given(answers(), st.lists(st.integers(0, 400), max_size=8), st.booleans())
def test_answer_is_the_same_wherever_it_is_cut(answer: tuple[bytes, bytes], places: list[int], bytewise: bool) -> None:  # noqa: FBT001
    data, body = answer

    async def run() -> None:
        keeper = Keeper()
        for _ in range(2):
            answer = keeper.ask()
            for piece in [data[at : at + 1] for at in range(len(data))] if bytewise else cut(data, places):
                keeper.connection.data_received(piece)
            response = await answer
            assert response.status == 200
            assert (b"x-name", b"value") in response.headers
            assert await response.read(1000) == body
        assert keeper.freed == 2
        assert not keeper.wire.aborted

    asyncio.run(run())


@given(answers(), st.lists(st.integers(0, 400), max_size=8), st.data())
def test_half_an_answer_is_never_taken_for_a_whole_one(
    answer: tuple[bytes, bytes], places: list[int], choice: st.DataObject
) -> None:
    data = answer[0]
    kept = choice.draw(st.integers(0, len(data) - 1))

    async def run() -> None:
        keeper = Keeper()
        answer = keeper.ask()
        for piece in cut(data[:kept], places):
            keeper.connection.data_received(piece)
        keeper.connection.connection_lost(None)
        with pytest.raises(ProviderError):
            await (await answer).read(1000)
        assert keeper.freed == 0

    asyncio.run(run())


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_any_bytes_are_an_answer_or_an_error_of_ours(data: bytes, places: list[int]) -> None:
    async def run() -> None:
        keeper = Keeper()
        answer = keeper.ask()
        for piece in cut(data, places):
            keeper.connection.data_received(piece)
        keeper.connection.connection_lost(None)
        with contextlib.suppress(ProviderError):
            await (await answer).read(1000)
        assert answer.done()

    asyncio.run(run())


async def test_slow_reader_pauses_and_going_on_resumes() -> None:
    keeper = Keeper()
    answer = keeper.ask(deadlines=Deadlines(idle=1.0))
    keeper.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (2 * HIGH + 1))
    keeper.connection.data_received(b"x" * HIGH)
    assert keeper.wire.reading
    keeper.connection.data_received(b"x")
    assert not keeper.wire.reading
    keeper.sweep(100)
    assert not keeper.wire.aborted, "our own slowness is no stall"
    chunks = (await answer).chunks()
    assert len(await anext(chunks)) == HIGH + 1
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    assert keeper.wire.reading
    keeper.sweep(0.9)
    assert not keeper.wire.aborted, "the idle time starts anew"
    keeper.connection.data_received(b"x" * HIGH)
    assert len(await waiting) == HIGH
    assert keeper.freed == 1


async def test_deadlines_go_by_the_sweep() -> None:
    late, stalled, idle = Keeper(), Keeper(), Keeper()
    deadlines = Deadlines(first_byte=2.0, idle=1.0)
    waiting, streaming = late.ask(deadlines=deadlines), stalled.ask(deadlines=deadlines)
    stalled.connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
    for keeper in (late, stalled, idle):
        keeper.sweep(1.0)
        assert not keeper.wire.aborted
    stalled.sweep(0.1)
    assert stalled.wire.aborted
    chunks = (await streaming).chunks()
    assert await anext(chunks) == b"x"
    with pytest.raises(UpstreamStalled, match="1 s"):
        await anext(chunks)
    late.sweep(1.1)
    assert late.wire.aborted
    assert isinstance(waiting.exception(), ProviderTimeout)
    idle.sweep(58)
    assert not idle.wire.aborted
    idle.sweep(2)
    assert idle.wire.aborted


async def test_head_that_dribbles_is_late_all_the_same() -> None:
    keeper = Keeper()
    answer = keeper.ask(deadlines=Deadlines(first_byte=1.0))
    for byte in b"HTTP/1.1 200":
        keeper.connection.data_received(bytes([byte]))
        keeper.sweep(0.1)
    assert isinstance(answer.exception(), ProviderTimeout)


async def test_endless_head_and_endless_trailer_are_refused() -> None:
    head, trailer = Keeper(), Keeper()
    first, second = head.ask(), trailer.ask()
    head.connection.data_received(b"HTTP/1.1 200 OK\r\n")
    trailer.connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n")
    for _ in range(200):
        for keeper in (head, trailer):
            if not keeper.wire.aborted:
                keeper.connection.data_received(b"x-more: " + b"y" * 1000 + b"\r\n")
    assert head.wire.aborted
    assert trailer.wire.aborted
    with pytest.raises(ProviderError, match="too long"):
        await first
    with pytest.raises(ProviderError, match="too long"):
        await (await second).read(100)


async def test_a_caller_that_leaves_late_does_not_break_the_next_exchange() -> None:
    keeper = Keeper()
    first = keeper.ask()
    keeper.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    second = keeper.ask()
    keeper.connection.give_up(first)
    assert not keeper.wire.aborted
    keeper.connection.give_up(second)
    assert keeper.wire.aborted
