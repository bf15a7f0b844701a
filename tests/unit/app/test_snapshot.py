"""From a manifest to a gateway's snapshot and a release record."""

from pathlib import Path

import msgspec
import pytest

from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.app.prices.book import PriceBook
from modelwright.app.snapshot import base_snapshot, release_record
from modelwright.core.contracts.release import release_digest
from modelwright.core.contracts.snapshot import Endpoint, Issuer, ProviderEntry, Snapshot, Timeouts, Variant

FILE = """
schema: 1
name: test
models:
  chat: {source: ./chat.gguf, scale: {min: 2}}
  alone: {source: ./chat.gguf}
providers:
  openai: {kind: openai, keys: ["${secret:KEY}", "${env:LITERAL}"], optional: true}
  azure: {kind: azure-openai, base_url: "http://h", keys: ["${secret:B}"], options: {api_version: "1"}, optional: true}
endpoints:
  assistant:
    variants:
      stable: {provider: openai, model: gpt, weight: 90}
      canary: {serve: chat, weight: 10}
    split: {by: user, header: X-User-Id}
    timeout: {connect: 500ms, first_token: 20s, idle: 15s, total: 5m}
access: {auth: optional, oidc: {company: {issuer: "https://i", audience: a, leeway: 5s, scopes: {s: [assistant]}}}}
gateway: {max_body: 1MiB, max_in_flight: 7}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedManifest:
    (tmp_path / "chat.gguf").write_bytes(b"GGUF\x03" + bytes(19))
    (tmp_path / "modelwright.yaml").write_text(FILE, "utf-8")
    return load_manifest(tmp_path / "modelwright.yaml", env={"KEY": "sk-topsecret", "LITERAL": "a${b"})


def made(loaded: LoadedManifest, *, release: str, salt: str, serial: int = 1) -> Snapshot:
    book = PriceBook(loaded.manifest, at=0.0)
    return base_snapshot(loaded, runtime="/run/mw", release=release, salt=salt, prices=book, serial=serial)


def test_a_snapshot_holds_all_that_a_gateway_needs_and_no_secret(loaded: LoadedManifest) -> None:
    snapshot = made(loaded, release="sha256:r", salt="ab" * 32, serial=3)
    assert snapshot == Snapshot(
        serial=3,
        name="test",
        environment="development",
        manifest=loaded.digest,
        release="sha256:r",
        auth="optional",
        split_salt="ab" * 32,
        max_body=1 << 20,
        max_in_flight=7,
        endpoints=(
            Endpoint(
                name="assistant",
                operations=("chat", "completions", "messages", "responses"),
                variants=(
                    Variant(name="stable", provider="openai", model="gpt", weight=90),
                    Variant(name="canary", provider="serving:chat", model="chat", weight=10),
                ),
                split_by="user",
                split_header="x-user-id",
                timeouts=Timeouts(connect=0.5, first_token=20.0, idle=15.0, total=300.0),
            ),
            Endpoint(
                name="alone",
                operations=("chat", "completions", "messages", "responses"),
                variants=(Variant(name="alone", provider="serving:alone", model="alone"),),
            ),
        ),
        providers=(
            ProviderEntry(
                name="serving:chat",
                kind="serving",
                base_urls=("unix:/run/mw/serving-chat-0.sock", "unix:/run/mw/serving-chat-1.sock"),
            ),
            ProviderEntry(name="serving:alone", kind="serving", base_urls=("unix:/run/mw/serving-alone-0.sock",)),
            ProviderEntry(name="openai", kind="openai", base_urls=(), keys=("${secret:KEY}", "a$${b")),
            ProviderEntry(
                name="azure",
                kind="azure-openai",
                base_urls=("http://h",),
                keys=("${secret:B}",),
                options={"api_version": "1"},
                off="set B",
            ),
        ),
        issuers=(Issuer(name="company", issuer="https://i", audience="a", leeway=5.0, scopes={"s": ("assistant",)}),),
    )
    assert b"topsecret" not in msgspec.json.encode(snapshot)


def test_the_timeouts_of_the_schema_are_those_of_the_contract(loaded: LoadedManifest) -> None:
    snapshot = made(loaded, release="", salt="")
    assert snapshot.endpoints[1].timeouts == Timeouts()


def test_a_release_names_what_runs(loaded: LoadedManifest) -> None:
    release = release_record(loaded, {"chat": "sha256:c", "alone": "sha256:a"})
    assert (release.name, release.environment, release.target) == ("test", "development", "local")
    assert release.manifest == loaded.digest
    assert release_digest(release) == release_digest(release_record(loaded, {"alone": "sha256:a", "chat": "sha256:c"}))
    assert release_digest(release) != release_digest(release_record(loaded, {"chat": "sha256:c"}))
