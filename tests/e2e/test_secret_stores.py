"""A provider's key comes from a store of secrets: changed without a restart, and in no output."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelwright.app.manifest.load import load_manifest
from modelwright.app.secret_stores.edit import Editor, make_identity
from modelwright.app.secret_stores.handing import told_of
from tests.e2e.clients import Hammer, patient
from tests.e2e.gateway_site import CHAT, DevProvider
from tests.e2e.running import Reply, Site, kept, modelwright, program, running
from tests.making.aws_server import AwsServer
from tests.making.vault_server import VaultServer

pytestmark = pytest.mark.e2e
FIRST, SECOND, THIRD, FOURTH = (f"sk-canary-{word}-0123456789" for word in ("first", "second", "third", "fourth"))
VERBS = ("status", "check --json", "explain chat", "secrets list")
QUESTION = b'{"model":"chat","messages":[{"role":"user","content":"hi"}]}'
MANIFEST = """
schema: 1
name: shop
secrets:
{stores}
providers:
  vendor: {{kind: openai, base_url: "{url}", keys: ["${{secret:VENDOR_KEY}}"]}}
  second: {{kind: openai, base_url: "{url}", keys: ["${{secret:{second}}}"]}}
endpoints:
  chat: {{variants: {{only: {{provider: vendor, model: small}}}}}}
  other: {{variants: {{only: {{provider: second, model: small}}}}}}
gateway: {{workers: 2}}
"""
AGE = "  team: {kind: age, source: ./secrets.age, identity: '${file:./age.key}'}"

SERVICES = """\
  kv:
    kind: vault
    address: "{url}"
    path: shop
    refresh: 300ms
    auth: {{approle: {{role_id: role, secret_id: "${{file:./secret_id}}"}}}}
  cloud:
    kind: aws
    region: eu-central-1
    prefix: shop/
    endpoint: "{aws}"
    refresh: 1h
    key: {{id: AKIDEXAMPLE, secret: "${{env:CLOUD_KEY}}"}}
"""


def manifest(provider: DevProvider, stores: str, *, second: str = "VENDOR_KEY") -> str:
    return MANIFEST.format(url=provider.base_url, stores=stores, second=second)


def ask(site: Site, endpoint: str) -> Reply:
    return site.call("POST", CHAT, QUESTION.replace(b"chat", endpoint.encode()))


def used(provider: DevProvider) -> str:
    """The key of the last request that has arrived."""
    return provider.seen(secrets=True)["requests"][-1]["headers"]["authorization"].removeprefix("Bearer ")


def becomes(site: Site, provider: DevProvider, key: str, *, endpoint: str = "chat") -> None:
    """Every worker uses the key from now on: enough fresh connections that each has answered some."""

    def everywhere() -> bool:
        for _ in range(8):
            assert ask(site, endpoint).status == 200
            if used(provider) != key:
                return False
        return True

    patient(everywhere, waiting_for="the new key at every worker")


def leaks(
    site: Site, values: Sequence[str], *, but: Sequence[Path] = (), verbs: Sequence[str] = ("status",)
) -> list[str]:
    """Every output that holds one of these values: files of state and run, printed lines, verbs, command lines."""
    places = kept(site.manifest.parent, site.runtime)
    places[Path("printed")] = "".join(site.lines).encode()
    with ThreadPoolExecutor() as threads:
        for verb, text in threads.map(lambda verb: (verb, _output(verb, site.manifest)), verbs):
            places[Path(verb)] = text
    places[Path("metrics")] = site.call("GET", "/metrics").body
    for part in (*site.watch().parts, None):
        pid = site.pid if part is None else part.pid
        for name in ("cmdline", "environ"):
            places[Path(f"/proc/{pid}/{name}")] = Path(f"/proc/{pid}/{name}").read_bytes()
    return [
        str(place)
        for place, content in places.items()
        if place not in but and any(value.encode() in content for value in values)
    ]


def _output(verb: str, manifest: Path) -> bytes:
    told = modelwright(*verb.split(), "-f", str(manifest))
    assert told.returncode == 0, told.stderr
    return (told.stdout + told.stderr).encode()


def keep(folder: Path, name: str, value: str) -> None:
    """As an operator does: by the command line, the value on standard input."""
    subprocess.run(
        [*program(), "secrets", "set", name, "-f", str(folder / "modelwright.yaml")],
        input=value + "\n",
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )


CLASS = """
import os


class Holder:
    def predict(self) -> str | None:
        return os.environ.get("TOKEN")
"""
HOLDER = """
schema: 1
name: holder
secrets:
  team: {kind: age, source: ./secrets.age, identity: '${file:./age.key}', refresh: 200ms}
models:
  holder: {engine: {kind: "python:holder:Holder", env: {TOKEN: "${secret:TOKEN}"}}}
