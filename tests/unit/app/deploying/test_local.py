"""What a manifest is on a target of kind local: plain processes of this machine, and what is refused there."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from modelwright.app.deploying.desired.build import desired
from modelwright.app.deploying.desired.grounds.sources import Sources
from modelwright.app.deploying.desired.prepare import prepare
from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.core.deploying.places import PROCESS, SOURCES, WEIGHTS
from modelwright.core.deploying.workloads import Desired, Workload
from modelwright.core.errors.deploying import StepFailed
from tests.making.onnx_models import double
from tests.making.placed_site import placed, read

MANIFEST = """\
schema: 1
name: kb
models: {digits: {source: ./models/digits.onnx}}
providers: {up: {kind: vllm, base_url: "http://127.0.0.1:9"}}
endpoints: {chat: {variants: {main: {provider: up, model: m}}}}
apps:
  api:
    build: ./api
    port: 8080
    command: ./serve --port $PORT
    env: {LLM: "${gateway:url}/v1", HOST: "${gateway:host}", WORD: "${secret:WORD}"}
services: {redis: {url: "redis://127.0.0.1:6379"}}
store: {database: "${secret:DATABASE_URL}"}
routes: {all: {paths: {/: api}}}
targets: {here: {kind: local, publish: {http: "127.0.0.1:9000"}}}
environments: {test: {target: here}}
"""
IMAGES = {"gateway": "modelwright:1"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    double(tmp_path / "models" / "digits.onnx")
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "serve").write_text("#!/bin/sh\n")
    (tmp_path / "api" / "serve").chmod(0o755)
    (tmp_path / "api" / ".env").write_text("TOKEN=planted\n")
    (tmp_path / ".env.test").write_text("WORD=planted-word\nDATABASE_URL=postgresql://db/kb\n")
    path = tmp_path / "modelwright.yaml"
    path.write_text(MANIFEST)
    return path


def workload(of: Desired, name: str) -> Workload:
    return next(one for one in of.workloads if one.name == name)


def test_programs_are_run_as_they_are_by_ports_that_they_are_told(file: Path) -> None:
    found, brought = desired(prepare(file, environment="test"), images=IMAGES, salt="s")
    api, gateway, edge = (workload(found, name) for name in ("api", "gateway", "edge"))
    assert (api.image, gateway.image, edge.image) == (PROCESS, "modelwright:1", "haproxy")
    assert api.command == ("./serve", "--port", "$PORT")
    assert api.env == {
        "HOST": "127.0.0.1",
        "LLM": "http://127.0.0.1:${port:gateway}/v1",
        "WORD_FILE": "/run/secrets/env/WORD",
    }
    assert {"--port", "$PORT", "--admin-port", "$ADMIN_PORT"} <= {*gateway.command}
    assert edge.publish == ("127.0.0.1:9000>8080",)
    (sources,) = [mount for mount in api.mounts if mount.path == SOURCES]
    with tarfile.open(fileobj=io.BytesIO(read(brought, sources.digest))) as archive:
        assert [(one.name, one.mode) for one in archive.getmembers()] == [("serve", 0o755)]
    assert "planted" not in str(found)


def test_the_gateway_finds_its_weights_from_wherever_its_folder_is(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, brought = desired(prepare(file, environment="test"), images=IMAGES, salt="s")
    place = placed(found, brought, tmp_path / "root")
    written = place.manifest.read_text().replace(f"{place.root}{WEIGHTS}", WEIGHTS)  # as it was: relative
    place.manifest.write_text(written)
    for name in ("PORT", "ADMIN_PORT", "GRPC_PORT"):
        monkeypatch.setenv(name, "1")
    loaded = load_manifest(place.manifest, environment="test")
    assert loaded.manifest.models["digits"].source.startswith("../../srv/weights/")
    assert (place.manifest.parent / loaded.manifest.models["digits"].source).read_bytes()


def test_another_content_is_another_release_and_the_same_is_the_same(file: Path) -> None:
    folder = file.parent / "api"
    before = Sources(folder, place="apps.api.build")
    assert Sources(folder, place="apps.api.build").digest == before.digest
    (folder / "serve").write_text("#!/bin/bash\n")
    assert Sources(folder, place="apps.api.build").digest != before.digest
    with pytest.raises(StepFailed, match="was changed since the plan was made"):
        b"".join(before.tar())


CASES = [
    ("command: ./serve --port $PORT", "health: /", "apps.api", "has no image that knows how it is started"),
    ("build: ./api", "image: a", "apps.api.image", "runs no images"),
    ("port: 8080", "port: 8080\n    resources: {cpu: 1}", "apps.api.resources.cpu", "runs plain processes"),
    ('redis: {url: "redis://127.0.0.1:6379"}', "redis: {}", "services.redis", "runs no services"),
    ("kind: local", "kind: local, host: 'unix:///x'", "targets.here.host", "is for hosts with Docker"),
    ("kind: local", "kind: local, edge_image: a", "targets.here.edge_image", "is for hosts with Docker"),
    ('http: "127.0.0.1:9000"', 'http: ""', "targets.here.publish.http", "is what HTTPS is asked for by"),
]


@pytest.mark.parametrize(("before", "after", "place", "problem"), CASES)
def test_what_only_docker_has_is_refused(file: Path, before: str, after: str, place: str, problem: str) -> None:
    assert before in MANIFEST
    file.write_text(MANIFEST.replace(before, after))
    found = {fault.key: fault for fault in check_manifest(file, environment="test").faults}
    assert problem in found[place].problem
    assert found[place].remedy


def test_what_is_right_has_no_fault(file: Path) -> None:
    assert check_manifest(file, environment="test").faults == ()


def test_a_database_that_is_a_file_is_refused_with_the_line_to_write(file: Path) -> None:
    file.write_text(MANIFEST.replace('store: {database: "${secret:DATABASE_URL}"}\n', ""))
    (fault,) = check_manifest(file, environment="test").faults
    assert fault.key == "store.database"
    assert '{database: "${secret:DATABASE_URL}"}' in fault.remedy
