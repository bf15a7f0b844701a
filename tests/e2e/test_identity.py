"""Who may call what, over a real `modelwright up` with two gateway workers and a real upstream."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.clients import ask, patient
from tests.e2e.echo import Echo
from tests.e2e.gateway_site import CHAT, PROVIDER_KEY, DevProvider
from tests.e2e.running import Reply, Site, kept, modelwright, running

pytestmark = pytest.mark.e2e
MANIFEST = """\
schema: 1
name: identity
providers:
  dev: {{kind: vllm, base_url: "{url}", keys: ["${{secret:PROVIDER_KEY}}"]}}
endpoints:
  assistant: {{variants: {{main: {{provider: dev, model: vendor-model}}}}}}
  internal: {{variants: {{main: {{provider: dev, model: vendor-model}}}}}}
gateway: {{workers: 2}}
"""
MODELS = "/v1/models"
FORM = "application/x-www-form-urlencoded"
SECRETS = {"PROVIDER_KEY": PROVIDER_KEY}
STATUSES = (200, 400, 401, 403, 404, 422, 429, 500, 503)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two gateway workers and two endpoints; shared, so every test makes keys of its own."""
    folder = tmp_path_factory.mktemp("identity")
    with (
        DevProvider() as provider,
        running(
            MANIFEST.format(url=provider.base_url), folder=folder, env={"PROVIDER_KEY": PROVIDER_KEY}
        ) as running_site,
    ):
        yield running_site


