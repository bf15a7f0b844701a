"""Tokens in a gateway: verified once, forgotten in time, waiting for nobody but control."""

import asyncio
import base64
import json
import warnings
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.adapters.tokens.jose import JoseKeyring
from modelwright.adapters.tokens.own import OwnTokens
from modelwright.core.contracts.snapshot import Issuer
from modelwright.core.errors.calls import IdentityUnavailable, Unauthenticated
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.tokens import Keyring, SigningKeyMissing
from modelwright.gateway.http.body import Body, BodyBudget
from modelwright.gateway.http.feedback import FeedbackView
from modelwright.gateway.identity import renewal
from modelwright.gateway.identity.renewal import Renewal
from modelwright.gateway.identity.tokens import Tokens
from tests.unit.gateway.world import World, answers

KEY = ECKey.generate_key("P-256", {"kid": "one"})
CURVE = OKPKey.generate_key("Ed25519", {"kid": "curve"})


def issuer(*keys: Any, **changes: Any) -> Issuer:
    public = tuple(key.as_dict(private=False) for key in keys or (KEY,))
    return Issuer(**{"name": "company", "issuer": "https://i", "audience": "a", "keys": public, **changes})


def token(
    clock: ManualClock, key: Any = KEY, *, algorithm: str = "ES256", kid: str | None = "one", **claims: Any
) -> bytes:
    header = {"alg": algorithm, **({"kid": kid} if kid else {})}
    whole = {"iss": "https://i", "aud": "a", "sub": "ada", "exp": clock.now() + 60, **claims}
    return jwt.encode(header, whole, key, algorithms=[algorithm]).encode()


class Counting:
    """A keyring that counts what it has verified."""

    def __init__(self) -> None:
        self.verified = 0

    def __call__(self, of: Issuer) -> Keyring:
        self._inner = JoseKeyring(of)
        return self

    def payload(self, token: bytes) -> bytes:
        self.verified += 1
        return self._inner.payload(token)


def test_a_token_is_verified_once_and_forgotten_when_it_expires() -> None:
    clock, keyring = ManualClock(), Counting()
    known = Tokens((issuer(),), keyrings=keyring, clock=clock)
    sent = token(clock)
    assert {known.caller(sent).user for _ in range(5)} == {"ada"}
    assert keyring.verified == 1
    clock.advance(60 + 30)
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="expired"):
            known.caller(sent)


def test_what_is_remembered_is_bounded() -> None:
    clock = ManualClock()
    known = Tokens((issuer(),), keyrings=JoseKeyring, clock=clock, most=2)
    for number in range(5):
        known.caller(token(clock, sub=f"user-{number}"))
    assert len(known._remembered) <= 2


@pytest.mark.parametrize("algorithm", ["EdDSA", "Ed25519"])
def test_both_names_of_the_edwards_curve_are_taken_without_a_warning(algorithm: str) -> None:
    with warnings.catch_warnings(action="ignore"):
        sent = token(ManualClock(), CURVE, algorithm=algorithm, kid="curve")
    assert JoseKeyring(issuer(CURVE)).payload(sent)


def test_without_a_key_id_every_key_that_fits_is_tried() -> None:
    other = ECKey.generate_key("P-256", {"kid": "two"})
    bigger = ECKey.generate_key("P-384", {"kid": "three"})
    ring = JoseKeyring(issuer(bigger, other, KEY))
    assert ring.payload(token(ManualClock(), kid=None))
    for ring in (JoseKeyring(issuer(bigger)), JoseKeyring(issuer(other))):  # it may be of a key that is newer
        with pytest.raises(SigningKeyMissing):
            ring.payload(token(ManualClock(), kid=None))


def test_keys_that_must_not_verify_are_left_out() -> None:
    with warnings.catch_warnings(action="ignore"):
        weak = RSAKey.generate_key(1024, {"kid": "one"})
    private = KEY.as_dict(private=True)
    for parameters in (
        weak.as_dict(private=False),
        private,
        {**KEY.as_dict(private=False), "use": "enc"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "one"},
        {"kty": "RSA"},
        {},
    ):
        ring = JoseKeyring(issuer(keys=(parameters,)))
        with pytest.raises(SigningKeyMissing):
            ring.payload(token(ManualClock()))