"""


def test_a_class_is_started_anew_when_its_secret_is_exchanged(tmp_path: Path) -> None:
    make_identity(tmp_path / "age.key")
    (tmp_path / "holder.py").write_text(CLASS)
    (tmp_path / "modelwright.yaml").write_text(HOLDER)
    Editor(load_manifest(tmp_path / "modelwright.yaml", env={})).set("TOKEN", FIRST)
    with running(HOLDER, folder=tmp_path) as site:

        def holds(value: str) -> None:
            patient(lambda: site.call("POST", "/predict/holder", b"{}").body == f'"{value}"'.encode())

        holds(FIRST)
        keep(tmp_path, "TOKEN", SECOND)
        holds(SECOND)

        def workers() -> list[int]:
            return [part.pid for part in site.watch().parts if part.kind == "serving"]

        patient(lambda: len(workers()) == 1, waiting_for="the end of the process before")
        assert leaks(site, [FIRST, SECOND], verbs=VERBS[:2]) == [f"/proc/{workers()[0]}/environ"]


def test_a_key_from_an_encrypted_file_is_exchanged_under_load_and_shown_nowhere(tmp_path: Path) -> None:
    make_identity(tmp_path / "age.key")
    identity = (tmp_path / "age.key").read_text().splitlines()[-1]
    with DevProvider() as provider:
        (tmp_path / "modelwright.yaml").write_text(manifest(provider, AGE))
        Editor(load_manifest(tmp_path / "modelwright.yaml", env={})).set("VENDOR_KEY", FIRST)
        assert b"BEGIN AGE" in (tmp_path / "secrets.age").read_bytes()
        with running(manifest(provider, AGE), folder=tmp_path) as site:
            becomes(site, provider, FIRST)
            told, *_ = site.status().secrets
            assert (told.name, told.source, told.trouble) == ("VENDOR_KEY", "store team", "")
            assert 0 < told.since <= told.read
            authorization = f"Bearer {site.key}"
            with Hammer(site.port, CHAT, connections=4, body=QUESTION, authorization=authorization) as hammer:
                keep(tmp_path, "VENDOR_KEY", SECOND)
                becomes(site, provider, SECOND)
                good = (tmp_path / "secrets.age").read_bytes()
                (tmp_path / "secrets.age").write_bytes(good[:-90])
                patient(lambda: "is damaged" in told_of(site.runtime)[0].trouble)
                becomes(site, provider, SECOND)
            assert hammer.answered > 0
            assert not hammer.lost
            assert not hammer.refused
            assert not leaks(site, [FIRST, SECOND, identity], but=[tmp_path / "age.key"], verbs=VERBS)


def test_keys_from_services_are_exchanged_under_load_and_outlive_their_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with DevProvider() as provider, VaultServer() as vault, AwsServer() as aws:
        vault.held = {"shop": {"VENDOR_KEY": FIRST}}
        vault.lease = 2.0
        aws.held = {"shop/other": f'{{"key":"{THIRD}"}}'}
        (tmp_path / "secret_id").write_text(vault.secret_id)
        monkeypatch.setenv("CLOUD_KEY", aws.secret_key)
        text = manifest(provider, SERVICES.format(url=vault.url, aws=aws.url), second="cloud/other#key")
        vault.sealed = True
        (tmp_path / "modelwright.yaml").write_text(text)
        refused = modelwright("up", "-f", str(tmp_path / "modelwright.yaml"))
        assert refused.returncode == 1
        assert "secrets.kv: Vault is sealed or in maintenance (unseal it: vault operator unseal)" in refused.stderr
        vault.sealed = False
        with running(text, folder=tmp_path) as site:
            becomes(site, provider, FIRST)
            becomes(site, provider, THIRD, endpoint="other")
            aws.held = {"shop/other": f'{{"key":"{FOURTH}"}}'}
            provider.fails("401x1")
            assert ask(site, "other").status == 502, "a key that is refused has its store read before its time"
            becomes(site, provider, FOURTH, endpoint="other")
            authorization = f"Bearer {site.key}"
            with Hammer(site.port, CHAT, connections=4, body=QUESTION, authorization=authorization) as hammer:
                vault.held = {"shop": {"VENDOR_KEY": SECOND}}
                becomes(site, provider, SECOND)
                vault.sealed = True
                patient(lambda: "is sealed" in told_of(site.runtime)[0].trouble)
                vault.tokens.clear()
                vault.secret_id = "another-canary-secret-id"
                (tmp_path / "secret_id").write_text(vault.secret_id)
                asked = len(vault.asked)
                patient(lambda: len(vault.asked) > asked + 2, waiting_for="more questions while it is sealed")
                becomes(site, provider, SECOND)
                vault.held = {"shop": {"VENDOR_KEY": FIRST}}
                vault.sealed = False
                becomes(site, provider, FIRST)
            assert hammer.answered > 0
            assert not hammer.lost
            assert not hammer.refused
            assert any("secrets.kv is read again" in line for line in site.lines)
            known = [FIRST, SECOND, THIRD, FOURTH, vault.secret_id, aws.secret_key, *vault.tokens]
            assert not leaks(site, known, but=[tmp_path / "secret_id", Path(f"/proc/{site.pid}/environ")])
        assert vault.count("approle/login") < 10, "one login for all workers, and another when the token is gone"
