"""The keys of issuers, as control keeps them; a real issuer is in tests/e2e/test_oidc.py."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.adapters.http.pool import Pool
from modelwright.app.issuers.discover import read_keys
from modelwright.app.issuers.watch import AGAIN, EVERY, GAP, IssuerWatch
from modelwright.app.system import SystemClock
from modelwright.core.contracts.snapshot import Issuer
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.http import Deadlines, UpstreamRequest, UpstreamResponse

URL = "https://login.example.com/realm"
ISSUER = Issuer(name="company", issuer=URL, audience="a")
KEY = {"kty": "EC", "kid": "1", "crv": "P-256", "x": "AA", "y": "AA"}


def said(content: Any, status: int = 200) -> Scripted:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Scripted(status=status, headers=((b"content-type", b"application/json"),), pieces=(body,))


class Login:
    """An issuer in memory."""

    def __init__(self) -> None:
        self.discovery: Any = {"issuer": URL, "jwks_uri": "https://keys.example.com/all?v=1"}
        self.keys: Any = {"keys": [KEY]}
        self.status = 200
        self.transport = FakeTransport(self._answer)

    def _answer(self, request: UpstreamRequest) -> Scripted:
        return said(self.discovery if "well-known" in request.target else self.keys, self.status)

    @property
    def asked(self) -> int:
        """How often its keys were read."""
        return sum("well-known" in request.target for request in self.transport.requests)


async def test_keys_are_found_by_discovery_and_only_their_public_parts_are_kept() -> None:
    login = Login()
    login.keys = {"keys": [{**KEY, "x5c": ["chain"], "k": "no"}, {"kty": "oct", "k": "c2VjcmV0"}, "odd", {"kty": 7}]}
    assert await read_keys(login.transport, URL) == (KEY,)
    targets = [(request.origin.host, request.target) for request in login.transport.requests]
    assert targets == [
        ("login.example.com", "/realm/.well-known/openid-configuration"),
        ("keys.example.com", "/all?v=1"),
    ]


@pytest.mark.parametrize(
    ("discovery", "keys", "problem"),
    [
        ({"issuer": "https://other", "jwks_uri": "https://k"}, {}, "another issuer"),
        ({"issuer": URL}, {}, "no key set over https"),
        ({"issuer": URL, "jwks_uri": "http://keys.example.com"}, {}, "no key set over https"),
        ({"issuer": URL, "jwks_uri": "http://127.0.0.1:9100/keys"}, {}, "no key set over https"),
        ({"issuer": URL, "jwks_uri": "https://k:99999/"}, {}, "cannot be asked"),
        ({"issuer": URL, "jwks_uri": "https://k:abc/"}, {}, "cannot be asked"),
        ({"issuer": URL, "jwks_uri": "https://[::1/"}, {}, "no key set over https"),
        ({"issuer": URL, "jwks_uri": "https://k"}, {"keys": []}, "no public key"),
        ({"issuer": URL, "jwks_uri": "https://k"}, {"keys": "none"}, "no public key"),
        ({"issuer": URL, "jwks_uri": "https://k"}, b"<html>", "JSON object"),
        (b"[]", {}, "JSON object"),
        (b" " * (2 << 20), {}, "."),
    ],
)
async def test_what_cannot_be_trusted_is_refused(discovery: Any, keys: Any, problem: str) -> None:
    login = Login()
    login.discovery, login.keys = discovery, keys
    with pytest.raises(CallError, match=problem):
        await read_keys(login.transport, URL)


async def test_an_issuer_of_this_machine_may_publish_over_http() -> None:
    here = "http://127.0.0.1:9100"
    login = Login()
    login.discovery = {"issuer": here, "jwks_uri": "http://localhost:9101/keys"}
    assert await read_keys(login.transport, here) == (KEY,)


@pytest.mark.parametrize("path", ["\u00e9", "a b", "a\x7f", "\u2028"])
async def test_an_address_that_no_request_can_bear_is_a_problem_of_its_issuer(path: str, tmp_path: Path) -> None:
    pool = Pool()

    class Real(Login):
        """Its discovery is in memory, its keys are asked for in earnest."""

        async def send(self, request: UpstreamRequest, deadlines: Deadlines) -> UpstreamResponse:
            transport = self.transport if "well-known" in request.target else pool
            return await transport.send(request, deadlines)

        async def close(self) -> None:
            await pool.close()

    login = Real()
    login.discovery = {"issuer": URL, "jwks_uri": f"https://127.0.0.1:1/{path}"}
    watch = IssuerWatch(tmp_path, login, clock=ManualClock())
    watch.filled((ISSUER,))
    assert await watch.read("company")
    assert "cannot be asked" in watch.listed()[0].problem
    await login.close()


async def test_keys_stay_while_their_issuer_is_away_and_over_a_restart(tmp_path: Path) -> None:
    login, clock, told = Login(), ManualClock(), 0

    async def tell() -> None:
        nonlocal told
        told += 1

    watch = IssuerWatch(tmp_path, login.transport, clock=clock)
    watch.told = tell
    assert watch.filled((ISSUER,))[0].keys == ()
    assert await watch.read("company")
    assert watch.filled((ISSUER,))[0].keys == (KEY,)
    login.status = 500
    clock.advance(GAP)
    await watch.read("company")
    (found,) = watch.filled((ISSUER,))
    assert (found.keys, "answered 500" in found.problem, told) == ((KEY,), True, 2)
    later = IssuerWatch(tmp_path, login.transport, clock=clock)
    assert later.filled((ISSUER,))[0].keys == (KEY,)
    assert (tmp_path / "issuers.json").stat().st_mode & 0o777 == 0o600


async def test_an_issuer_is_not_asked_again_at_once_and_nobody_is_told_of_nothing(tmp_path: Path) -> None:
    login, clock, told = Login(), ManualClock(), 0

    async def tell() -> None:
        nonlocal told
        told += 1

    watch = IssuerWatch(tmp_path, login.transport, clock=clock)
    watch.told = tell
    watch.filled((ISSUER,))
    for _ in range(5):
        assert await watch.read("company")
    assert (login.asked, told) == (1, 1)
    clock.advance(GAP)
    await watch.read("company")
    assert (login.asked, told) == (2, 1)
    assert not await watch.read("nobody")


async def test_the_reading_goes_on_whatever_an_issuer_or_the_snapshot_does(tmp_path: Path) -> None:
    login, told = Login(), asyncio.Event()

    def answer(request: UpstreamRequest) -> Scripted:
        if request.origin.host == "broken.example.com":
            raise RuntimeError("a mistake of ours")
        return login._answer(request)

    async def tell() -> None:
        told.set()
        raise RuntimeError("the database is locked")

    watch = IssuerWatch(tmp_path, FakeTransport(answer), clock=SystemClock())
    watch.told = tell
    watch.filled((Issuer(name="broken", issuer="https://broken.example.com", audience="a"), ISSUER))
    running = asyncio.create_task(watch.run())
    await asyncio.wait_for(told.wait(), 10)
    assert [(each.name, each.keys, "mistake" in each.problem) for each in watch.listed()] == [
        ("broken", [], True),
        ("company", ["1"], False),
    ]
    assert not running.done()
    watch.finish()
    await asyncio.wait_for(running, 10)


class BrokenClock(ManualClock):
    """Fails whoever asks it, and counts them."""

    asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        raise RuntimeError("a mistake of ours")


async def test_a_round_that_fails_is_not_the_last(tmp_path: Path) -> None:
    clock = BrokenClock()
    watch = IssuerWatch(tmp_path, FakeTransport(), clock=clock, tick=0.0)
    watch.filled((ISSUER,))
    running = asyncio.create_task(watch.run())
    for _ in range(1000):
        if clock.asked >= 2:
            break
        await asyncio.sleep(0.001)
    watch.finish()
    await asyncio.wait_for(running, 10)
    assert clock.asked >= 2


async def test_when_an_issuer_is_due(tmp_path: Path) -> None:
    login, clock = Login(), ManualClock()
    watch = IssuerWatch(tmp_path, login.transport, clock=clock)
    watch.filled((ISSUER,))
    assert watch._due(ISSUER) < clock.monotonic(), "at once, whatever the clock says by then"
    await watch.read("company")
    assert watch._due(ISSUER) == clock.monotonic() + EVERY
    login.status = 503
    clock.advance(EVERY)
    await watch.read("company")
    assert watch._due(ISSUER) == clock.monotonic() + AGAIN
