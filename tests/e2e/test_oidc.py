"""Tokens of a real OIDC issuer over a real `modelwright up` with two gateway workers."""

from __future__ import annotations

import base64
import hmac
import json
import os
import signal
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import RSAKey

from tests.e2e.clients import ask, patient
from tests.e2e.gateway_site import CHAT, DevProvider
from tests.e2e.issuer import OidcIssuer
from tests.e2e.running import Reply, Site, running

pytestmark = pytest.mark.e2e
MANIFEST = """\
schema: 1
name: oidc
providers:
  dev: {{kind: vllm, base_url: "{url}"}}
endpoints:
  assistant: {{variants: {{main: {{provider: dev, model: vendor-model}}}}}}
  internal: {{variants: {{main: {{provider: dev, model: vendor-model}}}}}}
access:
  oidc:
    company:
      issuer: "{issuer}"
      audience: modelwright
      leeway: 1s
      claims: {{tenant: org.id, user: sub, scope: scope}}
      scopes: {{llm.chat: [assistant], llm.all: ["*"]}}
      admin: llm.admin
gateway: {{workers: 2}}
tasks: {{}}
"""
CHATS = {"org": {"id": "shop"}, "scope": "openid llm.chat"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[OidcIssuer]:
    with OidcIssuer() as running_issuer:
        yield running_issuer


@pytest.fixture(scope="module")
def site(issuer: OidcIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with DevProvider() as provider:
        manifest = MANIFEST.format(url=provider.base_url, issuer=issuer.url)
        with running(manifest, folder=tmp_path_factory.mktemp("oidc")) as running_site:
            yield running_site


def chat(site: Site, token: str, endpoint: str = "assistant") -> Reply:
    body = {"model": endpoint, "messages": [{"role": "user", "content": "What is 3 plus 4?"}], "user": "mallory"}
    return site.call("POST", CHAT, json.dumps(body).encode(), headers={"Authorization": f"Bearer {token}"})


def control(site: Site, path: str) -> Any:
    return json.loads(ask(site.runtime / "control.sock", path).body)


def test_a_token_calls_as_its_user_and_tenant_within_its_scopes(site: Site, issuer: OidcIssuer) -> None:
    token = issuer.token(**CHATS)
    answers = [chat(site, token) for _ in range(6)]
    assert {answer.status for answer in answers} == {200}
    refused = chat(site, token, "internal")
    assert (refused.status, refused.json()["error"]["code"]) == (403, "forbidden")
    seen = site.call("GET", "/v1/models", headers={"Authorization": f"Bearer {token}"}).json()["data"]
    assert [card["id"] for card in seen] == ["assistant"]
    assert chat(site, issuer.token(**{**CHATS, "scope": ["llm.all"]}), "internal").status == 200
    call = answers[0].headers["x-modelwright-call"]
    patient(lambda: bool(control(site, f"/ledger?call={call}")), waiting_for="the row")
    (row,) = control(site, f"/ledger?call={call}")
    assert (row["tenant"], row["user"]) == ("shop", "ada"), "the token's word, not the body's"
    assert row["key"].startswith("company/")


def test_a_task_that_a_token_leaves_runs_as_its_user_and_is_nobody_elses(site: Site, issuer: OidcIssuer) -> None:
    def ask_for(user: str, method: str, path: str, body: Any = None) -> Reply:
        token = issuer.token(**CHATS, sub=user)
        content = json.dumps(body).encode() if body is not None else None
        return site.call(method, path, content, headers={"Authorization": f"Bearer {token}"})

    question = {"model": "assistant", "messages": [{"role": "user", "content": "What is 3 plus 4?"}]}
    left = ask_for("ada", "POST", "/v1/tasks", {"url": CHAT, "body": question})
    assert left.status == 202, left.body
    path = left.headers["location"]
    patient(lambda: ask_for("ada", "GET", path).json()["status"] == "succeeded")
    (call,) = ask_for("ada", "GET", path).json()["calls"]
    patient(lambda: bool(control(site, f"/ledger?call={call}")))
    (row,) = control(site, f"/ledger?call={call}")
    assert (row["user"], row["tenant"], row["key"].partition("/")[0]) == ("ada", "shop", "company")
    assert ask_for("eve", "GET", path).status == 404
    assert ask_for("eve", "GET", "/v1/tasks").json()["data"] == []
    refused = ask_for("ada", "POST", "/v1/tasks", {"url": CHAT, "body": {**question, "model": "internal"}})
    assert refused.status == 403, "a scope is asked when a task is left, too"


def test_a_token_with_its_scope_opens_the_admin_door(site: Site, issuer: OidcIssuer) -> None:
    def knock(token: str) -> int:
        connection = HTTPConnection(urlsplit(site.admin).netloc, timeout=30)
        connection.request("GET", "/keys", headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
        connection.close()
        return status

    assert knock(issuer.token(**{**CHATS, "scope": "llm.chat llm.admin"})) == 200
    assert knock(issuer.token(**CHATS)) == 403
    assert knock(issuer.token(**{**CHATS, "scope": "llm.admin"}, exp=1)) == 401
    assert knock("a.b.c") == 401


def test_a_token_that_does_not_hold_is_refused_with_the_reason(site: Site, issuer: OidcIssuer) -> None:
    now = time.time()
    stranger = RSAKey.generate_key(2048, {"kid": "first"})
    lasting = {"alg": "RS256", "kid": "first"}
    for token, status, reason in (
        (issuer.token(**CHATS, iss="https://other.example.com"), 401, "no issuer that is known"),
        (issuer.token(**CHATS, aud="somebody"), 401, "another audience"),
        (issuer.token(**CHATS, aud=None), 401, "another audience"),
        (issuer.token(**CHATS, exp=None), 401, "does not say when it expires"),
        (issuer.token(**CHATS, exp=now - 5), 401, "has expired"),
        (issuer.token(**CHATS, exp="soon"), 401, "is no time"),
        (issuer.token(**CHATS, nbf=now + 60), 401, "not valid yet (nbf)"),
        (issuer.token(**CHATS, iat=now + 60), 401, "not valid yet (iat)"),
        (issuer.signed(stranger, lasting, **CHATS), 401, "signature is wrong"),
        (_by_the_public_key(issuer), 401, "algorithm is not"),
        (_unsigned(issuer), 401, "algorithm is not"),
        (_tampered(issuer.token(**CHATS)), 401, "signature is wrong"),
        (issuer.token(**CHATS, header={"crit": ["odd"], "odd": 1}), 401, "cannot be read"),
        (issuer.token(**CHATS, padding="x" * 20_000), 401, "longer than 16 KiB"),
        ("a.b.c", 401, "no claims"),
        ("nonsense", 401, "no issuer that is known"),
        (issuer.token(**{**CHATS, "org": None}), 403, "no claim org.id"),
        (issuer.token(**{**CHATS, "org": {"id": "Not A Name"}}), 403, "name of a tenant"),
        (issuer.token(**{**CHATS, "scope": "openid"}), 403, "no scope"),
        (issuer.token(**CHATS, sub=7), 403, "no claim sub"),
        (issuer.token(**{**CHATS, "scope": "llm.admin"}), 403, "role admin may not call"),
    ):
        found = chat(site, token)
        assert (found.status, reason in found.body.decode()) == (status, True), (reason, found)
        assert token not in found.body.decode()


def test_a_token_is_dead_when_it_expires_however_well_it_is_remembered(site: Site, issuer: OidcIssuer) -> None:
    until = int(time.time()) + 3
    token = issuer.token(**CHATS, exp=until)
    status = chat(site, token).status
    assert status == 200 or time.time() > until
    patient(lambda: time.time() > until + 1)
    assert {chat(site, token).status for _ in range(6)} == {401}


def test_a_new_signing_key_is_known_when_its_first_token_comes_and_a_withdrawn_one_is_dead(
    site: Site, issuer: OidcIssuer
) -> None:
    issuer.add("second", "EC")
    patient(lambda: chat(site, issuer.token(kid="second", **CHATS)).status == 200)
    old = issuer.token(**CHATS)
    assert {chat(site, token).status for token in (issuer.token(kid="second", **CHATS), old) for _ in range(4)} == {200}
    issuer.add("third", "RSA")
    issuer.withdraw("first")
    patient(lambda: chat(site, issuer.token(kid="third", **CHATS)).status == 200)
    assert chat(site, old).status == 401
    assert "does not publish" in chat(site, issuer.token(**CHATS)).body.decode()
    issuer.withdraw("second")
    issuer.withdraw("third")
    issuer.add("first", "RSA")
    patient(lambda: chat(site, issuer.token(**CHATS)).status == 200)


def test_tokens_of_invented_keys_do_not_make_us_ask_the_issuer_again_and_again(site: Site, issuer: OidcIssuer) -> None:
    stranger = RSAKey.generate_key(2048)
    before, began = len(issuer.paths), time.monotonic()
    for number in range(40):
        token = issuer.signed(stranger, {"alg": "RS256", "kid": f"invented-{number}"}, **CHATS)
        assert chat(site, token).status == 401
    readings = (len(issuer.paths) - before) / 2
    assert readings <= 1 + (time.monotonic() - began) / 2 + 1


def test_an_issuer_that_is_away_harms_nobody_whose_key_is_known_and_it_heals_alone(
    site: Site, issuer: OidcIssuer
) -> None:
    token = issuer.token(**CHATS)
    assert chat(site, token).status == 200
    issuer.away()
    try:
        other = issuer.token(**CHATS, jti="another")
        assert chat(site, other).status == 200
        stranger = RSAKey.generate_key(2048)
        unknown = issuer.signed(stranger, {"alg": "RS256", "kid": "unknown"}, **CHATS)
        patient(lambda: chat(site, unknown).status == 503)
        refused = chat(site, unknown)
        assert (refused.status, refused.json()["error"]["code"]) == (503, "identity_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        patient(lambda: "no connection" in control(site, "/issuers")[0]["problem"], waiting_for="the problem")
        for name in ("control", "gateway-0"):
            part = site.part(name)
            os.kill(part.pid, signal.SIGKILL)
            site.wait_for(name, "ready", restarts=part.restarts + 1)
        assert {chat(site, token).status for _ in range(10)} == {200}, "keys outlive their readers"
    finally:
        issuer.back()
    patient(lambda: chat(site, unknown).status == 401, waiting_for="the issuer to be back")
    patient(lambda: control(site, "/issuers")[0]["problem"] == "", waiting_for="no problem")


def test_an_issuer_that_was_never_there_is_503_and_keys_work(tmp_path: Path) -> None:
    with OidcIssuer() as issuer, DevProvider() as provider:
        issuer.away()
        with running(MANIFEST.format(url=provider.base_url, issuer=issuer.url), folder=tmp_path) as site:
            assert chat(site, issuer.token(**CHATS)).status == 503
            assert chat(site, site.key).status == 200
            issuer.claims = "https://somebody.else.example.com"
            issuer.back()
            patient(lambda: "another issuer" in control(site, "/issuers")[0]["problem"])
            assert chat(site, issuer.token(**CHATS)).status == 503
            issuer.claims = ""
            patient(lambda: chat(site, issuer.token(**CHATS)).status == 200)


def _unsigned(issuer: OidcIssuer) -> str:
    """Of `alg: none`."""
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"first"}').rstrip(b"=").decode()
    return f"{header}.{issuer.token(**CHATS).split('.')[1]}."


def _by_the_public_key(issuer: OidcIssuer) -> str:
    """Of `alg: HS256`, with what everybody knows for a secret."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"first"}').rstrip(b"=").decode()
    signed = f"{header}.{issuer.token(**CHATS).split('.')[1]}"
    digest = hmac.digest(issuer.keys["first"].as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _tampered(token: str) -> str:
    """With other claims under the same signature."""
    header, claims, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    changed = json.dumps({**decoded, "org": {"id": "other"}}).encode()
    return f"{header}.{base64.urlsafe_b64encode(changed).rstrip(b'=').decode()}.{signature}"
