"""A folder for Docker Compose: valid by the specification, and started by Compose on a real engine."""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.exporting.compose import write_folder
from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.starting import StartError
from tests.e2e.clients import patient
from tests.making.docker_host.engine import Engine
from tests.making.ports import free_port
from tests.unit.deploy.exports.stacks import EDGE, WATCHED, WHOLE

pytestmark = pytest.mark.e2e


class Contents(Brought):
    """What the descriptions refer to."""

    def __init__(self) -> None:
        super().__init__("salt")
        weights = io.BytesIO()
        with tarfile.open(fileobj=weights, mode="w") as archive:
            member = tarfile.TarInfo("model.onnx")
            member.size = 4
            archive.addfile(member, io.BytesIO(b"onnx"))
        self._content = {"sha256:token": b"planted", "sha256:page": b"hello", "sha256:weights": weights.getvalue()}

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        yield self._content[digest]


def _write(desired: Desired, folder: Path) -> None:
    asyncio.run(write_folder(desired, Contents(), folder))


def _compose(folder: Path, engine: Engine, *words: str) -> "subprocess.CompletedProcess[str]":
    command = ["docker-compose", "--project-name", folder.name, *words]
    env = {**os.environ, **engine.environment}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=240)


@pytest.fixture
def folder(tmp_path: Path, docker_project: str) -> Path:
    path = tmp_path / docker_project
    path.mkdir()
    return path


def test_a_folder_is_valid_and_written_again_only_over_what_is_the_same(tmp_path: Path) -> None:
    _write(WATCHED, tmp_path)
    schema = ("--builtin-schema", "vendor.compose-spec")
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(tmp_path / "compose.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert (tmp_path / "secrets" / "api" / "env" / "TOKEN").read_text() == "planted"
    assert (tmp_path / "weights" / "weights-1" / "model.onnx").read_text() == "onnx"
    assert "planted" not in (tmp_path / "compose.yaml").read_text()
    assert "/secrets/" in (tmp_path / ".gitignore").read_text().splitlines()
    _write(WATCHED, tmp_path)
    with pytest.raises(StartError, match="is there and differs"):
        _write(WHOLE, tmp_path)


def test_compose_starts_it(folder: Path, docker_engine: Engine) -> None:
    door = f"127.0.0.1:{free_port()}"
    edge = msgspec.structs.replace(EDGE, publish=(f"{door}>8080",))
    workloads = tuple(edge if one is EDGE else one for one in WHOLE.workloads)
    _write(msgspec.structs.replace(WHOLE, workloads=workloads), folder)
    up = _compose(folder, docker_engine, "up", "--detach")
    try:
        assert up.returncode == 0, up.stderr

        def answered() -> bool:
            try:
                return urllib.request.urlopen(f"http://{door}/index.html", timeout=5).read() == b"hello"
            except OSError:
                return False

        patient(answered, waiting_for="the edge to pass a request on")
        migrated = _compose(folder, docker_engine, "logs", "api-release")
        assert "Error" not in migrated.stdout
        told = _compose(
            folder, docker_engine, "exec", "-T", "api", "cat", "/run/secrets/env/TOKEN", "/srv/weights/1/model.onnx"
        )
        assert told.stdout == "plantedonnx", told.stderr
    finally:
        down = _compose(folder, docker_engine, "down", "--volumes", "--timeout", "3")
    assert down.returncode == 0, down.stderr
