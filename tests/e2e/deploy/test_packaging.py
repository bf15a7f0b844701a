"""Images of a real engine: what is in them, as whom they run, what they pass on; and the same is not built twice."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from modelwright.adapters.images.engine import Engine, find
from modelwright.adapters.images.scanners import trivy
from modelwright.app.manifest.load import load_manifest
from modelwright.app.packaging.bases import LOCK
from modelwright.app.packaging.package import package
from modelwright.core.deploying.images import Built
from modelwright.core.deploying.places import MANIFEST, VARIABLES
from modelwright.core.errors.deploying import BuildFailed, ScanFailed
from tests.e2e.clients import patient
from tests.making.docker_host.images import BUSYBOX

HEAD = """\
schema: 1
name: {project}
providers: {{dev: {{kind: vllm, base_url: "http://127.0.0.1:9/v1"}}}}
endpoints: {{chat: {{variants: {{only: {{provider: dev, model: x}}}}}}}}
build: {{network: host}}
"""
TOKEN = "t0ken-of-an-index"
NOBODY = "http://127.0.0.1:9"
SERVER = """\
import os, signal, sys, http.server

class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["KEY"].encode())

def stop(*_):
    print("stopped", flush=True)
    sys.exit(0)

import six
signal.signal(signal.SIGTERM, stop)
print("user", os.getuid(), "six", six.__version__, flush=True)
http.server.HTTPServer(("", int(os.environ["PORT"])), Door).serve_forever()
"""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *who, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def committed(folder: Path, files: Mapping[str, str]) -> str:
    write(folder, files)
    if not (folder / ".git").exists():
        git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    return git(folder, "rev-parse", "HEAD")


async def packaged(folder: Path, *names: str, env: Mapping[str, str], **more: Any) -> dict[str, Built]:
    variables = {**os.environ, **env}
    return await package(load_manifest(folder / "modelwright.yaml", env={}), names=names, env=variables, **more)


@contextmanager
def run(engine: Any, image: str, **more: Any) -> Iterator[Container]:
    container = engine.client.containers.run(image, detach=True, init=True, network_mode="none", **more)
    try:
        yield container
    finally:
        container.remove(force=True)


def said(container: Container) -> str:
    return container.logs().decode()


def layers_with(engine: Any, image: str, needle: bytes) -> list[str]:
    """Files of a saved image, its settings among them, that hold these bytes."""
    found: list[str] = []
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.client.images.get(image).save()))) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and needle in file.read():
                found.append(member.name)
    return found


@pytest.fixture
def program(tmp_path: Path, docker_project: str) -> Path:
    """A manifest with a program that needs a library, in a repository."""
    apps = "apps: {api: {build: ./api, port: 8080, command: python main.py}}\n"
    write(tmp_path, {"modelwright.yaml": HEAD.format(project=docker_project) + apps})
    files = {"api/main.py": SERVER, "api/requirements.txt": "six==1.17.0\n", "api/.env": f"KEY={TOKEN}\n"}
    committed(tmp_path, files)
    return tmp_path


async def test_a_program_gets_its_secrets_as_variables_runs_as_nobody_and_hears_signals(
    program: Path, docker_engine: Any
) -> None:
    index = {"PIP_EXTRA_INDEX_URL": NOBODY.replace("//", f"//user:{TOKEN}@"), "PIP_RETRIES": "0"}
    built = (await packaged(program, "api", env={**docker_engine.environment, **index}))["api"]
    secrets = write(program / "given", {"KEY": "of 'all' kinds\n"})
    bound = {str(secrets): {"bind": VARIABLES, "mode": "ro"}}
    with run(docker_engine, built.reference, volumes=bound) as container:
        patient(lambda: "user" in said(container))
        assert said(container).splitlines() == ["user 10001 six 1.17.0"]
        check = docker_engine.client.images.get(built.id).attrs["Config"]["Healthcheck"]["Test"]
        assert check[0] == "CMD"
        patient(lambda: container.exec_run(check[1:]).exit_code == 0)
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 0
        assert said(container).endswith("stopped\n")
    assert layers_with(docker_engine, built.id, TOKEN.encode()) == []
    facts = docker_engine.client.images.get(built.id).attrs["Config"]
    assert facts["User"] == "10001:10001"
    assert not [one for one in facts["Env"] if "PIP" in one or "KEY" in one]


async def test_code_that_changed_leaves_the_libraries_as_they_are(program: Path, docker_engine: Any) -> None:
    before = (await packaged(program, "api", env=docker_engine.environment))["api"]
    commit = committed(program, {"api/main.py": SERVER + "\n# two\n"})
    after = (await packaged(program, "api", env=docker_engine.environment))["api"]
    assert after.fresh
    assert after.id != before.id
    layers = [docker_engine.client.images.get(one.id).attrs["RootFS"]["Layers"] for one in (before, after)]
    assert layers[0][:-1] == layers[1][:-1]
    assert after.tags[0].endswith(f"/api:git-{commit[:12]}")
    bom = json.loads(Path(after.bom).read_text())
    found = {one["purl"] for one in bom["components"]}
    assert "pkg:pypi/six@1.17.0" in found
    assert any(purl.startswith("pkg:deb/debian/libc6@") for purl in found)
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", f"{bom_name(after)}")


def bom_name(built: Built) -> str:
    return built.tags[0].partition(":")[0]


@pytest.fixture
def small(tmp_path: Path, docker_project: str) -> Path:
    """A manifest with a program of two megabytes that brings its own Dockerfile."""
    apps = "apps: {tiny: {build: ./tiny}}\n"
    files = {"tiny/Dockerfile": f"FROM {BUSYBOX}\nCOPY a.txt /\nUSER 7\n", "tiny/a.txt": "a"}
    committed(tmp_path / "one", {"modelwright.yaml": HEAD.format(project=docker_project) + apps, **files})
    return tmp_path / "one"


async def test_the_same_is_found_again_from_another_checkout_and_after_other_commits(
    small: Path, docker_engine: Any
) -> None:
    first = (await packaged(small, "tiny", env=docker_engine.environment))["tiny"]
    git(small.parent, "clone", "-q", str(small), "two")
    committed(small.parent / "two", {"README.md": "nothing of the program's"})
    again = (await packaged(small.parent / "two", "tiny", env=docker_engine.environment))["tiny"]
    assert (first.fresh, again.fresh) == (True, False)
    assert (again.id, again.tags, again.inputs) == (first.id, first.tags, first.inputs)
    write(small, {"tiny/a.txt": "not committed"})
    dirty = (await packaged(small, "tiny", env=docker_engine.environment))["tiny"]
    assert dirty.tags[0] == f"{first.tags[0]}-dirty"
    labels = docker_engine.client.images.get(dirty.id).labels
    assert labels["org.opencontainers.image.revision"] == git(small, "rev-parse", "HEAD") + "-dirty"


async def test_an_image_goes_to_a_registry_and_its_base_is_held_to_a_digest(
    small: Path, docker_engine: Any, docker_registry: Any
) -> None:
    base = f"{docker_registry.address}/base:1"
    docker_engine.client.images.get(BUSYBOX).tag(base)
    docker_engine.client.images.push(base)
    try:
        pushed = f"network: host, registry: '{docker_registry.address}/team'"
        text = (small / "modelwright.yaml").read_text().replace("network: host", pushed)
        write(small, {"tiny/Dockerfile": f"FROM {base}\n", "modelwright.yaml": text})
        built = (await packaged(small, "tiny", env=docker_engine.environment))["tiny"]
        repository, _, digest = built.reference.partition("@")
        assert repository.startswith(f"{docker_registry.address}/team/")
        assert docker_registry.has(repository.removeprefix(f"{docker_registry.address}/"), digest)
        held = json.loads((small / LOCK).read_text())["bases"]
        assert list(held) == [base]
        (small / LOCK).write_text(json.dumps({"bases": {base: "sha256:" + "0" * 64}}))
        with pytest.raises(BuildFailed, match="0000"):
            await packaged(small, "tiny", env=docker_engine.environment)
        anew = (await packaged(small, "tiny", env=docker_engine.environment, anew=True))["tiny"]
        assert (anew.id, json.loads((small / LOCK).read_text())["bases"]) == (built.id, held)
    finally:
        docker_engine.client.images.remove(base, force=True)


async def test_a_build_that_fails_tells_what_it_said(small: Path, docker_engine: Any) -> None:
    step = "RUN echo error: no such thing https://u:pass@example.com/x && exit 3\n"
    write(small, {"tiny/Dockerfile": f"FROM {BUSYBOX}\n{step}"})
    with pytest.raises(BuildFailed) as failed:
        await packaged(small, "tiny", env=docker_engine.environment)
    assert "error: no such thing https://***@example.com/x" in failed.value.message
    write(small, {"tiny/Dockerfile": "FROM nobody.invalid/has/this:1\n"})
    with pytest.raises(BuildFailed, match=r"nobody\.invalid/has/this:1 cannot be pulled"):
        await packaged(small, "tiny", env=docker_engine.environment)


async def test_what_could_not_be_scanned_has_not_passed(program: Path, docker_engine: Any) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**docker_engine.environment, "HTTPS_PROXY": NOBODY, "HTTP_PROXY": NOBODY, "PATH": path}
    built = (await packaged(program, "api", env=docker_engine.environment))["api"]
    assert built.bom
    with pytest.raises(ScanFailed, match="pip-audit could not scan"):
        await packaged(program, "api", env=env, scanned=True)
    with pytest.raises(ScanFailed, match="trivy could not scan: it is not installed"):
        await trivy(built.id, env={"PATH": str(program)})


async def test_where_nothing_builds_it_is_said(small: Path, tmp_path: Path, docker_engine: Any) -> None:
    with pytest.raises(BuildFailed, match="there is no `docker` on the path"):
        await packaged(small, "tiny", env={"PATH": str(tmp_path), "DOCKER_HOST": docker_engine.url})
    with pytest.raises(BuildFailed, match="the engine does not answer"):
        await packaged(small, "tiny", env={"DOCKER_HOST": f"unix://{tmp_path}/gone.sock"})


async def test_our_gateway_answers_from_its_image_and_stops_in_peace(
    tmp_path: Path, docker_project: str, docker_engine: Any
) -> None:
    write(tmp_path, {"modelwright.yaml": HEAD.format(project=docker_project)})
    both = await packaged(tmp_path, env=docker_engine.environment)
    assert both["gateway"].id == both["keeper"].id
    assert both["gateway"].above <= 200_000_000
    given = {str(tmp_path / "modelwright.yaml"): {"bind": MANIFEST, "mode": "ro"}}
    with run(docker_engine, both["gateway"].id, volumes=given) as container:
        check = docker_engine.client.images.get(both["gateway"].id).attrs["Config"]["Healthcheck"]["Test"]
        patient(lambda: container.exec_run(check[1:]).exit_code == 0)
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 0


async def test_a_front_end_has_pages_of_one_file_and_assets_that_stay(
    tmp_path: Path, docker_project: str, docker_engine: Any
) -> None:
    build = "const fs = require('fs'); fs.mkdirSync('dist/assets', {recursive: true});"
    build += "fs.writeFileSync('dist/index.html', 'page'); fs.writeFileSync('dist/assets/a-1.js', 'asset')"
    about = {"name": "web", "version": "0.3.0"}
    lock = {**about, "lockfileVersion": 3, "packages": {"": about}}
    files = {
        "modelwright.yaml": HEAD.format(project=docker_project) + "apps: {web: {build: ./web, port: 80}}\n",
        "web/package.json": json.dumps({**about, "scripts": {"build": "node build.js"}}),
        "web/package-lock.json": json.dumps(lock),
        "web/build.js": build,
    }
    write(tmp_path, files)
    built = (await packaged(tmp_path, "web", env=docker_engine.environment))["web"]
    assert built.tags == (f"{docker_project}/web:0.3.0",)
    ask = "exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET %s HTTP/1.0\\r\\n\\r\\n' $0 >&3; cat <&3"
    with run(docker_engine, built.id) as container:
        check = docker_engine.client.images.get(built.id).attrs["Config"]["Healthcheck"]["Test"]
        patient(lambda: container.exec_run(check[1:]).exit_code == 0)

        def asked(path: str) -> str:
            told: Any = container.exec_run(["bash", "-c", ask, path]).output
            return told.decode()

        assert asked("/some/page").endswith("\r\n\r\npage")
        assert "Cache-Control: no-cache" in asked("/some/page")
        assert "Cache-Control: public, max-age=31536000, immutable" in asked("/assets/a-1.js")
        assert asked("/assets/gone.js").startswith("HTTP/1.1 404")
        container.stop(timeout=60)
        assert container.wait()["StatusCode"] == 0


async def test_several_platforms_need_what_builds_them(docker_engine: Any, tmp_path: Path) -> None:
    env = {**os.environ, **docker_engine.environment}
    engine = Engine(env)
    if not (await find(env)).buildx:
        with pytest.raises(BuildFailed, match="several platforms need buildx"):
            await engine.build_all(tmp_path / "x.tar", platforms=["a", "b"], tags=[], labels={}, secrets={})
