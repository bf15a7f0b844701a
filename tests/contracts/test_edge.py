"""One suite for every edge: a real one before real instances, told and asked through the port."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route
from tests.contracts.edges import KINDS, Running, front, instance, talk, until
from tests.contracts.names import names


@pytest.fixture(params=KINDS)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    one = Running(request.param, tmp_path)
    yield one
    one.kill()


async def answers(port: int, count: int) -> Counter[str]:
    """By release; each on a connection of its own."""
    found: Counter[str] = Counter()
    for _ in range(count):
        async with talk(port) as client:
            found[(await client.ask("/who")).json()["release"]] += 1
    return found


async def test_a_first_word_comes_while_the_stream_is_open(running: Running) -> None:
    async with instance("r1") as one:
        await running.edge.configure(front(one))
        await running.start()
        async with talk(running.port) as client:
            head = await client.begin("/stream", accept_encoding="gzip")
            assert head.status == 200
            assert "content-encoding" not in head.headers
            assert b"data: first\n\n" in await client.hear(b"first\n\n")
            assert await running.edge.open_streams("api", "r1") == 1
            one.go.set()
            await client.hear(b"0\r\n\r\n")
        assert b" HTTP/1.1\r\n" in one.up.requests[0].head
        await until(lambda: _is_idle(running, "r1"))


async def _is_idle(running: Running, release: str) -> bool:
    return await running.edge.open_streams("api", release) == 0


async def test_a_stream_outlives_a_shift_and_everything_new_goes_to_the_new_release(running: Running) -> None:
    async with instance("r1") as old, instance("r2") as new:
        await running.edge.configure(front(old))
        await running.start()
        async with talk(running.port) as client:
            await client.begin("/stream")
            await running.edge.configure(front(old, new, shares={"r1": 100}))
            assert await answers(running.port, 5) == {"r1": 5}
            await running.edge.configure(front(old, new, shares={"r1": 50, "r2": 50}))
            assert await answers(running.port, 10) == {"r1": 5, "r2": 5}
            await running.edge.configure(front(old, new, shares={"r2": 100}))
            assert await answers(running.port, 5) == {"r2": 5}
            assert await running.edge.open_streams("api", "r1") == 1
            old.go.set()
            assert (await client.hear(b"0\r\n\r\n")).endswith(b"last\n\n\r\n0\r\n\r\n")
        await until(lambda: _is_idle(running, "r1"))
        await running.edge.configure(front(new))
        assert await answers(running.port, 5) == {"r2": 5}


async def test_a_stream_is_counted_though_its_route_is_gone_or_leads_elsewhere(running: Running) -> None:
    async with instance("r1") as old, instance("r2", workload="web") as new:
        whole = front(old)
        await running.edge.configure(whole)
        await running.start()
        servers, shares = (old.server, new.server), {"api": {"r2": 100}, "other": {"r2": 100}}
        (route,) = whole.routes
        for others in (Route(name="api", workload="web"), Route(name="other", workload="web")):
            old.go.clear()
            async with talk(running.port) as client:
                await client.begin("/stream")
                told = Front(routes=(others,), servers=servers, shares=shares)
                for _ in range(2):
                    await running.edge.configure(told)
                    assert await running.edge.open_streams("api", "r1") == 1
                assert await answers(running.port, 3) == {"r2": 3}
                old.go.set()
                await client.hear(b"0\r\n\r\n")
            await until(lambda: _is_idle(running, "r1"))
            await running.edge.configure(Front(routes=(route,), servers=servers, shares={"api": {"r1": 100}}))
            assert await answers(running.port, 3) == {"r1": 3}
            await until(lambda: _is_idle(running, "r1"))


async def test_nobody_waits_for_a_release_that_does_not_run(running: Running) -> None:
    async with names() as engine, instance("r2") as new:
        running.open(resolver=engine.address)
        gone = Server(name="api.r1.0", workload="api", release="r1", address="api-r1-0:80", down=True)
        told = Front(routes=front(new).routes, servers=(gone,), shares={"api": {"r1": 100}})
        await running.edge.configure(told)
        await running.start()
        both = msgspec.structs.replace(told, servers=(gone, new.server))
        await running.edge.configure(msgspec.structs.replace(both, shares={"api": {"r1": 90, "r2": 10}}))
        assert await answers(running.port, 5) == {"r2": 5}
        (route,) = told.routes
        other = msgspec.structs.replace(route, name="new", prefix="/new")
        shares = {"api": {"r2": 100}, "new": {"r1": 50, "r2": 50}}
        await running.edge.configure(msgspec.structs.replace(both, routes=(route, other), shares=shares))
        async with talk(running.port) as client:
            assert (await client.ask("/new")).json()["release"] == "r2"
        await running.edge.configure(told)
        async with talk(running.port) as client:
            assert (await client.ask("/who")).status == 503


async def test_what_was_told_to_an_edge_that_does_not_run_is_done_when_it_starts(running: Running) -> None:
    async with instance("r1") as old, instance("r2") as new:
        told = front(old, new, shares={"r1": 90, "r2": 10})
        await running.edge.configure(told)
        assert await running.edge.open_streams("api", "r1") == 0
        await running.start()
        assert await answers(running.port, 50) == {"r1": 45, "r2": 5}


async def test_a_killed_edge_comes_back_with_the_same_releases_and_weights(running: Running) -> None:
    async with instance("r1") as old, instance("r2") as new:
        await running.edge.configure(front(old))
        await running.start()
        await running.edge.configure(front(old, new, shares={"r1": 80, "r2": 20}))
        running.kill()
        await running.start()
        assert await answers(running.port, 50) == {"r1": 40, "r2": 10}


async def test_no_request_fails_while_routes_and_weights_change(running: Running) -> None:
    async with instance("r1") as old, instance("r2") as new:
        await running.edge.configure(front(old))
        await running.start()
        over = asyncio.Event()
        calls = [asyncio.create_task(_calling(running, over)) for _ in range(4)]
        for number in range(4):
            told = front(old, new, shares={"r1": 25 * number, "r2": 100 - 25 * number})
            more = Route(name=f"more-{number}", workload="api", prefix=f"/more/{number}")
            await running.edge.configure(Front(routes=(*told.routes, more), servers=told.servers, shares=told.shares))
            await answers(running.port, 10)
        over.set()
        heard = await asyncio.gather(*calls)
        assert {release for each in heard for release in each} == {"r1", "r2"}


async def _calling(running: Running, over: asyncio.Event) -> Counter[str]:
    """One request after the other until it is over; a new connection only when the edge asks for one.

    nginx before 1.27.4 closes connections that wait for their next request, which clients have to expect: they ask
    again.
    """
    found: Counter[str] = Counter()
    while not over.is_set():
        async with talk(running.port) as client:
            for number in itertools.count():
                try:
                    heard = await client.ask("/who")
                except (asyncio.IncompleteReadError, ConnectionError) as error:
                    if running.kind != "nginx" or number == 0 or getattr(error, "partial", b""):
                        raise
                    break
                found[heard.json()["release"]] += 1
                if over.is_set() or heard.headers.get("connection") == "close":
                    break
    return found
