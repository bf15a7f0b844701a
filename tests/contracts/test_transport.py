"""The contract of the Transport port, kept by the pool, the aiohttp client and the fake."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import pytest

from modelwright.adapters.http.aiohttp_client import AiohttpClient
from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.adapters.http.pool import Pool
from modelwright.core.errors.calls import Stopped
from modelwright.core.errors.providers import (
    ProviderError,
    ProviderTimeout,
    ProviderUnreachable,
    UpstreamStalled,
    UpstreamTruncated,
)
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest, UpstreamResponse
from tests.contracts.upstream import Upstream, scripted, upstream

LONG = 30.0
QUICK = Deadlines(connect=2.0, first_byte=0.15, idle=0.15)
PATIENT = Deadlines(connect=5.0, first_byte=LONG, idle=LONG)


class Member(Protocol):
    """A transport and the other side of it."""

    transport: Transport
    origin: Origin

    def script(self, *answers: Scripted) -> None:
        """What the other side will answer."""
        ...

    def sent(self) -> list[tuple[str, str, bytes]]:
        """Method, target and body of every request that arrived."""
        ...

    def given_up(self) -> int:
        """Answers that the client gave up, as the other side saw it."""
        ...


class Fake:
    """The fake is its own other side."""

    def __init__(self) -> None:
        self.origin = Origin(scheme="http", host="fake")
        self._answers: list[Scripted] = []
        self.fake = FakeTransport(lambda _: self._answers.pop(0))
        self.transport: Transport = self.fake

    def script(self, *answers: Scripted) -> None:
        self._answers.extend(answers)

    def sent(self) -> list[tuple[str, str, bytes]]:
        return [(request.method, request.target, request.body) for request in self.fake.requests]

    def given_up(self) -> int:
        return self.fake.given_up


class Real:
    """A client and a socket server."""

    def __init__(self, transport: Transport, up: Upstream, answers: list[Scripted]) -> None:
        self.transport = transport
        self.origin = up.origin
        self._up = up
        self._answers = answers

    def script(self, *answers: Scripted) -> None:
        self._answers.extend(answers)

    def sent(self) -> list[tuple[str, str, bytes]]:
        starts = [(exchange.head.decode().split(" ", 2), exchange.body) for exchange in self._up.requests]
        return [(method, target, body) for (method, target, _), body in starts]

    def given_up(self) -> int:
        return self._up.given_up


@pytest.fixture(params=["pool", "aiohttp", "fake"])
async def member(request: pytest.FixtureRequest) -> AsyncIterator[Member]:
    if request.param == "fake":
        yield Fake()
        return
    makers: dict[str, Callable[[], Transport]] = {"pool": Pool, "aiohttp": AiohttpClient}
    answers: list[Scripted] = []
    async with upstream(scripted(answers)) as up:
        real = Real(makers[request.param](), up, answers)
        yield real
        await real.transport.close()


async def ask(
    member: Member, *, body: bytes = b"{}", target: str = "/v1/x", deadlines: Deadlines = PATIENT
) -> UpstreamResponse:
    headers = ((b"content-type", b"application/json"), (b"authorization", b"Bearer secret"))
    request = UpstreamRequest(origin=member.origin, method="POST", target=target, headers=headers, body=body)
    return await member.transport.send(request, deadlines)


async def until(true: Callable[[], bool]) -> None:
    """What the other side does comes a moment later."""
    async with asyncio.timeout(LONG):
        while not true():  # noqa: ASYNC110 - it is the other side's doing
            await asyncio.sleep(0.005)


async def test_whole_answer(member: Member) -> None:
    member.script(Scripted(status=201, headers=((b"x-a", b"1"), (b"x-b", b"2")), pieces=(b"hello ", b"you")))
    answer = await ask(member)
    assert answer.status == 201
    assert [pair for pair in answer.headers if pair[0].startswith(b"x-")] == [(b"x-a", b"1"), (b"x-b", b"2")]
    assert await answer.read(100) == b"hello you"


async def test_request_arrives_as_it_was_given(member: Member) -> None:
    member.script(Scripted(pieces=(b"a",)), Scripted(pieces=(b"b",)))
    body = bytes(range(256)) * 1000
    first = await (await ask(member, body=body, target="/v1/y?q=1")).read(10)
    second = await (await ask(member, body=b"")).read(10)
    assert (first, second) == (b"a", b"b")
    assert member.sent() == [("POST", "/v1/y?q=1", body), ("POST", "/v1/x", b"")]


async def test_chunks_come_as_they_are_sent(member: Member) -> None:
    member.script(Scripted(pieces=(b"one", 0.05, b"two", 0.05, b"three")))
    answer = await ask(member)
    assert [chunk async for chunk in answer.chunks()] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("status", [204, 304])
async def test_answer_without_body(member: Member, status: int) -> None:
    member.script(Scripted(status=status), Scripted(pieces=(b"next",)))
    answer = await ask(member)
    assert (answer.status, await answer.read(10)) == (status, b"")
    assert await (await ask(member)).read(10) == b"next"


async def test_truncated_answer_is_no_whole_answer(member: Member) -> None:
    member.script(Scripted(pieces=(b"half",), whole=False))
    answer = await ask(member)
    with pytest.raises(UpstreamTruncated):
        await answer.read(100)


async def test_chunks_of_a_truncated_answer_come_before_the_error(member: Member) -> None:
    member.script(Scripted(pieces=(b"one", 0.05, b"two"), whole=False))
    answer = await ask(member)
    chunks = answer.chunks()
    assert [await anext(chunks), await anext(chunks)] == [b"one", b"two"]
    with pytest.raises(UpstreamTruncated):
        await anext(chunks)


async def test_silence_in_mid_stream_is_a_stall(member: Member) -> None:
    member.script(Scripted(pieces=(b"one", LONG, b"two")))
    answer = await ask(member, deadlines=QUICK)
    chunks = answer.chunks()
    assert await anext(chunks) == b"one"
    with pytest.raises(UpstreamStalled):
        await anext(chunks)
    await until(lambda: member.given_up() == 1)


async def test_stall_while_the_whole_is_read(member: Member) -> None:
    member.script(Scripted(pieces=(b"one", LONG, b"two")))
    answer = await ask(member, deadlines=QUICK)
    with pytest.raises(UpstreamStalled):
        await answer.read(100)


async def test_late_head_is_a_timeout(member: Member) -> None:
    member.script(Scripted(before_head=LONG))
    with pytest.raises(ProviderTimeout):
        await ask(member, deadlines=Deadlines(connect=0.1, first_byte=0.1, idle=LONG))


async def test_slow_but_steady_stream_is_neither_late_nor_stalled(member: Member) -> None:
    """Longer in all than each deadline, with gaps that stay far below it also where the machine is busy."""
    member.script(Scripted(before_head=0.1, pieces=tuple(piece for _ in range(15) for piece in (b"x", 0.1))))
    answer = await ask(member, deadlines=Deadlines(connect=10.0, first_byte=1.0, idle=1.0))
    assert await answer.read(100) == b"x" * 15


async def test_answer_longer_than_the_limit(member: Member) -> None:
    member.script(Scripted(pieces=(b"x" * 100, 0.01, b"x" * 100)), Scripted(pieces=(b"next",)))
    answer = await ask(member)
    with pytest.raises(ProviderError, match="longer than 150 bytes"):
        await answer.read(150)
    assert await (await ask(member)).read(4) == b"next"


async def test_close_in_mid_stream_reaches_the_other_side(member: Member) -> None:
    member.script(Scripted(pieces=(b"one", LONG, b"two")), Scripted(pieces=(b"next",)))
    answer = await ask(member)
    assert await anext(answer.chunks()) == b"one"
    answer.close()
    answer.close()
    await until(lambda: member.given_up() == 1)
    assert await (await ask(member)).read(10) == b"next"


async def test_close_after_the_end_changes_nothing(member: Member) -> None:
    member.script(Scripted(pieces=(b"one",)), Scripted(pieces=(b"two",)))
    first = await ask(member)
    assert await first.read(10) == b"one"
    second = await ask(member)
    first.close()
    assert await second.read(10) == b"two"
    assert member.given_up() == 0


async def test_cancel_before_the_head_reaches_the_other_side(member: Member) -> None:
    member.script(Scripted(before_head=LONG), Scripted(pieces=(b"next",)))
    task = asyncio.create_task(ask(member))
    await until(lambda: len(member.sent()) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: member.given_up() == 1)
    assert await (await ask(member)).read(10) == b"next"


async def test_cancel_in_mid_stream_reaches_the_other_side(member: Member) -> None:
    member.script(Scripted(pieces=(b"one", LONG, b"two")))
    answer = await ask(member)
    chunks = answer.chunks()
    await anext(chunks)
    task = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: member.given_up() == 1)


async def test_answers_at_once_do_not_mix(member: Member) -> None:
    member.script(*(Scripted(pieces=(b"%d" % number, 0.01, b"!")) for number in range(20)))
    answers = [await ask(member) for _ in range(20)]
    bodies = await asyncio.gather(*(answer.read(10) for answer in answers))
    assert bodies == [b"%d!" % number for number in range(20)]


async def test_unreachable(member: Member) -> None:
    if isinstance(member, Fake):
        member.script(Scripted(error=ProviderUnreachable("nobody listens there")))
    else:
        member.origin = Origin(scheme="unix", host="/nonexistent/upstream.sock")
    with pytest.raises(ProviderUnreachable):
        await ask(member)


async def test_closed_transport_sends_nothing(member: Member) -> None:
    member.script(Scripted(pieces=(b"one", LONG, b"two")))
    answer = await ask(member)
    assert await anext(answer.chunks()) == b"one"
    await member.transport.close()
    with contextlib.suppress(UpstreamTruncated):
        answer.close()
    with pytest.raises(Stopped):
        await ask(member)
    assert len(member.sent()) == 1
