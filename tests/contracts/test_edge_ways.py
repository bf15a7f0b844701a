"""What every edge does with a request on its way: where it goes, what it is told, and what is turned away."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.core.deploying.front import Front
from modelwright.core.deploying.workloads import Route, Tls
from tests.contracts.edges import KINDS, Running, front, instance, talk, until
from tests.making.certificates import make_certificates
from tests.making.ports import free_port


@pytest.fixture(params=KINDS)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    one = Running(request.param, tmp_path)
    yield one
    one.kill()


async def test_host_and_prefix_say_who_answers(running: Running) -> None:
    async with instance("r1", workload="web") as web, instance("r1", workload="api") as api:
        routes = (
            Route(name="web", workload="web", host="kb.example.com"),
            Route(name="api", workload="api", host="kb.example.com", prefix="/api"),
            Route(name="v1", workload="api", prefix="/v1/"),
            Route(name="some", workload="web", host="*.example.com", prefix="/some"),
        )
        shares = {route.name: {"r1": 100} for route in routes}
        await running.edge.configure(Front(routes=routes, servers=(web.server, api.server), shares=shares))
        await running.start()
        asked = {
            ("kb.example.com", "/"): "web.r1.0",
            ("KB.example.com:80", "/apix"): "web.r1.0",
            ("kb.example.com", "/api"): "api.r1.0",
            ("kb.example.com", "/api/a?b=c"): "api.r1.0",
            ("kb.example.com", "/v1/models"): "web.r1.0",
            ("other.example.com", "/v1/models"): "api.r1.0",
            ("other.example.com", "/some"): "web.r1.0",
            ("other.example.com", "/api"): "no_route",
            ("example.com", "/some"): "no_route",
        }
        for (host, path), who in asked.items():
            async with talk(running.port) as client:
                heard = await client.ask(path, host=host)
                answer = heard.json()
                assert (answer["error"]["code"] if heard.status == 404 else answer["server"]) == who, (host, path)
        assert b"GET /api/a?b=c HTTP/1.1\r\n" in api.up.requests[1].head


@pytest.mark.parametrize("affinity", ["cookie kept", "header x-user"])
async def test_a_client_stays_at_its_instance_until_that_gets_nothing_new(running: Running, affinity: str) -> None:
    async with AsyncExitStack() as stack:
        old = [await stack.enter_async_context(instance("r1", name=f"api.r1.{number}")) for number in range(3)]
        new = await stack.enter_async_context(instance("r2"))
        await running.edge.configure(front(*old, affinity=affinity))
        await running.start()

        async def who(headers: dict[str, Any]) -> str:
            async with talk(running.port) as client:
                heard = await client.ask("/who", **headers)
                if "set-cookie" in heard.headers:
                    assert "httponly" in heard.headers["set-cookie"].lower()
                    headers["cookie"] = heard.headers["set-cookie"].partition(";")[0]
                return heard.json()["server"]

        clients: list[dict[str, Any]] = [
            {} if affinity.startswith("cookie") else {"x-user": f"u{n}"} for n in range(12)
        ]
        first = [await who(client) for client in clients]
        assert len({*first}) > 1
        assert [await who(client) for client in clients] == first
        await running.edge.configure(front(*old, new, affinity=affinity, shares={"r2": 100}))
        assert {await who(client) for client in clients} == {"api.r2.0"}


@pytest.mark.parametrize("trusted", [False, True])
async def test_a_client_cannot_make_up_its_address(running: Running, *, trusted: bool) -> None:
    async with instance("r1") as one:
        told = front(one)
        networks = ("127.0.0.0/8",) if trusted else ("192.0.2.0/24",)
        await running.edge.configure(msgspec.structs.replace(told, trusted=networks))
        await running.start()
        async with talk(running.port) as client:
            said: dict[str, Any] = {
                "x-forwarded-for": "203.0.113.9",
                "x-forwarded-proto": "https",
                "forwarded": "for=203.0.113.9",
            }
            lines = (await client.ask("/", **said)).json()["lines"]
            heard = [line.partition(": ")[2] for line in lines if line.lower().startswith("x-forwarded-for")]
            assert ", ".join(heard) == ("203.0.113.9, 127.0.0.1" if trusted else "127.0.0.1")
            assert f"x-forwarded-proto: {'https' if trusted else 'http'}" in [line.lower() for line in lines]
            assert trusted or not [line for line in lines if line.lower().startswith("forwarded")]
            assert "host: example.com" in [line.lower() for line in lines]


async def test_a_request_that_is_too_large_is_turned_away(running: Running) -> None:
    async with instance("r1") as one:
        await running.edge.configure(front(one, max_body=1000))
        await running.start()
        async with talk(running.port) as client:
            assert (await client.ask("/", method="POST", body=b"x" * 1000)).json()["body"] == 1000
        async with talk(running.port) as client:
            heard = await client.ask("/", method="POST", content_length="1001")
            assert (heard.status, heard.json()["error"]["code"]) == (413, "too_large")
        for method in ("POST", "DELETE"):
            async with talk(running.port) as client:
                await client.begin_only("/", method=method, transfer_encoding="chunked")
                await client.say(b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")
                assert (await client.head()).status in {411, 413}
        assert len(one.up.requests) == 1


async def test_one_address_may_ask_only_so_often(running: Running) -> None:
    async with instance("r1") as one:
        told = front(one, rate=5, rate_window=3600.0)
        await running.edge.configure(msgspec.structs.replace(told, trusted=("127.0.0.0/8",)))
        await running.start()
        async with talk(running.port) as client:
            found = [await client.ask("/", x_forwarded_for="203.0.113.9") for _ in range(8)]
            assert [heard.status for heard in found] == [200] * 5 + [429] * 3
            assert found[-1].json()["error"]["code"] == "edge_rate_limited"
            assert int(found[-1].headers["retry-after"]) > 0
            assert (await client.ask("/", x_forwarded_for="203.0.113.10")).status == 200


async def test_answers_get_the_headers_that_they_lack(running: Running) -> None:
    headers = {
        "X-Frame-Options": "DENY",
        "referrer-policy": "",
        "Content-Security-Policy": "default-src 'self'; img-src \"$x\" 100%",
    }
    async with instance("r1") as one:
        one.says = b"x-frame-options: SAMEORIGIN\r\n"
        await running.edge.configure(front(one, headers=headers))
        await running.start()
        async with talk(running.port) as client:
            heard = (await client.ask("/")).headers
            assert heard["x-frame-options"] == "SAMEORIGIN"
            assert heard["content-security-policy"] == headers["Content-Security-Policy"]
            assert (heard["x-content-type-options"], "referrer-policy" in heard) == ("nosniff", False)
            assert "strict-transport-security" not in heard


async def test_a_websocket_is_a_stream(running: Running) -> None:
    async with instance("r1") as old, instance("r2") as new:
        await running.edge.configure(front(old))
        await running.start()
        async with talk(running.port) as client:
            key = "dGhlIHNhbXBsZSBub25jZQ=="
            asked: dict[str, Any] = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_version": "13"}
            head = await client.begin("/socket", **asked, sec_websocket_key=key)
            assert head.status == 101
            await running.edge.configure(front(old, new, shares={"r2": 100}))
            assert await running.edge.open_streams("api", "r1") == 1
            for word in (b"one\n", b"two\n"):
                await client.say(word)
                assert await client.hear(b"\n") == word
        await until(lambda: _is_idle(running, "r1"))


async def _is_idle(running: Running, release: str) -> bool:
    return await running.edge.open_streams("api", release) == 0


async def test_a_host_with_a_certificate_is_served_by_tls_alone(running: Running, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    both = tmp_path / "localhost.pem"
    both.write_bytes((certificates / "server.pem").read_bytes() + (certificates / "server.key").read_bytes())
    async with instance("r1") as one:
        await running.edge.configure(front(one, host="localhost", tls=Tls(certificate=str(both)), affinity="cookie k"))
        await running.start()
        async with talk(running.port) as client:
            heard = await client.begin("/a?b", host="localhost")
            assert (heard.status, heard.headers["location"]) == (308, f"https://localhost:{running.secure}/a?b")
        trusting = ssl.create_default_context(cafile=certificates / "authority.pem")
        async with talk(running.secure, tls=trusting) as client:
            heard = await client.ask("/", host="localhost")
            assert "x-forwarded-proto: https" in [line.lower() for line in heard.json()["lines"]]
            assert "secure" in heard.headers["set-cookie"].lower()
            assert heard.headers["strict-transport-security"] == "max-age=31536000"


async def test_what_was_passed_on_is_told_by_release(running: Running) -> None:
    async with instance("r1") as old, instance("r2") as new:
        before = time.time() - 5
        await running.edge.configure(front(old, new, shares={"r1": 50, "r2": 50}))
        await running.start()
        for number in range(10):
            async with talk(running.port) as client:
                await client.ask("/fail" if number % 2 else "/")

        async def all_told() -> bool:
            return len(await running.edge.seen(before)) == 10

        await until(all_told)
        told = await running.edge.seen(before)
        assert Counter(one.release for one in told) == {"r1": 5, "r2": 5}
        assert Counter(one.status for one in told) == {200: 5, 500: 5}
        assert {one.route for one in told} == {"api"}
        assert all(one.whole and one.total_ms >= one.first_ms >= 0 for one in told)
        assert not await running.edge.seen(time.time() + 60)


async def test_nobody_waits_for_an_instance_that_is_gone(running: Running) -> None:
    async with instance("r1", name="api.r1.0") as one:
        told = front(one)
        gone = msgspec.structs.replace(one.server, name="api.r1.1", address=f"127.0.0.1:{free_port()}")
        await running.edge.configure(msgspec.structs.replace(told, servers=(*told.servers, gone)))
        await running.start()
        found: list[Any] = []
        for _ in range(6):
            async with talk(running.port) as client:
                found.append((await client.ask("/")).json()["server"])
        assert found == ["api.r1.0"] * 6


async def test_a_stream_that_says_nothing_for_too_long_is_cut(running: Running) -> None:
    async with instance("r1") as one:
        await running.edge.configure(front(one, timeout=1.0))
        await running.start()
        async with talk(running.port) as client:
            await client.begin("/stream")
            with pytest.raises(asyncio.IncompleteReadError):
                await client.hear(b"0\r\n\r\n")
            one.go.set()
            await asyncio.sleep(0)


async def test_where_nothing_serves_is_said_so(running: Running) -> None:
    await running.edge.configure(Front(routes=(Route(name="api", workload="api"),)))
    await running.start()
    async with talk(running.port) as client:
        heard = await client.ask("/")
        assert (heard.status, heard.json()["error"]["code"]) == (503, "edge_unavailable")
        assert int(heard.headers["retry-after"]) > 0
