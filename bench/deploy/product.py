"""A product to deploy: a program, a gateway with a model and PostgreSQL behind HAProxy; and `modelwright` on it."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.process import modelwright
from tests.making.docker_host.engine import Engine
from tests.making.ports import free_port

STREAM = 12
"""Seconds that a stream lasts."""
QUICKSTART = Path(__file__).resolve().parents[2] / "examples/quickstart"
_PATIENCE = 300.0
_MANIFEST = """\
schema: 1
name: {name}
build: {{network: host}}
models:
  digits: {{source: ./digits.onnx, scale: {{max: {scale}}}}}
apps:
  api:
    build: ./api
    port: 8080
    health: /healthz
    command: uvicorn main:app --host 0.0.0.0 --port 8080 --log-level warning --timeout-graceful-shutdown 30
    replicas: 2
    grace: 40s
    env: {{VERSION: "{version}"{reaches}}}
services: {{postgres: {{}}}}
access: {{keys: {{bench: {{key: "${{secret:BENCH_KEY}}"}}}}}}
rollout: {rollout}
routes: {{main: {{paths: {{/: api, /v2: gateway}}}}}}
targets: {{here: {{kind: docker, host: "{host}", keep_releases: 10, publish: {{http: "127.0.0.1:{port}"}}}}}}
environments:
  production: {{target: here, store: {{database: "${{service:postgres.url}}"}}}}
"""
_WATCHED = "{steps: [50%, 100%], pause: 5s, gates: {success_rate: 99%, calls: 50, wait: 60s}}"
_PROGRAM = """\
import asyncio, os, urllib.request


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    version = os.environ["VERSION"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-version", version)]})
    for number in range(%d) if scope["path"] == "/stream" else ():
        await send({"type": "http.response.body", "body": b"data: %%d\\n\\n" %% number, "more_body": True})
        if "GATEWAY" in os.environ:  # an old release has its own gateway until its last stream has ended
            await asyncio.to_thread(urllib.request.urlopen, os.environ["GATEWAY"] + "/healthz", timeout=5)
        await asyncio.sleep(1)
    await send({"type": "http.response.body", "body": b"data: end\\n\\n"})
"""


class Product:
    """In a folder, for one engine."""

    def __init__(self, folder: Path, engine: Engine, name: str) -> None:
        self.folder, self.engine, self.name = folder, engine, name
        self.port, self.key = free_port(), f"mw-{secrets.token_hex(4)}-{secrets.token_hex(16)}"
        self.url = f"http://127.0.0.1:{self.port}"
        self._env = {**os.environ, **engine.environment, "BENCH_KEY": self.key, "PYTHONPYCACHEPREFIX": f"{folder}/.pyc"}
        self._env.pop("PYTHONDONTWRITEBYTECODE", None)  # as pip leaves it, what runs is compiled
        (folder / "api").mkdir()
        shutil.copy(QUICKSTART / "models/digits.onnx", folder)
        (folder / "api/requirements.txt").write_text("uvicorn\n")
        self.edit()
        self.change()

    def edit(self, line: str = "") -> None:
        """The program's code alone."""
        (self.folder / "api/main.py").write_text(_PROGRAM % STREAM + line)

    def change(self, *, version: int = 1, scale: int = 1, whole: bool = False) -> None:
        """What the manifest says of the program and of the gateway; `whole`: the one calls the other, and a release
        has half of the traffic for five seconds before it has all.
        """
        text = _MANIFEST.format(
            name=self.name,
            scale=scale,
            version=version,
            reaches=', GATEWAY: "${gateway:url}"' if whole else "",
            rollout=_WATCHED if whole else "{}",
            host=self.engine.url,
            port=self.port,
        )
        (self.folder / "modelwright.yaml").write_text(text)

    def run(self, verb: str, *words: str) -> tuple[float, str]:
        """(seconds, what it has said); raises RuntimeError when it fails."""
        begun = time.monotonic()
        with self.start(verb, *words) as process:
            try:
                said, _ = process.communicate(timeout=_PATIENCE)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise RuntimeError(f"modelwright {verb} has ended with {process.returncode}:\n{said}")
        return time.monotonic() - begun, said

    def start(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """Its progress and its output in one."""
        command = modelwright(verb, "--env", "production", *words)
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder, env=self._env, stdout=pipe, stderr=subprocess.STDOUT, text=True
        )

    def kill(self, workload: str, release: str) -> None:
        """All of its instances, at once."""
        for container in self.engine.containers(self.name):
            if container.name and container.name.startswith(f"{self.name}.production.{workload}.{release}."):
                container.remove(force=True)


def host_facts(engine: Engine) -> Mapping[str, str]:
    """What it was measured on."""
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    told: Mapping[str, str] = {
        "machine": f"{os.cpu_count()} × {cpu}",
        "load": " ".join(f"{one:.1f}" for one in os.getloadavg()),
        "docker": str(engine.client.version()["Version"]),
        "wrk": _first(("wrk", "--version")),
        "haproxy": _first(("docker", "run", "--rm", "haproxy:3.2", "haproxy", "-v"), engine.environment),
    }
    return told


def _first(command: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    ended = subprocess.run(
        command, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False, timeout=60
    )
    return (ended.stdout or ended.stderr).partition("\n")[0]