def keys(site: Site, *arguments: str) -> Any:
    """`modelwright keys …` as facts."""
    done = modelwright("keys", *arguments, "-f", str(site.manifest), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def admin(site: Site, path: str) -> bytes:
    """What control says to its owner."""
    return ask(site.runtime / "control.sock", path, method="GET").body


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def chat(site: Site, key: str, endpoint: str = "assistant") -> Reply:
    body = {"model": endpoint, "messages": [{"role": "user", "content": "What is 3 plus 4?"}]}
    return site.call("POST", CHAT, json.dumps(body).encode(), headers=bearer(key))


def statuses(site: Site, key: str, number: int = 20) -> set[int]:
    """Of calls over as many connections, so that every worker is met."""
    return {site.call("GET", MODELS, headers=bearer(key)).status for _ in range(number)}


def test_a_scoped_key_calls_and_sees_its_endpoints_only(site: Site) -> None:
    key = keys(site, "create", "scoped", "--endpoint", "assistant")["key"]
    assert chat(site, key).status == 200
    refused = chat(site, key, "internal")
    assert (refused.status, refused.json()["error"]["code"]) == (403, "forbidden")
    assert "may not call endpoint 'internal'" in refused.json()["error"]["message"]
    assert chat(site, key, "nobody").status == 403, "it is not told whether there is one"
    seen = site.call("GET", MODELS, headers=bearer(key)).json()["data"]
    assert [card["id"] for card in seen] == ["assistant"]
    assert site.call("GET", f"{MODELS}/internal", headers=bearer(key)).status == 403
    assert {card["id"] for card in site.call("GET", MODELS).json()["data"]} == {"assistant", "internal"}
    listed = modelwright("keys", "list", "-f", str(site.manifest)).stdout
    assert "assistant" in next(line for line in listed.splitlines() if "scoped" in line)


def test_a_wrong_key_is_401_and_says_what_to_send(site: Site) -> None:
    for headers in (
        {"Authorization": "Bearer mw-aaaaaaaa-wrong"},
        {"Authorization": ""},
        {"Authorization": "Bearer x"},
    ):
        refused = site.call("GET", MODELS, headers=headers)
        assert (refused.status, refused.json()["error"]["code"]) == (401, "unauthenticated")


def test_a_rotated_key_works_for_the_overlap_and_no_longer_at_every_worker(site: Site) -> None:
    old = keys(site, "create", "turning", "--endpoint", "assistant")
    new = keys(site, "rotate", "turning", "--overlap", "3s")
    assert (new["name"], new["endpoints"], new["replaces"]["id"]) == ("turning", ["assistant"], old["id"])
    assert new["spread"]["confirmed"] == ["gateway-0", "gateway-1"]
    assert statuses(site, new["key"]) == {200}
    seen = statuses(site, old["key"], 4)
    assert seen == {200} or time.time() >= new["replaces"]["expires"]
    patient(lambda: time.time() > new["replaces"]["expires"])
    assert statuses(site, old["key"]) == {401}
    assert statuses(site, new["key"]) == {200}


def test_a_key_that_is_rotated_without_overlap_is_dead_at_every_worker_when_the_command_returns(site: Site) -> None:
    old = keys(site, "create", "at-once")
    done = modelwright("keys", "rotate", old["id"], "--overlap", "0s", "-f", str(site.manifest))
    assert f"The old key, {old['id']}, works until" in done.stdout
    assert statuses(site, old["key"]) == {401}
    assert statuses(site, done.stdout.splitlines()[0]) == {200}
    again = modelwright("keys", "rotate", old["id"], "-f", str(site.manifest))
    assert (again.returncode, "no live key" in again.stderr) == (9, True)


def test_a_planted_provider_key_appears_in_no_output(tmp_path: Path) -> None:
    with Echo(200) as echo:
        with running(MANIFEST.format(url=echo.base_url), folder=tmp_path, env=SECRETS) as site:
            said = [words for status in STATUSES for words in _cry(site, echo, status)]
            said += [_words(site.call("GET", path)) for path in ("/docs", "/openapi.json", MODELS, "/readyz", "/v2")]
            for command in (["status"], ["status", "--json"], ["explain", "assistant"], ["check"], ["keys", "list"]):
                done = modelwright(*command, "-f", str(site.manifest), env={**os.environ, **SECRETS})
                said.append(f"{command} {done.stdout}{done.stderr}".encode())
            patient(lambda: admin(site, "/ledger/summary") != b"[]", waiting_for="the ledger")
            said += [
                admin(site, path) for path in ("/status", "/metrics", "/ledger?limit=1000", "/openapi.json", "/docs")
            ]
            said += [Path(f"/proc/{part.pid}/cmdline").read_bytes() for part in site.watch().parts if part.pid]
            files = kept(site.state, site.runtime)
            said += files.values()
        said += [line.encode() for line in site.lines]
        assert f"authorization: Bearer {PROVIDER_KEY}" in echo.heard[0], "the provider itself has got it"
    assert {"modelwright.db", "snapshot.json"} <= {path.name for path in files}
    assert any(b"hold a secret" in words for words in said), "the echo was met"
    encoded = base64.b64encode(PROVIDER_KEY.encode()).rstrip(b"=")
    for spelling in (PROVIDER_KEY.encode(), quote(PROVIDER_KEY, safe="").encode(), encoded[:-1]):
        assert not [words for words in said if spelling in words]


def _cry(site: Site, echo: Echo, status: int) -> list[bytes]:
    """What a client hears of an upstream that echoes the key as its answer and as an event, to a call and a stream."""
    said: list[bytes] = []
    for as_event in (False, True):
        echo.says(status, as_event=as_event)
        for stream in (False, True):
            body = {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
            said.append(_words(site.call("POST", CHAT, json.dumps(body).encode())))
    return said


def _words(reply: Reply) -> bytes:
    return str(reply.headers).encode() + reply.body


def admin_door(site: Site, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
    """Over TCP, where a key or a token is wanted; `_` in a header's name stands for `-`."""
    connection = HTTPConnection(urlsplit(site.admin).netloc, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def grant(site: Site, form: str, **headers: str) -> Reply:
    return admin_door(site, "POST", "/oauth/token", form, content_type=FORM, **headers)


def test_an_admins_key_is_an_oauth2_client_whose_tokens_die_with_it(site: Site) -> None:
    made = keys(site, "create", "machine", "--role", "admin")
    pair = f"client_id={made['id']}&client_secret={made['key']}"
    granted = grant(site, f"grant_type=client_credentials&{pair}&scope=admin")
    told = granted.json()
    assert (granted.status, told["token_type"], told["scope"]) == (200, "Bearer", "admin")
    assert 500 < told["expires_in"] <= 600
    assert (granted.headers["cache-control"], granted.headers["pragma"]) == ("no-store", "no-cache")
    by_basic = base64.b64encode(f"{made['id']}:{made['key'].split('-')[2]}".encode()).decode()
    other = grant(site, "grant_type=client_credentials", Authorization=f"Basic {by_basic}")
    for token in (told["access_token"], other.json()["access_token"]):
        assert admin_door(site, "GET", "/keys", **bearer(token)).status == 200
        assert admin_door(site, "GET", "/keys", **bearer(token[:-4] + "AAAA")).status == 401
        assert site.call("GET", MODELS, headers=bearer(token)).status == 401, "it calls no endpoint"
    keys(site, "revoke", made["id"])
    assert admin_door(site, "GET", "/keys", **bearer(told["access_token"])).status == 401
    assert grant(site, f"grant_type=client_credentials&{pair}").json()["error"] == "invalid_client"


def test_a_grant_is_refused_in_the_words_of_rfc_6749(site: Site) -> None:
    made = keys(site, "create", "client-of-admin", "--role", "admin")
    plain = keys(site, "create", "plain")
    pair = f"client_id={made['id']}&client_secret={made['key']}"
    basic = {"Authorization": "Basic " + base64.b64encode(f"{made['id']}:{made['key']}".encode()).decode()}
    credentials = "grant_type=client_credentials"
    for form, headers, status, error in (
        (pair, {}, 400, "invalid_request"),
        (f"grant_type=password&{pair}", {}, 400, "unsupported_grant_type"),
        (f"{credentials}&{pair}&scope=everything", {}, 400, "invalid_scope"),
        (f"{credentials}&{pair}&{credentials}", {}, 400, "invalid_request"),
        (f"{credentials}&{pair}", basic, 400, "invalid_request"),
        (f"{credentials}&client_id={made['id']}&client_secret=wrong", {}, 401, "invalid_client"),
        (f"{credentials}&client_id={plain['id']}&client_secret={made['key']}", {}, 401, "invalid_client"),
        (credentials, {}, 401, "invalid_client"),
        (credentials, {"Authorization": "Basic ???"}, 401, "invalid_client"),
        (credentials, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        (f"{credentials}&client_id={plain['id']}&client_secret={plain['key']}", {}, 400, "unauthorized_client"),
        ("%ff=%ff", {}, 400, "invalid_request"),
    ):
        found = grant(site, form, **headers)
        assert (found.status, found.json()["error"]) == (status, error), form
        assert found.json()["error_description"]
        assert made["key"] not in found.body.decode()
        assert ("www-authenticate" in found.headers) == (status == 401)
    typed = admin_door(site, "POST", "/oauth/token", "{}", content_type="application/json")
    assert (typed.status, typed.json()["error"]) == (400, "invalid_request")
