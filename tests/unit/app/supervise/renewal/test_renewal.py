"""What a running site can follow, and how it looks after its files."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.app.manifest.load import load_manifest
from modelwright.app.sources.located import Located
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.renewal.configuration import Configuration, configure, fixed_changes
from modelwright.app.supervise.renewal.publishing import Publishing, told
from modelwright.app.supervise.renewal.renewal import Renewal, marks_of
from modelwright.core.contracts.snapshot import Snapshot

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
        loaded = load_manifest(path, environment="development", env={"HELD": "here"})
        located = {"sums": Located(source="./sums.json", path=str(tmp_path / "sums.json"), digest="sha256:1")}
        return configure(loaded, claim, located=located, grace=1.0)

    return _read


@pytest.mark.parametrize(
    ("change", "places"),
    [
        (("weight", "weight"), ()),
        (("model: small", "model: large"), ()),
        (("name: shop", "name: stall"), ("name",)),
        (("kind: toy-tensor", "kind: toy-tensor, threads: 7"), ()),
        (("{source", "{scale: {min: 2}, source"), ()),
        (("schema: 1", "schema: 1\ngateway: {workers: 2, max_in_flight: 5}"), ("gateway.workers",)),
        (("schema: 1", "schema: 1\ngateway: {max_in_flight: 5, max_body: 1MiB}"), ()),
        (("schema: 1", "schema: 1\ngateway: {max_in_flight: 5}"), ()),
        (("schema: 1", "schema: 1\nobserve: {log: {level: debug}}"), ("observe",)),
    ],
)
def test_what_a_running_site_cannot_follow(read, change: tuple[str, str], places: tuple[str, ...]) -> None:
    assert fixed_changes(read(TEXT), read(TEXT.replace(*change, 1))) == places


def test_a_secret_of_a_model_alone_cannot_become_that_of_a_provider(read, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("HELD=here\n")
    held = 'models: {own: {engine: {kind: "python:a:B", env: {TOKEN: "${secret:HELD}"}}}, sums'
    before = TEXT.replace("models: {sums", held)
    assert fixed_changes(read(before), read(TEXT)) == ()
    shared = read(before.replace("VENDOR_KEY", "HELD"))
    assert fixed_changes(read(before), shared) == ("the use of the secret HELD",)
    assert fixed_changes(shared, read(before)) == ()


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


class Told:
    """A site that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.weights: list[float] = []
        self.turn = asyncio.Lock()

    async def prepare(self, configuration: Configuration) -> str:
        return ""

    def addressed(self, configuration: Configuration) -> Snapshot:
        return configuration.snapshot

    def give_up(self) -> None:
        raise AssertionError("nothing was in the way")

    def retire(self, serial: int) -> None:
        raise AssertionError("no control runs here")

    def renew(self, configuration: Configuration) -> None:
        self.weights.append(configuration.snapshot.endpoints[0].variants[0].weight)

    def say(self, line: str) -> None:
        self.lines.append(line)


async def test_change_made_while_another_is_read_is_not_lost(
    read: Callable[[str], Configuration], tmp_path: Path
) -> None:
    first = read(TEXT)
    path = tmp_path / "modelwright.yaml"
    weighed = [TEXT.replace("model: small", f"model: small, weight: {weight}") for weight in (2, 33)]
    reads: list[str] = []

    def slowly() -> Configuration:
        text = path.read_text()
        found = read(text)
        if text == weighed[0] and not reads.count(text):
            path.write_text(weighed[1])
        reads.append(text)
        return found

    site, claim = Told(), Claim(tmp_path / ".modelwright", tmp_path / "run", ())
    publishing = Publishing(first, claim=claim, site=site, look=0.01)
    task = asyncio.create_task(Renewal(publishing, read=slowly, site=site, look=0.01).run())
    path.write_text(weighed[0])
    for _ in range(300):
        if site.weights[-1:] == [33]:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    assert site.weights[-1] == 33


async def test_a_defect_in_reading_is_told_and_the_next_state_is_looked_at(
    read: Callable[[str], Configuration], tmp_path: Path
) -> None:
    first, broken = read(TEXT), [True]
    path = tmp_path / "modelwright.yaml"

    def sometimes() -> Configuration:
        if broken.pop() if broken else False:
            raise OverflowError("too much")
        return read(path.read_text())

    site, claim = Told(), Claim(tmp_path / ".modelwright", tmp_path / "run", ())
    publishing = Publishing(first, claim=claim, site=site, look=0.01)
    task = asyncio.create_task(Renewal(publishing, read=sometimes, site=site, look=0.01).run())
    path.write_text(TEXT.replace("model: small", "model: small, weight: 44"))
    for _ in range(300):
        if site.lines:
            break
        await asyncio.sleep(0.01)
    path.write_text(TEXT.replace("model: small", "model: small, weight: 5"))
    for _ in range(300):
        if any("it is tried again" in line for line in site.lines):
            break
        await asyncio.sleep(0.01)
    task.cancel()
    assert "the site runs as before: OverflowError('too much')" in site.lines[0]
    assert site.weights == [5]
    assert any("it is tried again" in line for line in site.lines), "no control runs here"
