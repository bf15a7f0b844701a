"""The keys of issuers, as control keeps them; a real issuer is in tests/e2e/test_oidc.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.app.issuers.discover import read_keys
from modelwright.app.issuers.watch import AGAIN, EVERY, GAP, IssuerWatch
from modelwright.core.contracts.snapshot import Issuer
from modelwright.core.errors import CallError
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.http import UpstreamRequest

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


async def test_when_an_issuer_is_due(tmp_path: Path) -> None:
    login, clock = Login(), ManualClock()
    watch = IssuerWatch(tmp_path, login.transport, clock=clock)
    watch.filled((ISSUER,))
    assert watch._due(ISSUER) == clock.monotonic()
    await watch.read("company")
    assert watch._due(ISSUER) == clock.monotonic() + EVERY
    login.status = 503
    clock.advance(EVERY)
    await watch.read("company")
    assert watch._due(ISSUER) == clock.monotonic() + AGAIN