def test_an_issuer_signs_by_its_own_algorithms_only() -> None:
    with pytest.raises(Unauthenticated, match="not allowed"):
        JoseKeyring(issuer(algorithms=("RS256",))).payload(token(ManualClock()))


def _nested(depth: int) -> bytes:
    return b'{"alg":"ES256","x":' + b"[" * depth + b"]" * depth + b"}"


@pytest.mark.parametrize(
    "header",
    [
        b'["alg"]', b'"alg"', b"1", b"null", b"", b"\xff\xfe", b"[" * 6000, _nested(150), _nested(2500),
        b'{"alg":["ES256"]}', b'{"alg":{}}', b'{"alg":1}', b'{"alg":"ES256","kid":[1]}', b'{"alg":"ES256","crit":1}',
        b'{"alg":"ES256","crit":[[]]}', b'{"alg":"HS256","crit":[[]]}', b'{"alg":"HS256","crit":1}',
        b'{"alg":"HS256","b64":false,"crit":["b64"]}', b'{"alg":"ES256","b64":"x"}',
        b'{"alg":"ES256","x":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("signature", [b"AAAA", b"", b"!!!", b"\xff"])
def test_a_header_of_any_shape_is_refused_and_breaks_nothing(header: bytes, signature: bytes) -> None:
    claims = json.dumps({"iss": "https://i"}).encode()
    sent = b".".join((*(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, claims)), signature))
    own = OwnTokens(b"a pepper of some length", purpose="admin")
    assert not own.is_ours(sent)
    with pytest.raises(Unauthenticated):
        own.subject(sent, now=0.0)
    with pytest.raises((Unauthenticated, SigningKeyMissing)):
        JoseKeyring(issuer()).payload(sent)


async def test_control_is_asked_once_for_all_who_wait_and_not_again_at_once() -> None:
    clock, upstream = ManualClock(), FakeTransport([answers(b"{}") for _ in range(9)])
    asking = Renewal(upstream, "/run/control.sock", clock=clock)
    await asyncio.gather(*(asking.ask("company") for _ in range(renewal.MOST_WAITING + 9)))
    await asking.ask("company")
    assert [request.target for request in upstream.requests] == ["/issuers/company/read"]
    clock.advance(renewal.GAP)
    await asking.ask("company")
    assert len(upstream.requests) == 2


async def test_without_control_what_is_known_answers() -> None:
    world = World(lambda _: Scripted(), issuers=(issuer(problem="away"),))
    stranger = ECKey.generate_key("P-256", {"kid": "two"})
    heard = await world.ask(secret=token(world.clock, stranger, kid="two").decode())
    assert (heard.status, heard.error["code"]) == (503, "identity_unavailable")


async def test_a_token_calls_and_is_remembered_over_a_snapshot_with_the_same_issuers() -> None:
    world = World(lambda _: answers(), issuers=(issuer(),))
    sent = token(world.clock).decode()
    assert (await world.ask(secret=sent)).status == 200
    before = world.gateway.in_force().authenticate._tokens
    world.gateway.apply(world.gateway.in_force().table.snapshot)
    assert world.gateway.in_force().authenticate._tokens is before
    assert (world.ledger.lines[-1].user, world.ledger.lines[-1].key[:8]) == ("ada", "company/")


async def test_feedback_waits_for_a_new_signing_key_as_calls_do() -> None:
    world = World(lambda _: answers(), issuers=(issuer(problem="away"),))
    view = FeedbackView(world.gateway, world.clock)
    stranger = ECKey.generate_key("P-256", {"kid": "two"})
    headers = {b"authorization": b"Bearer " + token(world.clock, stranger, kid="two")}

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"{}"}

    with pytest.raises(IdentityUnavailable):
        await view.answer(headers, Body(receive, declared=None, budget=BodyBudget()))
