"""What a running site can follow, and how it looks after its files."""

import os
from pathlib import Path

import pytest

from modelwright.app.manifest.load import load_manifest
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.renewal.configuration import Configuration, configure, fixed_changes
from modelwright.app.supervise.renewal.renewal import marks_of, told

TEXT = """
schema: 1
name: shop
models: {sums: {source: ./sums.json, engine: {kind: toy-tensor}}}
providers: {vendor: {kind: openai, keys: ["${secret:VENDOR_KEY}"], optional: true}}
endpoints: {chat: {variants: {only: {provider: vendor, model: small}}}}
"""


@pytest.fixture
def read(tmp_path: Path):
    (tmp_path / "sums.json").write_text('{"toy": 1, "columns": 4}')
    (tmp_path / "run").mkdir()
    (tmp_path / ".modelwright").mkdir()
    claim = Claim(tmp_path / ".modelwright", tmp_path / "run", ())

    def _read(text: str) -> Configuration:
        path = tmp_path / "modelwright.yaml"
        path.write_text(text)
        loaded = load_manifest(path, environment="development", env={})
        return configure(loaded, claim, digests={"sums": "sha256:1"}, grace=1.0)

    return _read


@pytest.mark.parametrize(
    ("change", "places"),
    [
        (("weight", "weight"), ()),
        (("model: small", "model: large"), ()),
        (("name: shop", "name: stall"), ("name",)),
        (("kind: toy-tensor", "kind: toy-tensor, threads: 7"), ("models.sums",)),
        (("{source", "{scale: {min: 2}, source"), ("models.sums",)),
        (("schema: 1", "schema: 1\ngateway: {workers: 2, max_in_flight: 5}"), ("gateway.workers",)),
        (("schema: 1", "schema: 1\ngateway: {max_in_flight: 5, max_body: 1MiB}"), ("models.sums",)),
        (("schema: 1", "schema: 1\ngateway: {max_in_flight: 5}"), ()),
        (("schema: 1", "schema: 1\nobserve: {log: {level: debug}}"), ("observe",)),
    ],
)
def test_what_a_running_site_cannot_follow(read, change: tuple[str, str], places: tuple[str, ...]) -> None:
    assert fixed_changes(read(TEXT), read(TEXT.replace(*change, 1))) == places


def test_release_is_kept_and_the_base_is_written(read, tmp_path: Path) -> None:
    found = read(TEXT)
    found.write(Claim(tmp_path / ".modelwright", tmp_path / "run", ()))
    assert (tmp_path / "run" / "base.json").exists()
    (kept,) = (tmp_path / ".modelwright" / "releases").iterdir()
    assert found.snapshot.release == f"sha256:{kept.stem}"
    assert [(part.name, part.detail) for part in found.off] == [("vendor", "set VENDOR_KEY")]


def test_files_of_a_manifest_are_itself_its_variables_and_its_secrets(read, tmp_path: Path) -> None:
    names = [path.relative_to(tmp_path) for path in read(TEXT).loaded.files if path.is_relative_to(tmp_path)]
    assert [str(name) for name in names] == [
        "modelwright.yaml",
        ".env.development",
        ".env",
        ".modelwright/secrets/development/VENDOR_KEY",
    ]


def test_marks_see_a_new_file_a_changed_one_and_one_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert marks_of([path]) == (None,)
    path.write_text("one")
    first = marks_of([path])
    os.utime(path, ns=(1, 1))
    assert len({(None,), first, marks_of([path])}) == 3


def test_workers_that_did_not_confirm_are_named(read) -> None:
    line = told(read(TEXT), confirmed=("gateway-0",), unconfirmed=("gateway-1",))
    assert line == "modelwright.yaml was applied without a restart: gateway-0; gateway-1 will follow within a second"
