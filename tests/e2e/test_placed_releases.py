"""Two releases of a gateway as a target runs them: each from its description alone, side by side on one PostgreSQL."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.prepare import prepare
from modelwright.core.deploying.made import api_key
from modelwright.core.deploying.workloads import Desired
from tests.e2e.running import QUICKSTART, Reply, Site, modelwright, running
from tests.making.placed_site import Placed, placed, read
from tests.making.postgres_server import PostgresServer

pytestmark = pytest.mark.e2e
SALT = "salt of the tests"
OPTIONS = ("--env", "production", "--no-watch")
ADA = json.dumps({"name": "Ada"})
MANIFEST = """\
schema: 1
name: placed
models:
  digits: {source: ./models/digits.onnx, check: ./seven.json}
  greeter: {engine: {kind: "python:greeting:Greeter", env: {WORD: "${secret:WORD}"}}}
access: {keys: {api: {endpoints: [digits]}}}
apps: {api: {image: "api:1", port: 80, env: {LLM_KEY: "${key:api}"}}}
services: {postgres: {url: "${secret:PG}"}}
store: {database: "${service:postgres.url}"}
targets: {here: {kind: docker}}
environments: {production: {target: here}}
"""
GREETER = """\
import os

class Greeter:
    def predict(self, name: str) -> str:
        return f"{os.environ['WORD']} {name}"
"""


class Release:
    """One that runs."""

    def __init__(self, site: Site, made: Placed, bearer: str) -> None:
        """`bearer` is the key that its gate asks with."""
        self.site = site
        self.made = made
        self.bearer = bearer

    def call(self, method: str, path: str, body: str = "", *, key: str = "") -> Reply:
        """In production there is no development key: `key` alone opens the door."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        try:
            connection.request(method, path, body.encode(), {"Authorization": f"Bearer {key or self.bearer}"})
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def gate(self, key: str = "") -> int:
        """Status of what its gate asks."""
        gate = self.made.gateway.gate
        assert gate is not None
        return self.call(gate.method, gate.path, gate.body, key=key).status


def project(folder: Path, *, word: str, url: str) -> Path:
    """The manifest's path; a release with another word is another release."""
    folder.mkdir()
    shutil.copytree(QUICKSTART / "models", folder / "models")
    shutil.copy2(QUICKSTART / "seven.json", folder)
    (folder / "greeting.py").write_text(GREETER)
    (folder / ".env.production").write_text(f"WORD={word}\nPG={url}\n")
    (folder / "modelwright.yaml").write_text(MANIFEST)
    return folder / "modelwright.yaml"


def described(manifest: Path) -> tuple[Desired, Brought]:
    return desired(prepare(manifest, environment="production"), images={"gateway": "gateway:1"}, salt=SALT)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[list[Release]]:
    folder, url = tmp_path_factory.mktemp("placed"), postgres.create("placed")
    with ExitStack() as stack:
        found: list[Release] = []
        for name, word in (("r1", "hello"), ("r2", "servus")):
            description, brought = described(project(folder / name, word=word, url=url))
            made = placed(description, brought, folder / f"{name}-inside")
            shutil.rmtree(folder / name)
            gate = made.gateway.gate
            assert gate is not None
            site = stack.enter_context(running(made.manifest, env=made.secrets, options=OPTIONS))
            found.append(Release(site, made, read(brought, gate.bearer).decode()))
        yield found


def test_both_pass_their_gate_by_a_real_inference_with_a_key_of_its_own(releases: list[Release]) -> None:
    assert [release.gate() for release in releases] == [200, 200]
    assert [release.call("GET", "/v2/health/ready").status for release in releases] == [200, 200]


def test_the_key_that_was_made_for_an_app_opens_both_and_only_what_it_is_for(releases: list[Release]) -> None:
    key = api_key(SALT, "api")
    assert [release.gate(key) for release in releases] == [200, 200]
    assert [release.call("POST", "/predict/greeter", ADA, key=key).status for release in releases] == [403, 403]
    assert [release.gate(api_key("other", "api")) for release in releases] == [401, 401]


def test_classes_and_secrets_have_come_along(releases: list[Release]) -> None:
    answers = [release.call("POST", "/predict/greeter", ADA).body.decode() for release in releases]
    assert ["hello Ada" in answers[0], "servus Ada" in answers[1]] == [True, True]


def test_one_ends_and_the_other_goes_on_and_a_key_that_is_revoked_stays_so(releases: list[Release]) -> None:
    first, second = releases
    assert first.site.stop() == 0
    assert second.gate() == 200
    key = api_key(SALT, "api")
    done = modelwright("keys", "revoke", "api", "-f", str(second.made.manifest), "--env", "production", "--json")
    assert done.returncode == 0, done.stderr
    assert second.gate(key) == 401
    with running(first.made.manifest, env=first.made.secrets, options=OPTIONS) as site:
        again = Release(site, first.made, first.bearer)
        assert [again.gate(), again.gate(key)] == [200, 401]
