"""Tokens for the admin door; the grant over HTTP is in tests/e2e/test_identity.py."""

import pytest

from modelwright.adapters.tokens.own import OwnTokens
from modelwright.app.admin.oauth.tokens import LIFE, AdminTokens
from modelwright.core.contracts.snapshot import Issuer, Key
from modelwright.core.errors.calls import Forbidden, Unauthenticated
from modelwright.core.keys import compose_key, key_digest
from modelwright.core.ports.clock import ManualClock

PEPPER = b"pepper of the tests"
KEY_ID, TEXT = compose_key(bytes(29))


class NoIssuers:
    """Of a manifest without any."""

    def latest(self) -> tuple[Issuer, ...]:
        return ()

    async def read(self, name: str) -> bool:
        return False


class Bench:
    """One admin's key."""

    def __init__(self, **changes: object) -> None:
        self.clock = ManualClock()
        fields = {"id": KEY_ID, "digest": key_digest(PEPPER, TEXT), "role": "admin", **changes}
        self.keys: tuple[Key, ...] = (Key(**fields),)  # type: ignore[arg-type]
        self.tokens = AdminTokens(pepper=PEPPER, live=lambda: self.keys, issuers=NoIssuers(), clock=self.clock)


async def test_a_token_lives_for_ten_minutes() -> None:
    bench = Bench()
    token, seconds = bench.tokens.grant(bench.tokens.client(KEY_ID, TEXT))
    assert seconds == LIFE
    assert await bench.tokens.check(token.encode()) == KEY_ID
    bench.clock.advance(LIFE)
    with pytest.raises(Unauthenticated, match="expired"):
        await bench.tokens.check(token.encode())


async def test_a_token_does_not_outlive_its_key() -> None:
    bench = Bench(expires=ManualClock().now() + 60)
    token, seconds = bench.tokens.grant(bench.keys[0])
    assert seconds == 60
    bench.keys = ()
    with pytest.raises(Unauthenticated, match="revoked"):
        await bench.tokens.check(token.encode())


async def test_a_token_of_another_installation_or_purpose_opens_nothing() -> None:
    bench = Bench()
    expires = bench.clock.now() + 60
    for foreign in (OwnTokens(b"another pepper here", purpose="admin"), OwnTokens(PEPPER, purpose="else")):
        with pytest.raises(Unauthenticated):
            await bench.tokens.check(foreign.sign(KEY_ID, expires=expires).encode())


def test_a_clients_secret_is_its_keys() -> None:
    bench = Bench()
    assert bench.tokens.client(KEY_ID, TEXT.split("-")[2]) == bench.keys[0]
    for client_id, secret in ((KEY_ID, "wrong"), ("other", TEXT), ("", ""), (KEY_ID, "")):
        with pytest.raises(Unauthenticated):
            bench.tokens.client(client_id, secret)
    plain = Bench(role="client")
    with pytest.raises(Forbidden):
        plain.tokens.grant(plain.tokens.client(KEY_ID, TEXT))
